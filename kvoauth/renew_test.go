package kvoauth_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

func promote(p *auth.Principal) error {
	p.Roles = append(p.Roles, "admin")
	return nil
}

// renewed returns the credential of the session that a renewal made.
func (g *rig) renewed(old string) (string, *auth.Session, error) {
	created, err := g.RenewSession(request(session(old)), promote)
	if err != nil {
		return "", nil, err
	}
	return credentialIn(created.Cookies), created.Session, nil
}

// ids returns the ids of a user's sessions.
func (g *rig) ids(user string) (ids []string) {
	g.t.Helper()
	list, err := g.ListSessions(context.Background(), user)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// TestRenewSession is ASVS-7.2.4 for a change of privileges: another credential, the same limits.
func TestRenewSession(t *testing.T) {
	g := newRig(t, rigOptions{provider: withLevels})
	first, err := g.attempt(auth.SignInParams{ACRValues: []string{"gold"}}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	g.clock.advance(30 * time.Minute)
	created, err := g.RenewSession(request(session(credential(first))), func(p *auth.Principal) error {
		p.Roles, p.Scopes, p.Claims["department"] = []string{"admin"}, append(p.Scopes, "orders:write"), "sales"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	now := credentialIn(created.Cookies)
	g.mustBe(credential(first), auth.CodeSessionNotFound)
	a, err := g.Authenticate(request(session(now)))
	if err != nil {
		t.Fatal(err)
	}
	was := first.Session
	for _, s := range []*auth.Session{created.Session, a.Session} {
		if s.ID == was.ID || s.UserID != was.UserID || s.Subject != was.Subject || !s.IssuedAt.Equal(was.IssuedAt) || !s.AuthTime.Equal(was.AuthTime) ||
			s.ACR != "gold" || !s.LastUsedAt.Equal(g.clock.Now()) || !slices.Equal(s.Roles, []string{"admin"}) || s.Claims["department"] != "sales" {
			t.Errorf("%+v of %+v", s, was)
		}
	}
	if !a.Principal.HasScopes("orders:write", "openid") || was.Roles != nil || was.Claims["department"] != nil {
		t.Errorf("%q; the old session now says %q %v", a.Principal.Scopes, was.Roles, was.Claims)
	}
	if ids := g.ids("alice"); !slices.Equal(ids, []string{created.Session.ID}) {
		t.Errorf("the list has %q", ids)
	}
	if age := created.Cookies[0].MaxAge; age != int((kvoauth.DefaultAbsoluteTimeout-30*time.Minute)/time.Second) {
		t.Errorf("the cookie lives for %d seconds", age)
	}
	// The provider's tokens have moved: they are renewed, twice, and not revoked.
	for range 2 {
		g.clock.advance(56 * time.Minute)
		g.mustBe(now, "")
	}
	if g.seen(auth.EventTokenRefreshed) != 2 || g.idp.Count(fakeop.EndpointRevocation) != 0 {
		t.Errorf("%d refreshes, %d revocations", g.seen(auth.EventTokenRefreshed), g.idp.Count(fakeop.EndpointRevocation))
	}
	for end := was.IssuedAt.Add(kvoauth.DefaultAbsoluteTimeout); g.clock.Now().Before(end); g.clock.advance(time.Hour) {
		g.mustBe(now, "")
	}
	if g.whoIs(now) == "" {
		t.Error("the renewed session outlives the old one's limit")
	}
}

func TestRenewSessionRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*auth.Principal) error
		code   auth.Code
	}{
		"the application says no": {func(*auth.Principal) error { return errors.New("secret " + marker) }, auth.CodeForbidden},
		"another subject":         {func(p *auth.Principal) error { p.Subject = "bob"; return nil }, auth.CodeInternal},
		"claims that cannot be stored": {func(p *auth.Principal) error {
			p.Claims = map[string]any{"c": make(chan int)}
			return nil
		}, auth.CodeInternal},
	} {
		g := newRig(t, rigOptions{})
		old, s := g.create("alice")
		created, err := g.RenewSession(request(session(old)), c.change)
		if auth.CodeOf(err) != c.code || created != nil {
			t.Errorf("%s: %v", name, err)
		}
		g.mustBe(old, "")
		if ids := g.ids("alice"); !slices.Equal(ids, []string{s.ID}) {
			t.Errorf("%s: the list has %q", name, ids)
		}
	}
	g := newRig(t, rigOptions{})
	if _, err := g.RenewSession(request(), promote); auth.CodeOf(err) != auth.CodeNoCredential {
		t.Errorf("nobody: %v", err)
	}
	if _, err := g.RenewSession(request(session("x")), promote); !rejected(err, auth.CodeCredentialMalformed) {
		t.Errorf("malformed: %v", err)
	}
	old, s := g.create("alice")
	if err := g.RevokeSession(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.renewed(old); !rejected(err, auth.CodeSessionNotFound) {
		t.Errorf("signed out: %v", err)
	}
	old, _ = g.create("alice")
	g.clock.advance(kvoauth.DefaultIdleTimeout)
	if _, _, err := g.renewed(old); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("expired: %v", err)
	}
}

// TestEndDuringRenewal ends the session at every call of the store that a renewal makes, and after the last: an end that
// was acknowledged leaves no session, by whichever credential.
func TestEndDuringRenewal(t *testing.T) {
	for name, end := range map[string]func(g *rig, old string, s *auth.Session) error{
		"sign-out": func(g *rig, old string, _ *auth.Session) error {
			_, err := g.SignOut(request(session(old)), auth.SignOutParams{})
			return err
		},
		"everywhere": func(g *rig, old string, _ *auth.Session) error {
			_, err := g.SignOut(request(session(old)), auth.SignOutParams{Everywhere: true})
			return err
		},
		"by id": func(g *rig, _ string, s *auth.Session) error { return g.RevokeSession(context.Background(), s.ID) },
		"all of it": func(g *rig, _ string, s *auth.Session) error {
			_, err := g.RevokeSessions(context.Background(), s.UserID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			interrupted := true
			for at := 0; interrupted; at++ {
				g := newRig(t, rigOptions{})
				result := g.signIn("alice")
				old, calls := credential(result), 0
				var ended error
				interrupted = false
				g.breaks(func(storetest.Op, string) storetest.Fault {
					if calls++; calls-1 == at {
						interrupted = true
						g.breaks(nil)
						ended = end(g, old, result.Session)
					}
					return storetest.None
				})
				now, _, err := g.renewed(old)
				g.breaks(nil)
				if !interrupted {
					ended = end(g, old, result.Session)
				}
				if err == nil && now == "" || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
					t.Fatalf("call %d: %v", at, err)
				}
				g.mustBe(old, auth.CodeSessionNotFound)
				if ended != nil {
					if !errors.Is(ended, auth.ErrUnauthenticated) { // refused: the old credential is nobody's
						t.Errorf("call %d: %v", at, ended)
					}
					continue
				}
				if ids := g.ids("alice"); len(ids) != 0 || now != "" && g.whoIs(now) == "" {
					t.Errorf("call %d: acknowledged, and %q live on", at, ids)
				}
			}
		})
	}
}

// TestRenewalOnAFailingStore fails every call once: either the old session is left, or nothing, or the renewal succeeded.
func TestRenewalOnAFailingStore(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.Fail, storetest.LoseReply} {
		hit := true
		for at := 0; hit; at++ {
			g := newRig(t, rigOptions{})
			result := g.signIn("alice")
			calls := 0
			hit = false
			g.breaks(func(storetest.Op, string) storetest.Fault {
				if calls++; calls-1 == at {
					hit = true
					return fault
				}
				return storetest.None
			})
			now, s, err := g.renewed(credential(result))
			g.breaks(nil)
			ids := g.ids("alice")
			switch {
			case err == nil:
				g.mustBe(now, "")
				g.mustBe(credential(result), auth.CodeSessionNotFound)
				if !slices.Equal(ids, []string{s.ID}) {
					t.Errorf("%v at %d: the list has %q", fault, at, ids)
				}
			case !undecided(err):
				t.Errorf("%v at %d: %v", fault, at, err)
			case len(ids) > 1 || len(ids) == 1 && ids[0] != result.Session.ID:
				t.Errorf("%v at %d: the list has %q", fault, at, ids)
			}
		}
	}
}

// TestRenewalThatTakesTooLong: the application is so slow that somebody else renews the provider's tokens. What is now
// spent is not handed on.
func TestRenewalThatTakesTooLong(t *testing.T) {
	g := newRig(t, rigOptions{})
	result := g.signIn("alice")
	_, err := g.RenewSession(request(session(credential(result))), func(*auth.Principal) error {
		g.clock.advance(time.Minute)
		_, err := g.build(nil).RefreshSession(context.Background(), result.Session.ID)
		return err
	})
	if !undecided(err) {
		t.Errorf("%v", err)
	}
	g.settle()
	if ids, good := g.ids("alice"), g.idp.RefreshTokens("alice"); len(ids) != 0 || good != 0 {
		t.Errorf("%q live, %d refresh tokens are good", ids, good)
	}
}

func TestRenewalsAtOnce(t *testing.T) {
	g := newRig(t, rigOptions{})
	old := credential(g.signIn("alice"))
	backends := []*kvoauth.Backend{g.Backend, g.build(nil)}
	var all sync.WaitGroup
	created := make([]*auth.CreatedSession, 8)
	for i := range created {
		all.Go(func() {
			var err error
			created[i], err = backends[i%2].RenewSession(request(session(old)), promote)
			if err != nil && !errors.Is(err, auth.ErrUnauthenticated) && !undecided(err) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	won := slices.DeleteFunc(created, func(c *auth.CreatedSession) bool { return c == nil })
	if len(won) != 1 {
		t.Fatalf("%d renewals succeed", len(won))
	}
	g.mustBe(credentialIn(won[0].Cookies), "")
	g.mustBe(old, auth.CodeSessionNotFound)
	if ids := g.ids("alice"); !slices.Equal(ids, []string{won[0].Session.ID}) {
		t.Errorf("the list has %q", ids)
	}
}

// TestRenewalWaitsForARefresh: the refresh token that is being spent is not handed on.
func TestRenewalWaitsForARefresh(t *testing.T) {
	g := newRig(t, rigOptions{})
	old := credential(g.signIn("alice"))
	g.clock.advance(56 * time.Minute)
	release, asked := make(chan struct{}), make(chan struct{})
	var once, more sync.Once
	g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: func(w http.ResponseWriter, r *http.Request) bool {
		once.Do(func() { close(asked) })
		return fakeop.HoldUntil(release)(w, r)
	}}})
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = g.Authenticate(request(session(old))) })
	<-asked
	g.breaks(func(op storetest.Op, key string) storetest.Fault {
		if op == storetest.OpCompareAndSwap && key[:1] == "l" {
			more.Do(func() { close(release) }) // somebody else wants the lease
		}
		return storetest.None
	})
	now, s, err := g.renewed(old)
	reader.Wait()
	if err != nil || s.RefreshedAt.IsZero() {
		t.Fatalf("%v", err)
	}
	g.clock.advance(56 * time.Minute)
	g.mustBe(now, "")
	if n := g.seen(auth.EventTokenRefreshed); n != 2 || g.seen(auth.EventRefreshFailed) != 0 {
		t.Errorf("%d refreshes", n)
	}
}
