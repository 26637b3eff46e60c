package kvoauth_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

func TestRefusedGrantEndsTheSessionOnce(t *testing.T) {
	g, result := aged(t, rigOptions{})
	g.idp.RevokeGrants("alice")
	_, err := g.Authenticate(request(session(credential(result))))
	if !rejected(err, auth.CodeSessionRevoked) {
		t.Errorf("after invalid_grant: %v", err)
	}
	for range 3 {
		g.mustBe(credential(result), auth.CodeSessionNotFound)
	}
	if n := g.refreshes(); n != 1 {
		t.Errorf("%d calls to the token endpoint, want 1", n)
	}
	if list, err := g.ListSessions(t.Context(), "alice"); err != nil || len(list) != 0 {
		t.Errorf("%d sessions are listed, %v", len(list), err)
	}
	if g.seen(auth.EventSessionRevoked) != 1 || g.seen(auth.EventRefreshFailed) != 1 {
		t.Error("the events do not say so")
	}
}

func TestRefusedGrantAfterAnotherProcessRenewed(t *testing.T) {
	g, result := aged(t, rigOptions{})
	key := sessionKey(result.Session.ID)
	g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: func(w http.ResponseWriter, r *http.Request) bool {
		g.idp.SetFaults(fakeop.Faults{})
		_ = g.memory.Delete(t.Context(), "l:"+result.Session.ID) // the other one has not seen the lease
		if _, err := g.build(nil).Authenticate(request(session(credential(result)))); err != nil {
			t.Error(err)
		}
		return fakeop.Reply(400, "application/json", `{"error":"invalid_grant"}`)(w, r)
	}}})
	before := g.stored(key)
	g.mustBe(credential(result), "")
	if slices.Equal(before, g.stored(key)) {
		t.Error("the other process has not renewed: the test proves nothing")
	}
	g.mustBe(credential(result), "")
}

func TestRefusedGrantAfterTouch(t *testing.T) {
	g, result := aged(t, rigOptions{})
	g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: func(w http.ResponseWriter, r *http.Request) bool {
		if _, err := g.build(nil).Authenticate(request(session(credential(result)))); err != nil {
			t.Error(err)
		}
		return fakeop.Reply(400, "application/json", `{"error":"invalid_grant"}`)(w, r)
	}}})
	g.mustBe(credential(result), auth.CodeSessionRevoked)
}

func TestRefusedGrantWhileTheStoreCannotEndIt(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.Fail, storetest.LoseReply} {
		g, result := aged(t, rigOptions{})
		g.idp.RevokeGrants("alice")
		g.breaks(on(fault, storetest.OpTake, "s"))
		if _, err := g.Authenticate(request(session(credential(result)))); !undecided(err) {
			t.Errorf("fault %d: %v", fault, err)
		}
		g.breaks(nil)
		if got := g.whoIs(credential(result)); got != auth.CodeSessionRevoked && got != auth.CodeSessionNotFound {
			t.Errorf("fault %d: afterwards %q", fault, got)
		}
	}
}

func TestProviderFailureKeepsTheSession(t *testing.T) {
	for name, hook := range map[string]fakeop.Hook{
		"500":             fakeop.Reply(500, "application/json", `{}`),
		"503 HTML":        fakeop.Reply(503, "text/html", "<h1>down"),
		"200 HTML":        fakeop.Reply(200, "text/html", "<h1>hello"),
		"404":             fakeop.Reply(404, "text/plain", "no"),
		"429":             fakeop.Reply(429, "application/json", `{"error":"slow_down"}`),
		"redirect":        fakeop.Redirect(307, "https://evil.test/"),
		"empty":           fakeop.Reply(200, "application/json", ""),
		"no token":        fakeop.Reply(200, "application/json", `{"token_type":"Bearer"}`),
		"not bearer":      fakeop.Reply(200, "application/json", `{"access_token":"x","token_type":"mac"}`),
		"invalid_request": fakeop.Reply(400, "application/json", `{"error":"invalid_request"}`),
		"invalid_client":  fakeop.Reply(401, "application/json", `{"error":"invalid_client"}`),
		"invalid_scope":   fakeop.Reply(400, "application/json", `{"error":"invalid_scope"}`),
		"unavailable":     fakeop.Reply(400, "application/json", `{"error":"temporarily_unavailable"}`),
		"panic":           func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			g, result := aged(t, rigOptions{})
			g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: hook}})
			for range 10 {
				g.mustBe(credential(result), "")
			}
			if n := g.refreshes(); n != 1 {
				t.Errorf("%d attempts at once, want 1", n)
			}
			g.clock.advance(29 * time.Second)
			g.mustBe(credential(result), "")
			if n := g.refreshes(); n != 1 {
				t.Errorf("%d attempts after 29 s, want 1", n)
			}
			g.clock.advance(2 * time.Second)
			g.mustBe(credential(result), "")
			if n := g.refreshes(); n != 2 {
				t.Errorf("%d attempts after 31 s, want 2", n)
			}
			if g.seen(auth.EventRefreshFailed) != 2 {
				t.Error("the events do not say so")
			}
			g.idp.SetFaults(fakeop.Faults{})
			g.clock.advance(31 * time.Second)
			a, err := g.Authenticate(request(session(credential(result))))
			if err != nil || a.Session.RefreshedAt.IsZero() {
				t.Errorf("not refreshed when the provider is back: %v", err)
			}
		})
	}
}

func TestProviderFailureDoesNotEndAnActiveSession(t *testing.T) {
	g, result := aged(t, rigOptions{})
	g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: fakeop.Reply(503, "text/plain", "")}})
	for range 10 {
		g.clock.advance(5 * time.Hour)
		g.mustBe(credential(result), "")
	}
}

func TestHangingProviderHoldsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, result := aged(t, rigOptions{realTime: true})
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: fakeop.Hang()}})
		start := time.Now()
		g.mustBe(credential(result), "")
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(20 * time.Second) // the attempt has ended; the next one is put off
		start = time.Now()
		g.mustBe(credential(result), "")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v after the attempt had failed", waited)
		}
		if n := g.refreshes(); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
	})
}

func TestSlowAnswerIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, result := aged(t, rigOptions{realTime: true})
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{
			fakeop.EndpointToken: func(http.ResponseWriter, *http.Request) bool { time.Sleep(5 * time.Second); return false },
		}})
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := g.Authenticate(request(session(credential(result))).WithContext(ctx)); !undecided(err) {
			t.Errorf("a request whose client went away: %v", err)
		}
		time.Sleep(10 * time.Second)
		a, err := g.Authenticate(request(session(credential(result))))
		if err != nil || a.Session.RefreshedAt.IsZero() {
			t.Errorf("the answer was dropped: %v", err)
		}
	})
}

func TestRefreshSessionOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, result := aged(t, rigOptions{realTime: true})
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{
			fakeop.EndpointToken: func(http.ResponseWriter, *http.Request) bool { time.Sleep(5 * time.Second); return false },
		}})
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := g.RefreshSession(ctx, result.Session.ID); !undecided(err) {
			t.Errorf("RefreshSession: %v", err)
		}
		time.Sleep(10 * time.Second)
		s, err := g.SessionByID(t.Context(), result.Session.ID)
		if err != nil || s.RefreshedAt.IsZero() {
			t.Errorf("the answer was dropped: %v", err)
		}
	})
}

func TestSignOutWhileWaitingForAHangingProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, result := aged(t, rigOptions{realTime: true})
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: fakeop.Hang()}})
		code := make(chan auth.Code, 1)
		go func() { code <- g.whoIs(credential(result)) }()
		time.Sleep(time.Second)
		if err := g.RevokeSession(t.Context(), result.Session.ID); err != nil {
			t.Fatal(err)
		}
		if got := <-code; got != auth.CodeSessionNotFound {
			t.Errorf("the request that waited over the sign-out: %q", got)
		}
		time.Sleep(time.Minute) // the attempt ends
	})
}

func TestStoreDownAfterTheProviderAnswered(t *testing.T) {
	faults := map[string]func(storetest.Op, string) storetest.Fault{
		"all":         storetest.Always(storetest.Fail),
		"writes":      storetest.Always(storetest.Fail, storetest.OpCompareAndSwap),
		"lost writes": storetest.Always(storetest.LoseReply, storetest.OpCompareAndSwap),
		"reads after": on(storetest.Fail, storetest.OpGet, "s"),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, result := aged(t, rigOptions{realTime: true})
				g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{
					fakeop.EndpointToken: func(http.ResponseWriter, *http.Request) bool { g.breaks(fault); return false },
				}})
				if got := g.whoIs(credential(result)); got.Class() != nil {
					t.Errorf("while the store is down: %q", got)
				}
				time.Sleep(2 * time.Second)
				g.breaks(nil)
				g.idp.SetFaults(fakeop.Faults{})
				time.Sleep(2 * time.Second)
				a, err := g.Authenticate(request(session(credential(result))))
				if err != nil || a.Session.RefreshedAt.IsZero() {
					t.Fatalf("the tokens were lost: %v", err)
				}
				time.Sleep(56 * time.Minute)
				g.mustBe(credential(result), "") // and the next refresh has the right one
				if n := g.refreshes(); n != 2 {
					t.Errorf("%d refreshes, want 2", n)
				}
			})
		})
	}
}

func TestCrashAfterRotation(t *testing.T) {
	g, result := aged(t, rigOptions{})
	key := sessionKey(result.Session.ID)
	before := g.stored(key)
	g.mustBe(credential(result), "")
	g.put(key, before)
	g.idp.Reset()
	node := g.build(nil) // started after the crash
	if _, err := node.Authenticate(request(session(credential(result)))); !rejected(err, auth.CodeSessionRevoked) {
		t.Errorf("%v", err)
	}
	for range 3 {
		if _, err := node.Authenticate(request(session(credential(result)))); !rejected(err, auth.CodeSessionNotFound) {
			t.Errorf("%v", err)
		}
	}
	if n := g.refreshes(); n != 1 {
		t.Errorf("%d calls to the token endpoint, want 1", n)
	}
}

// TestSessionExpiresWhileWaiting: it was live when the request came, and has expired when the wait for the provider is over.
func TestSessionExpiresWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, result := aged(t, rigOptions{realTime: true, backend: func(c *kvoauth.Config) { c.IdleTimeout = 56*time.Minute + time.Second }})
		g.put(sessionKey(result.Session.ID), g.stored(sessionKey(result.Session.ID))) // the store would keep it
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: fakeop.Hang()}})
		g.mustBe(credential(result), auth.CodeSessionExpired)
		time.Sleep(time.Minute)
	})
}
