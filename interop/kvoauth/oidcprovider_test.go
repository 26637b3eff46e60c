// Package kvoauth runs the kv-oauth backend against an OpenID provider that shares no code with it, over real
// connections and TLS.
package kvoauth

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/interop/oidcprovider"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// app is an application over TLS with one browser.
type app struct {
	t        *testing.T
	url      string
	backend  *kvoauth.Backend
	provider *oidcprovider.Server
	browser  *http.Client

	mu     sync.Mutex
	events []auth.Event
}

// newApp starts the provider and an application that is its client clientID.
func newApp(t *testing.T, clientID string, o oidcprovider.Options, configure func(*providers.Provider)) *app {
	t.Helper()
	return newAppAs(t, clientID, o, func(c *kvoauth.Client) {
		if configure != nil {
			configure(&c.Provider)
		}
	})
}

// newAppAs is newApp with more to configure. Without clients in o there is one of each kind.
func newAppAs(t *testing.T, clientID string, o oidcprovider.Options, configure func(*kvoauth.Client)) *app {
	t.Helper()
	a := &app{t: t}
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	a.url = server.URL
	callback := a.url + auth.DefaultBasePath + "/callback"
	if o.Clients == nil {
		o.Clients = oidcprovider.DefaultClients(callback)
	}
	for i := range o.Clients {
		o.Clients[i].RedirectURIs, o.Clients[i].PostLogoutRedirectURIs = []string{callback}, []string{a.signedOutURL()}
	}
	a.provider = oidcprovider.Start(t, o)
	registered := a.provider.Client(clientID)
	client := kvoauth.Client{ClientID: registered.ID, ClientSecret: auth.NewSecret(registered.Secret), PostLogoutRedirectURL: a.signedOutURL(), Provider: providers.Provider{
		ID: "oidc-provider", Issuer: a.provider.Issuer, Scopes: []string{"openid", "profile", "email", "offline_access"},
		AuthParams: map[string]string{"prompt": "consent"}, // without it there is no refresh token (OpenID Connect Core 1.0, section 11)
		ClientAuth: providers.ClientAuth(registered.AuthMethod),
	}}
	configure(&client)
	kv, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	a.backend, err = kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:           []kvoauth.Client{client},
		RedirectURL:       callback,
		KV:                kv,
		Keys:              []auth.Key{auth.GenerateKey()},
		Observer:          auth.ObserverFunc(func(_ context.Context, e auth.Event) { a.observe(e) }),
		InsecureAllowHTTP: true, // the provider is on http; the application is not
	})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := auth.NewHandler(a.backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle(handler.Pattern(), handler)
	a.browser = newBrowser(t, server)
	return a
}

// signedOutURL is where the provider sends the browser back after a sign-out.
func (a *app) signedOutURL() string { return a.url + auth.DefaultBasePath + "/signout/callback" }

func newBrowser(t *testing.T, server *httptest.Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (a *app) observe(e auth.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
}

func (a *app) seen(name auth.EventName) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, e := range a.events {
		if e.Name == name {
			n++
		}
	}
	return n
}

// begin starts a sign-in and returns the provider's answer.
func (a *app) begin(user string) *oidcprovider.Callback {
	a.t.Helper()
	res := a.do(http.MethodGet, a.url+auth.DefaultBasePath+"/signin?returnTo=/welcome", nil)
	if res.StatusCode != http.StatusFound {
		a.t.Fatalf("sign-in: %s", res.Status)
	}
	return a.provider.Login(a.t, a.browser, res.Header.Get("Location"), user)
}

// finish delivers the answer to the application.
func (a *app) finish(cb *oidcprovider.Callback) *http.Response {
	a.t.Helper()
	if cb.Method == http.MethodPost {
		return a.do(http.MethodPost, cb.URL.String(), cb.Response)
	}
	return a.do(http.MethodGet, cb.URL.String(), nil)
}

func (a *app) do(method, target string, form url.Values) *http.Response {
	a.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, target, body)
	if err != nil {
		a.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := a.browser.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

type me struct {
	Authenticated bool
	User          struct {
		ID, DisplayName, Email string
		EmailVerified          bool
	}
	Session struct {
		ID     string
		Scopes []string
	}
}

func (a *app) me() (answer me) {
	a.t.Helper()
	res := a.do(http.MethodGet, a.url+auth.DefaultBasePath+"/me", nil)
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		a.t.Fatalf("me: %s, %v", res.Status, err)
	}
	return answer
}

// TestSignIn signs in and out with every kind of client and both response modes.
func TestSignIn(t *testing.T) {
	for _, tt := range []struct{ client, mode string }{
		{"basic", ""}, {"post", ""}, {"public", ""}, {"basic", "form_post"}, {"public", "form_post"},
	} {
		t.Run(tt.client+" "+tt.mode, func(t *testing.T) {
			a := newApp(t, tt.client, oidcprovider.Options{}, func(p *providers.Provider) { p.ResponseMode = tt.mode })
			cb := a.begin("erin")
			if cb.Response.Get("iss") != a.provider.Issuer {
				t.Errorf("the provider sent iss %q: RFC 9207 is not exercised", cb.Response.Get("iss"))
			}
			wantStatus := http.StatusFound
			if tt.mode == "form_post" {
				wantStatus = http.StatusSeeOther
			}
			if res := a.finish(cb); res.StatusCode != wantStatus || res.Header.Get("Location") != "/welcome" {
				t.Fatalf("callback: %s to %q", res.Status, res.Header.Get("Location"))
			}
			answer := a.me()
			if !answer.Authenticated || answer.User.ID != "erin" || answer.User.Email == "" || answer.User.DisplayName == "" {
				t.Errorf("me: %+v", answer)
			}
			if len(answer.Session.Scopes) == 0 {
				t.Error("no scopes")
			}
			if res := a.finish(cb); res.StatusCode != http.StatusBadRequest {
				t.Errorf("replayed callback: %s", res.Status)
			}
			if res := a.do(http.MethodPost, a.url+auth.DefaultBasePath+"/signout", url.Values{}); res.StatusCode != http.StatusSeeOther {
				t.Errorf("sign-out: %s", res.Status)
			}
			if a.me().Authenticated {
				t.Error("still signed in")
			}
		})
	}
}

// TestHostCookies: what the browser is given over TLS.
func TestHostCookies(t *testing.T) {
	a := newApp(t, "basic", oidcprovider.Options{}, nil)
	res := a.finish(a.begin("erin"))
	found := false
	for _, c := range res.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %s: %+v", c.Name, c)
		}
		found = found || c.Name == kvoauth.DefaultCookieName
	}
	if !found {
		t.Error("no session cookie")
	}
}

// TestRefresh renews tokens by request and on read. The provider rotates refresh tokens and revokes the whole grant when
// an old one comes again, so a second success proves that the new one was kept.
func TestRefresh(t *testing.T) {
	a := newApp(t, "basic", oidcprovider.Options{AccessTokenTTL: time.Second}, nil)
	if res := a.finish(a.begin("erin")); res.StatusCode != http.StatusFound {
		t.Fatalf("callback: %s", res.Status)
	}
	id := a.me().Session.ID
	for range 2 {
		s, err := a.backend.RefreshSession(t.Context(), id)
		if err != nil || s.RefreshedAt.IsZero() {
			t.Fatalf("refresh: %v", err)
		}
	}
	before := a.seen(auth.EventTokenRefreshed)
	deadline := time.Now().Add(10 * time.Second)
	for a.seen(auth.EventTokenRefreshed) == before {
		if time.Now().After(deadline) {
			t.Fatal("reading the session does not refresh its tokens")
		}
		if !a.me().Authenticated {
			t.Fatal("the refresh ended the session")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestOtherBrowser finishes one person's sign-in in another's browser.
func TestOtherBrowser(t *testing.T) {
	a := newApp(t, "basic", oidcprovider.Options{}, nil)
	cb := a.begin("mallory")
	a.browser.Jar, _ = cookiejar.New(nil)
	if res := a.finish(cb); res.StatusCode != http.StatusBadRequest {
		t.Errorf("callback in another browser: %s", res.Status)
	}
	if a.me().Authenticated {
		t.Error("signed in as somebody else")
	}
}
