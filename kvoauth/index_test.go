package kvoauth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

// TestIndexOutlivesSessions changes the absolute timeout between deployments: no session may outlive the index.
func TestIndexOutlivesSessions(t *testing.T) {
	timeouts := func(d time.Duration) func(*kvoauth.Config) {
		return func(c *kvoauth.Config) { c.IdleTimeout, c.AbsoluteTimeout = d, d }
	}
	for name, c := range map[string]struct {
		before, after time.Duration
		sessions      int // made afterwards; enough of them turn a page
	}{
		"longer": {time.Hour, 100 * time.Hour, 10}, "shorter": {100 * time.Hour, time.Hour, 130},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{})
			var credentials []string
			create := func(b *kvoauth.Backend, n int) {
				for range n {
					created, err := b.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice"})
					if err != nil {
						t.Fatal(err)
					}
					credentials = append(credentials, credentialIn(created.Cookies))
				}
			}
			create(g.build(timeouts(c.before)), 130)
			after := g.build(timeouts(c.after))
			create(after, c.sessions)
			reader := g.build(timeouts(max(c.before, c.after))) // the other process, while both run
			live := 0
			for range 30 {
				g.clock.advance(3 * time.Hour)
				live = 0
				for _, c := range credentials {
					if codeAt(reader, c) == "" {
						live++
					}
				}
				list, err := reader.ListSessions(t.Context(), "alice")
				if err != nil || len(list) != live {
					t.Fatalf("%d sessions live, %d are listed, %v", live, len(list), err)
				}
			}
			if live == 0 {
				t.Fatal("no session lives at the end: the test proves nothing")
			}
			if n, err := reader.RevokeSessions(t.Context(), "alice"); err != nil || n != live {
				t.Errorf("ended %d of %d, %v", n, live, err)
			}
		})
	}
}

// TestManySessionsOfOneUser fills several pages, empties them in various ways, and fills them again.
func TestManySessionsOfOneUser(t *testing.T) {
	g := newRig(t, rigOptions{})
	live := map[string]bool{}
	check := func() {
		t.Helper()
		list, err := g.ListSessions(t.Context(), "alice")
		if err != nil || len(list) != len(live) {
			t.Fatalf("%d sessions are listed, want %d: %v", len(list), len(live), err)
		}
		for _, s := range list {
			if !live[s.ID] {
				t.Fatalf("a dead session is listed")
			}
		}
	}
	var order []string
	for round := range 6 {
		for range 200 {
			_, s := g.create("alice")
			live[s.ID] = true
			order = append(order, s.ID)
		}
		check()
		gone := order[:150] // the oldest
		if round%2 == 1 {
			gone = order[len(order)-150:] // the newest
		}
		for _, id := range gone {
			if err := g.RevokeSession(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			delete(live, id)
		}
		if round%2 == 1 {
			order = order[:len(order)-150]
		} else {
			order = order[150:]
		}
		check()
	}
	want := len(live)
	if n, err := g.RevokeSessions(t.Context(), "alice"); err != nil || n != want {
		t.Errorf("ended %d of %d, %v", n, want, err)
	}
	clear(live)
	check()
}

func TestManySignInsOfOneUserAtOnce(t *testing.T) {
	g := newRig(t, rigOptions{})
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 5 {
				if _, err := g.CreateSession(context.Background(), auth.CreateSessionParams{Subject: "alice"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if list, err := g.ListSessions(t.Context(), "alice"); err != nil || len(list) != 64*5 {
		t.Errorf("%d sessions are listed, want %d: %v", len(list), 64*5, err)
	}
}

// acknowledged is a session whose creation was acknowledged at the tick at.
type acknowledged struct {
	credential, id string
	began, at      int64
}

// TestSignInsRaceRevocations lets many sign-ins of one user, at two processes, race with "sign out everywhere", on a store
// that fails now and then: a session that was acknowledged before a successful revocation began is dead after it, and at the
// end every live session is listed.
func TestSignInsRaceRevocations(t *testing.T) {
	for _, rate := range []int{0, 50, 10} {
		t.Run(fmt.Sprintf("one call in %d fails", rate), func(t *testing.T) {
			g := newRig(t, rigOptions{})
			nodes := []*kvoauth.Backend{g.Backend, g.build(nil)}
			if rate > 0 {
				g.breaks(func(storetest.Op, string) storetest.Fault {
					if rand.IntN(rate) == 0 {
						return []storetest.Fault{storetest.Fail, storetest.LoseReply}[rand.IntN(2)]
					}
					return storetest.None
				})
			}
			race := &revocationRace{g: g, nodes: nodes}
			race.run(t)
			if rate == 0 && race.revoked != 50 {
				t.Errorf("%d of 50 revocations succeeded", race.revoked)
			}
			g.breaks(nil)
			race.check(t)
		})
	}
}

type revocationRace struct {
	g     *rig
	nodes []*kvoauth.Backend
	clock atomic.Int64 // counts events, so that "before" has a meaning

	mu       sync.Mutex
	sessions []acknowledged
	over     int64 // when the last revocation ended
	revoked  int
}

func (r *revocationRace) run(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 60 {
				began := r.clock.Add(1)
				created, err := r.nodes[i%2].CreateSession(context.Background(), auth.CreateSessionParams{Subject: "alice"})
				if err != nil {
					continue // refused, or the store failed: nothing was acknowledged
				}
				at := r.clock.Add(1)
				r.mu.Lock()
				r.sessions = append(r.sessions, acknowledged{credentialIn(created.Cookies), created.Session.ID, began, at})
				r.mu.Unlock()
			}
		})
	}
	for i := range 2 {
		all.Go(func() {
			for range 25 {
				began := r.clock.Add(1)
				_, err := r.nodes[i].RevokeSessions(context.Background(), "alice")
				r.mu.Lock()
				if err == nil {
					r.revoked++
				}
				for _, s := range r.sessions {
					if err == nil && s.at < began && r.g.alive(s) {
						t.Errorf("a session lives that was acknowledged before a revocation began")
					}
				}
				r.over = r.clock.Add(1)
				r.mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
}

// alive asks the store itself, which does not fail.
func (g *rig) alive(s acknowledged) bool {
	_, found, _ := g.memory.Get(context.Background(), sessionKey(s.id))
	return found
}

func (r *revocationRace) check(t *testing.T) {
	listing := map[string]bool{}
	list, err := r.g.ListSessions(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		listing[s.ID] = true
	}
	for _, s := range r.sessions {
		if r.g.alive(s) && !listing[s.id] {
			t.Error("a live session is not listed")
		}
		if !r.g.alive(s) && s.began > r.over {
			t.Error("a session died of itself")
		}
	}
	if _, err := r.g.RevokeSessions(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.sessions {
		if r.g.alive(s) {
			t.Error("a session outlives the last revocation")
		}
	}
}

// TestRevocationThatFailsHalfWay fails at each call: calling again ends everything.
func TestRevocationThatFailsHalfWay(t *testing.T) {
	for n := 1; ; n++ {
		g := newRig(t, rigOptions{})
		var sessions []acknowledged
		for range 3 {
			c, s := g.create("alice")
			sessions = append(sessions, acknowledged{credential: c, id: s.ID})
		}
		hit := g.nth(n, storetest.Fail)
		_, err := g.RevokeSessions(t.Context(), "alice")
		if !hit.Load() {
			return
		}
		if err == nil {
			t.Errorf("call %d failed, and the revocation did not", n)
		}
		g.breaks(nil)
		list, err := g.ListSessions(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		live := 0
		for _, s := range sessions {
			if g.alive(s) {
				live++
			}
		}
		if live != len(list) {
			t.Errorf("call %d: %d sessions live, %d are listed", n, live, len(list))
		}
		if ended, err := g.RevokeSessions(t.Context(), "alice"); err != nil || ended != live {
			t.Errorf("call %d: ended %d of %d, %v", n, ended, live, err)
		}
	}
}

// TestRevocationClaimsSessionsBeingMade stops a sign-in just before it stores its session, and a revocation just before it
// forgets what it has claimed. The sign-in then goes on, and must find out.
func TestRevocationClaimsSessionsBeingMade(t *testing.T) {
	g := newRig(t, rigOptions{})
	g.create("alice") // so that the revocation has something to do
	page := g.indexKey("alice") + ":0"
	var once sync.Once
	var claims atomic.Int32
	taken, made, revoked := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	g.breaks(func(op storetest.Op, key string) storetest.Fault {
		switch {
		case op == storetest.OpCompareAndSwap && key[:2] == "s:":
			once.Do(func() {
				go func() {
					_, err := g.RevokeSessions(context.Background(), "alice")
					revoked <- err
				}()
				<-taken
			})
		case op == storetest.OpCompareAndSwap && key == page && g.count(storetest.OpTake, "s") > 0:
			if claims.Add(1) == 1 {
				close(taken)
				<-made
			}
		}
		return storetest.None
	})
	created, err := g.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice"})
	close(made)
	if auth.CodeOf(err) != auth.CodeSessionRevoked || created != nil {
		t.Errorf("a sign-in that a revocation has overtaken: %v", err)
	}
	if err := <-revoked; err != nil {
		t.Fatal(err)
	}
	g.breaks(nil)
	if list, err := g.ListSessions(t.Context(), "alice"); err != nil || len(list) != 0 {
		t.Errorf("%d sessions are left, %v", len(list), err)
	}
}
