package quickstart_test

import (
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/interop/browser"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// TestHostCookies signs in over https, where the cookies are those of production. A browser takes a cookie whose name
// starts with __Host- only as the prefix promises it (RFC 6265bis, section 4.1.3.2), so one that is there is proof.
func TestHostCookies(t *testing.T) {
	site := newSecureApplication(t)
	v := visit(t, browser.Start(t, browser.Options{InsecureIgnoreCertificateErrors: true}), site)
	v.sees("#who", "nobody")

	v.Follow("#signin")
	during := v.cookies()
	if len(during) != 1 || !strings.HasPrefix(during[0].Name, "__Host-ns_txn_") {
		t.Errorf("during the sign-in the browser has %v, want the transaction's cookie alone", v.cookieNames())
	}
	v.Follow(person("ada"))
	v.isAt("/")
	v.sees("#who", "Ada Lindqvist")
	after := v.cookies()
	if len(after) != 1 || after[0].Name != kvoauth.DefaultCookieName {
		t.Errorf("after the sign-in the browser has %v, want the session's cookie alone", v.cookieNames())
	}
	for _, c := range slices.Concat(during, after) {
		checkHostCookie(t, c)
	}
	if got := browser.Run(v.Tab, "read document.cookie", chromedp.Evaluate[string]("document.cookie")); got != "" {
		t.Error("scripts can read a cookie")
	}

	v.reload()
	v.sees("#who", "Ada Lindqvist")
	v.Follow("#signout")
	v.sees("#who", "nobody")
	if names := v.cookieNames(); len(names) != 0 {
		t.Errorf("after the sign-out the browser has %v", names)
	}
}

func checkHostCookie(t *testing.T, c *network.Cookie) {
	t.Helper()
	if !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" {
		t.Errorf("%s: Secure %v, HttpOnly %v, SameSite %s, Path %s", c.Name, c.Secure, c.HTTPOnly, c.SameSite, c.Path)
	}
	if c.Domain != "localhost" { // a cookie with a Domain attribute has a dot in front
		t.Errorf("%s: its domain is %s, so it is not of this host alone", c.Name, c.Domain)
	}
}

// TestErrorPage looks at the page that the library itself shows, where the application has none.
func TestErrorPage(t *testing.T) {
	site := newSecureApplication(t)
	v := visit(t, browser.Start(t, browser.Options{InsecureIgnoreCertificateErrors: true}), site)
	v.Follow("#signin")
	v.Follow(`button[name="deny"]`)
	v.reads("body", string(auth.CodeAccessDenied))
	if strings.Contains(v.Text("body"), "the person said no") {
		t.Error("the page shows what the provider says")
	}
	v.shoot("library-error")
	v.shootPhone("library-error-phone")
	v.prefers("dark")
	if text := browser.Run(v.Tab, "look at the text", chromedp.Evaluate[string]("getComputedStyle(document.body).color")); text != "rgb(255, 255, 255)" {
		t.Errorf("where the system is dark the text is %s, so the page is a bright one", text)
	}
	v.shoot("library-error-dark")
	v.Follow("a") // try again
	v.Follow(person("ada"))
	v.sees("#who", "Ada Lindqvist")
}

// newSecureApplication serves an application at localhost and its provider at 127.0.0.1 over https, and returns the
// application's URL.
func newSecureApplication(t *testing.T) string {
	t.Helper()
	a := newAuthority(t)
	app, provider := a.newSecureSite(t, "localhost"), a.newSecureSite(t, "127.0.0.1")
	callback := app.url + auth.DefaultBasePath + "/callback"
	op, err := fakeop.New(fakeop.Config{
		Issuer:  provider.url,
		Clients: []fakeop.Client{{ID: "app", Secret: "app-secret", RedirectURIs: []string{callback}}},
		Users:   []fakeop.User{{Subject: "ada", Name: "Ada Lindqvist"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients: []kvoauth.Client{{
			Provider: providers.Provider{ID: "fake", DisplayName: "Fake", Issuer: provider.url},
			ClientID: "app", ClientSecret: auth.NewSecret("app-secret"),
		}},
		RedirectURL: callback, KV: sessions, Keys: []auth.Key{auth.GenerateKey()}, HTTPClient: a.client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(routes.Pattern(), routes)
	mux.Handle("GET /{$}", auth.Guard{Authenticator: backend}.OptionalAuth(http.HandlerFunc(whoPage)))
	provider.serve(op)
	app.serve(mux)
	return app.url
}

func whoPage(w http.ResponseWriter, r *http.Request) {
	who := "nobody"
	if a, ok := auth.FromContext(r.Context()); ok {
		who = a.Principal.Claim("name")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html><title>Who</title><p id="who">%s</p><a id="signin" href="/api/v1/auth/signin">Sign in</a>
<form method="post" action="/api/v1/auth/signout"><button id="signout">Sign out</button></form>`, html.EscapeString(who))
}
