package sessions

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// application is an application whose processes share a store. The clock is the real one.
type application struct {
	t    testing.TB
	idp  *authtest.Provider
	keys []auth.Key
}

func newApplication(t testing.TB) *application {
	return &application{t: t, keys: []auth.Key{auth.GenerateKey()}, idp: authtest.NewProvider(t, authtest.ProviderConfig{
		Configure: func(c *fakeop.Config) { c.Clients[0].IDTokenAlg = "ES256" }, // whose keys are made quickly
	})}
}

// over returns a process of the application over kv.
func (a *application) over(kv store.KV) *kvoauth.Backend {
	a.t.Helper()
	b, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:     []kvoauth.Client{{Provider: a.idp.Definition(), ClientID: a.idp.ClientID, ClientSecret: a.idp.ClientSecret}},
		RedirectURL: authtest.RedirectURI, KV: kv, Keys: a.keys, HTTPClient: a.idp.Client(),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func (a *application) browser() *authtest.Browser {
	return authtest.NewBrowser(a.t, http.NotFoundHandler(), a.idp)
}

// callback takes user through the provider and returns the provider's answer to a sign-in that has begun.
func callback(person *authtest.Browser, redirect *auth.Redirect, user string) (*http.Request, auth.CallbackParams) {
	answer := person.Authorize(redirect.Location, user)
	r := request()
	for _, c := range redirect.Cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r, auth.CallbackParams{Values: answer.Values(), Mode: auth.ResponseModeQuery}
}

func request() *http.Request { return httptest.NewRequest(http.MethodGet, "https://app.test/", nil) }

// records are what a store holds, with the time they are kept.
type records struct {
	store.KV
	mu   sync.Mutex
	ttls map[string]time.Duration
}

func (r *records) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (bool, error) {
	r.mu.Lock()
	r.ttls[key] = ttl
	r.mu.Unlock()
	return r.KV.CompareAndSwap(ctx, key, prev, next, ttl)
}

// sessionsOf makes n sessions of user in memory, to be copied to a store, which is quicker than n sign-ins there. It
// returns their ids too.
func (a *application) sessionsOf(user string, n int) (*records, []string) {
	a.t.Helper()
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		a.t.Fatal(err)
	}
	made := &records{KV: memory, ttls: map[string]time.Duration{}}
	b := a.over(made)
	ids := make([]string, n)
	for i := range ids {
		created, err := b.CreateSession(context.Background(), auth.CreateSessionParams{Subject: user})
		if err != nil {
			a.t.Fatal(err)
		}
		ids[i] = created.Session.ID
	}
	return made, ids
}

// copyTo stores the records in kv too.
func (r *records) copyTo(t testing.TB, kv store.KV) {
	t.Helper()
	keys := make(chan string)
	var copiers sync.WaitGroup
	for range 16 {
		copiers.Go(func() {
			for key := range keys {
				value, _, err := r.Get(context.Background(), key)
				if err == nil {
					err = kv.Set(context.Background(), key, value, r.ttls[key])
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for key := range r.ttls {
		keys <- key
	}
	close(keys)
	copiers.Wait()
}
