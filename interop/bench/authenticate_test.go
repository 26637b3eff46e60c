// Package bench compares this library with what people would use instead: side by side, in one run, as ratios.
package bench

import (
	"context"
	"crypto/sha256"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

const lifetime = 24 * time.Hour

// What every session holds, in all systems alike.
var (
	scopes = []string{"openid", "profile", "email"}
	roles  = []string{"member"}
)

func claims(subject string) map[string]any {
	return map[string]any{
		"sub": subject, "name": "Alice Example", "email": subject + "@example.test", "email_verified": true,
		"picture": "https://idp.test/avatar/" + subject + ".png", "providerId": "acme",
	}
}

// BenchmarkAuthenticate asks who sent a request, with live sessions chosen at random. The floor is what any session
// system must do: parse the Cookie header, hash the credential, look it up in one map.
func BenchmarkAuthenticate(b *testing.B) {
	for _, live := range []int{1e3, 1e6} {
		if live > 1e3 && testing.Short() {
			continue
		}
		b.Run(fmt.Sprintf("live=%d", live), func(b *testing.B) {
			systems := []system{newFloor(b, live), newKvOAuth(b, live, 0), newSCS(b, live)}
			if live > kvoauth.DefaultCachedSessions {
				systems = append(systems, newKvOAuth(b, live, 2*live))
			}
			for _, goroutines := range []int{1, 2, 64} {
				floor := 0.0
				for _, s := range systems {
					b.Run(fmt.Sprintf("goroutines=%d/%s", goroutines, s.name), func(b *testing.B) {
						perOp := run(b, s, goroutines)
						if s.name == "floor" {
							floor = perOp
						}
						b.ReportMetric(perOp/floor, "x-floor")
					})
				}
			}
		})
	}
}

// system answers requests that carry one of its cookies.
type system struct {
	name    string
	cookie  string
	values  []string
	resolve func(r *http.Request) error
}

// run measures s with the given number of goroutines and returns nanoseconds per operation and processor.
func run(b *testing.B, s system, goroutines int) float64 {
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			for range b.N / goroutines {
				r.Header["Cookie"] = []string{s.cookie + "=" + s.values[rng.IntN(len(s.values))]}
				if err := s.resolve(r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(b.Elapsed().Nanoseconds()) / float64(b.N)
}

func newFloor(b *testing.B, live int) system {
	b.Helper()
	type session struct{ subject string }
	sessions := make(map[[32]byte]*session, live)
	values := make([]string, live)
	for i := range values {
		values[i] = auth.GenerateKey().Encode()
		sessions[sha256.Sum256([]byte(values[i]))] = &session{fmt.Sprint("user-", i)}
	}
	var mu sync.RWMutex
	return system{"floor", "__Host-ns_session", values, func(r *http.Request) error {
		c, err := r.Cookie("__Host-ns_session")
		if err != nil {
			return err
		}
		id := sha256.Sum256([]byte(c.Value))
		mu.RLock()
		s := sessions[id]
		mu.RUnlock()
		if s == nil {
			return http.ErrNoCookie
		}
		return nil
	}}
}

func newKvOAuth(b *testing.B, live, cached int) system {
	b.Helper()
	kv, err := store.NewMemory(store.MemoryConfig{MaxEntries: 4*live + 1000, MaxBytes: 16 << 30})
	if err != nil {
		b.Fatal(err)
	}
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients: []kvoauth.Client{{
			Provider: providers.Provider{ID: "acme", Issuer: "https://idp.test"}, ClientID: "app",
		}},
		RedirectURL: "https://app.test/api/v1/auth/callback", KV: kv, Keys: []auth.Key{auth.GenerateKey()}, CachedSessions: cached,
	})
	if err != nil {
		b.Fatal(err)
	}
	s := system{name: "kvoauth", cookie: "__Host-ns_session", resolve: func(r *http.Request) error {
		_, err := backend.Authenticate(r)
		return err
	}}
	if cached != 0 {
		s.name = "kvoauth-all-cached"
	}
	for i := range live {
		subject := fmt.Sprint("user-", i)
		created, err := backend.CreateSession(context.Background(), auth.CreateSessionParams{Subject: subject, Scopes: scopes, Roles: roles, Claims: claims(subject)})
		if err != nil {
			b.Fatal(err)
		}
		s.values = append(s.values, created.Cookies[0].Value)
	}
	return s
}

func newSCS(b *testing.B, live int) system {
	b.Helper()
	gob.Register(map[string]any{})
	gob.Register([]string{})
	kv := memstore.NewWithCleanupInterval(0)
	m := scs.New()
	m.Store = kv
	s := system{name: "scs", cookie: "session", resolve: func(r *http.Request) error {
		c, err := r.Cookie("session")
		if err != nil {
			return err
		}
		ctx, err := m.Load(r.Context(), c.Value)
		if err != nil {
			return err
		}
		if m.GetString(ctx, "subject") == "" || m.Get(ctx, "claims") == nil {
			return http.ErrNoCookie
		}
		return nil
	}}
	for i := range live {
		subject := fmt.Sprint("user-", i)
		data, err := m.Codec.Encode(time.Now().Add(lifetime), map[string]any{
			"subject": subject, "scopes": scopes, "roles": roles, "claims": claims(subject),
		})
		if err != nil {
			b.Fatal(err)
		}
		token := auth.GenerateKey().Encode()
		if err := kv.Commit(token, data, time.Now().Add(lifetime)); err != nil {
			b.Fatal(err)
		}
		s.values = append(s.values, token)
	}
	return s
}
