package auth_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

func TestSignOut(t *testing.T) {
	json := []string{"Content-Type", asJSON}
	tests := []struct {
		name   string
		r      *http.Request
		want   auth.SignOutParams
		status int
		body   string
	}{
		{"program", request("POST", base+"/signout", "", "Accept", asJSON), auth.SignOutParams{}, 200, `{"signedOut":true,"sessionId":"s-alice","redirectTo":"/bye"}`},
		{"script", request("POST", base+"/signout", `{"sessionId":"s-phone","everywhere":true,"redirectTo":"/x","userId":"bob"}`, json...),
			auth.SignOutParams{SessionID: "s-phone", Everywhere: true, ReturnTo: "/x"}, 200, `{"signedOut":true,"sessionId":"s-phone","redirectTo":"/bye"}`},
		{"script that says no", request("POST", base+"/signout", `{"everywhere":false}`, json...), auth.SignOutParams{}, 200, `{"signedOut":true,"sessionId":"s-alice","redirectTo":"/bye"}`},
		{"form that says no", request("POST", base+"/signout", "everywhere=false", "Content-Type", asForm), auth.SignOutParams{}, 303, ""},
		{"form", request("POST", base+"/signout", "everywhere=on&returnTo=/x", "Content-Type", asForm, "Accept", asHTML),
			auth.SignOutParams{Everywhere: true, ReturnTo: "/x"}, 303, ""},
		{"button without fields", request("POST", base+"/signout", "", "Accept", asHTML), auth.SignOutParams{}, 303, ""},
		{"the query says nothing", request("POST", base+"/signout?sessionId=s-bob&everywhere=true&returnTo=//evil.example", "", "Accept", asHTML), auth.SignOutParams{}, 303, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := working()
			w := do(newHandler(t, b, auth.HandlerConfig{}), tt.r)
			wantStatus(t, w, tt.status)
			wantCookies(t, w, clearing())
			if len(b.signOuts) != 1 || !reflect.DeepEqual(b.signOuts[0], tt.want) {
				t.Errorf("asked for %+v, want %+v", b.signOuts, tt.want)
			}
			if tt.body != "" {
				wantJSON(t, w, tt.body)
			} else if got := w.Header().Get("Location"); got != "/bye" {
				t.Errorf("Location %q", got)
			}
		})
	}
}

func TestSignOutBadInput(t *testing.T) {
	b := working()
	wantError(t, do(newHandler(t, b, auth.HandlerConfig{}), request("POST", base+"/signout", "everywhere=maybe", "Content-Type", asForm)), 422, "VALIDATION_ERROR", auth.CodeValidation)
	if b.asked() != 0 {
		t.Error("the backend was asked")
	}
	for body, field := range map[string]string{`{"everywhere":"yes"}`: "everywhere", `{"everywhere":null}`: "everywhere", `{"sessionId":7}`: "sessionId"} {
		b := working()
		data := wantError(t, do(newHandler(t, b, auth.HandlerConfig{}), request("POST", base+"/signout", body, "Content-Type", asJSON)), 422, "VALIDATION_ERROR", auth.CodeValidation)
		if fields, _ := data["fieldErrors"].(map[string]any); fields[field] == nil || b.asked() != 0 {
			t.Errorf("%s: %v", body, data)
		}
	}
}

func TestSignOutFailures(t *testing.T) {
	tests := []struct {
		code    auth.Code
		status  int
		wire    string
		cookies []*http.Cookie
	}{
		{auth.CodeStoreUnavailable, 503, "AUTH_UNAVAILABLE", []*http.Cookie{clearing()}},
		{auth.CodeReturnURLRejected, 422, "VALIDATION_ERROR", []*http.Cookie{clearing()}},
		{auth.CodeForbidden, 403, "FORBIDDEN", nil},
	}
	for _, tt := range tests {
		t.Run(string(tt.code), func(t *testing.T) {
			b := working()
			b.signOut = func(auth.SignOutParams) (*auth.Redirect, error) {
				return &auth.Redirect{Location: "/bye", Cookies: []*http.Cookie{clearing()}}, &auth.Error{Code: tt.code}
			}
			h := newHandler(t, b, auth.HandlerConfig{})
			w := do(h, request("POST", base+"/signout", "{}", "Content-Type", asJSON))
			if data := wantError(t, w, tt.status, tt.wire, tt.code); data["revoked"] != false {
				t.Errorf("data %v", data)
			}
			wantCookies(t, w, tt.cookies...)
			w = do(h, request("POST", base+"/signout", "", "Accept", asHTML))
			wantStatus(t, w, tt.status)
			wantCookies(t, w, tt.cookies...)
			if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" || strings.Contains(w.Body.String(), "signin") {
				t.Errorf("Content-Type %q, body %s", got, w.Body)
			}
		})
	}
}

// Signing out does not need an interactive backend, nor one that says where to go.
func TestSignOutPortAlone(t *testing.T) {
	b := &fakeSignOut{&fakeCore{}, func(*http.Request, auth.SignOutParams) (*auth.Redirect, error) {
		return &auth.Redirect{Cookies: []*http.Cookie{clearing()}}, nil
	}}
	h := newHandler(t, wrapped{b}, auth.HandlerConfig{})
	w := do(h, request("POST", base+"/signout", "", "Accept", asJSON))
	wantJSON(t, w, `{"signedOut":true,"sessionId":"","redirectTo":"/"}`)
	wantCookies(t, w, clearing())
	w = do(h, request("POST", base+"/signout", ""))
	wantStatus(t, w, 303)
	if got := w.Header().Get("Location"); got != "/" {
		t.Errorf("Location %q", got)
	}
}
