package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store/redisstore"
)

const benchRecords = 1000

// BenchmarkStore reads and writes records of 1 KiB over loopback. It reports how many commands went over the network for
// each operation.
func BenchmarkStore(b *testing.B) {
	server := redistest.Start(b, redistest.Options{})
	value := []byte(strings.Repeat("x", 1024))
	keys := make([]string, benchRecords)
	for i := range keys {
		keys[i] = fmt.Sprintf("s:%064d", i)
	}
	cached := open(b, redisstore.Config{Addresses: []string{server.Addr}, CacheTTL: time.Hour})
	versions := make([]uint64, len(keys))
	ctx := context.Background()
	for i, k := range keys {
		set(b, cached, k, string(value))
		_, versions[i], _, _ = cached.GetIfChanged(ctx, k, 0)
	}
	operations := []struct {
		name string
		run  func(i int) error
	}{
		{"GetIfChanged warm", func(i int) error { _, _, _, err := cached.GetIfChanged(ctx, keys[i], versions[i]); return err }},
		{"Get", func(i int) error { _, _, err := cached.Get(ctx, keys[i]); return err }},
		{"Set", func(i int) error { return cached.Set(ctx, keys[i], value, time.Hour) }},
		{"CompareAndSwap", func(i int) error { _, err := cached.CompareAndSwap(ctx, keys[i], value, value, time.Hour); return err }},
	}
	for _, op := range operations {
		for _, goroutines := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("%s/goroutines=%d", op.name, goroutines), func(b *testing.B) {
				server.Do("CONFIG", "RESETSTAT")
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for g := range goroutines {
					wg.Go(func() {
						for range (b.N + goroutines - 1 - g) / goroutines {
							if err := op.run(rand.IntN(benchRecords)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				// Each script that swaps counts three times: as itself and as the two commands in it.
				calls := server.Calls("get") + server.Calls("set") - server.Calls("evalsha")
				b.ReportMetric(float64(calls)/float64(b.N), "commands/op")
			})
		}
	}
}

// BenchmarkCachedRecord reports what a session of 1 KiB takes in memory.
func BenchmarkCachedRecord(b *testing.B) {
	server := redistest.Start(b, redistest.Options{})
	s := open(b, redisstore.Config{Addresses: []string{server.Addr}, CacheTTL: time.Hour, CacheBytes: 1 << 30})
	const records = 20_000
	for i := range records {
		set(b, s, fmt.Sprintf("s:%064d", i), strings.Repeat("x", 1024))
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range records {
		if _, _, found, err := s.GetIfChanged(context.Background(), fmt.Sprintf("s:%064d", i), 0); !found || err != nil {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(heap()-before)/records, "bytes/record")
	_, counted := redisstore.CacheSize(s)
	b.ReportMetric(float64(counted)/records, "counted-bytes/record")
	b.ReportMetric(0, "ns/op")
}
