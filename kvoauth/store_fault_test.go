package kvoauth_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

var (
	allOps    = []storetest.Op{storetest.OpGet, storetest.OpSet, storetest.OpTake, storetest.OpCompareAndSwap, storetest.OpDelete}
	allFaults = map[string]storetest.Fault{"fails": storetest.Fail, "hangs": storetest.Hang, "loses its reply": storetest.LoseReply}
)

// nth breaks the n-th call of the store from now on and no other, and says in hit whether there was one.
func (g *rig) nth(n int, fault storetest.Fault) (hit *atomic.Bool) {
	hit = new(atomic.Bool)
	var calls atomic.Int64
	g.breaks(func(storetest.Op, string) storetest.Fault {
		if calls.Add(1) != int64(n) {
			return storetest.None
		}
		hit.Store(true)
		return fault
	})
	return hit
}

// TestEveryStoreCallMayFail breaks each single call of each operation in each way. An operation that fails says that it
// could not, and keeps the cookie; one that succeeds has done what it says; the store's next answer tells.
func TestEveryStoreCallMayFail(t *testing.T) {
	for name, op := range map[string]func(*faultCase){
		"sign-in": (*faultCase).signIn, "callback": (*faultCase).callback, "renewing callback": (*faultCase).renewingCallback,
		"authenticate": (*faultCase).authenticate, "touch": (*faultCase).touch, "refresh": (*faultCase).refresh,
		"refused refresh": (*faultCase).refusedRefresh, "refresh by id": (*faultCase).refreshByID,
		"sign-out": (*faultCase).signOut, "everywhere": (*faultCase).everywhere, "other": (*faultCase).other,
		"revoke": (*faultCase).revoke, "revoke all": (*faultCase).revokeAll, "list": (*faultCase).list, "create": (*faultCase).create,
	} {
		for faultName, fault := range allFaults {
			t.Run(name+" "+faultName, func(t *testing.T) {
				for n := 1; ; n++ {
					c := &faultCase{n: n, fault: fault}
					synctest.Test(t, func(t *testing.T) {
						c.T, c.rig = t, newRig(t, rigOptions{realTime: true})
						op(c)
						time.Sleep(time.Minute) // what goes on in the background ends
					})
					if !c.hit.Load() {
						if n == 1 {
							t.Error("the store was not asked at all")
						}
						return
					}
					if n > 100 {
						t.Fatal("asked too often")
					}
				}
			})
		}
	}
}

// faultCase is one operation with one broken call.
type faultCase struct {
	*testing.T
	*rig
	n     int
	fault storetest.Fault
	hit   *atomic.Bool
}

// during runs f with its n-th call broken.
func (c *faultCase) during(f func(ctx context.Context) error) error {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.hit = c.nth(c.n, c.fault)
	start := time.Now()
	err := f(ctx)
	if waited := time.Since(start); waited > 7*time.Second {
		c.Errorf("call %d: took %v with a context of five seconds", c.n, waited)
	}
	c.breaks(nil)
	if err != nil && !undecided(err) {
		c.Errorf("call %d: not of the class that says so, or with a cookie: %v", c.n, err)
	}
	if err != nil && !c.hit.Load() {
		c.Errorf("call %d: failed without a fault: %v", c.n, err)
	}
	return err
}

func (c *faultCase) signIn() {
	var redirect *auth.Redirect
	err := c.during(func(ctx context.Context) (err error) {
		redirect, err = c.SignIn(request().WithContext(ctx), auth.SignInParams{})
		return err
	})
	if err != nil && redirect != nil {
		c.Error("a redirect beside the error")
	}
	if err == nil {
		r, p := c.answer(redirect, "alice")
		if _, err := c.HandleCallback(r, p); err != nil {
			c.Errorf("call %d: what was acknowledged does not work: %v", c.n, err)
		}
	}
}

func (c *faultCase) callback() { c.finish("") }

func (c *faultCase) renewingCallback() {
	previous := credential(c.rig.signIn("alice"))
	c.finish(previous)
}

func (c *faultCase) finish(previous string) {
	r, p := c.rig.callback("alice", session(previous))
	var result *auth.CallbackResult
	err := c.during(func(ctx context.Context) (err error) {
		result, err = c.HandleCallback(r.WithContext(ctx), p)
		if e, ok := errors.AsType[*auth.Error](err); ok {
			plain := *e
			plain.Cookies = nil // those of the transaction, which counts as used
			err = &plain
		}
		return err
	})
	if err == nil {
		c.mustBe(credential(result), "")
		if list, err := c.ListSessions(c.Context(), "alice"); err != nil || !listed(list, result.Session.ID) {
			c.Errorf("call %d: an acknowledged session is not listed: %v", c.n, err)
		}
	} else if c.fault != storetest.LoseReply || previous != "" {
		// With a lost reply a session that nobody holds may be left; it cannot be used, and ends by its limits.
		if list, err := c.ListSessions(c.Context(), "alice"); err != nil || previous == "" && len(list) != 0 {
			c.Errorf("call %d: a failed sign-in left %d sessions, %v", c.n, len(list), err)
		}
	}
	if _, again := c.HandleCallback(r, p); again == nil && (err == nil || c.n > 1) { // the first call takes the transaction
		c.Errorf("call %d: the callback can be repeated", c.n)
	}
	if n, err := c.RevokeSessions(c.Context(), "alice"); err != nil {
		c.Errorf("call %d: afterwards: %d, %v", c.n, n, err)
	}
	if result != nil {
		c.mustBe(credential(result), auth.CodeSessionNotFound)
	}
	c.rig.signIn("alice")
}

func listed(list []*auth.Session, id string) bool {
	for _, s := range list {
		if s.ID == id {
			return true
		}
	}
	return false
}

// read authenticates with a broken call. The session lives: it must never be "not authenticated".
func (c *faultCase) read(credential string) {
	err := c.during(func(ctx context.Context) error {
		a, err := c.Authenticate(request(session(credential)).WithContext(ctx))
		if (a == nil) == (err == nil) {
			c.Error("both or neither of an answer and an error")
		}
		return err
	})
	_ = err
	time.Sleep(20 * time.Second)
	c.mustBe(credential, "")
}

func (c *faultCase) authenticate() {
	credential, _ := c.rig.create("alice")
	c.read(credential)
}

func (c *faultCase) touch() {
	credential, _ := c.rig.create("alice")
	time.Sleep(time.Hour)
	c.read(credential)
}

func (c *faultCase) refresh() {
	result := c.rig.signIn("alice")
	time.Sleep(56 * time.Minute)
	c.read(credential(result))
	time.Sleep(56 * time.Minute)
	c.mustBe(credential(result), "") // the refresh token was not lost
	if c.idp.RefreshTokens("alice") != 1 {
		c.Errorf("call %d: the refresh token was lost", c.n)
	}
}

func (c *faultCase) refusedRefresh() {
	result := c.rig.signIn("alice")
	c.idp.RevokeGrants("alice")
	time.Sleep(56 * time.Minute)
	c.hit = c.nth(c.n, c.fault)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := c.Authenticate(request(session(credential(result))).WithContext(ctx))
	c.breaks(nil)
	if err != nil && !undecided(err) && !rejected(err, auth.CodeSessionRevoked) && !rejected(err, auth.CodeSessionNotFound) {
		c.Errorf("call %d: %v", c.n, err)
	}
	time.Sleep(time.Minute)
	c.whoIs(credential(result))
	if c.whoIs(credential(result)) != auth.CodeSessionNotFound {
		c.Errorf("call %d: the session did not end", c.n)
	}
}

func (c *faultCase) refreshByID() {
	result := c.rig.signIn("alice")
	_ = c.during(func(ctx context.Context) error {
		_, err := c.RefreshSession(ctx, result.Session.ID)
		return err
	})
	time.Sleep(56 * time.Minute)
	c.mustBe(credential(result), "")
	if c.idp.RefreshTokens("alice") != 1 {
		c.Errorf("call %d: the refresh token was lost", c.n)
	}
}

func (c *faultCase) signOut()    { c.ends(auth.SignOutParams{}) }
func (c *faultCase) everywhere() { c.ends(auth.SignOutParams{Everywhere: true}) }

func (c *faultCase) ends(p auth.SignOutParams) {
	mine, _ := c.rig.create("alice")
	other, _ := c.rig.create("alice")
	err := c.during(func(ctx context.Context) error {
		out, err := c.SignOut(request(session(mine)).WithContext(ctx), p)
		if out == nil || !clears(out.Cookies) {
			c.Errorf("call %d: no redirect that clears the cookie", c.n)
		}
		return err
	})
	if err == nil {
		c.mustBe(mine, auth.CodeSessionNotFound)
		if p.Everywhere {
			c.mustBe(other, auth.CodeSessionNotFound)
		}
	}
	if _, err := c.RevokeSessions(c.Context(), "alice"); err != nil {
		c.Error(err)
	}
	c.mustBe(mine, auth.CodeSessionNotFound)
	c.mustBe(other, auth.CodeSessionNotFound)
}

func (c *faultCase) other() {
	mine, _ := c.rig.create("alice")
	other, s := c.rig.create("alice")
	err := c.during(func(ctx context.Context) error {
		_, err := c.SignOut(request(session(mine)).WithContext(ctx), auth.SignOutParams{SessionID: s.ID})
		return err
	})
	c.mustBe(mine, "")
	if err == nil {
		c.mustBe(other, auth.CodeSessionNotFound)
	}
}

func (c *faultCase) revoke() {
	credential, s := c.rig.create("alice")
	if err := c.during(func(ctx context.Context) error { return c.RevokeSession(ctx, s.ID) }); err == nil {
		c.mustBe(credential, auth.CodeSessionNotFound)
	}
	if err := c.RevokeSession(c.Context(), s.ID); err != nil {
		c.Error(err)
	}
	c.mustBe(credential, auth.CodeSessionNotFound)
}

func (c *faultCase) revokeAll() {
	var credentials []string
	for range 3 {
		credential, _ := c.rig.create("alice")
		credentials = append(credentials, credential)
	}
	err := c.during(func(ctx context.Context) error { _, err := c.RevokeSessions(ctx, "alice"); return err })
	if err != nil {
		if _, err := c.RevokeSessions(c.Context(), "alice"); err != nil {
			c.Error(err)
		}
	}
	for _, credential := range credentials {
		c.mustBe(credential, auth.CodeSessionNotFound)
	}
}

func (c *faultCase) list() {
	_, s := c.rig.create("alice")
	var list []*auth.Session
	err := c.during(func(ctx context.Context) (err error) {
		list, err = c.ListSessions(ctx, "alice")
		return err
	})
	if err == nil && !listed(list, s.ID) {
		c.Errorf("call %d: a live session is missing", c.n)
	}
}

func (c *faultCase) create() {
	var created *auth.CreatedSession
	err := c.during(func(ctx context.Context) (err error) {
		created, err = c.CreateSession(ctx, auth.CreateSessionParams{Subject: "alice"})
		return err
	})
	if err == nil {
		c.mustBe(credentialIn(created.Cookies), "")
		return
	}
	if list, err := c.ListSessions(c.Context(), "alice"); err != nil || len(list) != 0 {
		c.Errorf("call %d: %d orphans, %v", c.n, len(list), err)
	}
}

// TestStoreDown: each method of the store fails for good, and the answers are of the right class.
func TestStoreDown(t *testing.T) {
	for _, op := range append(allOps, "") {
		t.Run(fmt.Sprintf("%q", op), func(t *testing.T) {
			g := newRig(t, rigOptions{})
			live := credential(g.signIn("alice"))
			r, p := g.callback("alice")
			g.clock.advance(time.Hour)
			broken := storetest.Always(storetest.Fail, op)
			if op == "" {
				broken = storetest.Always(storetest.Fail)
			}
			g.breaks(broken)
			if _, err := g.Authenticate(request(session(live))); err != nil && !undecided(err) {
				t.Errorf("authenticate: %v", err)
			}
			if _, err := g.HandleCallback(r, p); err != nil && auth.CodeOf(err) != auth.CodeStoreUnavailable && auth.CodeOf(err) != auth.CodeTransactionInvalid {
				t.Errorf("callback: %v", err)
			}
			g.breaks(nil)
			g.mustBe(live, "")
		})
	}
}

// TestStoreFull is F-OOM: new sessions are refused, those there are live on.
func TestStoreFull(t *testing.T) {
	small, err := store.NewMemory(store.MemoryConfig{MaxEntries: 20})
	if err != nil {
		t.Fatal(err)
	}
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.KV = small }})
	live, _ := g.create("alice")
	for i := range 100 {
		if _, err = g.CreateSession(t.Context(), auth.CreateSessionParams{Subject: fmt.Sprint("user", i)}); err != nil {
			break
		}
	}
	if auth.CodeOf(err) != auth.CodeStoreFull || auth.CodeOf(err).Class() != nil {
		t.Errorf("a full store: %v", err)
	}
	g.mustBe(live, "")
}
