package sessions

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

var shared = []struct {
	name  string
	place place
}{{"redis", onRedis}, {"postgres", onPostgres}}

// TestManySessionsOfOneUser: for a user with 5,000 sessions a sign-in costs what it costs for one with a single session;
// all are seen and all are ended, and nobody else's.
func TestManySessionsOfOneUser(t *testing.T) {
	const n = 5000
	a := newApplication(t)
	few, single := a.sessionsOf("alice", 1)
	many, want := a.sessionsOf("bob", n)
	for _, p := range shared {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			client, _ := p.place(t)()
			kv := countCalls(client)
			few.copyTo(t, client)
			many.copyTo(t, client)
			b := a.over(kv)
			m := &crowd{T: t, kv: kv, b: b, person: a.browser(), ids: map[string][]string{"alice": slices.Clone(single), "bob": slices.Clone(want)}}
			m.costsOfSignIn()
			m.endsAll()
		})
	}
}

// crowd is a store with many sessions.
type crowd struct {
	*testing.T
	kv     *counted
	b      *kvoauth.Backend
	person *authtest.Browser
	ids    map[string][]string // of sessions, by user
}

// signIn signs user in and returns how many calls of the store that took.
func (c *crowd) signIn(user string) int64 {
	c.Helper()
	before := c.kv.calls.Load()
	redirect, err := c.b.SignIn(request(), auth.SignInParams{})
	if err != nil {
		c.Fatal(err)
	}
	result, err := c.b.HandleCallback(callback(c.person, redirect, user))
	if err != nil {
		c.Fatal(err)
	}
	c.ids[user] = append(c.ids[user], result.Session.ID)
	return c.kv.calls.Load() - before
}

// costsOfSignIn counts calls. One sign-in in every page of the index turns it, and what that takes is bounded too.
func (c *crowd) costsOfSignIn() {
	const turn = 6 // calls more: root and pages are read and changed once again
	one, many := c.signIn("alice"), c.signIn("bob")
	c.Logf("calls of the store in a sign-in: %d with 1 session, %d with %d", one, many, len(c.ids["bob"]))
	if one != many || one == 0 {
		c.Errorf("a sign-in takes %d calls with 1 session and %d with %d", one, many, len(c.ids["bob"]))
	}
	var most int64
	for range 130 { // more than a page holds
		most = max(most, c.signIn("bob"))
	}
	c.Logf("%d with a page that is turned", most)
	if most <= one || most > one+turn {
		c.Errorf("the most expensive of 130 sign-ins takes %d calls, and one takes %d", most, one)
	}
}

func (c *crowd) endsAll() {
	want := c.ids["bob"]
	began := time.Now()
	if got := idsOf(c, c.b, "bob"); !slices.Equal(got, sorted(want)) {
		c.Fatalf("%d sessions are listed, want %d; or others", len(got), len(want))
	}
	listed := time.Now()
	if ended, err := c.b.RevokeSessions(c.Context(), "bob"); err != nil || ended != len(want) {
		c.Errorf("%d of %d are ended, %v", ended, len(want), err)
	}
	c.Logf("%d sessions: listed in %v, ended in %v", len(want), listed.Sub(began), time.Since(listed))
	for i := 0; i < len(want); i += 20 {
		if alive(c, c.kv, want[i]) {
			c.Fatal("a session is left")
		}
	}
	if got := idsOf(c, c.b, "bob"); len(got) != 0 {
		c.Errorf("%d sessions are listed after all were ended", len(got))
	}
	if got := idsOf(c, c.b, "alice"); !slices.Equal(got, sorted(c.ids["alice"])) {
		c.Errorf("alice has sessions %q, had %q", got, c.ids["alice"])
	}
}

func idsOf(t testing.TB, b *kvoauth.Backend, user string) []string {
	t.Helper()
	list, err := b.ListSessions(context.Background(), user)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.ID
	}
	return sorted(ids)
}

func sorted(ids []string) []string { return slices.Sorted(slices.Values(ids)) }

// alive asks the store for the session's record.
func alive(t testing.TB, kv store.KV, id string) bool {
	t.Helper()
	_, found, err := kv.Get(context.Background(), "s:"+id)
	if err != nil {
		t.Error(err)
	}
	return found
}

// counted counts the calls of a store.
type counted struct {
	*storetest.Faulty
	calls atomic.Int64
}

func countCalls(kv store.KV) *counted {
	c := &counted{}
	c.Faulty = &storetest.Faulty{KV: kv, Fault: func(storetest.Op, string) storetest.Fault {
		c.calls.Add(1)
		return storetest.None
	}}
	return c
}

// BenchmarkManySessions lists and ends 10,000 sessions of one user.
func BenchmarkManySessions(b *testing.B) {
	const n = 10_000
	a := newApplication(b)
	many, _ := a.sessionsOf("alice", n)
	for _, p := range shared {
		b.Run(p.name, func(b *testing.B) {
			client, _ := p.place(b)()
			kv := countCalls(client)
			backend := a.over(kv)
			var listing, ending time.Duration
			var listCalls, endCalls int64
			for b.Loop() {
				b.StopTimer()
				many.copyTo(b, client)
				kv.calls.Store(0)
				b.StartTimer()
				began := time.Now()
				if list, err := backend.ListSessions(b.Context(), "alice"); err != nil || len(list) != n {
					b.Fatalf("%d sessions, %v", len(list), err)
				}
				listed := time.Now()
				listing, listCalls = listing+listed.Sub(began), listCalls+kv.calls.Swap(0)
				if ended, err := backend.RevokeSessions(b.Context(), "alice"); err != nil || ended != n {
					b.Fatalf("%d sessions, %v", ended, err)
				}
				ending, endCalls = ending+time.Since(listed), endCalls+kv.calls.Swap(0)
			}
			b.ReportMetric(listing.Seconds()*1000/float64(b.N), "ms-list")
			b.ReportMetric(ending.Seconds()*1000/float64(b.N), "ms-end")
			b.ReportMetric(float64(listCalls)/float64(b.N), "calls-list")
			b.ReportMetric(float64(endCalls)/float64(b.N), "calls-end")
		})
	}
}
