package kvoauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

// rig is a backend with a provider, a store that can break, and a clock that stands still unless it is moved.
type rig struct {
	*kvoauth.Backend
	t      testing.TB
	config kvoauth.Config
	idp    *authtest.Provider
	person *authtest.Browser // visits the provider
	memory *store.Memory
	faults *storetest.Faulty
	clock  *clock
	keys   []auth.Key

	fault atomic.Pointer[func(storetest.Op, string) storetest.Fault]
	deny  atomic.Bool // for a MapPrincipal

	mu       sync.Mutex
	keysSeen map[string]bool // of the store
	calls    map[string]int  // of the store, by method and first letter of the key
	events   []auth.Event
}

// rigOptions change the parts of a rig.
type rigOptions struct {
	provider func(*fakeop.Config)
	backend  func(*kvoauth.Config)
	realTime bool // for a synctest bubble
	plain    bool // hide that the store can tell whether a record has changed
}

type clock struct{ at atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	g := &rig{t: t, clock: &clock{}, calls: map[string]int{}, keysSeen: map[string]bool{}, keys: []auth.Key{auth.GenerateKey()}}
	g.clock.at.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	now := g.clock.Now
	if o.realTime {
		now = time.Now
	}
	g.idp = authtest.NewProvider(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) {
		c.Now = now
		c.Clients[0].IDTokenAlg = "ES256" // whose keys are made quickly
		if o.provider != nil {
			o.provider(c)
		}
	}})
	g.person = authtest.NewBrowser(t, http.NotFoundHandler(), g.idp)
	var err error
	if g.memory, err = store.NewMemory(store.MemoryConfig{Now: now}); err != nil {
		t.Fatal(err)
	}
	g.faults = &storetest.Faulty{KV: g.memory, Fault: g.decide}
	g.config = kvoauth.Config{
		Clients:     []kvoauth.Client{{Provider: g.idp.Definition(), ClientID: g.idp.ClientID, ClientSecret: g.idp.ClientSecret}},
		RedirectURL: authtest.RedirectURI, KV: g.faults, Keys: g.keys, HTTPClient: g.idp.Client(), Now: now,
		Observer: auth.ObserverFunc(g.observe),
	}
	if o.plain {
		g.config.KV = struct{ store.KV }{g.faults}
	}
	if o.backend != nil {
		o.backend(&g.config)
	}
	g.Backend = g.build(nil)
	return g
}

// build returns another backend over the same store, as another process or a later deployment would be.
func (g *rig) build(change func(*kvoauth.Config)) *kvoauth.Backend {
	g.t.Helper()
	c := g.config
	if change != nil {
		change(&c)
	}
	b, err := kvoauth.NewKvOAuthBackend(c)
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

func (g *rig) decide(op storetest.Op, key string) storetest.Fault {
	g.mu.Lock()
	g.calls[string(op)+" "+key[:1]]++
	g.keysSeen[key] = true
	g.mu.Unlock()
	if f := g.fault.Load(); f != nil {
		return (*f)(op, key)
	}
	return storetest.None
}

// breaks makes calls go wrong from now on; nil mends the store.
func (g *rig) breaks(f func(storetest.Op, string) storetest.Fault) {
	if f == nil {
		g.fault.Store(nil)
		return
	}
	g.fault.Store(&f)
}

// on is a fault of one method on keys of one kind: "s" sessions, "u" indexes, "t" transactions, "l" leases.
func on(fault storetest.Fault, op storetest.Op, kind string) func(storetest.Op, string) storetest.Fault {
	return func(o storetest.Op, key string) storetest.Fault {
		if o == op && strings.HasPrefix(key, kind) {
			return fault
		}
		return storetest.None
	}
}

// count returns how often the method was called on keys of one kind.
func (g *rig) count(op storetest.Op, kind string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[string(op)+" "+kind]
}

func (g *rig) observe(_ context.Context, e auth.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, e)
}

// seen returns how many events of that name there were.
func (g *rig) seen(name auth.EventName) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if e.Name == name {
			n++
		}
	}
	return n
}

// last returns the last event of that name.
func (g *rig) last(name auth.EventName) (last auth.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if e.Name == name {
			last = e
		}
	}
	return last
}

// request returns a request with cookies.
func request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.test/orders", nil)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

func session(credential string) *http.Cookie {
	return &http.Cookie{Name: kvoauth.DefaultCookieName, Value: credential}
}

// callback takes user through the provider and returns the request and parameters of the callback.
func (g *rig) callback(user string, cookies ...*http.Cookie) (*http.Request, auth.CallbackParams) {
	g.t.Helper()
	redirect, err := g.SignIn(request(cookies...), auth.SignInParams{})
	if err != nil {
		g.t.Fatal(err)
	}
	return g.answer(redirect, user, cookies...)
}

func (g *rig) answer(redirect *auth.Redirect, user string, cookies ...*http.Cookie) (*http.Request, auth.CallbackParams) {
	g.t.Helper()
	answer := g.person.Authorize(redirect.Location, user)
	p := auth.CallbackParams{Values: answer.Values(), Mode: auth.ResponseModeQuery}
	if answer.Form != nil {
		p.Mode = auth.ResponseModeFormPost
		cookies = nil // a cross-site POST brings none that is Lax
	}
	return request(append(cookies, redirect.Cookies[len(redirect.Cookies)-1])...), p
}

// signIn signs user in and returns the result.
func (g *rig) signIn(user string, cookies ...*http.Cookie) *auth.CallbackResult {
	g.t.Helper()
	r, p := g.callback(user, cookies...)
	result, err := g.HandleCallback(r, p)
	if err != nil {
		g.t.Fatal(err)
	}
	return result
}

// credential returns the value of the session cookie that result sets.
func credential(result *auth.CallbackResult) string {
	return credentialIn(result.Redirect.Cookies)
}

func credentialIn(cookies []*http.Cookie) string {
	for _, c := range cookies {
		if c.Name == kvoauth.DefaultCookieName && c.MaxAge > 0 {
			return c.Value
		}
	}
	return ""
}

// create makes a session without the provider.
func (g *rig) create(subject string) (string, *auth.Session) {
	g.t.Helper()
	created, err := g.CreateSession(context.Background(), auth.CreateSessionParams{Subject: subject})
	if err != nil {
		g.t.Fatal(err)
	}
	return credentialIn(created.Cookies), created.Session
}

// whoIs authenticates a request with the credential and returns the code: empty if it is somebody.
func (g *rig) whoIs(credential string) auth.Code {
	_, err := g.Authenticate(request(session(credential)))
	return auth.CodeOf(err)
}

func (g *rig) mustBe(credential string, want auth.Code) {
	g.t.Helper()
	if got := g.whoIs(credential); got != want {
		g.t.Errorf("the credential authenticates with code %q, want %q", got, want)
	}
}

// undecided reports whether err says that it could not be told: of no class, and nothing to set on the response.
func undecided(err error) bool {
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Code.Class() == nil && len(e.Cookies) == 0
}

// clears reports whether one of cookies removes the session cookie.
func clears(cookies []*http.Cookie) bool {
	for _, c := range cookies {
		if c.Name == kvoauth.DefaultCookieName && c.MaxAge < 0 && c.Value == "" {
			return true
		}
	}
	return false
}

// rejected reports whether err refuses the credential and removes it from the browser.
func rejected(err error, code auth.Code) bool {
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Code == code && errors.Is(err, auth.ErrUnauthenticated) && clears(e.Cookies)
}

// stored returns the stored record of a session or index.
func (g *rig) stored(key string) []byte {
	g.t.Helper()
	value, _, err := g.memory.Get(context.Background(), key)
	if err != nil {
		g.t.Fatal(err)
	}
	return value
}

func (g *rig) put(key string, value []byte) {
	g.t.Helper()
	if err := g.memory.Set(context.Background(), key, value, time.Hour); err != nil {
		g.t.Fatal(err)
	}
}

func sessionKey(id string) string { return "s:" + id }
