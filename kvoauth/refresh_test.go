package kvoauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// aged returns a rig with a session of alice whose tokens are due.

func aged(t testing.TB, o rigOptions) (*rig, *auth.CallbackResult) {
	t.Helper()
	g := newRig(t, o)
	result := g.signIn("alice")
	g.idp.Reset()
	g.wait(56 * time.Minute) // of the hour that a token lives
	return g, result
}

// wait lets time pass: on the rig's clock, or on the bubble's.

func (g *rig) wait(d time.Duration) {
	if g.config.Now().Equal(g.clock.Now()) {
		g.clock.advance(d)
		return
	}
	time.Sleep(d)
}

func (g *rig) refreshes() int { return g.idp.Count(fakeop.EndpointToken) }

func TestRefreshIsDueBeforeTheTokenExpires(t *testing.T) {
	for _, c := range []struct {
		expiresIn any // nil: the answer has none
		quiet     time.Duration
		due       time.Duration
	}{
		{3600, 54*time.Minute + 59*time.Second, 55*time.Minute + time.Second},
		{299, 238 * time.Second, 240 * time.Second},
		{10, 7 * time.Second, 9 * time.Second},
		{nil, 5 * time.Hour, 0},
		{0, 5 * time.Hour, 0},
	} {
		t.Run(fmt.Sprint(c.expiresIn), func(t *testing.T) {
			g := newRig(t, rigOptions{})
			g.idp.SetFaults(fakeop.Faults{TokenResponse: func(answer map[string]any) {
				answer["expires_in"] = c.expiresIn
				if c.expiresIn == nil {
					delete(answer, "expires_in")
				}
			}})
			result := g.signIn("alice")
			g.idp.Reset()
			g.mustBe(credential(result), "")
			g.clock.advance(c.quiet)
			g.mustBe(credential(result), "")
			if n := g.refreshes(); n != 0 {
				t.Fatalf("refreshed %d times after %v", n, c.quiet)
			}
			if c.due == 0 {
				return
			}
			g.clock.advance(c.due - c.quiet)
			g.mustBe(credential(result), "")
			g.mustBe(credential(result), "")
			if n := g.refreshes(); n != 1 {
				t.Errorf("refreshed %d times after %v, want once", n, c.due)
			}
		})
	}
}

func TestRefreshShows(t *testing.T) {
	g, result := aged(t, rigOptions{})
	a, err := g.Authenticate(request(session(credential(result))))
	if err != nil {
		t.Fatal(err)
	}
	s := a.Session
	if !s.RefreshedAt.Equal(g.clock.Now()) || s.ID != result.Session.ID || !s.LastUsedAt.Equal(g.clock.Now()) {
		t.Errorf("refreshed at %v, used at %v, now %v", s.RefreshedAt, s.LastUsedAt, g.clock.Now())
	}
	if !slices.Equal(s.Scopes, result.Session.Scopes) {
		t.Errorf("scopes %v, want %v", s.Scopes, result.Session.Scopes)
	}
	if g.seen(auth.EventTokenRefreshed) != 1 {
		t.Error("no event")
	}
	if n := g.refreshes(); n != 1 {
		t.Errorf("%d calls to the token endpoint, want 1", n)
	}
}

// TestRefreshRotates refreshes again and again with a provider that takes each refresh token once.

func TestRefreshRotates(t *testing.T) {
	g, result := aged(t, rigOptions{})
	for i := range 20 {
		g.mustBe(credential(result), "")
		if n := g.refreshes(); n != i+1 {
			t.Fatalf("round %d: %d refreshes", i, n)
		}
		g.clock.advance(56 * time.Minute)
	}
	if n := g.idp.RefreshTokens("alice"); n != 1 {
		t.Errorf("%d refresh tokens are good, want 1", n)
	}
}

func TestRefreshTokenThatStays(t *testing.T) {
	g, result := aged(t, rigOptions{provider: func(c *fakeop.Config) { c.Clients[0].StaticRefreshTokens = true }})
	for range 3 {
		g.mustBe(credential(result), "")
		g.clock.advance(56 * time.Minute)
	}
	if n := g.refreshes(); n != 3 {
		t.Errorf("%d refreshes, want 3", n)
	}
}

func TestNoRefreshTokenNoRefresh(t *testing.T) {
	g, result := aged(t, rigOptions{provider: func(c *fakeop.Config) { c.Clients[0].RequireOfflineAccess = true }})
	g.clock.advance(5 * time.Hour)
	g.mustBe(credential(result), "")
	if _, err := g.RefreshSession(context.Background(), result.Session.ID); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RefreshSession: %v", err)
	}
	if n := g.refreshes(); n != 0 {
		t.Errorf("%d calls to the token endpoint", n)
	}
}

// TestRefreshFlight lets 200 requests meet one session that is due, at one process and at two of them.

func TestRefreshFlight(t *testing.T) {
	for _, processes := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			g, result := aged(t, rigOptions{realTime: true})
			nodes := []*kvoauth.Backend{g.Backend, g.build(nil)}[:processes]
			g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{
				fakeop.EndpointToken: func(http.ResponseWriter, *http.Request) bool { time.Sleep(time.Second); return false },
			}})
			var all sync.WaitGroup
			for i := range 200 {
				all.Go(func() {
					if _, err := nodes[i%processes].Authenticate(request(session(credential(result)))); err != nil {
						t.Errorf("request %d: %v", i, err)
					}
				})
			}
			all.Wait()
			if n := g.refreshes(); n != 1 {
				t.Errorf("%d processes: %d calls to the token endpoint, want 1", processes, n)
			}
			if n := g.idp.RefreshTokens("alice"); n != 1 {
				t.Errorf("%d processes: %d refresh tokens are good, want 1", processes, n)
			}
		})
	}
}

// TestRefreshLeaseOfTheDead leaves the lease of a process that died in the store.

func TestRefreshLeaseOfTheDead(t *testing.T) {
	g, result := aged(t, rigOptions{})
	key := "l:" + result.Session.ID
	if err := g.memory.Set(context.Background(), key, []byte{1}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	g.mustBe(credential(result), "")
	if _, err := g.RefreshSession(context.Background(), result.Session.ID); !undecided(err) {
		t.Errorf("RefreshSession while another process has the lease: %v", err)
	}
	if n := g.refreshes(); n != 0 {
		t.Fatalf("%d refreshes beside the holder of the lease", n)
	}
	g.clock.advance(31 * time.Second)
	g.mustBe(credential(result), "")
	if n := g.refreshes(); n != 1 {
		t.Errorf("%d refreshes after the lease ran out, want 1", n)
	}
	if _, err := g.RefreshSession(context.Background(), result.Session.ID); err != nil {
		t.Errorf("the lease was not given back: %v", err)
	}
}

// TestSignOutDuringRefreshWins holds the provider's answer, signs out, and lets the answer come.

func TestSignOutDuringRefreshWins(t *testing.T) {
	type ending func(*rig, *auth.CallbackResult) error
	for name, end := range map[string]ending{
		"sign out": func(g *rig, r *auth.CallbackResult) error {
			_, err := g.SignOut(request(session(credential(r))), auth.SignOutParams{})
			return err
		},
		"everywhere": func(g *rig, r *auth.CallbackResult) error {
			_, err := g.SignOut(request(session(credential(r))), auth.SignOutParams{Everywhere: true})
			return err
		},
		"revoke": func(g *rig, r *auth.CallbackResult) error { return g.RevokeSession(context.Background(), r.Session.ID) },
		"revoke all": func(g *rig, _ *auth.CallbackResult) error {
			_, err := g.RevokeSessions(context.Background(), "alice") // t.Context() is of outside the bubble
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, result := aged(t, rigOptions{realTime: true})
				release := make(chan struct{})
				g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{
					fakeop.EndpointToken:      fakeop.HoldUntil(release),
					fakeop.EndpointRevocation: fakeop.Reply(200, "text/plain", ""), // and the old token goes on being good
				}})
				code := make(chan auth.Code, 1)
				go func() { code <- g.whoIs(credential(result)) }()
				synctest.Wait()
				if n := g.refreshes(); n != 1 {
					t.Fatalf("%d refreshes under way, want 1", n)
				}
				if err := end(g, result); err != nil {
					t.Fatal(err)
				}
				g.mustBe(credential(result), auth.CodeSessionNotFound)
				close(release)
				if got := <-code; got != auth.CodeSessionNotFound {
					t.Errorf("the waiting request: %q", got)
				}
				time.Sleep(time.Minute)
				g.mustBe(credential(result), auth.CodeSessionNotFound)
				if g.stored(sessionKey(result.Session.ID)) != nil {
					t.Error("the refresh brought the record back")
				}
				if g.seen(auth.EventTokenRefreshed) != 0 {
					t.Error("an event says that the dead session was refreshed")
				}
				if old, fresh := g.revoked(0), g.revoked(1); old == "" || fresh == "" || old == fresh {
					t.Error("not both the session's tokens and the discarded ones are revoked")
				}
			})
		})
	}
}

// TestTouchDuringRefresh changes the record while the provider works: the tokens must not be lost.

func TestTouchDuringRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, result := aged(t, rigOptions{realTime: true})
		release := make(chan struct{})
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: fakeop.HoldUntil(release)}})
		go g.whoIs(credential(result))
		synctest.Wait()
		if _, err := g.build(nil).Authenticate(request(session(credential(result)))); err != nil { // finds the lease and touches
			t.Fatal(err)
		}
		close(release)
		synctest.Wait()
		g.idp.SetFaults(fakeop.Faults{})
		time.Sleep(56 * time.Minute)
		g.mustBe(credential(result), "")
		if n := g.refreshes(); n != 2 {
			t.Errorf("%d refreshes, want 2", n)
		}
		if n := g.idp.RefreshTokens("alice"); n != 1 {
			t.Errorf("%d refresh tokens are good, want 1", n)
		}
	})
}

// TestRefusedGrantAfterAnotherProcessRenewed: invalid_grant for a refresh token that is no longer ours means nothing.

// TestRefusedGrantAfterTouch: a session that was merely touched meanwhile ends.

// TestRefusedGrantWhileTheStoreCannotEndIt: nobody gets in, and the cookie stays until it is certain.

// TestProviderFailureDoesNotEndAnActiveSession: a use is noted although each request finds that a refresh is due.

// TestHangingProviderHoldsNoRequest: a request waits three seconds and goes on with the session as it is.

// TestSlowAnswerIsKept: the provider answers when the request that asked has long gone.

// TestRefreshSessionOutlivesItsCaller is the same for the call by id.

// TestStoreDownAfterTheProviderAnswered: the new tokens are the only ones, so they are kept until the store is back.

// TestCrashAfterRotation: the process died with the new tokens. The session ends cleanly, once.

// TestRefreshedIDToken is OIDC-17, CONF-R02 and CONF-R03: it is the same person's, or the session ends.

func TestRefreshNarrowsScopes(t *testing.T) {
	g, result := aged(t, rigOptions{backend: func(c *kvoauth.Config) {
		c.Clients[0].Scopes = []string{"openid", "profile", "email"}
		c.MapPrincipal = func(_ *http.Request, p *auth.Principal) error {
			p.Scopes = append(slices.Clone(p.Scopes), "orders:read")
			return nil
		}
	}})
	if want := []string{"openid", "profile", "email", "orders:read"}; !slices.Equal(result.Session.Scopes, want) {
		t.Fatalf("scopes %v, want %v", result.Session.Scopes, want)
	}
	for _, c := range []struct {
		answer any // nil: says nothing
		want   []string
	}{
		{nil, []string{"openid", "profile", "email", "orders:read"}},
		{"openid profile", []string{"openid", "profile", "orders:read"}},
		{nil, []string{"openid", "profile", "orders:read"}},
		{"", []string{"orders:read"}},
	} {
		g.idp.SetFaults(fakeop.Faults{TokenResponse: func(a map[string]any) {
			a["scope"] = c.answer
			if c.answer == nil {
				delete(a, "scope")
			}
		}})
		a, err := g.Authenticate(request(session(credential(result))))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.Principal.Scopes, c.want) {
			t.Errorf("scope %v: %v, want %v", c.answer, a.Principal.Scopes, c.want)
		}
		g.clock.advance(56 * time.Minute)
	}
}

func TestRefreshSessionByID(t *testing.T) {
	g := newRig(t, rigOptions{})
	result := g.signIn("alice")
	g.idp.Reset()
	g.clock.advance(time.Minute)
	s, err := g.RefreshSession(t.Context(), result.Session.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !s.RefreshedAt.Equal(g.clock.Now()) || g.refreshes() != 1 {
		t.Errorf("refreshed at %v, %d calls", s.RefreshedAt, g.refreshes())
	}
	// Nobody was there (NIST SP 800-63B-4, section 5.1.2).
	if !s.LastUsedAt.Equal(result.Session.LastUsedAt) || !s.ExpiresAt.Equal(result.Session.ExpiresAt) {
		t.Error("a refresh without a request prolongs the session")
	}
	for _, id := range []string{"", "x", credential(result), s.ID + "A"} {
		if _, err := g.RefreshSession(t.Context(), id); auth.CodeOf(err) != auth.CodeSessionNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	g.idp.RevokeGrants("alice")
	if _, err := g.RefreshSession(t.Context(), s.ID); auth.CodeOf(err) != auth.CodeSessionRevoked {
		t.Errorf("after invalid_grant: %v", err)
	}
	_, plain := g.create("bob")
	if _, err := g.RefreshSession(t.Context(), plain.ID); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without tokens: %v", err)
	}
	if g.seen(auth.EventRefreshFailed) != 1 {
		t.Error("what cannot be refreshed is not a failed refresh")
	}
}

// TestManySessionsRefreshAtOnce is ADV-67: each gets its own tokens.

func TestManySessionsRefreshAtOnce(t *testing.T) {
	g := newRig(t, rigOptions{})
	var mu sync.Mutex
	users := []string{"alice", "bob", "carol"}
	results := make([]*auth.CallbackResult, 200)
	for i := range results {
		results[i] = g.signIn(users[i%len(users)])
	}
	spent := map[string]bool{}
	for round := range 3 {
		g.clock.advance(56 * time.Minute)
		g.idp.Reset()
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			token := r.PostFormValue("refresh_token")
			if spent[token] {
				t.Error("a refresh token is sent twice")
			}
			spent[token] = true
			return false
		}}})
		var all sync.WaitGroup
		for i, result := range results {
			all.Go(func() {
				a, err := g.Authenticate(request(session(credential(result))))
				if err != nil {
					t.Errorf("session %d: %v", i, err)
					return
				}
				if a.Principal.Subject != users[i%len(users)] || a.Session.ID != result.Session.ID {
					t.Errorf("session %d is %s's", i, a.Principal.Subject)
				}
			})
		}
		all.Wait()
		// A request waits only so long for its refresh, which goes on without it.
		for deadline := time.Now().Add(time.Minute); g.seen(auth.EventTokenRefreshed) < (round+1)*len(results) && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		if n := g.refreshes(); n != len(results) {
			t.Fatalf("round %d: %d refreshes, want %d", round, n, len(results))
		}
	}
}

// TestRefreshAtKeyRotation refreshes many sessions at once when the provider has just changed its signing keys.
