package sessionmodel

import (
	"context"
	"math/rand/v2"
	"net/http"
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

// world is two processes of one application, their store and provider, and a clock that stands still unless it is moved.
type world struct {
	t       testing.TB
	options Options
	at      atomic.Int64 // the time, in Unix milliseconds, which is what kvoauth counts in
	idp     *authtest.Provider
	person  *authtest.Browser // visits the provider
	connect func() (store.KV, func())
	config  kvoauth.Config
	plain   bool // hide that the store can tell whether a record has changed
	nodes   []*node
}

// node is a process.
type node struct {
	*kvoauth.Backend
	*weather
	client     store.KV // past the weather
	disconnect func()
}

// how is how well is known what an operation has done.
type how struct {
	sure     bool // the store did all it was asked to do, and nothing was given up waiting for
	lost     bool // the process crashed, or left work behind that may go down with it
	ownClock bool // of the store
}

const (
	// kvoauth waits a quarter of a second for a use to be noted and three seconds for a refresh, and then leaves them to
	// themselves. On a slow machine that must not look like a mistake.
	notedWithin   = 200 * time.Millisecond
	renewedWithin = 2500 * time.Millisecond
)

func newWorld(t testing.TB, s Store, o Options, seed uint64) *world {
	w := &world{t: t, options: o, plain: seed%2 == 1}
	w.at.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	w.idp = authtest.NewProvider(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) {
		c.Now, c.AccessTokenLife = w.now, tokenLife
		c.Clients[0].IDTokenAlg = "ES256" // whose keys are made quickly
	}})
	w.person = authtest.NewBrowser(t, http.NotFoundHandler(), w.idp)
	w.connect = s(t, w.now)
	w.config = kvoauth.Config{
		Clients:     []kvoauth.Client{{Provider: w.idp.Definition(), ClientID: w.idp.ClientID, ClientSecret: w.idp.ClientSecret}},
		RedirectURL: authtest.RedirectURI, Keys: []auth.Key{auth.GenerateKey()}, HTTPClient: w.idp.Client(), Now: w.now,
		IdleTimeout: idleTimeout, AbsoluteTimeout: absoluteTimeout, SignInTimeout: signInTimeout,
		CachedSessions: []int{0, -1, 3}[seed%3],
	}
	for i := range uint64(2) {
		w.nodes = append(w.nodes, w.boot(rand.New(rand.NewPCG(seed, 100+i))))
	}
	t.Cleanup(func() {
		for _, n := range w.nodes {
			n.disconnect()
		}
	})
	return w
}

func (w *world) now() time.Time { return time.UnixMilli(w.at.Load()) }

// boot starts a process: it knows nothing but the keys.
func (w *world) boot(random *rand.Rand) *node {
	w.t.Helper()
	n := &node{weather: &weather{random: random}}
	n.client, n.disconnect = w.connect()
	kv := n.client
	if w.options.OwnClock {
		kv = keptLonger(kv)
	}
	c := w.config
	c.KV = &storetest.Faulty{KV: kv, Fault: n.decide}
	if _, ok := kv.(store.ConditionalGetter); !ok || w.plain {
		c.KV = struct{ store.KV }{c.KV}
	}
	var err error
	if n.Backend, err = kvoauth.NewKvOAuthBackend(c); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// crash ends a process and starts another in its place. What it left running never reaches the store again.
func (w *world) crash(n *node) {
	n.turn(dead)
	n.disconnect()
	for i := range w.nodes {
		if w.nodes[i] == n {
			w.nodes[i] = w.boot(n.random)
		}
	}
}

// observe runs an operation of n and says how well its effect is known.
func (w *world) observe(n *node, operation func()) how {
	_, before := n.weather.now()
	began := time.Now()
	operation()
	took := time.Since(began)
	sky, after := n.weather.now()
	return how{
		sure: after == before && sky != dead && took < notedWithin, lost: sky == dead || took >= renewedWithin,
		ownClock: w.options.OwnClock,
	}
}

// settle waits until every process finds the sessions as they are, where a store may be behind. The clock must not jump
// before: a moment in which a process is behind would become an hour.
func (w *world) settle(sessions []*oracle) {
	if w.options.Behind == 0 {
		return
	}
	w.t.Helper()
	for _, n := range w.nodes {
		cached, ok := n.client.(store.ConditionalGetter)
		if !ok {
			continue
		}
		for _, s := range sessions {
			if !s.ended {
				w.eventually(func() bool { return w.upToDate(n.client, cached, "s:"+s.id) })
			}
		}
	}
}

func (w *world) upToDate(kv store.KV, cached store.ConditionalGetter, key string) bool {
	ctx := context.WithoutCancel(w.t.Context())
	known, _, _, err := cached.GetIfChanged(ctx, key, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	stored, _, err := kv.Get(ctx, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(known) == string(stored)
}

// eventually waits for ok as long as a client may be behind.
func (w *world) eventually(ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(w.options.Behind); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("a client of the store is behind by more than %v", w.options.Behind)
		}
	}
}
