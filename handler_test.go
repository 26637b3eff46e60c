package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

func TestNewHandlerConfig(t *testing.T) {
	tests := []struct {
		name string
		b    auth.AuthBackendPort
		c    auth.HandlerConfig
		ok   bool
	}{
		{"zero", working(), auth.HandlerConfig{}, true},
		{"no backend", nil, auth.HandlerConfig{}, false},
		{"base path", working(), auth.HandlerConfig{BasePath: "/auth"}, true},
		{"base path with a slash", working(), auth.HandlerConfig{BasePath: "/auth/"}, false},
		{"base path is the root", working(), auth.HandlerConfig{BasePath: "/"}, false},
		{"relative base path", working(), auth.HandlerConfig{BasePath: "auth"}, false},
		{"base path with a wildcard", working(), auth.HandlerConfig{BasePath: "/{x}"}, false},
		{"base path with dots", working(), auth.HandlerConfig{BasePath: "/a/../b"}, false},
		{"base path with an empty segment", working(), auth.HandlerConfig{BasePath: "/a//b"}, false},
		{"error path", working(), auth.HandlerConfig{ErrorURL: "/login?x=1"}, true},
		{"error URL", working(), auth.HandlerConfig{ErrorURL: "https://app.example/login"}, true},
		{"plain error URL", working(), auth.HandlerConfig{ErrorURL: "http://app.example/login"}, false},
		{"error URL without scheme", working(), auth.HandlerConfig{ErrorURL: "//evil.example"}, false},
		{"error URL without scheme, with a path", working(), auth.HandlerConfig{ErrorURL: "//evil.example/x"}, false},
		{"error URL with a backslash", working(), auth.HandlerConfig{ErrorURL: `/\evil.example`}, false},
		{"relative error URL", working(), auth.HandlerConfig{ErrorURL: "login"}, false},
		{"script error URL", working(), auth.HandlerConfig{ErrorURL: "javascript:alert(1)"}, false},
		{"error URL with a user", working(), auth.HandlerConfig{ErrorURL: "https://app.example@evil.example/"}, false},
		{"trusted origin", working(), auth.HandlerConfig{TrustedOrigins: []string{"https://app.example"}}, true},
		{"trusted origin with a path", working(), auth.HandlerConfig{TrustedOrigins: []string{"https://app.example/"}}, false},
		{"trusted host", working(), auth.HandlerConfig{TrustedOrigins: []string{"app.example"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := auth.NewHandler(tt.b, tt.c)
			if tt.ok != (err == nil) || tt.ok != (h != nil) {
				t.Fatalf("NewHandler: %v, %v", h, err)
			}
			if !tt.ok && auth.CodeOf(err) != auth.CodeConfigInvalid {
				t.Errorf("code %q", auth.CodeOf(err))
			}
		})
	}
}

func TestHandlerPattern(t *testing.T) {
	if got := newHandler(t, working(), auth.HandlerConfig{}).Pattern(); got != "/api/v1/auth/" {
		t.Errorf("Pattern() = %q", got)
	}
	h := newHandler(t, working(), auth.HandlerConfig{BasePath: "/id"})
	mux := http.NewServeMux()
	mux.Handle(h.Pattern(), h)
	wantStatus(t, do(mux, request("GET", "/id/me", "")), 200)
	wantStatus(t, do(mux, request("GET", "/id/sessions", "")), 200)
}

// Every route: what it is, whether it exists for other methods, and the headers of every answer.
func TestRoutes(t *testing.T) {
	allow := map[string]string{
		"/signin": "GET, POST", "/callback": "GET, POST", "/signout": "POST", "/session": "GET, HEAD", "/me": "GET, HEAD",
		"/sessions": "GET, HEAD", "/sessions/s-phone": "DELETE", "/describe": "GET, HEAD", "/providers": "GET, HEAD",
	}
	for path, allowed := range allow {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"} {
			t.Run(method+" "+path, func(t *testing.T) {
				b := working()
				w := do(newHandler(t, b, auth.HandlerConfig{}), request(method, base+path, ""))
				checkHeaders(t, w.Header())
				if strings.Contains(", "+allowed+",", ", "+method+",") {
					if w.Code >= 400 {
						t.Errorf("status %d: %s", w.Code, w.Body)
					}
					return
				}
				wantError(t, w, 405, "METHOD_NOT_ALLOWED", "")
				if got := w.Header().Get("Allow"); got != allowed {
					t.Errorf("Allow %q, want %q", got, allowed)
				}
				if b.asked() != 0 || len(w.Header().Values("Set-Cookie")) != 0 {
					t.Error("something happened")
				}
			})
		}
	}
}

func checkHeaders(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{"Cache-Control": "no-store", "Vary": "Cookie", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := h.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if h.Get("Access-Control-Allow-Origin") != "" {
		t.Error("CORS is on")
	}
}

func TestUnknownPaths(t *testing.T) {
	for _, path := range []string{"", "/", "/nope", "/me/", "/ME", "/me/x", "//me", "/./me", "/x/../me", "/%6de", "/me%2f", "/me;x=1", `/me\`, "/me.", "/sessions/a%2Fb", "/sessions/"} {
		t.Run(path, func(t *testing.T) {
			w := do(newHandler(t, working(), auth.HandlerConfig{}), request("GET", base+path, ""))
			wantError(t, w, 404, "NOT_FOUND", "")
			checkHeaders(t, w.Header())
		})
	}
}

func TestCrossOrigin(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		refused bool
	}{
		{"no browser", nil, false},
		{"same origin", []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"typed by hand", []string{"Sec-Fetch-Site", "none"}, false},
		{"same site", []string{"Sec-Fetch-Site", "same-site"}, true},
		{"cross site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
		{"old browser, same host", []string{"Origin", "https://example.com"}, false},
		{"old browser, other host", []string{"Origin", "https://evil.example"}, true},
		{"null origin", []string{"Origin", "null"}, true},
		{"trusted", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://app.example"}, false},
		{"trusted host, other scheme", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://app.example"}, true},
		{"trusted host, other port", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example:8443"}, true},
	}
	routes := []struct{ method, path, media string }{
		{"POST", "/signin", asForm}, {"POST", "/signin", asJSON}, {"POST", "/signout", asForm}, {"POST", "/callback", asJSON},
		{"POST", "/callback", "text/plain"}, {"DELETE", "/sessions/s-phone", asForm},
	}
	for _, route := range routes {
		for _, tt := range tests {
			t.Run(route.method+" "+route.path+" "+route.media+" "+tt.name, func(t *testing.T) {
				b := working()
				r := request(route.method, base+route.path, "", append([]string{"Content-Type", route.media}, tt.headers...)...)
				w := do(newHandler(t, b, auth.HandlerConfig{TrustedOrigins: []string{"https://app.example"}}), r)
				if !tt.refused {
					if w.Code >= 400 {
						t.Errorf("status %d: %s", w.Code, w.Body)
					}
					return
				}
				wantError(t, w, 403, "FORBIDDEN", auth.CodeCrossOrigin)
				if b.asked() != 0 || len(w.Header().Values("Set-Cookie")) != 0 {
					t.Error("something happened")
				}
			})
		}
	}
}

// failing returns the routes that hand an error of the backend to the client, with a backend that fails with err.
func failing(err error) map[string]struct {
	b *fakeBackend
	r *http.Request
} {
	routes := map[string]struct {
		b *fakeBackend
		r *http.Request
	}{}
	add := func(name string, r *http.Request, set func(*fakeBackend)) {
		b := working()
		set(b)
		routes[name] = struct {
			b *fakeBackend
			r *http.Request
		}{b, r}
	}
	signIn := func(b *fakeBackend) { b.signIn = func(auth.SignInParams) (*auth.Redirect, error) { return nil, err } }
	callback := func(b *fakeBackend) {
		b.callback = func(auth.CallbackParams) (*auth.CallbackResult, error) { return nil, err }
	}
	add("GET signin", request("GET", base+"/signin?providerId=two", ""), signIn)
	add("POST signin", request("POST", base+"/signin", `{"providerId":"two"}`, "Content-Type", asJSON), signIn)
	add("GET callback", request("GET", base+"/callback?code=c", ""), callback)
	add("POST callback", request("POST", base+"/callback", `{"code":"c"}`, "Content-Type", asJSON), callback)
	return routes
}

const canary = "canary-7f3a"

func TestErrorsOnTheWire(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
		reason auth.Code
	}{
		{&auth.Error{Code: auth.CodeSessionExpired}, 401, "UNAUTHORIZED", auth.CodeSessionExpired},
		{&auth.Error{Code: auth.CodeForbidden}, 403, "FORBIDDEN", auth.CodeForbidden},
		{&auth.Error{Code: auth.CodeInsufficientScope}, 403, "FORBIDDEN", auth.CodeInsufficientScope},
		{&auth.Error{Code: auth.CodeInsufficientRole}, 403, "FORBIDDEN", auth.CodeInsufficientRole},
		{&auth.Error{Code: auth.CodeSignInDenied}, 403, "FORBIDDEN", auth.CodeSignInDenied},
		{&auth.Error{Code: auth.CodeValidation}, 422, "VALIDATION_ERROR", auth.CodeValidation},
		{&auth.Error{Code: auth.CodeUnknownProvider}, 422, "VALIDATION_ERROR", auth.CodeUnknownProvider},
		{&auth.Error{Code: auth.CodeReturnURLRejected}, 422, "VALIDATION_ERROR", auth.CodeReturnURLRejected},
		{&auth.Error{Code: auth.CodeScopeNotAllowed}, 422, "VALIDATION_ERROR", auth.CodeScopeNotAllowed},
		{&auth.Error{Code: auth.CodeParameterDuplicated}, 400, "AUTH_CALLBACK_INVALID", auth.CodeParameterDuplicated},
		{&auth.Error{Code: auth.CodeCallbackInvalid}, 400, "AUTH_CALLBACK_INVALID", auth.CodeCallbackInvalid},
		{&auth.Error{Code: auth.CodeTransactionMissing}, 400, "AUTH_CALLBACK_INVALID", auth.CodeTransactionMissing},
		{&auth.Error{Code: auth.CodeTransactionInvalid}, 400, "AUTH_CALLBACK_INVALID", auth.CodeTransactionInvalid},
		{&auth.Error{Code: auth.CodeIssuerMismatch}, 400, "AUTH_CALLBACK_INVALID", auth.CodeIssuerMismatch},
		{&auth.Error{Code: auth.CodeAccessDenied}, 400, "AUTH_CALLBACK_INVALID", auth.CodeAccessDenied},
		{&auth.Error{Code: auth.CodeLoginRequired}, 400, "AUTH_CALLBACK_INVALID", auth.CodeLoginRequired},
		{&auth.Error{Code: auth.CodeCodeRejected}, 400, "AUTH_CALLBACK_INVALID", auth.CodeCodeRejected},
		{&auth.Error{Code: auth.CodeIDTokenInvalid}, 400, "AUTH_CALLBACK_INVALID", auth.CodeIDTokenInvalid},
		{&auth.Error{Code: auth.CodeNonceMismatch}, 400, "AUTH_CALLBACK_INVALID", auth.CodeNonceMismatch},
		{&auth.Error{Code: auth.CodeSubjectMismatch}, 400, "AUTH_CALLBACK_INVALID", auth.CodeSubjectMismatch},
		{&auth.Error{Code: auth.CodeIdentityInvalid}, 400, "AUTH_CALLBACK_INVALID", auth.CodeIdentityInvalid},
		{&auth.Error{Code: auth.CodeProviderUnavailable}, 502, "AUTH_PROVIDER_ERROR", auth.CodeProviderUnavailable},
		{&auth.Error{Code: auth.CodeProviderInvalid}, 502, "AUTH_PROVIDER_ERROR", auth.CodeProviderInvalid},
		{&auth.Error{Code: auth.CodeProviderRefused}, 502, "AUTH_PROVIDER_ERROR", auth.CodeProviderRefused},
		{&auth.Error{Code: auth.CodeClientRejected}, 502, "AUTH_PROVIDER_ERROR", auth.CodeClientRejected},
		{auth.Unsupported("fake", "x", canary), 502, "AUTH_PROVIDER_ERROR", auth.CodeUnsupported},
		{&auth.Error{Code: auth.CodeStoreUnavailable}, 503, "AUTH_UNAVAILABLE", auth.CodeStoreUnavailable},
		{&auth.Error{Code: auth.CodeStoreFull}, 503, "AUTH_UNAVAILABLE", auth.CodeStoreFull},
		{&auth.Error{Code: auth.CodeInternal}, 503, "AUTH_UNAVAILABLE", auth.CodeInternal},
		{&auth.Error{Code: auth.CodeConfigInvalid}, 503, "AUTH_UNAVAILABLE", auth.CodeConfigInvalid},
		{&auth.Error{Code: "from_the_future"}, 503, "AUTH_UNAVAILABLE", "from_the_future"},
		{&auth.Error{Code: auth.CodeStoreUnavailable, Err: &auth.Error{Code: auth.CodeSessionNotFound}}, 503, "AUTH_UNAVAILABLE", auth.CodeStoreUnavailable},
		{errors.New(canary), 503, "AUTH_UNAVAILABLE", auth.CodeInternal},
		{context.Canceled, 503, "AUTH_UNAVAILABLE", auth.CodeInternal},
		{fmt.Errorf("%s: %w", canary, auth.ErrUnauthenticated), 401, "UNAUTHORIZED", auth.CodeNoCredential},
		{fmt.Errorf("%s: %w", canary, auth.ErrRejected), 403, "FORBIDDEN", auth.CodeForbidden},
		{fmt.Errorf("%s: %w", canary, errors.ErrUnsupported), 502, "AUTH_PROVIDER_ERROR", auth.CodeUnsupported},
		{fmt.Errorf("%s: %w", canary, &auth.Error{Code: auth.CodeAccessDenied, Err: errors.New(canary)}), 400, "AUTH_CALLBACK_INVALID", auth.CodeAccessDenied},
	}
	for _, tt := range tests {
		for name, route := range failing(tt.err) {
			t.Run(name+" "+tt.err.Error(), func(t *testing.T) {
				w := do(newHandler(t, route.b, auth.HandlerConfig{}), route.r)
				data := wantError(t, w, tt.status, tt.code, tt.reason)
				checkHeaders(t, w.Header())
				if strings.Contains(w.Body.String(), canary) {
					t.Errorf("the error's text is in the body: %s", w.Body)
				}
				if got := w.Header().Get("Retry-After"); (got != "") != (tt.status == 503) {
					t.Errorf("Retry-After %q", got)
				}
				if got := w.Header().Get("WWW-Authenticate"); (got != "") != (tt.status == 401 || tt.reason == auth.CodeInsufficientScope) {
					t.Errorf("WWW-Authenticate %q", got)
				}
				if want := tt.status == 502 && strings.HasSuffix(name, "signin"); want != (data["providerId"] == "two") {
					t.Errorf("data %v", data)
				}
			})
		}
	}
}

func TestValidationNamesTheField(t *testing.T) {
	for code, field := range map[auth.Code]string{auth.CodeUnknownProvider: "providerId", auth.CodeReturnURLRejected: "redirectTo", auth.CodeScopeNotAllowed: "scopes"} {
		for name, route := range failing(&auth.Error{Code: code}) {
			data := wantError(t, do(newHandler(t, route.b, auth.HandlerConfig{}), route.r), 422, "VALIDATION_ERROR", code)
			if fields, _ := data["fieldErrors"].(map[string]any); fields[field] == nil {
				t.Errorf("%s: %v", name, data)
			}
		}
	}
	for name, route := range failing(&auth.Error{Code: auth.CodeValidation, Fields: map[string]string{"loginHint": "too long"}}) {
		data := wantError(t, do(newHandler(t, route.b, auth.HandlerConfig{}), route.r), 422, "VALIDATION_ERROR", auth.CodeValidation)
		if got := fmt.Sprint(data["fieldErrors"], data["formErrors"]); got != "map[loginHint:[too long]] []" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// An id that only the request knows is not the name of a provider.
func TestErrorDoesNotEchoTheProvider(t *testing.T) {
	b := working()
	b.signIn = func(auth.SignInParams) (*auth.Redirect, error) {
		return nil, &auth.Error{Code: auth.CodeProviderUnavailable}
	}
	w := do(newHandler(t, b, auth.HandlerConfig{}), request("GET", base+"/signin?providerId="+canary, ""))
	if data := wantError(t, w, 502, "AUTH_PROVIDER_ERROR", auth.CodeProviderUnavailable); data["providerId"] != nil {
		t.Errorf("data %v", data)
	}
	w = do(newHandler(t, b, auth.HandlerConfig{}), request("GET", base+"/signin", ""))
	if data := wantError(t, w, 502, "AUTH_PROVIDER_ERROR", auth.CodeProviderUnavailable); data["providerId"] != nil {
		t.Errorf("one of two was guessed: %v", data)
	}
	b.providers = b.providers[:1]
	w = do(newHandler(t, b, auth.HandlerConfig{}), request("GET", base+"/signin", ""))
	if data := wantError(t, w, 502, "AUTH_PROVIDER_ERROR", auth.CodeProviderUnavailable); data["providerId"] != "one" {
		t.Errorf("data %v", data)
	}
}

func TestErrorCookiesAreSet(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &auth.Error{Code: auth.CodeTransactionInvalid, Cookies: []*http.Cookie{clearing()}})
	for name, route := range failing(err) {
		t.Run(name, func(t *testing.T) {
			w := do(newHandler(t, route.b, auth.HandlerConfig{}), route.r)
			wantStatus(t, w, 400)
			wantCookies(t, w, clearing())
		})
	}
}

// A backend that breaks its contract is not a success.
func TestNoResult(t *testing.T) {
	b := working()
	b.signIn = func(auth.SignInParams) (*auth.Redirect, error) { return nil, nil }
	b.callback = func(auth.CallbackParams) (*auth.CallbackResult, error) { return &auth.CallbackResult{}, nil }
	b.signOut = func(auth.SignOutParams) (*auth.Redirect, error) { return nil, nil }
	empty := working()
	empty.signIn = func(auth.SignInParams) (*auth.Redirect, error) { return &auth.Redirect{}, nil }
	empty.callback = func(auth.CallbackParams) (*auth.CallbackResult, error) {
		return &auth.CallbackResult{Redirect: &auth.Redirect{Location: "/"}}, nil
	}
	for _, path := range []string{"/signin", "/callback"} {
		wantError(t, do(newHandler(t, empty, auth.HandlerConfig{}), request("GET", base+path, "")), 503, "AUTH_UNAVAILABLE", auth.CodeInternal)
	}
	b.authenticate = func(*http.Request) (*auth.Authentication, error) { return nil, nil }
	h := newHandler(t, b, auth.HandlerConfig{})
	for _, r := range []*http.Request{
		request("GET", base+"/signin", ""), request("GET", base+"/callback", ""), request("POST", base+"/signout", ""),
		request("GET", base+"/me", ""), request("GET", base+"/session", ""), request("GET", base+"/sessions", ""),
	} {
		wantError(t, do(h, r), 503, "AUTH_UNAVAILABLE", auth.CodeInternal)
	}
}

func TestBackendWithoutPorts(t *testing.T) {
	core := &fakeCore{authenticate: alice}
	h := newHandler(t, core, auth.HandlerConfig{})
	for _, r := range []*http.Request{
		request("GET", base+"/signin", ""), request("POST", base+"/signin", "junk"), request("GET", base+"/callback", ""),
		request("POST", base+"/callback", ""), request("POST", base+"/signout", ""), request("GET", base+"/sessions", ""),
		request("DELETE", base+"/sessions/x", ""),
	} {
		wantError(t, do(h, r), 502, "AUTH_PROVIDER_ERROR", auth.CodeUnsupported)
	}
	wantStatus(t, do(h, request("GET", base+"/me", "")), 200)
}

func TestHandlerSeesThroughWrappers(t *testing.T) {
	w := do(newHandler(t, wrapped{wrapped{working()}}, auth.HandlerConfig{}), request("GET", base+"/signin", ""))
	wantStatus(t, w, 302)
}

func TestHandlerLogs(t *testing.T) {
	tests := []struct {
		err   error
		level string
		cause bool
	}{
		{&auth.Error{Code: auth.CodeSessionExpired, Err: errors.New(canary)}, "DEBUG", false},
		{&auth.Error{Code: auth.CodeAccessDenied, Err: errors.New(canary)}, "INFO", false},
		{&auth.Error{Code: auth.CodeUnsupported, Err: errors.New(canary)}, "WARN", false},
		{&auth.Error{Code: auth.CodeStoreUnavailable, Err: errors.New(canary)}, "ERROR", true},
		{errors.New(canary), "ERROR", false}, // promises nothing about its text
	}
	for _, tt := range tests {
		for name, route := range failing(tt.err) {
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			do(newHandler(t, route.b, auth.HandlerConfig{Logger: log}), route.r)
			line := out.String()
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, "level="+tt.level+" ") || !strings.Contains(line, "code="+string(auth.CodeOf(tt.err))) {
				t.Errorf("%s, %v: %q", name, tt.err, line)
			}
			if strings.Contains(line, canary) != tt.cause {
				t.Errorf("%s, %v: %q", name, tt.err, line)
			}
		}
	}
}

// A client that went away is nobody's fault; a cancellation of the backend's own making is.
func TestHandlerLogsACancellation(t *testing.T) {
	for _, gone := range []bool{true, false} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		b := working()
		b.authenticate = func(*http.Request) (*auth.Authentication, error) {
			return nil, &auth.Error{Code: auth.CodeStoreUnavailable, Err: context.Canceled}
		}
		ctx, cancel := context.WithCancel(t.Context())
		if gone {
			cancel()
		}
		wantStatus(t, do(newHandler(t, b, auth.HandlerConfig{Logger: log}), request("GET", base+"/me", "").WithContext(ctx)), 503)
		cancel()
		if got := strings.Contains(out.String(), "level=DEBUG"); got != gone || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("client gone %v: %q", gone, out.String())
		}
	}
}

// Whatever an authenticator says that is not "nobody" is for the operator to mend.
func TestHandlerLogsUndecided(t *testing.T) {
	var out bytes.Buffer
	b := working()
	b.authenticate = func(*http.Request) (*auth.Authentication, error) {
		return nil, &auth.Error{Code: auth.CodeForbidden, Backend: "fake"}
	}
	do(newHandler(t, b, auth.HandlerConfig{Logger: slog.New(slog.NewTextHandler(&out, nil))}), request("GET", base+"/me", ""))
	if line := out.String(); !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "code=forbidden") || !strings.Contains(line, "backend=fake") {
		t.Errorf("log %q", line)
	}
}
