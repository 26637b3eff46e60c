package authapi_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
)

const base = "/api/v1/auth"

// secrets are values that must never show.
const (
	clientSecret = "canary-client-secret-x"
	cookieSecret = "canary-cookie-password-0123456789abcdef"
)

// env is an environment.
type env map[string]string

func (e env) with(pairs ...string) env {
	out := maps.Clone(e)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func (e env) get(name string) string { return e[name] }

// kvOAuthEnv is a whole environment for kv-oauth with the fake provider.
func kvOAuthEnv() env {
	return env{
		"NETSCRIPT_AUTH_CLIENT_ID":     "test-client",
		"NETSCRIPT_AUTH_CLIENT_SECRET": "test-client-secret",
		"NETSCRIPT_AUTH_REDIRECT_URI":  authtest.RedirectURI,
		"NETSCRIPT_AUTH_ISSUER":        authtest.Issuer,
		"NETSCRIPT_AUTH_KV_OAUTH_KEY":  auth.GenerateKey().Encode(),
		"NETSCRIPT_AUTH_KV":            "memory",
	}
}

func options(t testing.TB, e env) authapi.Options {
	t.Helper()
	return authapi.Options{
		Getenv: e.get, SettingsFile: filepath.Join(t.TempDir(), "none.json"), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func newService(t testing.TB, o authapi.Options) *authapi.Service {
	t.Helper()
	s, err := authapi.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// signedIn returns a service with the fake provider, and Alice's browser. change, if not nil, changes the options.
func signedIn(t *testing.T, e env, change func(*authapi.Options)) (*authapi.Service, *authtest.Browser) {
	t.Helper()
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	o := options(t, e)
	o.HTTPClient = idp.Client()
	if change != nil {
		change(&o)
	}
	s := newService(t, o)
	b := authtest.NewBrowser(t, s, idp)
	b.SignIn("alice", "providerId", "default")
	return s, b
}

func do(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode(t testing.TB, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%.200q: %v", body, err)
	}
}
