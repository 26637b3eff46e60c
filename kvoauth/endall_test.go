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
