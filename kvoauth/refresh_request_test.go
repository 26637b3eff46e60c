package kvoauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// refreshed waits until tokens have been renewed n times: a request waits only so long for its refresh, which goes on
// without it.
func (g *rig) refreshed(n int) {
	g.t.Helper()
	waitFor(g.t, n, func() int { return g.seen(auth.EventTokenRefreshed) })
}

func (w *world) refreshed(n int) {
	w.t.Helper()
	waitFor(w.t, n, func() int { return strings.Count(w.log.String(), string(auth.EventTokenRefreshed)) })
}

func waitFor(t testing.TB, n int, refreshes func() int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); refreshes() < n && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if got := refreshes(); got != n {
		t.Errorf("%d refreshes, want %d", got, n)
	}
}

// TestRefreshRequest: a refresh asks for nothing wider than was granted, authenticates as the exchange of the code does,
// and uses the new refresh token the next time (CONF-G10, CONF-R01, CONF-F12).
func TestRefreshRequest(t *testing.T) {
	g, result := aged(t, rigOptions{})
	sent := map[string]bool{}
	for i := range 2 {
		g.mustBe(credential(result), "")
		g.refreshed(i + 1)
		g.clock.advance(56 * time.Minute)
	}
	for _, r := range g.idp.Requests() {
		if r.Endpoint != fakeop.EndpointToken {
			continue
		}
		if r.Form.Get("grant_type") != "refresh_token" || r.Form.Has("scope") || r.Form.Has("redirect_uri") || len(r.Query) != 0 {
			t.Errorf("refresh request %v", r.Form)
		}
		if id, secret, ok := (&http.Request{Header: r.Header}).BasicAuth(); !ok || id != g.idp.ClientID || secret != g.idp.ClientSecret.Reveal() {
			t.Error("the client did not authenticate")
		}
		sent[r.Form.Get("refresh_token")] = true
	}
	if len(sent) != 2 || sent[""] {
		t.Errorf("%d refresh tokens were sent, want two", len(sent))
	}
}

// TestRefreshGoesToTheConfiguredEndpoint: an endpoint that is configured wins over the discovery document for the refresh
// token as it does for the code (NS-17, R6749-06).
func TestRefreshGoesToTheConfiguredEndpoint(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc["token_endpoint"] = "https://mail.test/token" }})
	w := newWorld(t, idp, func(c *kvoauth.Config) { c.Clients[0].Provider.TokenEndpoint = idp.Issuer() + "/token" })
	w.egress.mail = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the endpoint of the document was asked") })
	b := w.browser()
	w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	w.clock.advance(56 * time.Minute)
	w.signedIn(b, &answer{status: http.StatusFound}, "alice")
	w.refreshed(1)
	w.calls(2, 1)
}

// TestRefreshStaysWithItsProvider: of several providers each gets the refresh tokens that it gave, and nobody else's
// (R6749-06).
func TestRefreshStaysWithItsProvider(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	other := newIDP(t, authtest.ProviderConfig{ID: "other", Issuer: "https://other.test"})
	w := newWorld(t, idp, nil, other)
	b := w.browser()
	w.signedIn(b, w.finish(b, w.begin(b, "providerId", "other")), "urn:netscript:other:alice")
	idp.Reset()
	other.Reset()
	idp.clock.advance(56 * time.Minute)
	other.clock.advance(56 * time.Minute)
	w.signedIn(b, &answer{status: http.StatusFound}, "urn:netscript:other:alice")
	w.refreshed(1)
	if idp.Count(fakeop.EndpointToken) != 0 || other.Count(fakeop.EndpointToken) != 1 {
		t.Errorf("%d and %d requests, want none and one", idp.Count(fakeop.EndpointToken), other.Count(fakeop.EndpointToken))
	}
}

// TestRefreshTokenOfAnotherClient: a refresh token belongs to the client and the issuer that it was given to. Where either
// has changed in the configuration it is sent to nobody, and the session ends (ADV-95, RFC 6749, section 10.4).
func TestRefreshTokenOfAnotherClient(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*kvoauth.Client)
		code   auth.Code
	}{
		"nothing changed": {func(*kvoauth.Client) {}, ""},
		"another secret":  {func(c *kvoauth.Client) { c.ClientSecret = auth.NewSecret("test-client-secret") }, ""},
		"another client":  {func(c *kvoauth.Client) { c.ClientID += "1" }, auth.CodeSessionRevoked},
		"another issuer":  {func(c *kvoauth.Client) { c.Provider.Issuer = "https://other.test" }, auth.CodeSessionRevoked},
		"parts moved across": {func(c *kvoauth.Client) {
			c.ClientID, c.Provider.Issuer = c.ClientID[1:], c.Provider.Issuer+c.ClientID[:1]
		}, auth.CodeSessionRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			g, result := aged(t, rigOptions{})
			signedOut := credential(g.signIn("bob"))
			g.idp.Reset()
			later := g.build(func(cfg *kvoauth.Config) {
				cfg.Clients = append([]kvoauth.Client(nil), cfg.Clients...)
				c.change(&cfg.Clients[0])
			})
			if got := codeAt(later, credential(result)); got != c.code {
				t.Errorf("%q, want %q", got, c.code)
			}
			if _, err := later.SignOut(request(session(signedOut)), auth.SignOutParams{}); err != nil {
				t.Error(err)
			}
			if err := later.Shutdown(t.Context()); err != nil { // all that is to be revoked has been
				t.Error(err)
			}
			refreshed, revoked := g.refreshes(), g.idp.Count(fakeop.EndpointRevocation)
			if kept := c.code == ""; (refreshed != 0) != kept || (revoked != 0) != kept {
				t.Errorf("the provider was sent %d refreshes and %d revocations", refreshed, revoked)
			}
		})
	}
}
