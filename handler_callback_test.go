package auth_test

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

func TestCallbackInputs(t *testing.T) {
	answer := url.Values{"code": {"c1"}, "state": {"s1"}, "iss": {"https://op.example"}}
	tests := []struct {
		name string
		r    *http.Request
		want auth.CallbackParams
	}{
		{"GET", request("GET", base+"/callback?code=c1&state=s1&iss=https://op.example", ""),
			auth.CallbackParams{Values: answer, Mode: auth.ResponseModeQuery}},
		{"GET keeps duplicates for the backend to refuse", request("GET", base+"/callback?code=c1&code=c2", ""),
			auth.CallbackParams{Values: url.Values{"code": {"c1", "c2"}}, Mode: auth.ResponseModeQuery}},
		{"form_post, never with the query", request("POST", base+"/callback?code=evil&extra=1", answer.Encode(), "Content-Type", asForm),
			auth.CallbackParams{Values: answer, Mode: auth.ResponseModeFormPost}},
		{"JSON, never with the query", request("POST", base+"/callback?code=evil", `{"code":"c1","state":"s1","iss":"https://op.example","other":1}`, "Content-Type", asJSON),
			auth.CallbackParams{Values: answer, Mode: auth.ResponseModeJSON}},
		{"one provider's own", request("POST", base+"/callback/acme", answer.Encode(), "Content-Type", asForm, "Sec-Fetch-Site", "cross-site"),
			auth.CallbackParams{Values: answer, Mode: auth.ResponseModeFormPost, ProviderID: "acme"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := working()
			do(newHandler(t, b, auth.HandlerConfig{}), tt.r)
			if len(b.callbacks) != 1 || !reflect.DeepEqual(b.callbacks[0], tt.want) {
				t.Errorf("asked for %+v, want %+v", b.callbacks, tt.want)
			}
		})
	}
}

func TestCallbackAnswers(t *testing.T) {
	completed := `{"completed":true,"sessionId":"s-new","redirectTo":"/welcome","subject":"alice","state":"app-state"}`
	tests := []struct {
		name   string
		r      *http.Request
		status int
		body   string
	}{
		{"GET", request("GET", base+"/callback?code=c", "", "Accept", asHTML), 302, ""},
		{"form_post", request("POST", base+"/callback", "code=c", "Content-Type", asForm, "Accept", asHTML), 303, ""},
		{"form_post from the provider's page", request("POST", base+"/callback", "code=c", "Content-Type", asForm, "Accept", asHTML,
			"Origin", "https://op.example", "Sec-Fetch-Site", "cross-site"), 303, ""},
		{"JSON", request("POST", base+"/callback", `{"code":"c"}`, "Content-Type", asJSON), 200, completed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := do(newHandler(t, working(), auth.HandlerConfig{}), tt.r)
			wantStatus(t, w, tt.status)
			wantCookies(t, w, setting("credential"))
			if strings.Contains(w.Body.String(), "credential") {
				t.Error("the credential is in the body")
			}
			if tt.body != "" {
				wantJSON(t, w, tt.body)
				return
			}
			if got := w.Header().Get("Location"); got != "/welcome" || w.Body.Len() != 0 {
				t.Errorf("Location %q, body %q", got, w.Body)
			}
			if got := w.Header().Get("Referrer-Policy"); got != "no-referrer" {
				t.Errorf("Referrer-Policy %q", got)
			}
		})
	}
}

func TestCallbackBadInput(t *testing.T) {
	tests := []struct {
		name   string
		r      *http.Request
		status int
		code   string
		reason auth.Code
	}{
		{"code is a number", request("POST", base+"/callback", `{"code":1}`, "Content-Type", asJSON), 422, "VALIDATION_ERROR", auth.CodeValidation},
		{"state is null", request("POST", base+"/callback", `{"state":null}`, "Content-Type", asJSON), 422, "VALIDATION_ERROR", auth.CodeValidation},
		{"code twice", request("POST", base+"/callback", `{"code":"a","code":"b"}`, "Content-Type", asJSON), 422, "VALIDATION_ERROR", auth.CodeValidation},
		{"broken query", request("GET", base+"/callback?code=%zz", ""), 400, "AUTH_CALLBACK_INVALID", auth.CodeCallbackInvalid},
		{"query with semicolons", request("GET", base+"/callback?code=a;state=b", ""), 400, "AUTH_CALLBACK_INVALID", auth.CodeCallbackInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := working()
			wantError(t, do(newHandler(t, b, auth.HandlerConfig{}), tt.r), tt.status, tt.code, tt.reason)
			if b.asked() != 0 {
				t.Error("the backend was asked")
			}
		})
	}
}

// What a provider or an attacker wrote never comes back, in no form of answer.
func TestCallbackFailureInABrowser(t *testing.T) {
	const evil = `<script>alert(1)</script>`
	denied := func(auth.CallbackParams) (*auth.CallbackResult, error) {
		return nil, &auth.Error{Code: auth.CodeAccessDenied, Cookies: []*http.Cookie{clearing()}}
	}
	target := base + "/callback?error=access_denied&error_description=" + url.QueryEscape(evil+strings.Repeat("x", 1000)+"\r\nSet-Cookie: a=b")
	tests := []struct {
		name     string
		errorURL string
		r        *http.Request
		status   int
		location string
	}{
		{"own page", "", request("GET", target, "", "Accept", asHTML), 400, ""},
		{"form_post", "", request("POST", base+"/callback", "error="+url.QueryEscape(evil), "Content-Type", asForm, "Accept", asHTML), 400, ""},
		{"path", "/login?from=auth", request("GET", target, "", "Accept", asHTML), 302, "/login?error=access_denied&from=auth"},
		{"path after a POST", "/login", request("POST", base+"/callback", "error=x", "Content-Type", asForm, "Accept", asHTML), 303, "/login?error=access_denied"},
		{"other origin", "https://app.example/login", request("GET", target, "", "Accept", asHTML), 302, "https://app.example/login?error=access_denied"},
		{"a program gets JSON", "/login", request("GET", target, "", "Accept", "*/*"), 400, ""},
		{"a script gets JSON", "/login", request("POST", base+"/callback", `{"error":"x"}`, "Content-Type", asJSON, "Accept", asHTML), 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := working()
			b.callback = denied
			w := do(newHandler(t, b, auth.HandlerConfig{ErrorURL: tt.errorURL}), tt.r)
			wantStatus(t, w, tt.status)
			wantCookies(t, w, clearing())
			if got := w.Header().Get("Location"); got != tt.location {
				t.Errorf("Location %q, want %q", got, tt.location)
			}
			if s := w.Body.String(); strings.Contains(s, "script") || strings.Contains(s, "xxx") {
				t.Errorf("body %s", s)
			}
			if isHTML := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"); isHTML {
				checkPage(t, w.Header(), w.Body.String())
			} else if tt.name == "own page" {
				t.Error("not a page")
			}
		})
	}
}

func checkPage(t *testing.T, h http.Header, body string) {
	t.Helper()
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy %q lacks %s", csp, want)
		}
	}
	if h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", h)
	}
	if !strings.Contains(body, `<a href="/api/v1/auth/signin">`) || !strings.Contains(body, "access_denied") {
		t.Errorf("page %s", body)
	}
	for _, resource := range []string{"src=", "style", "http:", "https:"} {
		if strings.Contains(body, resource) {
			t.Errorf("the page refers to %s", resource)
		}
	}
}

// A code of a third party's backend is text from outside this module.
func TestPageEscapesTheCode(t *testing.T) {
	b := working()
	b.callback = func(auth.CallbackParams) (*auth.CallbackResult, error) {
		return nil, &auth.Error{Code: `<b onload="x">`}
	}
	w := do(newHandler(t, b, auth.HandlerConfig{}), request("GET", base+"/callback", "", "Accept", asHTML))
	wantStatus(t, w, 503)
	if strings.Contains(w.Body.String(), "<b ") || w.Header().Get("Retry-After") != "1" {
		t.Errorf("page %s with %v", w.Body, w.Header())
	}
}
