package kvoauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// TestEverywhereEndsSignInsUnderWay: who signs out everywhere is not signed in by a sign-in that began before, wherever it
// was at that moment.
func TestEverywhereEndsSignInsUnderWay(t *testing.T) {
	t.Run("at the provider", func(t *testing.T) {
		g := newRig(t, rigOptions{})
		redirect, err := g.SignIn(request(), auth.SignInParams{})
		if err != nil {
			t.Fatal(err)
		}
		r, p := g.answer(redirect, "alice")
		g.clock.advance(time.Second)
		if _, err := g.RevokeSessions(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		g.clock.advance(time.Second)
		if _, err := g.HandleCallback(r, p); auth.CodeOf(err) != auth.CodeSessionRevoked {
			t.Errorf("%v", err)
		}
		g.signIn("alice") // one that begins now is good
	})
	t.Run("in the callback", func(t *testing.T) {
		g := newRig(t, rigOptions{})
		redirect, err := g.SignIn(request(), auth.SignInParams{})
		if err != nil {
			t.Fatal(err)
		}
		r, p := g.answer(redirect, "alice")
		g.clock.advance(time.Second)
		g.idp.SetFaults(fakeop.Faults{UserInfo: func(map[string]any) {
			if _, err := g.RevokeSessions(t.Context(), "alice"); err != nil {
				t.Error(err)
			}
		}})
		if _, err := g.HandleCallback(r, p); auth.CodeOf(err) != auth.CodeSessionRevoked {
			t.Errorf("%v", err)
		}
		if list, err := g.ListSessions(t.Context(), "alice"); err != nil || len(list) != 0 {
			t.Errorf("%d sessions, %v", len(list), err)
		}
	})
}

// TestEverywhereDuringARotation: one process seals with the new key already, the other still with the old one.
func TestEverywhereDuringARotation(t *testing.T) {
	g := newRig(t, rigOptions{})
	old, fresh := g.keys[0], auth.GenerateKey()
	ahead, behind := g.build(withKeys(fresh, old)), g.build(withKeys(old, fresh))
	var credentials []string
	for _, b := range []*kvoauth.Backend{ahead, behind, ahead, behind} {
		created, err := b.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		credentials = append(credentials, credentialIn(created.Cookies))
	}
	if list, err := behind.ListSessions(t.Context(), "alice"); err != nil || len(list) != 4 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	if n, err := behind.RevokeSessions(t.Context(), "alice"); err != nil || n != 4 {
		t.Errorf("ended %d, %v", n, err)
	}
	for i, c := range credentials {
		if got := codeAt(ahead, c); got != auth.CodeSessionNotFound {
			t.Errorf("session %d: %q", i, got)
		}
	}
}

// TestRemovedProvider: dropping a provider from the configuration ends the sessions of its users.
func TestRemovedProvider(t *testing.T) {
	g := newRig(t, rigOptions{})
	c := credential(g.signIn("alice"))
	without := g.build(func(cfg *kvoauth.Config) {
		cfg.PrimaryProvider = cfg.Clients[0].Provider.ID
		cfg.Clients[0].Provider.ID = "other"
	})
	if got := codeAt(without, c); got != auth.CodeSessionInvalid {
		t.Errorf("%q", got)
	}
}

// TestRefreshNeverWidens: scopes that the application took away or renamed stay so when the tokens are renewed.
func TestRefreshNeverWidens(t *testing.T) {
	for name, change := range map[string]func(p *auth.Principal){
		"taken away": func(p *auth.Principal) { p.Scopes = p.Scopes[:1] },
		"renamed in place": func(p *auth.Principal) {
			for i := range p.Scopes {
				p.Scopes[i] = "idp:" + p.Scopes[i]
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			g, result := aged(t, rigOptions{backend: func(c *kvoauth.Config) {
				c.MapPrincipal = func(_ *http.Request, p *auth.Principal) error {
					change(p)
					want = append([]string(nil), p.Scopes...)
					return nil
				}
			}})
			a, err := g.Authenticate(request(session(credential(result))))
			if err != nil || g.seen(auth.EventTokenRefreshed) != 1 {
				t.Fatalf("not refreshed: %v", err)
			}
			if len(a.Principal.Scopes) != len(want) || !a.Principal.HasScopes(want...) {
				t.Errorf("%q, want %q", a.Principal.Scopes, want)
			}
		})
	}
}

// TestSignInsHaveAStoreOfTheirOwn: whatever fills it, sessions are made and read.
func TestSignInsHaveAStoreOfTheirOwn(t *testing.T) {
	signIns := newRig(t, rigOptions{})
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.SignInKV = signIns.faults }})
	g.signIn("alice")
	if g.calls["Set t"] != 0 || signIns.calls["Set t"] != 1 || signIns.calls["Take t"] != 1 {
		t.Errorf("sign-ins: %v and %v", g.calls, signIns.calls)
	}
}

// TestClocksThatDisagree: two processes whose clocks are five minutes apart share a store.
func TestClocksThatDisagree(t *testing.T) {
	const apart = 5 * time.Minute
	type rigs struct {
		*rig
		ahead *kvoauth.Backend
	}
	two := func(t *testing.T, o rigOptions) rigs {
		g := newRig(t, o)
		return rigs{g, g.build(func(c *kvoauth.Config) { c.Now = func() time.Time { return g.clock.Now().Add(apart) } })}
	}
	create := func(t *testing.T, b *kvoauth.Backend, life time.Duration) *auth.CreatedSession {
		t.Helper()
		s, err := b.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice", Lifetime: life})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	everywhere := func(t *testing.T, b *kvoauth.Backend, want int) {
		t.Helper()
		if n, err := b.RevokeSessions(t.Context(), "alice"); err != nil || n != want {
			t.Errorf("ended %d, want %d; %v", n, want, err)
		}
	}
	t.Run("a session that is over by the clock ahead alone", func(t *testing.T) {
		g := two(t, rigOptions{})
		create(t, g.Backend, 4*time.Minute)
		create(t, g.ahead, 0)
		everywhere(t, g.Backend, 2)
	})
	t.Run("a page that the clock ahead has written last", func(t *testing.T) {
		g := two(t, rigOptions{backend: func(c *kvoauth.Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, time.Hour }})
		create(t, g.Backend, 0)
		gone := create(t, g.Backend, 0)
		if err := g.ahead.RevokeSession(t.Context(), gone.Session.ID); err != nil {
			t.Fatal(err)
		}
		g.clock.advance(57 * time.Minute)
		everywhere(t, g.Backend, 1)
	})
	t.Run("a sign-in after everything was ended", func(t *testing.T) {
		g := two(t, rigOptions{})
		everywhere(t, g.ahead, 0)
		create(t, g.Backend, 0)
	})
	t.Run("a sign-in before everything was ended", func(t *testing.T) {
		g := two(t, rigOptions{})
		redirect, err := g.ahead.SignIn(request(), auth.SignInParams{})
		if err != nil {
			t.Fatal(err)
		}
		r, p := g.answer(redirect, "alice")
		everywhere(t, g.Backend, 0)
		if _, err := g.HandleCallback(r, p); auth.CodeOf(err) != auth.CodeSessionRevoked {
			t.Errorf("%v", err)
		}
	})
}

// TestEpochLost: a store that has forgotten the epoch, or a key that it was sealed with, locks nobody out.
func TestEpochLost(t *testing.T) {
	g := newRig(t, rigOptions{})
	if _, err := g.RevokeSessions(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	g.clock.advance(time.Second)
	g.put("e:1", nil)
	g.signIn("alice")
	g.put("e:1", []byte("not ours"))
	g.signIn("alice")
	g.build(withKeys(auth.GenerateKey(), g.keys[0]))
	fresh := g.build(withKeys(auth.GenerateKey()))
	if _, err := fresh.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice"}); err != nil {
		t.Error(err)
	}
}
