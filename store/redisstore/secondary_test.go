package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth/betterauth"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store/redisstore"
)

// A Secondary is all that a better-auth backend can ask for.
var _ betterauth.SwappingStorage = (*redisstore.Secondary)(nil)

func openSecondary(t testing.TB, cfg redisstore.Config) *redisstore.Secondary {
	t.Helper()
	cfg.ReadTimeout, cfg.WriteTimeout, cfg.DialTimeout = patient, patient, patient
	s, err := redisstore.NewSecondary(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSecondary(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	s := openSecondary(t, at(server.Addr))
	want := func(key, value, ttl string) {
		t.Helper()
		got, found, err := s.Get(ctx, key)
		if got != value || found != (ttl != "-2") || err != nil {
			t.Errorf("Get(%s): %q, %t, %v; want %q", key, got, found, err, value)
		}
		if at := server.Do("TTL", key); at != ttl {
			t.Errorf("%s lives for %s s, want %s", key, at, ttl)
		}
	}
	must := func(done bool, err error) {
		t.Helper()
		if !done || err != nil {
			t.Errorf("got %t, %v", done, err)
		}
	}
	mustNot := func(done bool, err error) {
		t.Helper()
		if done || err != nil {
			t.Errorf("got %t, %v, want false", done, err)
		}
	}
	const key = "better-auth:api-key:by-id:{x}" // as it is, in the server too
	want(key, "", "-2")
	mustNot(s.Replace(ctx, key, "a", 0))
	mustNot(s.Replace(ctx, key, "a", time.Hour))
	mustNot(s.CompareAndSwap(ctx, key, "", "a", 0))
	want(key, "", "-2")
	must(true, s.Set(ctx, key, "a", time.Hour))
	want(key, "a", "3600")
	must(true, s.Set(ctx, key, "", 0))
	want(key, "", "-1")
	must(s.CompareAndSwap(ctx, key, "", "b", 0))
	want(key, "b", "-1")
	must(s.CompareAndSwap(ctx, key, "b", "c", time.Minute))
	want(key, "c", "60")
	mustNot(s.CompareAndSwap(ctx, key, "b", "d", time.Hour))
	want(key, "c", "60")
	must(s.Replace(ctx, key, "d", 0))
	want(key, "d", "-1")
	must(s.Replace(ctx, key, "e", time.Hour))
	want(key, "e", "3600")
	must(true, s.Delete(ctx, key))
	must(true, s.Delete(ctx, key))
	want(key, "", "-2")
	if err := s.Set(ctx, key, "a", -1); err == nil {
		t.Error("a time to live that is negative is taken")
	}
}

// Of several who swap the same value one does.
func TestSecondarySwapsOnce(t *testing.T) {
	t.Parallel()
	s := openSecondary(t, at(redistest.Start(t, redistest.Options{}).Addr))
	if err := s.Set(t.Context(), "key", "0", 0); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if swapped, err := s.CompareAndSwap(t.Context(), "key", "0", "1", 0); swapped {
				won.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
}

func TestSecondaryFailures(t *testing.T) {
	t.Parallel()
	if _, err := redisstore.NewSecondary(redisstore.Config{Addresses: []string{"127.0.0.1:1"}, Prefix: "x"}); err == nil {
		t.Error("a prefix is taken, and would not be used")
	}
	if _, err := redisstore.NewSecondary(redisstore.Config{}); err == nil {
		t.Error("no address is needed")
	}
	server := redistest.Start(t, redistest.Options{})
	s := openSecondary(t, at(server.Addr))
	server.Do("LPUSH", "list", "secret-value")
	for name, ask := range map[string]func() error{
		"Get": func() error { _, _, err := s.Get(t.Context(), "list"); return err },
		"CompareAndSwap": func() error {
			_, err := s.CompareAndSwap(t.Context(), "list", "secret-value", "b", 0)
			return err
		},
	} {
		if err := ask(); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "list") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Get(ended, "key"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	s.Close()
	for name, ask := range map[string]func() error{
		"Get":     func() error { _, _, err := s.Get(t.Context(), "key"); return err },
		"Set":     func() error { return s.Set(t.Context(), "key", "a", 0) },
		"Delete":  func() error { return s.Delete(t.Context(), "key") },
		"Replace": func() error { _, err := s.Replace(t.Context(), "key", "a", 0); return err },
	} {
		if ask() == nil {
			t.Errorf("%s works after Close", name)
		}
	}
}
