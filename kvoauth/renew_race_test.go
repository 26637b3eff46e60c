package kvoauth_test

import (
	"context"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

// TestRenewalDuringAnEnd renews the session at every call of the store that the end of all sessions makes: what follows a
// session is of the epoch in which that one began, so an end that was acknowledged leaves none.
func TestRenewalDuringAnEnd(t *testing.T) {
	users := func(c *kvoauth.Config) { c.Users = oneUser{} }
	for name, c := range map[string]struct {
		configure func(*kvoauth.Config)
		end       func(g *rig) error
	}{
		"all of a user": {nil, func(g *rig) error {
			_, err := g.RevokeSessions(context.Background(), "alice")
			return err
		}},
		"a logout by sid":            {nil, func(g *rig) error { return g.BackChannelLogout(context.Background(), g.logoutToken("", "one")) }},
		"a logout by sub":            {nil, func(g *rig) error { return g.BackChannelLogout(context.Background(), g.logoutToken("alice", "")) }},
		"a logout by sub, and users": {users, func(g *rig) error { return g.BackChannelLogout(context.Background(), g.logoutToken("alice", "")) }},
	} {
		for _, rotated := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				interrupted := true
				for at := 0; interrupted; at++ {
					g := newRig(t, rigOptions{backend: c.configure})
					old, calls := g.signInAs("alice", "one"), 0
					if rotated { // then the new session is listed elsewhere than the old one
						fresh := auth.GenerateKey()
						g.Backend, g.keys = g.build(withKeys(fresh, g.keys[0])), []auth.Key{fresh, g.keys[0]}
					}
					var now string
					var renewal error
					interrupted = false
					g.breaks(func(storetest.Op, string) storetest.Fault {
						if calls++; calls-1 == at {
							interrupted = true
							g.breaks(nil)
							now, _, renewal = g.renewed(old)
						}
						return storetest.None
					})
					if err := c.end(g); err != nil {
						t.Fatalf("call %d: %v", at, err)
					}
					g.breaks(nil)
					g.mustBe(old, auth.CodeSessionNotFound)
					if now != "" && g.whoIs(now) == "" {
						t.Errorf("rotated %v, call %d: acknowledged, and the renewed session lives on", rotated, at)
					}
					if renewal != nil && at == 0 {
						t.Errorf("before the end: %v", renewal)
					}
				}
			})
		}
	}
}

// TestLinkDuringAnEnd is the same for who links an account: the session that this begins is the user's all the same.
func TestLinkDuringAnEnd(t *testing.T) {
	interrupted := true
	for at := 0; interrupted; at++ {
		g := newRig(t, withLinks(0))
		old, calls := g.signInAs("alice", "one"), 0
		var linked *auth.CallbackResult
		interrupted = false
		g.breaks(func(storetest.Op, string) storetest.Fault {
			if calls++; calls-1 == at {
				interrupted = true
				g.breaks(nil)
				if _, err := g.Authenticate(request(session(old))); err == nil {
					linked, _ = g.attempt(auth.SignInParams{Link: true}, "bob", session(old))
				}
			}
			return storetest.None
		})
		if _, err := g.RevokeSessions(t.Context(), "alice"); err != nil {
			t.Fatalf("call %d: %v", at, err)
		}
		g.breaks(nil)
		if linked != nil && g.whoIs(credential(linked)) == "" {
			t.Errorf("call %d: acknowledged, and a session of the user lives on", at)
		}
	}
}
