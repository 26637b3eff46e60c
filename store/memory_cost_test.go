package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/netscript/auth/store"
)

// TestMemoryCostPerSession measures what a record costs all in, as the heap sees it, and what the garbage collector
// makes of it. BenchmarkMillionSessions does the same with a million.
func TestMemoryCostPerSession(t *testing.T) {
	sizes := []int{600, 800}
	if raceEnabled {
		sizes = sizes[1:]
	}
	for _, size := range sizes {
		cost := measure(t, 200_000, size)
		t.Logf("value of %d bytes: %v", size, cost)
		if cost.perSession > 1.2*1024 {
			t.Errorf("a session of %d bytes takes %.0f bytes, want at most 1.2 KiB", size, cost.perSession)
		}
		if !raceEnabled && cost.collection > time.Second {
			t.Errorf("a collection takes %v", cost.collection)
		}
	}
}

func BenchmarkMillionSessions(b *testing.B) {
	for _, size := range []int{600, 800, 900} {
		b.Run(fmt.Sprintf("value=%d", size), func(b *testing.B) {
			for b.Loop() {
				cost := measure(b, 1_000_000, size)
				b.ReportMetric(cost.perSession, "B/session")
				b.ReportMetric(float64(cost.collection.Microseconds())/1e3, "ms/GC")
				b.ReportMetric(float64(cost.pause.Microseconds())/1e3, "ms/GC-pause")
			}
		})
	}
}

type cost struct {
	perSession        float64
	collection, pause time.Duration // the best of five: the cost, not the neighbours
}

func (c cost) String() string {
	return fmt.Sprintf("%.0f bytes a session, full collection %v of which %v stopped", c.perSession, c.collection, c.pause)
}

func measure(t testing.TB, n, size int) cost {
	t.Helper()
	before := heap()
	m := newMemory(t, store.MemoryConfig{})
	value := make([]byte, size)
	for i := range n {
		if err := m.Set(context.Background(), sessionKey(i), value, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	c := cost{perSession: float64(heap()-before) / float64(n), collection: time.Hour, pause: time.Hour}
	for range 5 {
		var stats debug.GCStats
		start := time.Now()
		runtime.GC()
		c.collection = min(c.collection, time.Since(start))
		debug.ReadGCStats(&stats)
		c.pause = min(c.pause, stats.Pause[0])
	}
	runtime.KeepAlive(m)
	return c
}

// heap is the memory that live objects take, what the allocator rounds up included.
func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestMemoryChurnDoesNotGrow writes, overwrites and removes records of random and shifting sizes for long. With about
// as much live all the time, the heap stays as it is.
func TestMemoryChurnDoesNotGrow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := newClock()
	m := newMemory(t, store.MemoryConfig{Now: c.now})
	const keys = 20_000
	writes := 2 * keys
	if raceEnabled {
		writes = keys / 4
	}
	before := heap()
	for round := range 12 {
		// Sizes drift from round to round, which is what pins the free lists of size classes.
		for range writes {
			key := sessionKey(r.IntN(keys))
			switch r.IntN(8) {
			case 0:
				_ = m.Delete(t.Context(), key)
			default:
				mustSet(t, m, key, make([]byte, 100+150*round+r.IntN(300)), time.Duration(1+r.IntN(3))*time.Hour)
			}
		}
		c.advance(time.Hour)
		entries, counted := m.Size()
		grown := heap() - before
		if bound := counted + counted/4 + 48<<20; grown > bound {
			t.Errorf("round %d: the heap grew by %d bytes for %d in %d records", round, grown, counted, entries)
		}
	}
	for i := range keys {
		_ = m.Delete(t.Context(), sessionKey(i))
	}
	wantEntries(t, m, 0)
	if left := heap() - before; left > 1<<20 {
		t.Errorf("%d bytes are held for nothing", left)
	}
	runtime.KeepAlive(m)
}
