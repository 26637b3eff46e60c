package kvoauth_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

func TestRefreshedIDToken(t *testing.T) {
	claim := func(name string, value any) func(h, c map[string]any) {
		return func(_, c map[string]any) { c[name] = value }
	}
	azp := func(c *fakeop.Config) { c.Clients[0].AuthorizedParty = true }
	for name, c := range map[string]struct {
		change   func(header, claims map[string]any)
		provider func(*fakeop.Config)
		ends     bool
	}{
		"unchanged":         {change: func(_, _ map[string]any) {}},
		"iss":               {change: claim("iss", "https://idp.test1"), ends: true},
		"sub":               {change: claim("sub", "alice1"), ends: true},
		"no sub":            {change: func(_, c map[string]any) { delete(c, "sub") }, ends: true},
		"aud":               {change: claim("aud", "test-client1"), ends: true},
		"more aud":          {change: claim("aud", []string{"test-client", "other"}), ends: true},
		"aud as list":       {change: claim("aud", []string{"test-client"})},
		"other nonce":       {change: claim("nonce", "another"), ends: true},
		"azp":               {change: claim("azp", "other"), provider: azp, ends: true},
		"auth_time":         {change: claim("auth_time", 1), ends: true},
		"without auth_time": {change: func(_, c map[string]any) { delete(c, "auth_time") }},
		"expired":           {change: claim("exp", 1), ends: true},
		"iat in the future": {change: claim("iat", 1<<40), ends: true},
		"at_hash":           {change: claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), ends: true},
		"alg none":          {change: func(h, _ map[string]any) { h["alg"] = "none" }, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			g, result := aged(t, rigOptions{provider: c.provider})
			g.idp.SetFaults(fakeop.Faults{IDToken: c.change})
			got := g.whoIs(credential(result))
			switch {
			case c.ends && got != auth.CodeSessionRevoked:
				t.Errorf("%q, want the session ended", got)
			case !c.ends && got != "":
				t.Errorf("%q, want the session to live", got)
			}
			if n := g.refreshes(); n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
			if n := g.idp.Count(fakeop.EndpointUserInfo); n != 0 {
				t.Errorf("%d calls to UserInfo", n)
			}
		})
	}
}

// TestRefreshedIDTokenForMore: also an audience that is trusted may not join later.
func TestRefreshedIDTokenForMore(t *testing.T) {
	g, result := aged(t, rigOptions{
		provider: func(c *fakeop.Config) { c.Clients[0].AuthorizedParty = true },
		backend:  func(c *kvoauth.Config) { c.Clients[0].TrustedAudiences = []string{"other"} },
	})
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) { c["aud"] = []string{"test-client", "other"} }})
	g.mustBe(credential(result), auth.CodeSessionRevoked)
}

func TestRefreshedIDTokenWithTheSameNonce(t *testing.T) {
	var nonce any
	g := newRig(t, rigOptions{})
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) {
		if nonce == nil {
			nonce = c["nonce"]
		}
		c["nonce"] = nonce
	}})
	result := g.signIn("alice")
	g.clock.advance(56 * time.Minute)
	g.mustBe(credential(result), "")
	if nonce == nil || g.seen(auth.EventTokenRefreshed) != 1 {
		t.Error("no nonce, or no refresh")
	}
}

func TestRefreshWithoutIDToken(t *testing.T) {
	g, result := aged(t, rigOptions{})
	g.idp.SetFaults(fakeop.Faults{TokenResponse: func(a map[string]any) { delete(a, "id_token") }})
	g.mustBe(credential(result), "")
	g.idp.SetFaults(fakeop.Faults{}) // the next one is compared with that of the sign-in still
	g.clock.advance(56 * time.Minute)
	g.mustBe(credential(result), "")
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, c map[string]any) { c["sub"] = "mallory" }})
	g.clock.advance(56 * time.Minute)
	g.mustBe(credential(result), auth.CodeSessionRevoked)
}

// TestRefreshNarrowsScopes keeps what the application has added.

func TestRefreshAtKeyRotation(t *testing.T) {
	g := newRig(t, rigOptions{})
	results := make([]*auth.CallbackResult, 20)
	for i := range results {
		results[i] = g.signIn("alice")
	}
	g.clock.advance(56 * time.Minute)
	g.idp.RotateKeys()
	var all sync.WaitGroup
	for i, result := range results {
		all.Go(func() {
			if got := g.whoIs(credential(result)); got != "" {
				t.Errorf("session %d ended at the provider's key rotation: %q", i, got)
			}
		})
	}
	all.Wait()
}

// TestSignInsAtKeyRotation: all of them wait for the new keys that the first one asks for.
func TestSignInsAtKeyRotation(t *testing.T) {
	g := newRig(t, rigOptions{})
	g.signIn("alice")
	type step struct {
		r *http.Request
		p auth.CallbackParams
	}
	steps := make([]step, 10)
	for i := range steps {
		steps[i].r, steps[i].p = g.callback("alice")
	}
	g.idp.RotateKeys()
	g.idp.Reset()
	g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointJWKS: func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(50 * time.Millisecond)
		return false
	}}})
	var all sync.WaitGroup
	for _, s := range steps {
		all.Go(func() {
			if _, err := g.HandleCallback(s.r, s.p); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := g.idp.Count(fakeop.EndpointJWKS); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
}

// TestRefreshWhileKeysMayNotBeAsked: a token with an unknown key has made the backend ask the provider a minute ago, as

// anyone may send one. When the provider then changes its keys, no session may end for it.

func TestRefreshWhileKeysMayNotBeAsked(t *testing.T) {
	g, result := aged(t, rigOptions{})
	forged := g.signInAnswer("alice", func(h, _ map[string]any) { h["kid"] = "nobody's" })
	if auth.CodeOf(forged) != auth.CodeIDTokenInvalid {
		t.Fatalf("a token of an unknown key: %v", forged)
	}
	g.clock.advance(time.Minute)
	g.idp.RotateKeys()
	g.mustBe(credential(result), "")
	g.refreshed(1)
	g.clock.advance(56 * time.Minute)
	g.idp.SetFaults(fakeop.Faults{IDToken: func(h, _ map[string]any) { h["kid"] = "nobody's" }})
	g.mustBe(credential(result), "") // now they may be asked, and do not have it yet: a cache before them may be behind
	g.refreshed(2)
}

// signInAnswer signs user in with a changed ID token and returns the error.

func (g *rig) signInAnswer(user string, change func(header, claims map[string]any)) error {
	g.t.Helper()
	r, p := g.callback(user)
	g.idp.SetFaults(fakeop.Faults{IDToken: change})
	defer g.idp.SetFaults(fakeop.Faults{})
	_, err := g.HandleCallback(r, p)
	return err
}
