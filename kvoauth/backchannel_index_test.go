package kvoauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

func (g *rig) logOut(b *kvoauth.Backend, sub, sid string) {
	g.t.Helper()
	if err := b.BackChannelLogout(context.Background(), g.logoutToken(sub, sid)); err != nil {
		g.t.Error(err)
	}
}

// TestLogoutDuringARotation: sessions are found under whatever key of the ring they were made.
func TestLogoutDuringARotation(t *testing.T) {
	g := newRig(t, rigOptions{})
	first := g.signInAs("alice", "one")
	fresh := auth.GenerateKey()
	rotated := g.build(withKeys(fresh, g.keys[0]))
	g.Backend, g.keys = rotated, []auth.Key{fresh, g.keys[0]}
	second, other := g.signInAs("alice", "one"), g.signInAs("alice", "two")
	g.logOut(g.build(withKeys(g.keys[1], fresh)), "", "one") // a process that has not been told yet
	g.mustBe(first, auth.CodeSessionNotFound)
	g.mustBe(second, auth.CodeSessionNotFound)
	g.mustBe(other, "")
	g.logOut(rotated, "alice", "")
	g.mustBe(other, auth.CodeSessionNotFound)
}

// TestLogoutOfAnAccount: of the accounts that are linked to a user, only the one that the token speaks of is logged out.
func TestLogoutOfAnAccount(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.Users = oneUser{} }})
	alice, bob := g.signInAs("alice", "a"), g.signInAs("bob", "b") // both are one user
	g.logOut(g.Backend, "alice", "")
	g.mustBe(alice, auth.CodeSessionNotFound)
	g.mustBe(bob, "")
	g.logOut(g.Backend, "user 1", "") // a subject that is somebody's user id
	g.mustBe(bob, "")
	if n, err := g.RevokeSessions(t.Context(), "user 1"); err != nil || n != 1 {
		t.Errorf("ended %d, %v", n, err)
	}
	g.mustBe(bob, auth.CodeSessionNotFound)
}

// TestLogoutSinceUsersAreKept: also the sessions of before end, and nobody's who is called like their subject.
func TestLogoutSinceUsersAreKept(t *testing.T) {
	g := newRig(t, rigOptions{})
	alice, bob := g.signInAs("alice", "a"), g.signInAs("bob", "b")
	g.config.Users = everyoneLinks{} // in which accounts are called like their users
	g.Backend = g.build(nil)
	linked, err := g.attempt(auth.SignInParams{Link: true}, "carol", session(g.signInAs("alice", "c")))
	if err != nil {
		t.Fatal(err)
	}
	g.logOut(g.Backend, "alice", "")
	g.mustBe(alice, auth.CodeSessionNotFound)
	g.mustBe(bob, "")
	g.mustBe(credential(linked), "") // alice's, by another account
}

// TestLogoutOfASessionWithoutSID: a provider that says nothing of sid in its ID tokens, and one whose sid is no text.
func TestLogoutOfASessionWithoutSID(t *testing.T) {
	for _, sid := range []any{nil, 7, "", []string{"x"}} {
		g := newRig(t, rigOptions{})
		g.idp.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) { claims["sid"] = sid }})
		alice := credential(g.signIn("alice"))
		g.logOut(g.Backend, "", "x")
		g.mustBe(alice, "")
		g.logOut(g.Backend, "alice", "")
		g.mustBe(alice, auth.CodeSessionNotFound)
	}
}

// TestManySessionsOfOneSID: the oldest end when there are too many to be listed, and a logout ends all others.
func TestManySessionsOfOneSID(t *testing.T) {
	const listed, more = 128, 2
	g := newRig(t, rigOptions{})
	var credentials []string
	for range listed + more {
		credentials = append(credentials, g.signInAs("alice", "one"))
	}
	for i, c := range credentials {
		want := auth.Code("")
		if i < more {
			want = auth.CodeSessionNotFound
		}
		g.mustBe(c, want)
	}
	g.logOut(g.Backend, "", "one")
	for _, c := range credentials {
		g.mustBe(c, auth.CodeSessionNotFound)
	}
}

// TestLogoutLeavesLittle: when its sessions have ended nothing of a sid is kept for longer than a sign-in takes.
func TestLogoutLeavesLittle(t *testing.T) {
	g := newRig(t, rigOptions{})
	if _, err := g.SignOut(request(session(g.signInAs("alice", "one"))), auth.SignOutParams{}); err != nil {
		t.Fatal(err)
	}
	g.signInAs("alice", "two")
	g.logOut(g.Backend, "", "two")
	g.clock.advance(2*time.Hour + time.Minute)
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.keysSeen {
		if key[:2] == "o:" && g.stored(key) != nil {
			t.Error("a sid is still listed")
		}
	}
}

// TestLogoutRevokesTokens is BCL-11: those of going on without the person are left alone.
func TestLogoutRevokesTokens(t *testing.T) {
	for _, tt := range []struct {
		scopes []string
		says   bool // what it has granted
		want   int
	}{
		{[]string{"openid"}, true, 0}, {[]string{"openid", "offline_access"}, true, 1},
		{[]string{"openid"}, false, 0}, {[]string{"openid", "offline_access"}, false, 1},
	} {
		for _, sid := range []string{"", "one"} {
			g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.Clients[0].Scopes = tt.scopes }})
			g.idp.SetFaults(fakeop.Faults{
				IDToken: func(_, claims map[string]any) { claims["sid"] = "one" },
				TokenResponse: func(answer map[string]any) {
					if !tt.says {
						delete(answer, "scope")
					}
				},
			})
			c := credential(g.signIn("alice"))
			sub := "alice"
			if sid != "" {
				sub = ""
			}
			g.logOut(g.Backend, sub, sid)
			g.settle()
			g.mustBe(c, auth.CodeSessionNotFound)
			if n := g.idp.RefreshTokens("alice"); n != tt.want {
				t.Errorf("%v, %v: %d refresh tokens are good, want %d", tt.scopes, tt.says, n, tt.want)
			}
		}
	}
}

// TestLogoutDuringRefreshWins: a refresh under way does not bring the session back.
func TestLogoutDuringRefreshWins(t *testing.T) {
	for _, sid := range []string{"", "one"} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, rigOptions{realTime: true})
			c := g.signInAs("alice", "one")
			time.Sleep(56 * time.Minute)
			release := make(chan struct{})
			g.idp.SetFaults(fakeop.Faults{
				IDToken: func(_, claims map[string]any) { claims["sid"] = "one" },
				Before: map[fakeop.Endpoint]fakeop.Hook{
					fakeop.EndpointToken: fakeop.HoldUntil(release), fakeop.EndpointRevocation: fakeop.Reply(200, "text/plain", ""),
				},
			})
			code := make(chan auth.Code, 1)
			go func() { code <- g.whoIs(c) }()
			synctest.Wait()
			sub := "alice"
			if sid != "" {
				sub = ""
			}
			g.logOut(g.Backend, sub, sid)
			g.mustBe(c, auth.CodeSessionNotFound)
			close(release)
			if got := <-code; got != auth.CodeSessionNotFound {
				t.Errorf("the waiting request: %q", got)
			}
			time.Sleep(time.Minute)
			g.mustBe(c, auth.CodeSessionNotFound)
		})
	}
}

// TestPartialLogout: some of the sessions cannot be ended. The provider is told to come again, and they then are.
func TestPartialLogout(t *testing.T) {
	for _, sid := range []string{"", "one"} {
		g := newRig(t, rigOptions{})
		var credentials []string
		for range 20 {
			credentials = append(credentials, g.signInAs("alice", "one"))
		}
		sub := "alice"
		if sid != "" {
			sub = ""
		}
		token := g.logoutToken(sub, sid)
		taken := 0
		g.breaks(func(op storetest.Op, key string) storetest.Fault {
			g.mu.Lock()
			defer g.mu.Unlock()
			if op == storetest.OpTake && key[:2] == "s:" {
				if taken++; taken%3 == 0 {
					return storetest.Fail
				}
			}
			return storetest.None
		})
		if err := g.BackChannelLogout(t.Context(), token); !undecided(err) {
			t.Errorf("%v", err)
		}
		g.breaks(nil)
		if err := g.BackChannelLogout(t.Context(), token); err != nil {
			t.Error(err)
		}
		for _, c := range credentials {
			g.mustBe(c, auth.CodeSessionNotFound)
		}
	}
}

// TestLogoutWhileKeysCannotBeHad: that is no verdict on the token.
func TestLogoutWhileKeysCannotBeHad(t *testing.T) {
	g := newRig(t, rigOptions{})
	c := g.signInAs("alice", "one")
	token := g.logoutToken("", "one")
	restarted := g.build(nil)
	g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointJWKS: fakeop.Reply(500, "text/plain", "")}})
	err := restarted.BackChannelLogout(t.Context(), token)
	if err == nil || errors.Is(err, auth.ErrRejected) || errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("%v", err)
	}
	g.mustBe(c, "")
	g.idp.SetFaults(fakeop.Faults{})
	g.clock.advance(time.Minute)
	if err := restarted.BackChannelLogout(t.Context(), token); err != nil {
		t.Error(err)
	}
	g.mustBe(c, auth.CodeSessionNotFound)
}

// TestForgedLogoutsHoldUpNoSignIn: anybody can send a token with a key that is not known. That the provider is not asked
// for its keys again for a while after one is nothing to who signs in when the keys have been rotated.
func TestForgedLogoutsHoldUpNoSignIn(t *testing.T) {
	g := newRig(t, rigOptions{})
	g.signInAs("alice", "one")
	forged, err := g.idp.SignJWT(map[string]any{"alg": "ES256", "typ": "logout+jwt", "kid": "unknown"}, map[string]any{
		"iss": g.idp.Issuer(), "aud": g.idp.ClientID,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := g.BackChannelLogout(t.Context(), forged); err == nil {
			t.Fatal("obeyed")
		}
	}
	g.idp.RotateKeys()
	g.signInAs("bob", "two")
}
