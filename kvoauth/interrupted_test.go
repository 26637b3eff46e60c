package kvoauth_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// watched is a store that calls before and after around each call. An error of either is the call's.
type watched struct {
	kv            store.KV
	before, after func(ctx context.Context) error
}

func around[T any](ctx context.Context, s *watched, call func() (T, error)) (T, error) {
	var none T
	if err := s.before(ctx); err != nil {
		return none, err
	}
	v, err := call()
	if err == nil {
		err = s.after(ctx)
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

type gotten struct {
	value []byte
	found bool
}

func (s *watched) Get(ctx context.Context, key string) ([]byte, bool, error) {
	g, err := around(ctx, s, func() (g gotten, err error) { g.value, g.found, err = s.kv.Get(ctx, key); return g, err })
	return g.value, g.found, err
}

func (s *watched) Take(ctx context.Context, key string) ([]byte, bool, error) {
	g, err := around(ctx, s, func() (g gotten, err error) { g.value, g.found, err = s.kv.Take(ctx, key); return g, err })
	return g.value, g.found, err
}

func (s *watched) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := around(ctx, s, func() (bool, error) { return true, s.kv.Set(ctx, key, value, ttl) })
	return err
}

func (s *watched) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (bool, error) {
	return around(ctx, s, func() (bool, error) { return s.kv.CompareAndSwap(ctx, key, prev, next, ttl) })
}

func (s *watched) Delete(ctx context.Context, key string) error {
	_, err := around(ctx, s, func() (bool, error) { return true, s.kv.Delete(ctx, key) })
	return err
}

// interrupted is an application at whose n-th call of the store something happens.
type interrupted struct {
	*rig
	app   *auth.Handler
	n     int64
	how   interruption
	calls atomic.Int64
	armed atomic.Bool
	// leave ends the request, as net/http does when the client has gone.
	leave context.CancelFunc
}

// how the n-th call goes wrong.
type interruption string

const (
	leavesBefore interruption = "the client leaves before the call"
	leavesAfter  interruption = "the client leaves when the store has acted"
	panicsBefore interruption = "the store panics before it acts"
	panicsAfter  interruption = "the store panics when it has acted"
)

func newInterrupted(t *testing.T, n int, how interruption) *interrupted {
	t.Helper()
	c := &interrupted{n: int64(n), how: how}
	c.rig = newRig(t, rigOptions{realTime: true, backend: func(k *kvoauth.Config) {
		k.KV = &watched{kv: k.KV, before: func(ctx context.Context) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !c.armed.Load() || c.calls.Add(1) != c.n {
				return nil
			}
			return c.strike(ctx, how, leavesBefore, panicsBefore)
		}, after: func(ctx context.Context) error {
			if !c.armed.Load() || c.calls.Load() != c.n {
				return nil
			}
			return c.strike(ctx, how, leavesAfter, panicsAfter)
		}}
	}})
	var err error
	if c.app, err = auth.NewHandler(c.Backend, auth.HandlerConfig{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *interrupted) strike(ctx context.Context, how, leaves, panics interruption) error {
	switch how {
	case leaves:
		c.leave()
		return ctx.Err() // of a request; what outlives requests goes on
	case panics:
		panic("the store is broken")
	}
	return nil
}

// outcome is what the client would have got.
type outcome struct {
	*httptest.ResponseRecorder
	panicked bool
}

// credential returns the session cookie that was set.
func (o outcome) credential() string {
	if o.panicked {
		return "" // net/http breaks the connection off
	}
	return credentialIn(o.Result().Cookies())
}

// do sends a request to the application, as net/http does. The interruption is armed for it alone.
func (c *interrupted) do(method, target, body string, cookies ...*http.Cookie) (o outcome) {
	r := httptest.NewRequest(method, "https://app.test"+auth.DefaultBasePath+target, strings.NewReader(body))
	ctx, leave := context.WithCancel(r.Context())
	defer leave()
	c.leave = leave
	r = r.WithContext(ctx)
	r.Header.Set("Accept", "application/json")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, one := range cookies {
		r.AddCookie(&http.Cookie{Name: one.Name, Value: one.Value})
	}
	o.ResponseRecorder = httptest.NewRecorder()
	defer func() { o.panicked = recover() != nil }()
	c.app.ServeHTTP(o, r)
	return o
}

// during is do, interrupted.
func (c *interrupted) during(method, target, body string, cookies ...*http.Cookie) outcome {
	c.armed.Store(true)
	defer c.armed.Store(false)
	o := c.do(method, target, body, cookies...)
	if !o.panicked && o.Code == http.StatusUnauthorized {
		c.t.Errorf("call %d: 401 for a live session: %s", c.n, o.Body)
	}
	if !o.panicked && o.Code >= 500 && o.Code != http.StatusServiceUnavailable {
		c.t.Errorf("call %d: %d %s", c.n, o.Code, o.Body)
	}
	return o
}

// hit reports whether there was an n-th call.
func (c *interrupted) hit() bool { return c.calls.Load() >= c.n }

// mustEnd ends the session in a new request, after which it is dead.
func (c *interrupted) mustEnd(credential string) {
	c.t.Helper()
	if o := c.do(http.MethodPost, "/signout", "{}", session(credential)); o.panicked || o.Code != http.StatusOK {
		c.t.Errorf("call %d: the sign-out afterwards: %d %s", c.n, o.Code, o.Body)
	}
	c.mustBe(credential, auth.CodeSessionNotFound)
}

// TestInterruptedAnywhere: a client that goes away, or a store that panics, at each call of the store of each request. What
// was answered with success has been done; what was not is undone or can be done again; nobody holds a session that he
// was not given.
func TestInterruptedAnywhere(t *testing.T) {
	requests := map[string]func(*interrupted){
		"sign-in": (*interrupted).signIn, "callback": (*interrupted).callback, "callback of somebody signed in": (*interrupted).again,
		"session": (*interrupted).session, "due for a refresh": (*interrupted).refresh, "sign-out": (*interrupted).signOut,
		"everywhere": (*interrupted).everywhere, "another session": (*interrupted).other, "sessions": (*interrupted).list,
	}
	cells := 0
	for name, request := range requests {
		for _, how := range []interruption{leavesBefore, leavesAfter, panicsBefore, panicsAfter} {
			t.Run(name+": "+string(how), func(t *testing.T) {
				for n := 1; ; n++ {
					var c *interrupted
					synctest.Test(t, func(t *testing.T) {
						c = newInterrupted(t, n, how)
						request(c)
						time.Sleep(time.Minute) // what goes on in the background ends
					})
					if !c.hit() {
						break
					}
					if cells++; n > 100 {
						t.Fatal("the store was asked too often")
					}
				}
			})
		}
	}
	t.Logf("%d cells", cells)
	if cells < 150 {
		t.Error("that proves little")
	}
}

func (c *interrupted) signIn() {
	o := c.during(http.MethodGet, "/signin", "")
	if o.panicked || o.Code != http.StatusFound {
		if !o.panicked && (len(o.Result().Cookies()) != 0 || o.Header().Get("Location") != "") {
			c.t.Errorf("call %d: %d with cookies or a redirect", c.n, o.Code)
		}
		c.rig.signIn("alice")
		return
	}
	answer := c.person.Authorize(o.Header().Get("Location"), "alice")
	if done := c.do(http.MethodGet, "/callback?"+answer.Values().Encode(), "", o.Result().Cookies()...); done.credential() == "" {
		c.t.Errorf("call %d: what was acknowledged does not work: %d %s", c.n, done.Code, done.Body)
	}
}

func (c *interrupted) callback() { c.finish("") }

func (c *interrupted) again() { c.finish(credential(c.rig.signIn("alice"))) }

func (c *interrupted) finish(previous string) {
	r, p := c.rig.callback("alice", session(previous))
	target := "/callback?" + p.Values.Encode()
	o := c.during(http.MethodGet, target, "", r.Cookies()...)
	time.Sleep(time.Minute)
	if got := o.credential(); got != "" {
		c.mustBe(got, "")
	}
	if list, err := c.ListSessions(context.Background(), "alice"); err != nil || previous == "" && o.credential() == "" && !o.panicked && len(list) != 0 {
		c.t.Errorf("call %d: %d sessions that nobody holds are left, %v", c.n, len(list), err)
	}
	if o.credential() == "" && previous != "" && !o.panicked {
		c.mustBe(previous, "") // nothing happened to it
	}
	if repeated := c.do(http.MethodGet, target, "", r.Cookies()...); repeated.credential() != "" && c.n > 1 { // the first call takes the transaction
		c.t.Errorf("call %d: the callback can be repeated", c.n)
	}
	if _, err := c.RevokeSessions(context.Background(), "alice"); err != nil {
		c.t.Error(err)
	}
	for _, dead := range []string{o.credential(), previous} {
		if dead != "" {
			c.mustBe(dead, auth.CodeSessionNotFound)
		}
	}
}

func (c *interrupted) session() {
	own := credential(c.rig.signIn("alice"))
	c.reads(own)
}

func (c *interrupted) refresh() {
	own := credential(c.rig.signIn("alice"))
	time.Sleep(56 * time.Minute)
	if c.how == panicsBefore || c.how == panicsAfter {
		// The provider may have rotated the refresh token, and the new one gone with the panic: then it ends as after a crash.
		c.during(http.MethodGet, "/session", "", session(own))
		time.Sleep(time.Minute)
		if code := c.whoIs(own); code != "" {
			c.mustBe(own, auth.CodeSessionNotFound)
		}
		c.mustEnd(own)
		return
	}
	c.reads(own)
}

func (c *interrupted) reads(own string) {
	c.t.Helper()
	if o := c.during(http.MethodGet, "/session", "", session(own)); !o.panicked && clears(o.Result().Cookies()) {
		c.t.Errorf("call %d: the cookie of a live session is cleared", c.n)
	}
	time.Sleep(time.Minute)
	c.mustBe(own, "")
	c.mustEnd(own)
}

func (c *interrupted) signOut() {
	own, _ := c.create("alice")
	c.ends(c.during(http.MethodPost, "/signout", "{}", session(own)), own)
	c.mustEnd(own)
}

func (c *interrupted) everywhere() {
	own, _ := c.create("alice")
	other, _ := c.create("alice")
	o := c.during(http.MethodPost, "/signout", `{"everywhere":true}`, session(own))
	c.ends(o, own, other)
	if _, err := c.RevokeSessions(context.Background(), "alice"); err != nil {
		c.t.Error(err)
	}
	c.mustBe(own, auth.CodeSessionNotFound)
	c.mustBe(other, auth.CodeSessionNotFound)
}

func (c *interrupted) other() {
	own, _ := c.create("alice")
	other, s := c.create("alice")
	c.ends(c.during(http.MethodDelete, "/sessions/"+s.ID, "", session(own)), other)
	c.mustBe(own, "")
	c.mustEnd(other)
}

// ends requires that a success has ended the sessions.
func (c *interrupted) ends(o outcome, credentials ...string) {
	c.t.Helper()
	time.Sleep(time.Minute)
	if o.panicked || o.Code != http.StatusOK {
		return
	}
	for _, dead := range credentials {
		c.mustBe(dead, auth.CodeSessionNotFound)
	}
}

func (c *interrupted) list() {
	own, _ := c.create("alice")
	_, s := c.create("alice")
	if o := c.during(http.MethodGet, "/sessions", "", session(own)); !o.panicked && o.Code == http.StatusOK && !strings.Contains(o.Body.String(), s.ID) {
		c.t.Errorf("call %d: a live session is missing: %s", c.n, o.Body)
	}
	c.mustBe(own, "")
}

// TestApplicationPanics: what the application brings along panics while somebody signs in. The request ends as net/http
// ends one, nobody is signed in, and the next sign-in works.
func TestApplicationPanics(t *testing.T) {
	broken := func() bool { panic("the application is broken") }
	for name, spoil := range map[string]func(*kvoauth.Config, func() bool){
		"MapPrincipal": func(c *kvoauth.Config, on func() bool) {
			c.MapPrincipal = func(*http.Request, *auth.Principal) error { _ = on() && broken(); return nil }
		},
		"Users": func(c *kvoauth.Config, on func() bool) {
			c.Users = users{func() { _ = on() && broken() }}
		},
		"Observer": func(c *kvoauth.Config, on func() bool) {
			c.Observer = auth.ObserverFunc(func(context.Context, auth.Event) { _ = on() && broken() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var on atomic.Bool
			g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { spoil(c, on.Load) }})
			app, err := auth.NewHandler(g.Backend, auth.HandlerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(app)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Start()
			defer server.Close()
			r, p := g.callback("alice")
			on.Store(true)
			if res := sendTo(t, server, "/callback?"+p.Values.Encode(), r.Cookies()); res != nil {
				t.Errorf("an answer with %d and cookies %v", res.StatusCode, res.Cookies())
			}
			on.Store(false)
			if res := sendTo(t, server, "/callback?"+p.Values.Encode(), r.Cookies()); res == nil || res.StatusCode != http.StatusBadRequest || credentialIn(res.Cookies()) != "" {
				t.Errorf("the same callback once more: %v", res)
			}
			g.mustBe(credential(g.signIn("alice")), "")
		})
	}
}

// TestObserverPanicsInTheBackground: it takes no more with it than itself.
func TestObserverPanicsInTheBackground(t *testing.T) {
	var panicked atomic.Int64
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) {
		c.Observer = auth.ObserverFunc(func(_ context.Context, e auth.Event) {
			if e.Name == auth.EventTokenRevocationFailed || e.Name == auth.EventTokenRevoked {
				panicked.Add(1)
				panic("the application is broken")
			}
		})
	}})
	for _, status := range []int{200, 400} {
		before := panicked.Load()
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointRevocation: fakeop.Reply(status, "text/plain", "")}})
		result := g.signIn("alice")
		if err := g.RevokeSession(t.Context(), result.Session.ID); err != nil {
			t.Fatal(err)
		}
		g.mustBe(credential(result), auth.CodeSessionNotFound)
		eventually(t, "nobody is told", func() bool { return panicked.Load() > before })
	}
	if err := g.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

type users struct{ call func() }

func (u users) SignIn(context.Context, store.Account) (string, error) { u.call(); return "u1", nil }

func (u users) Link(context.Context, string, store.Account) (bool, error) { u.call(); return true, nil }

// sendTo returns the answer, or nil if the connection broke.
func sendTo(t *testing.T, s *httptest.Server, target string, cookies []*http.Cookie) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+auth.DefaultBasePath+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok && e != nil {
		return nil
	}
	_ = res.Body.Close()
	return res
}
