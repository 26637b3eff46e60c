package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

func TestCORS(t *testing.T) {
	const app = "https://app.example"
	cors, err := auth.NewCORS(auth.CORSConfig{Origins: []string{app, "http://localhost:3000"}})
	if err != nil {
		t.Fatal(err)
	}
	b := working()
	h := cors(newHandler(t, b, auth.HandlerConfig{TrustedOrigins: []string{app}}))
	tests := []struct {
		name    string
		r       *http.Request
		allowed bool
		status  int
	}{
		{"listed", request("GET", base+"/me", "", "Origin", app), true, 200},
		{"listed, POST", request("POST", base+"/signout", "{}", "Origin", app, "Sec-Fetch-Site", "same-site", "Content-Type", asJSON), true, 200},
		{"listed, error", request("GET", base+"/nothing", "", "Origin", app), true, 404},
		{"no origin", request("GET", base+"/me", ""), false, 200},
		{"null", request("GET", base+"/me", "", "Origin", "null"), false, 200},
		{"another", request("GET", base+"/me", "", "Origin", "https://evil.example"), false, 200},
		{"another, POST", request("POST", base+"/signout", "{}", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Content-Type", asJSON), false, 403},
		{"another scheme", request("GET", base+"/me", "", "Origin", "http://app.example"), false, 200},
		{"another port", request("GET", base+"/me", "", "Origin", app+":8443"), false, 200},
		{"longer", request("GET", base+"/me", "", "Origin", app+".evil.example"), false, 200},
		{"two", request("GET", base+"/me", "", "Origin", app, "Origin", "https://evil.example"), false, 200},
		{"preflight", request("OPTIONS", base+"/signout", "", "Origin", app, "Access-Control-Request-Method", "POST"), true, 204},
		{"preflight of another", request("OPTIONS", base+"/signout", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"), false, 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := do(h, tt.r)
			wantStatus(t, w, tt.status)
			got := w.Header()
			origin := ""
			if tt.allowed {
				origin = tt.r.Header.Get("Origin")
			}
			if got.Get("Access-Control-Allow-Origin") != origin || got.Get("Access-Control-Allow-Credentials") == "true" != tt.allowed {
				t.Errorf("headers %v", got)
			}
			if !strings.Contains(strings.Join(got.Values("Vary"), ","), "Origin") {
				t.Error("a cache may mix up origins")
			}
			if methods := got.Get("Access-Control-Allow-Methods"); (methods != "") != (tt.status == 204) {
				t.Errorf("methods %q", methods)
			}
		})
	}
}

func TestCORSConfig(t *testing.T) {
	for _, origins := range [][]string{nil, {"*"}, {"https://*.example"}, {"null"}, {"https://app.example/"}, {"https://App.example"}, {"app.example"},
		{"https://app.example:443"}, {"http://app.example:80"}, {"ftp://app.example"}, {"https://u@app.example"}, {"https://a.example https://b.example"}} {
		if _, err := auth.NewCORS(auth.CORSConfig{Origins: origins}); auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Errorf("%q: %v", origins, err)
		}
	}
}
