package store_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth/store"
)

// floor is what one would write by hand without a thought for bounds, memory or collection: the figure to compare with.
type floor struct {
	mu sync.RWMutex
	m  map[string]*floorEntry
}

type floorEntry struct {
	value   []byte
	version uint64
	expires time.Time
}

func (f *floor) getIfChanged(key string, seen uint64) (value []byte, version uint64, found bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	e := f.m[key]
	if e == nil || !time.Now().Before(e.expires) {
		return nil, 0, false
	}
	if e.version != seen {
		value = append(value, e.value...)
	}
	return value, e.version, true
}

func (f *floor) set(key string, value []byte, ttl time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m[key] = &floorEntry{value: append([]byte(nil), value...), version: 1, expires: time.Now().Add(ttl)}
}

func sessionKey(i int) string {
	return fmt.Sprintf("session/%043d", i)
}

func sessionKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = sessionKey(i)
	}
	return keys
}

// spread runs op on pseudo-random keys from n goroutines in all.
func spread(b *testing.B, goroutines int, keys []string, op func(i uint64)) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	var id atomic.Uint64
	for range goroutines {
		wg.Go(func() {
			x := id.Add(1) * 0x9e3779b97f4a7c15
			for range b.N / goroutines {
				x = x*6364136223846793005 + 1442695040888963407
				op(x >> 33 % uint64(len(keys)))
			}
		})
	}
	wg.Wait()
}

// BenchmarkStore compares Memory with the floor, by operation, number of keys and number of goroutines.
func BenchmarkStore(b *testing.B) {
	ctx := context.Background()
	value := make([]byte, 800)
	for _, n := range []int{1_000, 1_000_000} {
		keys := sessionKeys(n)
		versions := make([]uint64, n)
		m := newMemory(b, store.MemoryConfig{})
		f := &floor{m: map[string]*floorEntry{}}
		for i, k := range keys {
			if err := m.Set(ctx, k, value, time.Hour); err != nil {
				b.Fatal(err)
			}
			_, versions[i], _, _ = m.GetIfChanged(ctx, k, 0)
			f.set(k, value, time.Hour)
		}
		runtime.GC()
		ops := []struct {
			name string
			op   func(i uint64)
		}{
			{"GetIfChanged/Memory", func(i uint64) {
				if v, _, found, _ := m.GetIfChanged(ctx, keys[i], versions[i]); v != nil || !found {
					panic("changed")
				}
			}},
			{"GetIfChanged/floor", func(i uint64) {
				if v, _, found := f.getIfChanged(keys[i], 1); v != nil || !found {
					panic("changed")
				}
			}},
			{"Get/Memory", func(i uint64) { _, _, _ = m.Get(ctx, keys[i]) }},
			{"Get/floor", func(i uint64) { f.getIfChanged(keys[i], 0) }},
			{"Set/Memory", func(i uint64) { _ = m.Set(ctx, keys[i], value, time.Hour) }},
			{"Set/floor", func(i uint64) { f.set(keys[i], value, time.Hour) }},
			{"CompareAndSwap/Memory", func(i uint64) { _, _ = m.CompareAndSwap(ctx, keys[i], value, value, time.Hour) }},
			{"TakeSet/Memory", func(i uint64) {
				_, _, _ = m.Take(ctx, keys[i])
				_ = m.Set(ctx, keys[i], value, time.Hour)
			}},
		}
		for _, o := range ops {
			for _, g := range []int{1, 2, 64} {
				b.Run(fmt.Sprintf("%s/keys=%d/goroutines=%d", o.name, n, g), func(b *testing.B) {
					spread(b, g, keys, o.op)
				})
			}
		}
	}
}
