package authapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
)

func TestSignIn(t *testing.T) {
	_, alice := signedIn(t, kvOAuthEnv(), nil)
	var me struct {
		Authenticated bool
		User          struct{ ID, Email string }
	}
	alice.GetJSON(base+"/me", &me)
	if !me.Authenticated || me.User.ID != "alice" || me.User.Email == "" {
		t.Errorf("me %+v", me)
	}
	if c := alice.Cookie("__Host-ns_session"); c == nil || !c.HttpOnly || !c.Secure {
		t.Errorf("cookie %+v", c)
	}
	if p := alice.PostJSON(base+"/signout", map[string]any{}); p.Status != 200 || alice.Cookie("__Host-ns_session") != nil {
		t.Errorf("sign-out %d %s", p.Status, p.Body)
	}
}

// TestNotInteractive: the two backends that do not sign in answer 502 there, and nobody elsewhere.
func TestNotInteractive(t *testing.T) {
	for name, e := range map[string]env{"workos": workosEnv(), "better-auth": betterAuthEnv()} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, options(t, e))
			for _, r := range [][2]string{{"GET", "/signin"}, {"POST", "/signin"}, {"GET", "/callback?code=x&state=y"}, {"POST", "/callback"}} {
				w := do(s, r[0], base+r[1], "{}", "Content-Type", "application/json")
				if w.Code != 502 || !strings.Contains(w.Body.String(), `"AUTH_PROVIDER_ERROR"`) {
					t.Errorf("%s %s: %d %s", r[0], r[1], w.Code, w.Body)
				}
			}
			for _, path := range []string{"/session", "/me"} {
				if w := do(s, "GET", base+path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"authenticated":false`) {
					t.Errorf("%s: %d %s", path, w.Code, w.Body)
				}
			}
			if w := do(s, "POST", base+"/signout", "{}", "Content-Type", "application/json"); w.Code != 200 {
				t.Errorf("signout: %d %s", w.Code, w.Body)
			}
			if s.Backend().Name() != name {
				t.Errorf("backend %s", s.Backend().Name())
			}
		})
	}
}

func TestUnknownRoutes(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv()))
	for _, r := range [][2]string{{"GET", "/"}, {"GET", "/api"}, {"GET", "/health/x"}, {"GET", "/api/docs/x"}, {"GET", base + "/x"}, {"GET", base + "/verify"}} {
		w := do(s, r[0], r[1], "")
		if w.Code != 404 || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"NOT_FOUND"`) {
			t.Errorf("%v: %d %s", r, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/health", "/health/live", "/api/openapi.json", "/api/docs"} {
		if w := do(s, "POST", path, ""); w.Code != 405 || w.Header().Get("Allow") == "" {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
}

// TestWiring: what variables turn on.
func TestWiring(t *testing.T) {
	key := auth.GenerateKey()
	e := kvOAuthEnv().with("NETSCRIPT_AUTH_CORS_ORIGINS", "https://other.test", "NETSCRIPT_AUTH_VERIFY_KEY", key.Encode(), "NETSCRIPT_AUTH_VERIFY_AUDIENCE", "shop",
		"NETSCRIPT_AUTH_VERIFY_CLAIMS", "name", "NETSCRIPT_AUTH_ERROR_URL", "/login", "NETSCRIPT_AUTH_DEFAULT_RETURN_URL", "/home", "NETSCRIPT_AUTH_RETURN_ORIGINS", "https://www.test")
	s, alice := signedIn(t, e, func(o *authapi.Options) { o.Version = "1.2.3" })
	page := alice.Get(base + "/verify")
	r, _ := http.NewRequest("GET", "/", nil)
	r.Header, r.RemoteAddr = page.Header, proxyPeer
	trusted, err := auth.NewTrustedHeaders(auth.TrustedHeadersConfig{Keys: []auth.Key{key}, Audience: "shop", Proxies: loopback})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := trusted.Authenticate(r); err != nil || got.Principal.Subject != "alice" || got.Principal.Claim("name") == "" {
		t.Errorf("verify: %d, %+v, %v", page.Status, got, err)
	}
	w := do(s, "POST", base+"/signout", "{}", "Content-Type", "application/json", "Origin", "https://other.test", "Sec-Fetch-Site", "cross-site")
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://other.test" {
		t.Errorf("CORS: %d %v", w.Code, w.Header())
	}
	w = do(s, "POST", base+"/signout", "{}", "Content-Type", "application/json", "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS of another: %d %v", w.Code, w.Header())
	}
	if w := do(s, "GET", base+"/callback?error=access_denied&state=x", "", "Accept", "text/html"); w.Code != 302 || !strings.HasPrefix(w.Header().Get("Location"), "/login?error=") {
		t.Errorf("error URL: %d %v", w.Code, w.Header())
	}
	for target, want := range map[string]int{"https://www.test/x": 200, "https://evil.test/x": 422} {
		if p := alice.PostJSON(base+"/signin", map[string]any{"redirectTo": target}); p.Status != want {
			t.Errorf("return to %s: %d %s", target, p.Status, p.Body)
		}
	}
	if w := do(s, "GET", base+"/describe", ""); !strings.Contains(w.Body.String(), `"version":"1.2.3"`) {
		t.Errorf("describe %s", w.Body)
	}
	if w := do(s, "GET", "/api/openapi.json", ""); !strings.Contains(w.Body.String(), `"version":"1.2.3"`) {
		t.Errorf("openapi.json lacks the version")
	}
}

// TestBodies sends what a client should not.
func TestBodies(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv()))
	tests := []struct {
		name, media, body string
		status            int
	}{
		{"malformed", "application/json", "{", 422},
		{"wrong type", "application/json", `{"everywhere":"yes"}`, 422},
		{"trailing data", "application/json", "{}{}", 422},
		{"deep", "application/json", `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", 422},
		{"too long", "application/json", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, 413},
		{"unknown type", "text/plain", "{}", 415},
		{"XML", "application/xml", "<a/>", 415},
	}
	for _, tt := range tests {
		for path, form := range map[string]string{base + "/signout": "%s", "/api/rpc/v1/auth/signout": `{"json":%s,"meta":[]}`} {
			body := strings.Replace(form, "%s", tt.body, 1)
			w := do(s, "POST", path, body, "Content-Type", tt.media)
			if w.Code != tt.status {
				t.Errorf("%s to %s: %d %s", tt.name, path, w.Code, w.Body)
			}
		}
	}
}

// TestObservers: the audit log and the caller's observer are told of what happens, without telemetry too.
func TestObservers(t *testing.T) {
	salt := auth.GenerateKey()
	var log bytes.Buffer
	var mu sync.Mutex
	var seen []auth.EventName
	s, alice := signedIn(t, kvOAuthEnv().with("NETSCRIPT_AUTH_AUDIT_SALT", salt.Encode()), func(o *authapi.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Observer = auth.ObserverFunc(func(_ context.Context, e auth.Event) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, e.Name)
		})
	})
	alice.PostJSON(base+"/signout", map[string]any{})
	if err := s.Close(); err != nil { // which waits for what goes on beside the requests
		t.Error(err)
	}
	for _, name := range []auth.EventName{auth.EventSignInStarted, auth.EventSessionCreated, auth.EventSignedOut} {
		if !slices.Contains(seen, name) || !strings.Contains(log.String(), "msg="+string(name)) {
			t.Errorf("%s: observed %v, logged\n%s", name, seen, &log)
		}
	}
	if hash := (auth.Event{Subject: auth.NewSecret("alice")}).SubjectHash(salt); !strings.Contains(log.String(), "subject_hash="+hash) || strings.Contains(log.String(), "alice") {
		t.Errorf("the log does not know Alice by her hash alone:\n%s", &log)
	}
}

// TestCloseFinishesRevocations: a sign-out just before the end of the service is one at the provider too.
func TestCloseFinishesRevocations(t *testing.T) {
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	o := options(t, kvOAuthEnv())
	o.HTTPClient = idp.Client()
	s := newService(t, o)
	b := authtest.NewBrowser(t, s, idp)
	b.SignIn("alice", "providerId", "default")
	release := make(chan struct{})
	idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointRevocation: fakeop.HoldUntil(release)}})
	b.Post(base+"/signout", nil)
	if b.SignedIn() || idp.RefreshTokens("alice") != 1 {
		t.Fatal("the sign-out waits for the provider")
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if n := idp.RefreshTokens("alice"); n != 0 {
		t.Errorf("%d refresh tokens are good", n)
	}
}
