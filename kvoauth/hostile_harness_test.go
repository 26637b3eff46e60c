package kvoauth_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// marker stands in every text that a hostile party chooses. It must turn up nowhere.
const marker = "h0stile-text"

const (
	callbackPath = auth.DefaultBasePath + "/callback"
	skew         = kvoauth.DefaultClockSkew
)

// stoppedClock stands still until it is moved.
type stoppedClock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *stoppedClock { return &stoppedClock{at: time.Now().Truncate(time.Second)} }

func (c *stoppedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *stoppedClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// hostileIDP is a provider whose clock is that of the application.
type hostileIDP struct {
	*authtest.Provider
	clock *stoppedClock
}

func newIDP(t testing.TB, c authtest.ProviderConfig) *hostileIDP {
	t.Helper()
	p := &hostileIDP{clock: newClock()}
	configure := c.Configure
	c.Configure = func(cfg *fakeop.Config) {
		cfg.Now = p.clock.now
		if configure != nil {
			configure(cfg)
		}
	}
	p.Provider = authtest.NewProvider(t, c)
	return p
}

// ledger is a store that knows what it holds.
type ledger struct {
	store.KV
	mu   sync.Mutex
	live map[string]bool
	sets int
}

func (l *ledger) note(key string, live bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if live {
		l.live[key] = true
		l.sets++
		return
	}
	delete(l.live, key)
}

func (l *ledger) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	err := l.KV.Set(ctx, key, value, ttl)
	if err == nil {
		l.note(key, true)
	}
	return err
}

func (l *ledger) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (bool, error) {
	swapped, err := l.KV.CompareAndSwap(ctx, key, prev, next, ttl)
	if swapped {
		l.note(key, true)
	}
	return swapped, err
}

func (l *ledger) Take(ctx context.Context, key string) ([]byte, bool, error) {
	value, found, err := l.KV.Take(ctx, key)
	if err == nil {
		l.note(key, false)
	}
	return value, found, err
}

func (l *ledger) Delete(ctx context.Context, key string) error {
	err := l.KV.Delete(ctx, key)
	if err == nil {
		l.note(key, false)
	}
	return err
}

func (l *ledger) count(prefix string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for key := range l.live {
		if strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

func (l *ledger) sessions() int     { return l.count("s:") }
func (l *ledger) transactions() int { return l.count("t:") }

// spy is the backend with what its flow returned as errors.
type spy struct {
	*kvoauth.Backend
	mu   sync.Mutex
	errs []string
}

func (s *spy) keep(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err.Error(), fmt.Sprintf("%+v %#v", err, err))
}

func (s *spy) SignIn(r *http.Request, p auth.SignInParams) (*auth.Redirect, error) {
	d, err := s.Backend.SignIn(r, p)
	s.keep(err)
	return d, err
}

func (s *spy) HandleCallback(r *http.Request, p auth.CallbackParams) (*auth.CallbackResult, error) {
	d, err := s.Backend.HandleCallback(r, p)
	s.keep(err)
	return d, err
}

func (s *spy) errors() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.errs, "\n")
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// egress records where requests go.
type egress struct {
	next http.RoundTripper
	mail http.Handler // what answers at https://mail.test
	mu   sync.Mutex
	urls []string
}

func (e *egress) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	e.urls = append(e.urls, r.URL.String())
	e.mu.Unlock()
	if e.mail != nil && r.URL.Host == "mail.test" {
		return authtest.NewTransport(map[string]http.Handler{"https://mail.test": e.mail}).RoundTrip(r)
	}
	return e.next.RoundTrip(r)
}

func (e *egress) targets() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.urls)
}

// world is one application in front of its providers.
type world struct {
	t       testing.TB
	idps    []*authtest.Provider
	idp     *hostileIDP
	clock   *stoppedClock
	kv      *ledger
	backend *spy
	app     http.Handler
	log     *lockedBuffer
	egress  *egress
	secrets []string
}

// newWorld returns an application with the first provider and what configure makes of it.
func newWorld(t testing.TB, idp *hostileIDP, configure func(*kvoauth.Config), others ...*hostileIDP) *world {
	t.Helper()
	w := &world{t: t, idp: idp, clock: idp.clock, log: new(lockedBuffer)}
	all := append([]*hostileIDP{idp}, others...)
	for _, p := range all {
		p.Reset()
		w.idps = append(w.idps, p.Provider)
	}
	w.egress = &egress{next: authtest.ClientFor(w.idps...).Transport}
	memory, err := store.NewMemory(store.MemoryConfig{Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	w.kv = &ledger{KV: memory, live: map[string]bool{}}
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := kvoauth.Config{
		RedirectURL: authtest.RedirectURI, KV: w.kv, Keys: []auth.Key{auth.GenerateKey()}, Now: w.clock.now,
		HTTPClient: &http.Client{Transport: w.egress}, Observer: auth.SlogObserver(logger, auth.Key{}),
	}
	for _, p := range all {
		definition := p.Definition()
		definition.RequireIss = len(all) > 1 // so that they may share a redirect URL
		client := kvoauth.Client{Provider: definition, ClientID: p.ClientID, ClientSecret: p.ClientSecret}
		if len(all) > 1 {
			c.PrimaryProvider, client.RedirectURL = all[0].Definition().ID, authtest.RedirectURI
		}
		c.Clients = append(c.Clients, client)
	}
	if configure != nil {
		configure(&c)
	}
	b, err := kvoauth.NewKvOAuthBackend(c)
	if err != nil {
		t.Fatal(err)
	}
	w.backend = &spy{Backend: b}
	h, err := auth.NewHandler(w.backend, auth.HandlerConfig{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	w.app = h
	return w
}

func (w *world) browser() *authtest.Browser {
	w.t.Helper()
	return authtest.NewBrowser(w.t, w.app, w.idps...)
}

// begin starts a sign-in and lets the provider answer. What nobody may see again is remembered.
func (w *world) begin(b *authtest.Browser, query ...string) *authtest.Callback {
	w.t.Helper()
	cb := b.Authorize(b.StartSignIn(query...), "alice")
	for _, name := range []string{"code", "state"} {
		w.hide(cb.Values().Get(name))
	}
	for _, c := range b.Cookies() {
		w.hide(c.Value)
	}
	return cb
}

func (w *world) hide(s string) {
	if s != "" {
		w.secrets = append(w.secrets, s)
	}
}
