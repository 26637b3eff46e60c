package workos_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

func TestConfig(t *testing.T) {
	emoji := auth.NewSecret(strings.Repeat("🔑", 16)) // 32 UTF-16 code units
	tests := []struct {
		name   string
		change func(*workos.Config)
		field  string // empty: valid
	}{
		{"least", func(*workos.Config) {}, ""},
		{"sixteen emoji", func(c *workos.Config) { c.CookiePasswords = []auth.Secret{emoji} }, ""},
		{"local", func(c *workos.Config) { c.BaseURL, c.InsecureAllowHTTP = "http://127.0.0.1:8080", true }, ""},
		{"path", func(c *workos.Config) { c.BaseURL = "https://proxy.example.com/workos/" }, ""},
		{"no client", func(c *workos.Config) { c.ClientID = "" }, "ClientID"},
		{"client with a slash", func(c *workos.Config) { c.ClientID = "a/../b" }, "ClientID"},
		{"client of dots", func(c *workos.Config) { c.ClientID = ".." }, "ClientID"},
		{"client with a query", func(c *workos.Config) { c.ClientID = "a?b" }, "ClientID"},
		{"no password", func(c *workos.Config) { c.CookiePasswords = nil }, "CookiePasswords"},
		{"zero password", func(c *workos.Config) { c.CookiePasswords = []auth.Secret{{}} }, "CookiePasswords[0]"},
		{"short password", func(c *workos.Config) {
			c.CookiePasswords = []auth.Secret{emoji, auth.NewSecret(strings.Repeat("é", 31))}
		}, "CookiePasswords[1]"},
		{"relative base", func(c *workos.Config) { c.BaseURL = "api.workos.com" }, "BaseURL"},
		{"file base", func(c *workos.Config) { c.BaseURL, c.InsecureAllowHTTP = "file:///etc/passwd", true }, "BaseURL"},
		{"http base", func(c *workos.Config) { c.BaseURL = "http://127.0.0.1" }, "BaseURL"},
		{"http base elsewhere", func(c *workos.Config) { c.BaseURL, c.InsecureAllowHTTP = "http://example.com", true }, "BaseURL"},
		{"base with a user", func(c *workos.Config) { c.BaseURL = "https://u:p@api.workos.com" }, "BaseURL"},
		{"base with a query", func(c *workos.Config) { c.BaseURL = "https://api.workos.com/?a=b" }, "BaseURL"},
		{"empty issuers", func(c *workos.Config) { c.Issuers = []string{} }, "Issuers"},
		{"empty issuer", func(c *workos.Config) { c.Issuers = []string{"a", ""} }, "Issuers"},
		{"empty audiences", func(c *workos.Config) { c.Audiences = []string{} }, "Audiences"},
		{"refresh without key", func(c *workos.Config) { c.Refresh = workos.OnExpiry }, "APIKey"},
		{"unknown mode", func(c *workos.Config) { c.Refresh = 7 }, "Refresh"},
		{"negative margin", func(c *workos.Config) { c.RefreshMargin = -1 }, "RefreshMargin"},
		{"long margin", func(c *workos.Config) { c.RefreshMargin = time.Hour }, "RefreshMargin"},
		{"cookie name", func(c *workos.Config) { c.CookieName = "a b" }, "CookieName"},
		{"cookie domain", func(c *workos.Config) { c.CookieDomain = "a b" }, "CookieDomain"},
		{"__Host- with a domain", func(c *workos.Config) { c.CookieName, c.CookieDomain = "__Host-s", "example.com" }, "CookieName"},
		{"__Secure- over http", func(c *workos.Config) { c.CookieName, c.InsecureAllowHTTP = "__Secure-s", true }, "CookieName"},
		{"negative age", func(c *workos.Config) { c.CookieMaxAge = -1 }, "CookieMaxAge"},
		{"age of years", func(c *workos.Config) { c.CookieMaxAge = 401 * 24 * time.Hour }, "CookieMaxAge"},
		{"return URL", func(c *workos.Config) { c.DefaultReturnURL = "https://www.example.com" }, "DefaultReturnURL"},
		{"return origin with a path", func(c *workos.Config) { c.ReturnOrigins = []string{"https://www.example.com/a"} }, "ReturnOrigins[0]"},
		{"return origin http", func(c *workos.Config) { c.ReturnOrigins = []string{"http://www.example.com"} }, "ReturnOrigins[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := workos.Config{ClientID: testClient, CookiePasswords: testPasswords}
			tt.change(&c)
			b, err := workos.New(c)
			if tt.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if b != nil || auth.CodeOf(err) != auth.CodeConfigInvalid || !errors.Is(err, auth.ErrRejected) || !strings.Contains(err.Error(), tt.field) {
				t.Errorf("%v, want one about %s", err, tt.field)
			}
		})
	}
}

// All that is wrong is said at once.
func TestConfigSaysAll(t *testing.T) {
	_, err := workos.New(workos.Config{BaseURL: "x", Issuers: []string{}, RefreshMargin: -1, CookieMaxAge: -1, DefaultReturnURL: "x"})
	for _, field := range []string{"ClientID", "CookiePasswords", "BaseURL", "Issuers", "RefreshMargin", "CookieMaxAge", "DefaultReturnURL"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v: nothing about %s", err, field)
		}
	}
}

// What the caller does with its slices afterwards changes nothing.
func TestConfigIsCopied(t *testing.T) {
	key := newTestKeys(t)["main"]
	passwords, issuers := []auth.Secret{testPasswords[0]}, []string{"https://api.workos.com/user_management/" + testClient}
	b, _ := tokenBackend(t, func(c *workos.Config) { c.CookiePasswords, c.Issuers = passwords, issuers })
	passwords[0], issuers[0] = auth.NewSecret(strings.Repeat("x", 32)), "x"
	if _, err := b.Authenticate(tokenCookie(t, key, nil)); err != nil {
		t.Error(err)
	}
}

func TestBackendShowsNothing(t *testing.T) {
	f := newFixture(t, refreshing)
	r := f.signIn(t, "alice")
	a, err := f.Authenticate(r)
	if err != nil {
		t.Fatal(err)
	}
	f.expire()
	fresh, err := f.Authenticate(r) // now a refresh is remembered
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(r); err != nil { // and nobody is at work any more
		t.Fatal(err)
	}
	cookie, _ := r.Cookie("wos-session")
	var out bytes.Buffer
	for _, v := range []any{f.Backend, *f.Backend, f.config, a.Session, a.Principal, fresh.Principal, f.Providers()} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q", v, v, v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("", "v", v)
	}
	for _, secret := range []string{testPassword, fakeKey, cookie.Value, fresh.Cookies[0].Value, "rt_", "eyJ"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%.12s... is shown", secret)
		}
	}
}

func TestProviders(t *testing.T) {
	for mode, want := range map[workos.RefreshMode][]string{workos.Never: {"session", "signout", "sessions"}, workos.OnExpiry: {"session", "signout", "refresh", "sessions"}} {
		f := newFixture(t, func(c *workos.Config) { c.Refresh = mode })
		if p := f.Providers(); len(p) != 1 || p[0].ID != "workos" || !reflect.DeepEqual(p[0].Capabilities, want) {
			t.Errorf("%+v", p)
		}
	}
}

// The client follows no redirect and waits no longer than it is told, whatever the caller's own does.
func TestHTTPClient(t *testing.T) {
	key := newTestKeys(t)["main"]
	followed := false
	b, _ := tokenBackend(t, func(c *workos.Config) {
		c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { followed = true; return nil }
		c.ClientID = "client_redirect"
	})
	_, err := b.Authenticate(tokenCookie(t, key, nil))
	wantCode(t, err, auth.CodeProviderInvalid, false)
	if followed {
		t.Error("a redirect was followed")
	}
}
