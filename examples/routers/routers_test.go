package routers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/examples/routers"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// eachRouter runs a test under every router, with a person's browser in front of
// it. Of the fake provider's users, alice is an admin.
func eachRouter(t *testing.T, test func(t *testing.T, b *authtest.Browser)) {
	gin.SetMode(gin.TestMode)
	for name, mount := range map[string]func(*auth.Handler, auth.AuthenticatorPort) http.Handler{
		"net/http": routers.NetHTTP,
		"chi":      routers.Chi,
		"gin":      routers.Gin,
	} {
		t.Run(name, func(t *testing.T) {
			idp := authtest.NewProvider(t, authtest.ProviderConfig{})
			backend := newBackend(t, idp)
			handler, err := auth.NewHandler(backend, auth.HandlerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			test(t, authtest.NewBrowser(t, mount(handler, backend), idp))
		})
	}
}

func newBackend(t *testing.T, idp *authtest.Provider) *kvoauth.Backend {
	t.Helper()
	kv, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:     []kvoauth.Client{{Provider: idp.Definition(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret}},
		RedirectURL: authtest.RedirectURI,
		KV:          kv,
		Keys:        []auth.Key{auth.GenerateKey()},
		HTTPClient:  idp.Client(),
		MapPrincipal: func(_ *http.Request, p *auth.Principal) error {
			if p.Subject == "alice" {
				p.Roles = []string{"admin"}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return backend
}

func expect(t *testing.T, b *authtest.Browser, path string, status int, text string) {
	t.Helper()
	page := b.Get(path)
	if page.Status != status || !strings.Contains(page.Body, text) {
		t.Errorf("GET %s: %d %q, want %d with %q", path, page.Status, page.Body, status, text)
	}
}

func TestGuards(t *testing.T) {
	eachRouter(t, func(t *testing.T, b *authtest.Browser) {
		expect(t, b, "/", http.StatusOK, "welcome")
		expect(t, b, "/orders", http.StatusUnauthorized, "")
		expect(t, b, "/admin", http.StatusUnauthorized, "")
		if body := b.Get("/orders").Body; strings.Contains(body, "orders of") {
			t.Errorf("a refused request got as far as the handler: %q", body)
		}

		b.SignIn("bob")
		expect(t, b, "/orders", http.StatusOK, "orders of bob")
		expect(t, b, "/admin", http.StatusForbidden, "")
		b.SignOut()
		expect(t, b, "/orders", http.StatusUnauthorized, "")

		b.SignIn("alice")
		expect(t, b, "/admin", http.StatusOK, "all orders")
	})
}

func TestRoutes(t *testing.T) {
	eachRouter(t, func(t *testing.T, b *authtest.Browser) {
		b.SignIn("alice")
		tests := []struct {
			method, route string
			status        int
		}{
			{http.MethodGet, "/me", http.StatusOK},
			{http.MethodHead, "/me", http.StatusOK},
			{http.MethodGet, "/session", http.StatusOK},
			{http.MethodGet, "/sessions", http.StatusOK},
			{http.MethodGet, "/providers", http.StatusOK},
			{http.MethodGet, "/describe", http.StatusOK},
			{http.MethodGet, "/signout", http.StatusMethodNotAllowed},
			{http.MethodHead, "/signin", http.StatusMethodNotAllowed},
			{http.MethodDelete, "/sessions/no-such-session", http.StatusForbidden},
			{http.MethodGet, "/nothing", http.StatusNotFound},
			{http.MethodGet, "/%6de", http.StatusNotFound}, // "me" by another spelling
		}
		for _, tt := range tests {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, authtest.AppOrigin+auth.DefaultBasePath+tt.route, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp := b.Do(r)
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status {
				t.Errorf("%s %s: %d, want %d", tt.method, tt.route, resp.StatusCode, tt.status)
			}
			if got := resp.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s %s: Cache-Control %q", tt.method, tt.route, got)
			}
		}
	})
}
