package auth_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

// page is a guarded handler: it answers with the subject, or "nobody".
var page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	subject := "nobody"
	if a, ok := auth.FromContext(r.Context()); ok {
		subject = a.Principal.Subject
	}
	_, _ = w.Write([]byte(subject))
})

func renewedAlice(r *http.Request) (*auth.Authentication, error) {
	a, err := alice(r)
	a.Cookies = []*http.Cookie{setting("renewed")}
	return a, err
}

func TestGuards(t *testing.T) {
	foreign := func(*http.Request) (*auth.Authentication, error) { return nil, errors.New("boom") }
	empty := func(*http.Request) (*auth.Authentication, error) { return &auth.Authentication{}, nil }
	none := func(*http.Request) (*auth.Authentication, error) { return nil, nil }
	tests := []struct {
		name         string
		authenticate func(*http.Request) (*auth.Authentication, error)
		required     int // status of RequireAuth
		optional     int // status of OptionalAuth
		reason       auth.Code
		cookies      []*http.Cookie
	}{
		{"somebody", renewedAlice, 200, 200, "", []*http.Cookie{setting("renewed")}},
		{"nobody", nobody, 401, 200, auth.CodeNoCredential, nil},
		{"dead session", deadSession, 401, 200, auth.CodeSessionExpired, []*http.Cookie{clearing()}},
		{"store down", storeDown, 503, 503, auth.CodeStoreUnavailable, nil},
		{"another error", foreign, 503, 503, auth.CodeInternal, nil},
		{"no subject", empty, 503, 503, auth.CodeInternal, nil},
		{"no authentication", none, 503, 503, auth.CodeInternal, nil},
	}
	for _, tt := range tests {
		for name, wrap := range map[string]func(auth.Guard) http.Handler{
			"required": func(g auth.Guard) http.Handler { return auth.RequireAuth(g.Authenticator)(page) },
			"optional": func(g auth.Guard) http.Handler { return g.OptionalAuth(page) },
		} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				w := do(wrap(auth.Guard{Authenticator: &fakeCore{authenticate: tt.authenticate}}), request("GET", "/orders", ""))
				wantCookies(t, w, tt.cookies...)
				if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Vary") != "Cookie" {
					t.Errorf("headers %v", w.Header())
				}
				status, subject := tt.required, "alice"
				if name == "optional" {
					status = tt.optional
				}
				if tt.reason != "" {
					subject = "nobody"
				}
				switch status {
				case 200:
					wantStatus(t, w, 200)
					if got := w.Body.String(); got != subject {
						t.Errorf("handler saw %q, want %q", got, subject)
					}
				case 401:
					wantError(t, w, 401, "UNAUTHORIZED", tt.reason)
					if got := w.Header().Get("WWW-Authenticate"); got != "Bearer" {
						t.Errorf("WWW-Authenticate %q", got)
					}
				case 503:
					wantError(t, w, 503, "AUTH_UNAVAILABLE", tt.reason)
				}
			})
		}
	}
}

func TestRequireAuthWithoutAuthenticator(t *testing.T) {
	wantError(t, do(auth.RequireAuth(nil)(page), request("GET", "/", "")), 503, "AUTH_UNAVAILABLE", auth.CodeInternal)
}

func TestChallengeForABadToken(t *testing.T) {
	bad := func(*http.Request) (*auth.Authentication, error) {
		return nil, &auth.Error{Code: auth.CodeTokenExpired}
	}
	w := do(auth.RequireAuth(&fakeCore{authenticate: bad})(page), request("GET", "/", "", "Authorization", "Bearer x"))
	wantStatus(t, w, 401)
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer error="invalid_token"` {
		t.Errorf("WWW-Authenticate %q", got)
	}
}

func TestRequireScopesAndRoles(t *testing.T) {
	tests := []struct {
		name      string
		wrap      func(http.Handler) http.Handler
		reason    auth.Code // "": allowed
		challenge string
	}{
		{"no scope", auth.RequireScopes(), "", ""},
		{"scope", auth.RequireScopes("orders:read"), "", ""},
		{"missing scope", auth.RequireScopes("orders:read", "orders:write"), auth.CodeInsufficientScope,
			`Bearer error="insufficient_scope", scope="orders:read orders:write"`},
		{"scope that is none", auth.RequireScopes(`a"b`), auth.CodeInsufficientScope, `Bearer error="insufficient_scope"`},
		{"scope by another case", auth.RequireScopes("Orders:read"), auth.CodeInsufficientScope, `Bearer error="insufficient_scope", scope="Orders:read"`},
		{"role", auth.RequireRoles("clerk"), "", ""},
		{"missing role", auth.RequireRoles("clerk", "admin"), auth.CodeInsufficientRole, ""},
		{"a scope is not a role", auth.RequireRoles("orders:read"), auth.CodeInsufficientRole, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := auth.RequireAuth(&fakeCore{authenticate: alice})(tt.wrap(page))
			w := do(h, request("GET", "/", ""))
			if tt.reason == "" {
				wantStatus(t, w, 200)
			} else {
				wantError(t, w, 403, "FORBIDDEN", tt.reason)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("WWW-Authenticate %q, want %q", got, tt.challenge)
			}
			// Without RequireAuth around it nobody is let through.
			w = do(tt.wrap(page), request("GET", "/", ""))
			wantError(t, w, 401, "UNAUTHORIZED", auth.CodeNoCredential)
			if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestRequireScopesCopies(t *testing.T) {
	scopes := []string{"orders:write"}
	wrap := auth.RequireScopes(scopes...)
	scopes[0] = "orders:read"
	wantStatus(t, do(auth.RequireAuth(&fakeCore{authenticate: alice})(wrap(page)), request("GET", "/", "")), 403)
	roles := []string{"admin"}
	wrap = auth.RequireRoles(roles...)
	roles[0] = "clerk"
	wantStatus(t, do(auth.RequireAuth(&fakeCore{authenticate: alice})(wrap(page)), request("GET", "/", "")), 403)
}

func TestGuardSendsABrowserToSignIn(t *testing.T) {
	const signIn = "/api/v1/auth/signin"
	tests := []struct {
		name     string
		r        *http.Request
		who      func(*http.Request) (*auth.Authentication, error)
		status   int
		location string
	}{
		{"navigation", request("GET", "/orders/7?a=b&c=%20d", "", "Accept", asHTML), nobody, 302, signIn + "?returnTo=%2Forders%2F7%3Fa%3Db%26c%3D%2520d"},
		{"navigation of a new browser", request("GET", "/orders", "", "Accept", asHTML, "Sec-Fetch-Mode", "navigate"), nobody, 302, signIn + "?returnTo=%2Forders"},
		{"dead session", request("GET", "/orders", "", "Accept", asHTML), deadSession, 302, signIn + "?returnTo=%2Forders"},
		{"an address that no backend would lead back to", request("GET", "/orders?q=a\\b", "", "Accept", asHTML), nobody, 302, signIn},
		{"an address that is too long", request("GET", "/orders?q="+strings.Repeat("a", 2048), "", "Accept", asHTML), nobody, 302, signIn},
		{"script", request("GET", "/orders", "", "Accept", asHTML, "Sec-Fetch-Mode", "cors"), nobody, 401, ""},
		{"program", request("GET", "/orders", "", "Accept", "*/*"), nobody, 401, ""},
		{"JSON", request("GET", "/orders", "", "Accept", asJSON), nobody, 401, ""},
		{"POST", request("POST", "/orders", "", "Accept", asHTML), nobody, 401, ""},
		{"HEAD", request("HEAD", "/orders", "", "Accept", asHTML), nobody, 401, ""},
		{"the sign-in itself", request("GET", signIn, "", "Accept", asHTML), nobody, 401, ""},
		{"a path that is another host", request("GET", "https://example.com//evil.example/", "", "Accept", asHTML), nobody, 401, ""},
		{"store down", request("GET", "/orders", "", "Accept", asHTML), storeDown, 503, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := auth.Guard{Authenticator: &fakeCore{authenticate: tt.who}, SignInPath: signIn}
			w := do(g.RequireAuth(page), tt.r)
			wantStatus(t, w, tt.status)
			if got := w.Header().Get("Location"); got != tt.location {
				t.Errorf("Location %q, want %q", got, tt.location)
			}
			if tt.name == "dead session" {
				wantCookies(t, w, clearing())
			}
		})
	}
}

func TestGuardLogs(t *testing.T) {
	var out bytes.Buffer
	g := auth.Guard{Authenticator: &fakeCore{authenticate: storeDown}, Logger: slog.New(slog.NewTextHandler(&out, nil))}
	do(g.RequireAuth(page), request("GET", "/", "", "Cookie", "__Host-ns_session="+canary))
	if line := out.String(); !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "code=store_unavailable") || strings.Contains(line, canary) {
		t.Errorf("log %q", line)
	}
}
