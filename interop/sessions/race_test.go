package sessions

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// TestSignInsRaceSignOutEverywhere lets sign-ins of one user, at two processes, race with "sign out everywhere": no session
// is alive whose sign-in began before a call that succeeded. Sessions that began after the last one live and are listed.
func TestSignInsRaceSignOutEverywhere(t *testing.T) {
	for _, p := range shared {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			a, connect := newApplication(t), p.place(t)
			client := func() store.KV { kv, _ := connect(); return kv }
			r := &race{t: t, kv: client(), nodes: []*kvoauth.Backend{a.over(client()), a.over(client())}}
			r.run(a.browser(), a.browser())
			r.check()
		})
	}
}

type race struct {
	t     *testing.T
	kv    store.KV // asked what is alive
	nodes []*kvoauth.Backend

	mu        sync.Mutex
	sessions  []raced
	overtaken int       // sign-ins that failed because of a call
	ends      int       // calls that succeeded
	lastCall  time.Time // when the last of them began
	lastEnd   time.Time // when the last of them had returned
}

// raced is a session that was acknowledged. Its sign-in began between asked and begun.
type raced struct {
	id           string
	asked, begun time.Time
}

func (r *race) run(people ...*authtest.Browser) {
	var all, ends sync.WaitGroup
	stop := make(chan struct{})
	repeat := func(do func()) {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					do()
				}
			}
		})
	}
	for i, person := range people {
		repeat(func() { r.signIn(person, r.nodes[i%2], r.nodes[(i+1)%2]) })
	}
	for i := range 4 {
		repeat(func() { r.create(r.nodes[i%2]) })
	}
	for i := range 2 {
		ends.Go(func() {
			for range 15 {
				r.everywhere(r.nodes[i])
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	ends.Wait()
	r.create(r.nodes[0]) // at least one that began afterwards
	close(stop)
	all.Wait()
}

// signIn begins at one process and ends at another.
func (r *race) signIn(person *authtest.Browser, begin, end *kvoauth.Backend) {
	asked := time.Now()
	redirect, err := begin.SignIn(request(), auth.SignInParams{})
	if err != nil {
		r.t.Error(err)
		return
	}
	begun := time.Now()
	result, err := end.HandleCallback(callback(person, redirect, "alice"))
	if err != nil {
		r.failed(err)
		return
	}
	r.acknowledged(raced{result.Session.ID, asked, begun})
}

// create makes a session at once: when it is acknowledged it has begun for certain, and not earlier.
func (r *race) create(b *kvoauth.Backend) {
	asked := time.Now()
	created, err := b.CreateSession(context.Background(), auth.CreateSessionParams{Subject: "alice"})
	if err != nil {
		r.failed(err)
		return
	}
	r.acknowledged(raced{created.Session.ID, asked, time.Now()})
}

func (r *race) acknowledged(s raced) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions = append(r.sessions, s)
}

func (r *race) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.overtaken++
	if auth.CodeOf(err) != auth.CodeSessionRevoked {
		r.t.Errorf("a sign-in fails: %v", err)
	}
}

func (r *race) everywhere(b *kvoauth.Backend) {
	began := time.Now()
	_, err := b.RevokeSessions(context.Background(), "alice")
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.t.Error(err)
		return
	}
	r.ends++
	if began.After(r.lastCall) {
		r.lastCall = began
	}
	r.lastEnd = time.Now()
	for _, s := range r.sessions {
		r.mustBeOver(s, began)
	}
}

// mustBeOver fails the test if s is alive although it began before.
func (r *race) mustBeOver(s raced, before time.Time) {
	if s.begun.Before(before) && alive(r.t, r.kv, s.id) {
		r.t.Errorf("a session is alive that began %v before a call that succeeded", before.Sub(s.begun))
	}
}

// check looks at what is left.
func (r *race) check() {
	list, err := r.nodes[0].ListSessions(r.t.Context(), "alice")
	if err != nil {
		r.t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, s := range list {
		listed[s.ID] = true
	}
	left := 0
	for _, s := range r.sessions {
		r.mustBeOver(s, r.lastCall)
		lives := alive(r.t, r.kv, s.id)
		if lives {
			left++
		}
		if !lives && s.asked.After(r.lastEnd) {
			r.t.Error("a session is dead that began after the last call had returned")
		}
		if lives != listed[s.id] {
			r.t.Errorf("a session (alive: %t) is listed: %t", lives, listed[s.id])
		}
	}
	if len(list) != left {
		r.t.Errorf("%d sessions are listed, %d are alive", len(list), left)
	}
	r.t.Logf("%d sign-ins succeeded and %d were overtaken by %d calls; %d sessions are left", len(r.sessions), r.overtaken, r.ends, left)
	if r.ends != 30 || left == 0 || len(r.sessions) < 30 || r.overtaken == 0 {
		r.t.Error("that proves little")
	}
	if n, err := r.nodes[1].RevokeSessions(context.Background(), "alice"); err != nil || n != left {
		r.t.Error(errors.Join(err, errors.New("not all that were left are ended")))
	}
}
