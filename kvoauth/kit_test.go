package kvoauth_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

// TestBackendContract runs the conformance kit of every backend, with sessions made by real sign-ins.
func TestBackendContract(t *testing.T) {
	idp := authtest.NewProvider(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) { c.Clients[0].IDTokenAlg = "ES256" }})
	authtest.TestBackend(t, authtest.BackendSuite{New: func(t testing.TB) *authtest.BackendFixture {
		memory, err := store.NewMemory(store.MemoryConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var down atomic.Bool
		kv := &storetest.Faulty{KV: memory, Fault: func(storetest.Op, string) storetest.Fault {
			if down.Load() {
				return storetest.Fail
			}
			return storetest.None
		}}
		key := auth.GenerateKey()
		b, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
			Clients:     []kvoauth.Client{{Provider: idp.Definition(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret}},
			RedirectURL: authtest.RedirectURI, KV: kv, Keys: []auth.Key{key}, HTTPClient: idp.Client(),
		})
		if err != nil {
			t.Fatal(err)
		}
		handler, err := auth.NewHandler(b, auth.HandlerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		signIn := func(user string) *http.Request {
			person := authtest.NewBrowser(t, handler, idp)
			person.SignIn(user)
			return request(person.Cookie(kvoauth.DefaultCookieName))
		}
		revoked := signIn("carol")
		if _, err := b.RevokeSessions(t.Context(), "carol"); err != nil {
			t.Fatal(err)
		}
		return &authtest.BackendFixture{
			Backend: b, SignIn: signIn, SetStorageDown: down.Store,
			Dead:    map[string]*http.Request{"revoked": revoked},
			Secrets: []string{key.Encode(), idp.ClientSecret.Reveal()},
		}
	}})
}
