package authtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/providers"
)

// newApp is an application over the backend of these tests, at which the fake provider's users can sign in.
func newApp(t testing.TB, fault string) (http.Handler, *authtest.Provider) {
	t.Helper()
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	backend := newMemory(fault)
	backend.idp = idp
	handler, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(handler.Pattern(), handler)
	mux.Handle("/hello", auth.RequireAuth(backend)(http.HandlerFunc(hello)))
	return mux, idp
}

func hello(w http.ResponseWriter, r *http.Request) {
	a, ok := auth.FromContext(r.Context())
	if !ok {
		http.Error(w, "nobody", http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, "hello "+a.Principal.Subject)
}

func TestSignInAndOut(t *testing.T) {
	for _, mode := range []string{"", "form post"} {
		t.Run("mode "+mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app, idp := newApp(t, mode)
				alice := authtest.NewBrowser(t, app, idp)
				if alice.SignedIn() {
					t.Error("signed in before the sign-in")
				}
				if page := alice.SignIn("alice", "returnTo", "/hello"); page.Body != "hello alice" {
					t.Errorf("the sign-in ended with %d %q", page.Status, page.Body)
				}
				bob := authtest.NewBrowser(t, app, idp)
				bob.SignIn("bob")
				if got := bob.Get("/hello").Body + ", " + alice.Get("/hello").Body; got != "hello bob, hello alice" {
					t.Error(got)
				}
				alice.SignOut()
				if page := alice.Get("/hello"); page.Status != http.StatusUnauthorized {
					t.Errorf("after the sign-out: %d", page.Status)
				}
				if alice.Cookie(cookieName) != nil || bob.Cookie(cookieName) == nil {
					t.Error("the sign-out removed the wrong cookie")
				}
			})
		})
	}
}

func TestStepsCanBeMixed(t *testing.T) {
	app, idp := newApp(t, "")
	attacker, victim := authtest.NewBrowser(t, app, idp), authtest.NewBrowser(t, app, idp)
	answer := attacker.Authorize(attacker.StartSignIn(), "bob")
	if !answer.Values().Has("code") || !strings.HasPrefix(answer.URL, authtest.RedirectURI+"?") {
		t.Fatalf("the provider's answer: %v", answer)
	}
	if page := victim.Visit(answer.URL); page.Status != http.StatusBadRequest || victim.SignedIn() {
		t.Errorf("the attacker's answer in the victim's browser: %d", page.Status)
	}
	attacker.Finish(answer)
	if !attacker.SignedIn() {
		t.Error("the answer does not work in its own browser")
	}
	denied := victim.Deny(victim.StartSignIn())
	if denied.Values().Get("error") != "access_denied" {
		t.Errorf("denied: %v", denied.Values())
	}
	if victim.Finish(denied); victim.SignedIn() {
		t.Error("signed in by a refusal")
	}
}

// TestFormPostNeedsASameSiteNoneCookie shows that the browser is as strict as real ones.
func TestFormPostNeedsASameSiteNoneCookie(t *testing.T) {
	app, idp := newApp(t, "form post with a lax cookie")
	b := authtest.NewBrowser(t, app, idp)
	answer := b.Authorize(b.StartSignIn(), "alice")
	if answer.Form.Get("code") == "" || answer.URL != authtest.RedirectURI {
		t.Fatalf("the provider's answer: %v", answer)
	}
	if page := b.Finish(answer); page.Status != http.StatusBadRequest || b.SignedIn() {
		t.Errorf("a Lax cookie came with a cross-site POST: %d", page.Status)
	}
}

// TestFormPostHasNoOrigin: the provider's page hides where it is, and browsers then send "null".
func TestFormPostHasNoOrigin(t *testing.T) {
	app, idp := newApp(t, "form post")
	origins := make(map[string]string)
	b := authtest.NewBrowser(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			origins[r.URL.Path] = r.Header.Get("Origin") + " " + r.Header.Get("Sec-Fetch-Site")
		}
		app.ServeHTTP(w, r)
	}), idp)
	b.SignIn("alice")
	b.SignOut()
	if origins["/api/v1/auth/callback"] != "null cross-site" || origins["/api/v1/auth/signout"] != "https://app.test same-origin" {
		t.Errorf("got %v", origins)
	}
}

func TestSignOutFailsTheTest(t *testing.T) {
	stuck := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"authenticated":true}`) })
	if !fails(t, func(t testing.TB) { authtest.NewBrowser(t, stuck).SignOut() }) {
		t.Error("the test goes on although the browser is signed in")
	}
	vague := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
	if !fails(t, func(t testing.TB) { authtest.NewBrowser(t, vague).SignedIn() }) {
		t.Error("the test goes on although the application does not say")
	}
}

func TestSignInFailsTheTest(t *testing.T) {
	app, idp := newApp(t, "")
	tests := map[string]func(b *authtest.Browser){
		"unknown user": func(b *authtest.Browser) { b.SignIn("mallory") },
		"provider down": func(b *authtest.Browser) {
			idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: fakeop.Reply(500, "text/html", "")}})
			b.SignIn("alice")
		},
		"refused":         func(b *authtest.Browser) { b.StartSignIn("returnTo", "https://evil.test/") },
		"another address": func(b *authtest.Browser) { b.Get("https://example.com/") },
		"refused cookie":  func(b *authtest.Browser) { b.SetCookie(&http.Cookie{Name: "__Host-x", Value: "1"}) },
		"not a page":      func(b *authtest.Browser) { b.Authorize("https://idp.test/nothing", "alice") },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			defer idp.SetFaults(fakeop.Faults{})
			if !fails(t, func(t testing.TB) { f(authtest.NewBrowser(t, app, idp)) }) {
				t.Error("the test goes on")
			}
		})
	}
}

// probe is a test that is expected to fail.
type probe struct {
	testing.TB
	failed bool
}

type stop struct{}

func (p *probe) Helper()               {}
func (p *probe) Logf(string, ...any)   {}
func (p *probe) Fatal(...any)          { p.failed = true; panic(stop{}) }
func (p *probe) Fatalf(string, ...any) { p.failed = true; panic(stop{}) }

func fails(t testing.TB, f func(testing.TB)) bool {
	p := &probe{TB: t}
	func() {
		defer func() {
			if v := recover(); v != nil && v != (stop{}) {
				panic(v)
			}
		}()
		f(p)
	}()
	return p.failed
}

func TestProviderDefinition(t *testing.T) {
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	d := idp.Definition()
	if d.ID != "fake" || d.Kind != providers.OIDC || d.Issuer != authtest.Issuer || len(d.Scopes) != 3 || d.Validate() != nil {
		t.Errorf("got %+v", d)
	}
	other := authtest.NewProvider(t, authtest.ProviderConfig{ID: "other", Issuer: "http://localhost:9", Configure: func(c *fakeop.Config) {
		c.Clients[0].IDTokenAlg = "ES256"
		c.Clients[0].Secret = ""
	}})
	d = other.Definition()
	if d.ID != "other" || d.SigningAlgs[0] != "ES256" || !other.ClientSecret.IsZero() || idp.ClientSecret.IsZero() {
		t.Errorf("got %+v", d)
	}
	for _, issuer := range []string{authtest.Issuer, "http://localhost:9"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/jwks", nil)
		if resp, err := authtest.ClientFor(idp, other).Do(r); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", issuer, resp, err)
		}
	}
	if !fails(t, func(t testing.TB) {
		authtest.NewProvider(t, authtest.ProviderConfig{Issuer: "https://login.example.com"})
	}) {
		t.Error("a public issuer is accepted")
	}
}
