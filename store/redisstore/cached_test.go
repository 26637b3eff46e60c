package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store/redisstore"
)

func TestWarmReadMakesNoCall(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	proxy := proxied(t, server)
	cfg := at(proxy.Addr())
	cfg.CacheTTL = time.Hour
	s := open(t, cfg)
	wantCached(t, s, "absent", "")
	if n, _ := redisstore.CacheSize(s); n != 0 {
		t.Errorf("%d records in memory of one that does not exist", n)
	}
	set(t, s, "k", "v")
	version := wantCached(t, s, "k", "v")
	server.Do("CONFIG", "RESETSTAT")
	_, before := proxy.Bytes()
	for range 10_000 {
		value, v, found, err := s.GetIfChanged(t.Context(), "k", version)
		if value != nil || v != version || !found || err != nil {
			t.Fatalf("GetIfChanged: %q, %d, %t, %v; want version %d only", value, v, found, err, version)
		}
	}
	if n := server.Calls("get") + server.Calls("exec") + server.Calls("client|caching"); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
	if _, after := proxy.Bytes(); after-before > 100 { // PINGs are allowed
		t.Errorf("%d bytes came from the server", after-before)
	}
	want(t, s, "k", "v")
	if n := server.Calls("get"); n != 1 {
		t.Errorf("Get asked the server %d times, want 1", n)
	}
}

func TestWarmReadAllocatesNothing(t *testing.T) { // not parallel: AllocsPerRun forbids it
	cfg := at(redistest.Start(t, redistest.Options{}).Addr)
	cfg.CacheTTL = time.Hour
	s := open(t, cfg)
	set(t, s, "k", "v")
	version := wantCached(t, s, "k", "v")
	allocs := testing.AllocsPerRun(1000, func() { _, _, _, _ = s.GetIfChanged(context.Background(), "k", version) })
	if allocs != 0 {
		t.Errorf("%v allocations for a warm read", allocs)
	}
}

func TestCacheOffAsksEveryTime(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	cfg := at(server.Addr)
	cfg.DisableCache = true
	s := open(t, cfg)
	set(t, s, "k", "v")
	version := wantCached(t, s, "k", "v")
	server.Do("CONFIG", "RESETSTAT")
	for range 10 {
		if value, v, _, err := s.GetIfChanged(t.Context(), "k", version); value != nil || v != version || err != nil {
			t.Fatalf("GetIfChanged: %q, %d, %v; want version %d only", value, v, err, version)
		}
	}
	if n := server.Calls("get"); n != 10 {
		t.Errorf("the server was asked %d times, want 10", n)
	}
	server.Do("SET", physical("k"), "w")
	if v := wantCached(t, s, "k", "w"); v == version {
		t.Error("other bytes under the same version")
	}
	if n := server.Calls("client|tracking"); n != 0 {
		t.Error("the server was asked to track")
	}
}

// TestTwoClients has a store see everything that another one, and anybody else, does to a record it holds.
func TestTwoClients(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	cfg := at(server.Addr)
	cfg.CacheTTL = time.Hour
	a, b := open(t, cfg), open(t, cfg)
	ctx := t.Context()
	steps := []struct {
		name, value string
		do          func() error
	}{
		{"Set", "1", func() error { return b.Set(ctx, "k", []byte("1"), long) }},
		{"CompareAndSwap", "2", func() error {
			_, err := b.CompareAndSwap(ctx, "k", []byte("1"), []byte("2"), long)
			return err
		}},
		{"Take", "", func() error { _, _, err := b.Take(ctx, "k"); return err }},
		{"CompareAndSwap of nothing", "3", func() error { _, err := b.CompareAndSwap(ctx, "k", nil, []byte("3"), long); return err }},
		{"Delete", "", func() error { return b.Delete(ctx, "k") }},
		{"Set again", "4", func() error { return b.Set(ctx, "k", []byte("4"), long) }},
		{"FLUSHALL", "", func() error { server.Do("FLUSHALL"); return nil }},
		{"Set after FLUSHALL", "5", func() error { return b.Set(ctx, "k", []byte("5"), long) }},
		{"PEXPIRE", "", func() error { server.Do("PEXPIRE", physical("k"), "1"); return nil }},
	}
	set(t, b, "k", "0")
	versions := map[uint64]bool{wantCached(t, a, "k", "0"): true}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		start := time.Now()
		eventuallyCached(t, a, "k", s.value)
		t.Logf("%s was seen after %v", s.name, time.Since(start))
		if s.value == "" {
			continue
		}
		v := wantCached(t, a, "k", s.value)
		if versions[v] {
			t.Errorf("%s: version %d a second time", s.name, v)
		}
		versions[v] = true
		wantCached(t, b, "k", s.value)
	}
}

// TestSameBytesByAnother: also a write that changes no byte gives a new version, because the server tells of it.
func TestSameBytesByAnother(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	cfg := at(server.Addr)
	cfg.CacheTTL = time.Hour
	s := open(t, cfg)
	set(t, s, "k", "v")
	version := wantCached(t, s, "k", "v")
	server.Do("SET", physical("k"), "v")
	redistest.Eventually(t, "the same bytes keep their version", func() bool { return wantCached(t, s, "k", "v") != version })
}

// TestOwnWritesAreSeenAtOnce: no read that begins after a write of this process has returned finds what was before.
func TestOwnWritesAreSeenAtOnce(t *testing.T) { // not parallel: it would hold up the others
	server := redistest.Start(t, redistest.Options{})
	for _, disable := range []bool{false, true} {
		t.Run(fmt.Sprintf("cache off %t", disable), func(t *testing.T) {
			cfg := at(server.Addr)
			cfg.CacheTTL, cfg.DisableCache, cfg.Prefix = time.Hour, disable, fmt.Sprint(disable)
			s := open(t, cfg)
			var written atomic.Int64 // number in the record, acknowledged
			done := make(chan struct{})
			var readers sync.WaitGroup
			for range 3 {
				readers.Go(func() {
					for {
						least := written.Load()
						value, _, found, err := s.GetIfChanged(context.Background(), "k", 0)
						var n int64
						if found {
							_, _ = fmt.Sscan(string(value), &n)
						}
						if err != nil || found && n < least {
							t.Errorf("read %q (%t, %v) after %d was written", value, found, err, least)
							return
						}
						select {
						case <-done:
							return
						default:
						}
					}
				})
			}
			ctx := context.Background()
			for n := range int64(400) {
				next := fmt.Appendf(nil, "%d", n+1)
				var err error
				switch rand.IntN(4) {
				case 0:
					err = s.Delete(ctx, "k")
				case 1:
					_, _, err = s.Take(ctx, "k")
				case 2:
					if prev, found, _ := s.Get(ctx, "k"); found {
						_, err = s.CompareAndSwap(ctx, "k", prev, next, long)
						break
					}
					fallthrough
				default:
					err = s.Set(ctx, "k", next, long)
				}
				if err != nil {
					t.Fatal(err)
				}
				written.Store(n + 1)
				if value, _, found, err := s.GetIfChanged(ctx, "k", 0); err != nil || found && !bytes.Equal(value, next) {
					t.Fatalf("after write %d: %q, %v", n+1, value, err)
				}
			}
			close(done)
			readers.Wait()
		})
	}
}

// TestBrokenConnectionIsForgotten: what was learned over a connection is not believed when it is gone.
func TestBrokenConnectionIsForgotten(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	proxy := proxied(t, server)
	cfg := at(proxy.Addr())
	cfg.CacheTTL = time.Hour
	s := open(t, cfg)
	set(t, s, "k", "v")
	wantCached(t, s, "k", "v")
	if err := proxy.Refuse(true); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, "a record is believed without a connection", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, _, _, err := s.GetIfChanged(ctx, "k", 0)
		return err != nil
	})
	server.Do("SET", physical("k"), "w")
	if err := proxy.Refuse(false); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, "no recovery", func() bool {
		value, _, _, err := s.GetIfChanged(t.Context(), "k", 0)
		return err == nil && string(value) == "w"
	})
}

// TestSilentConnection: a connection that is dead without a sign. Nothing older than CacheTTL is answered, and the PING
// notices it before when CacheTTL is long.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{300 * time.Millisecond, time.Hour} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Options{})
			proxy := proxied(t, server)
			s := open(t, redisstore.Config{
				Addresses: []string{proxy.Addr()}, CacheTTL: ttl,
				ReadTimeout: 5 * time.Second, WriteTimeout: patient, DialTimeout: time.Second,
			})
			set(t, s, "k", "v")
			wantCached(t, s, "k", "v")
			asked := time.Now()
			proxy.BlackHole(true)
			server.Do("DEL", physical("k")) // revoked, and nobody hears
			var last time.Time
			for {
				start := time.Now()
				_, _, found, err := s.GetIfChanged(t.Context(), "k", 0)
				if err != nil {
					break
				}
				if !found {
					t.Fatal("the black hole let something through")
				}
				last = start
				time.Sleep(5 * time.Millisecond)
			}
			age := last.Sub(asked)
			t.Logf("the record was believed for %v", age)
			// One second of silence, one second for the PING; the first may just have missed something; the machine is busy.
			if bound := min(ttl, 5*time.Second); age > bound {
				t.Errorf("the record was believed for %v, want at most %v", age, bound)
			}
			proxy.BlackHole(false)
			eventuallyCached(t, s, "k", "")
		})
	}
}

func TestCachedRecordExpires(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	cfg := at(server.Addr)
	cfg.CacheTTL = time.Hour
	s := open(t, cfg)
	const ttl = 300 * time.Millisecond
	start := time.Now()
	if err := s.Set(t.Context(), "k", []byte("v"), ttl); err != nil {
		t.Fatal(err)
	}
	acknowledged := time.Now()
	for {
		asked := time.Now()
		_, _, found, err := s.GetIfChanged(t.Context(), "k", 0)
		if err != nil {
			t.Fatal(err)
		}
		if found && asked.Sub(acknowledged) > ttl {
			t.Fatalf("found %v after it was written for %v", asked.Sub(acknowledged), ttl)
		}
		if !found {
			if lived := time.Since(start); lived < ttl {
				t.Errorf("lived %v, want %v", lived, ttl)
			}
			break
		}
		time.Sleep(time.Millisecond)
	}
}

// TestUnchangedRecordKeepsItsVersion: after CacheTTL the server is asked, and the caller need not decode again.
func TestUnchangedRecordKeepsItsVersion(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	cfg := at(server.Addr)
	cfg.CacheTTL = 20 * time.Millisecond
	s := open(t, cfg)
	set(t, s, "k", "v")
	version := wantCached(t, s, "k", "v")
	for deadline := time.Now().Add(10 * time.Second); server.Calls("exec") < 3; {
		if v := wantCached(t, s, "k", "v"); v != version {
			t.Fatalf("version %d, then %d", version, v)
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not asked again")
		}
	}
}

// TestCancelledReadDisturbsNobody: reads of one record at once do not depend on one of them.
func TestCancelledReadDisturbsNobody(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	proxy := proxied(t, server)
	s := open(t, at(proxy.Addr()))
	set(t, s, "k", "v")
	proxy.Delay(50 * time.Millisecond)
	first, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, _, err := s.GetIfChanged(first, "k", 0); err == nil {
			t.Error("the cancelled read succeeded")
		}
	})
	for range 10 {
		wg.Go(func() { wantCached(t, s, "k", "v") })
	}
	cancel()
	wg.Wait()
}

func TestCacheIsBounded(t *testing.T) { // not parallel: it would hold up the others
	server := redistest.Start(t, redistest.Options{})
	for _, disable := range []bool{false, true} {
		cfg := at(server.Addr)
		cfg.CacheBytes, cfg.CacheTTL, cfg.DisableCache = 1<<20, time.Hour, disable
		s := open(t, cfg)
		value := strings.Repeat("x", 1024)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 150 {
					key := fmt.Sprintf("s:%d:%d", g, i)
					set(t, s, key, value)
					wantCached(t, s, key, value)
				}
			})
		}
		wg.Wait()
		entries, size := redisstore.CacheSize(s)
		if size > 1<<20 || size < 1<<19 || entries < 300 {
			t.Errorf("%d records take %d bytes, bound %d", entries, size, 1<<20)
		}
		set(t, s, "large", strings.Repeat("x", 1<<20))
		wantCached(t, s, "large", strings.Repeat("x", 1<<20))
		if _, size := redisstore.CacheSize(s); size > 1<<20 {
			t.Errorf("%d bytes with a large record", size)
		}
	}
}

// TestModel compares two stores over one server with a map, one operation after the other. The one that writes sees its
// own writes at once; the other one soon.
func TestModel(t *testing.T) { // not parallel: it would hold up the others
	server := redistest.Start(t, redistest.Options{})
	cfg := at(server.Addr)
	cfg.CacheTTL = time.Hour
	stores := []*redisstore.Store{open(t, cfg), open(t, cfg)}
	random := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	ctx := t.Context()
	for i := range 1000 {
		s, other := stores[i%2], stores[1-i%2]
		if random.IntN(3) == 0 {
			s, other = other, s
		}
		key, next := fmt.Sprintf("s:%d", random.IntN(4)), fmt.Sprint(i%7)
		old, present := model[key]
		var err error
		switch random.IntN(6) {
		case 0:
			err = s.Set(ctx, key, []byte(next), long)
			model[key] = next
		case 1:
			err = s.Delete(ctx, key)
			delete(model, key)
		case 2:
			var got []byte
			var found bool
			got, found, err = s.Take(ctx, key)
			if found != present || string(got) != old {
				t.Fatalf("step %d: Take(%s): %q, %t; want %q, %t", i, key, got, found, old, present)
			}
			delete(model, key)
		case 3:
			var swapped bool
			swapped, err = s.CompareAndSwap(ctx, key, []byte("3"), []byte(next), long)
			if swapped != (present && old == "3") {
				t.Fatalf("step %d: CompareAndSwap(%s) with %q: %t", i, key, old, swapped)
			}
			if swapped {
				model[key] = next
			}
		case 4:
			want(t, other, key, old)
		case 5:
			eventuallyCached(t, other, key, old)
		}
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if changed := model[key] != old; changed {
			wantCached(t, s, key, model[key])
		} else {
			eventuallyCached(t, s, key, old)
		}
	}
}
