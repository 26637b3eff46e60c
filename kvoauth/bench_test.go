package kvoauth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/store"
)

// BenchmarkAuthenticate asks who sent a request, of sessions chosen at random, and compares that with the least that any
// sessions in memory need: parse the Cookie header, hash the credential, look it up in one map. It is an internal test
// because a million sign-ins would take longer than the benchmark.
func BenchmarkAuthenticate(b *testing.B) {
	for _, live := range []int{1e3, 1e6} {
		if live > 1e3 && testing.Short() {
			continue
		}
		requests := make([]*http.Request, live)
		digests := make([]digest, live)
		name := DefaultCookieName
		for i := range requests {
			credential := newCredential()
			digests[i] = digestOf(credential)
			requests[i] = &http.Request{Header: http.Header{"Cookie": {name + "=" + credential}}}
		}
		memory := fill(b, digests)
		authenticate := func(cached int) func(*http.Request) error {
			backend := newInside(b, func(c *Config) { c.KV, c.CachedSessions = memory, cached })
			for _, r := range requests { // the cache is as full as it gets
				if _, err := backend.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
			return func(r *http.Request) error {
				_, err := backend.Authenticate(r)
				return err
			}
		}
		least, some, all := floorOf(digests), authenticate(0), authenticate(1<<20)
		for _, goroutines := range []int{1, 2, 64} {
			name := fmt.Sprintf("live=%d/goroutines=%d/", live, goroutines)
			floor := measure(b, name+"floor", goroutines, requests, 0, least)
			measure(b, name+"cached=default", goroutines, requests, floor, some)
			measure(b, name+"cached=all", goroutines, requests, floor, all)
		}
	}
}

// floorOf returns a lookup of sessions in one map.
func floorOf(digests []digest) func(*http.Request) error {
	var mu sync.RWMutex
	sessions := make(map[digest]*auth.Authentication, len(digests))
	for _, d := range digests {
		sessions[d] = &auth.Authentication{}
	}
	return func(r *http.Request) error {
		c, err := r.Cookie(DefaultCookieName)
		if err != nil {
			return err
		}
		d := sha256.Sum256([]byte(c.Value))
		mu.RLock()
		a := sessions[d]
		mu.RUnlock()
		if a == nil {
			return errNoCredential
		}
		return nil
	}
}

// measure runs do on random requests, and returns the nanoseconds that one takes.
func measure(b *testing.B, name string, goroutines int, requests []*http.Request, floor float64, do func(*http.Request) error) (perOp float64) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		var all sync.WaitGroup
		b.ResetTimer()
		for g := range goroutines {
			n := b.N / goroutines
			if g < b.N%goroutines {
				n++
			}
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(g), 1))
				for range n {
					if err := do(requests[random.IntN(len(requests))]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		b.StopTimer()
		perOp = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
		if floor > 0 {
			b.ReportMetric(perOp/floor, "ratio")
		}
	})
	return perOp
}

// fill stores a session for each of digests.
func fill(b *testing.B, digests []digest) *store.Memory {
	b.Helper()
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		b.Fatal(err)
	}
	backend := newInside(b, nil) // all have the same key
	for i, d := range digests {
		subject := fmt.Sprint("user-", i)
		rec := newRecord(time.Now(), backend.cfg, "fake", subject, subject, &auth.Principal{
			Subject: subject, Scopes: []string{"openid", "profile", "email"}, Roles: []string{"member"},
			Claims: map[string]any{"sub": subject, "name": "Alice Example", "email": "alice@example.test", "email_verified": true},
		})
		sealed, err := backend.sealRecord(d, nil, rec)
		if err != nil {
			b.Fatal(err)
		}
		if err := memory.Set(context.Background(), d.key(sessionKeyPrefix), sealed, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	return memory
}
