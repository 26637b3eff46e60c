package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/redisstore"
)

const (
	readTimeout  = 250 * time.Millisecond
	writeTimeout = 500 * time.Millisecond

	// slack is how late a call may return on a busy machine.
	slack = 15 * time.Second
)

// hasty has short timeouts, to see them pass.
func hasty(t testing.TB, addr string) *redisstore.Store {
	t.Helper()
	return open(t, redisstore.Config{
		Addresses: []string{addr}, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, DialTimeout: writeTimeout,
		CacheTTL: time.Nanosecond, // so that what is in memory hides no fault
	})
}

// operation is one call of each kind, on a key of its own.
type operation struct {
	name string
	call func(ctx context.Context, s *redisstore.Store) error
}

func operations() []operation {
	value := []byte("value")
	return []operation{
		{"Get", func(ctx context.Context, s *redisstore.Store) error {
			v, found, err := s.Get(ctx, "k:Get")
			return checked(err, found || v != nil)
		}},
		{"GetIfChanged", func(ctx context.Context, s *redisstore.Store) error {
			v, version, found, err := s.GetIfChanged(ctx, "k:GetIfChanged", 7)
			return checked(err, found || v != nil || version != 0)
		}},
		{"Set", func(ctx context.Context, s *redisstore.Store) error { return s.Set(ctx, "k:Set", value, long) }},
		{"Take", func(ctx context.Context, s *redisstore.Store) error {
			v, found, err := s.Take(ctx, "k:Take")
			return checked(err, found || v != nil)
		}},
		{"CompareAndSwap(nil)", func(ctx context.Context, s *redisstore.Store) error {
			swapped, err := s.CompareAndSwap(ctx, "k:CompareAndSwap(nil)", nil, value, long)
			return checked(err, swapped)
		}},
		{"CompareAndSwap", func(ctx context.Context, s *redisstore.Store) error {
			swapped, err := s.CompareAndSwap(ctx, "k:CompareAndSwap", []byte("old"), value, long)
			return checked(err, swapped)
		}},
		{"Delete", func(ctx context.Context, s *redisstore.Store) error { return s.Delete(ctx, "k:Delete") }},
	}
}

// prepare puts the records there that the operations find.
func prepare(t testing.TB, server *redistest.Server) {
	t.Helper()
	server.Do("FLUSHALL")
	for _, op := range operations() {
		if op.name != "CompareAndSwap(nil)" {
			server.Do("SET", physical("k:"+op.name), "old")
		}
	}
}

// checked is err, unless something else was returned beside it.
func checked(err error, something bool) error {
	if err != nil && something {
		return fmt.Errorf("a result beside the error: %w", errBeside)
	}
	return err
}

var errBeside = errors.New("beside")

// wantFailure calls every operation at once and wants errors in time that say nothing of keys and values.
func wantFailure(t *testing.T, s *redisstore.Store) {
	t.Helper()
	var wg sync.WaitGroup
	for _, op := range operations() {
		wg.Go(func() {
			start := time.Now()
			err := op.call(t.Context(), s)
			if err == nil || errors.Is(err, errBeside) || strings.Contains(err.Error(), "k:") || strings.Contains(err.Error(), "old") {
				t.Errorf("%s: error %v", op.name, err)
			}
			if took := time.Since(start); took > writeTimeout+slack {
				t.Errorf("%s took %v", op.name, took)
			}
		})
	}
	wg.Wait()
}

// wantRecovery wants every operation to work again without anybody's help.
func wantRecovery(t *testing.T, s *redisstore.Store, server *redistest.Server) {
	t.Helper()
	redistest.Eventually(t, "no recovery", func() bool {
		_, err := server.Try("PING")
		return err == nil && s.Set(t.Context(), "recovery", []byte("v"), long) == nil
	})
	prepare(t, server)
	for _, op := range operations() {
		redistest.Eventually(t, op.name+" does not recover", func() bool { return op.call(t.Context(), s) == nil })
	}
	want(t, s, "recovery", "") // prepare has flushed it
	if n := redisstore.Pending(s); n != 0 {
		t.Errorf("%d calls are believed to be under way", n)
	}
}

// TestFaults: whatever happens to the server or the way to it, every operation fails in time, and works again afterwards.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := map[string]func(t *testing.T, server *redistest.Server) (addr string, fault, heal func()){
		"slow": func(t *testing.T, server *redistest.Server) (string, func(), func()) {
			p := proxied(t, server)
			return p.Addr(), func() { p.Delay(5 * time.Second) }, func() { p.Delay(0) }
		},
		"black hole": func(t *testing.T, server *redistest.Server) (string, func(), func()) {
			p := proxied(t, server)
			return p.Addr(), func() { p.BlackHole(true) }, func() { p.BlackHole(false) }
		},
		"replies lost": func(t *testing.T, server *redistest.Server) (string, func(), func()) {
			p := proxied(t, server)
			return p.Addr(), func() { p.DropReplies(true) }, func() { p.DropReplies(false) }
		},
		"refused": func(t *testing.T, server *redistest.Server) (string, func(), func()) {
			p := proxied(t, server)
			return p.Addr(), func() { _ = p.Refuse(true) }, func() { _ = p.Refuse(false) }
		},
		"hanging": func(_ *testing.T, server *redistest.Server) (string, func(), func()) {
			return server.Addr, server.Pause, server.Resume
		},
		"killed": func(_ *testing.T, server *redistest.Server) (string, func(), func()) {
			return server.Addr, server.Kill, server.Restart
		},
		"ACL off": func(t *testing.T, server *redistest.Server) (string, func(), func()) {
			// The commands go, and the connection of the test keeps its rights through a user of its own.
			return server.Addr,
				func() { server.Do("ACL", "SETUSER", "default", "-@write", "-@read", "-@scripting", "-@transaction") },
				func() { server.Do("ACL", "SETUSER", "default", "+@all") }
		},
		"wrong type": func(_ *testing.T, server *redistest.Server) (string, func(), func()) {
			return server.Addr, func() {
				server.Do("FLUSHALL")
				for _, op := range operations() {
					server.Do("LPUSH", physical("k:"+op.name), "x")
				}
			}, func() { server.Do("FLUSHALL") }
		},
	}
	for name, arrange := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Options{})
			addr, fault, heal := arrange(t, server)
			for _, when := range []string{"before the first call", "after calls"} {
				s := hasty(t, addr)
				prepare(t, server)
				if when == "after calls" {
					wantRecovery(t, s, server)
					prepare(t, server)
				}
				fault()
				if name == "wrong type" { // no fault for those that do not look
					wrongType(t, s)
				} else {
					wantFailure(t, s)
				}
				heal()
				wantRecovery(t, s, server)
			}
		})
	}
}

// wrongType: a key that holds something else is no record and no absence. Set and Delete replace it.
func wrongType(t *testing.T, s *redisstore.Store) {
	t.Helper()
	for _, op := range operations() {
		err := op.call(t.Context(), s)
		switch op.name {
		case "Set", "Delete", "CompareAndSwap(nil)":
			if err != nil {
				t.Errorf("%s: %v", op.name, err)
			}
		default:
			if err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
				t.Errorf("%s: error %v, want WRONGTYPE", op.name, err)
			}
		}
	}
}

// TestCutAnywhere breaks the connection after every byte of a reply: nothing wrong is ever returned.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	proxy := proxied(t, server)
	s := open(t, at(proxy.Addr()))
	const value = "0123456789abcdef"
	server.Do("SET", physical("k"), value)
	for _, cached := range []bool{false, true} {
		for n, whole := 0, false; !whole; n++ {
			redistest.Eventually(t, "no recovery", func() bool { return s.Delete(t.Context(), "other") == nil })
			if n > 300 {
				t.Fatal("a reply has no end")
			}
			proxy.CutAfter(n)
			var got []byte
			var found bool
			var err error
			if cached {
				got, _, found, err = s.GetIfChanged(t.Context(), "k", 0)
			} else {
				got, found, err = s.Get(t.Context(), "k")
			}
			whole = err == nil
			if err == nil && (!found || string(got) != value) || err != nil && (found || got != nil) {
				t.Errorf("cut after %d bytes: %q, %t, %v", n, got, found, err)
			}
			if whole && n < len(value) {
				t.Errorf("a whole reply in %d bytes", n)
			}
			proxy.CutAfter(-1)
		}
	}
}

// TestNothingIsSentTwice: the server acts and its answer is lost. The call fails, what it did stays, once.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	commands := map[string][]string{
		"Get": {"get"}, "GetIfChanged": {"get"},
		"Set": {"set"}, "Take": {"getdel"}, "CompareAndSwap(nil)": {"set"}, "CompareAndSwap": {"evalsha", "eval"}, "Delete": {"del"},
	}
	server := redistest.Start(t, redistest.Options{})
	proxy := proxied(t, server)
	for _, op := range operations() {
		for _, how := range []string{"silence", "cut"} {
			s := open(t, at(proxy.Addr()))
			for _, op := range operations() { // connects, and loads the script
				if err := op.call(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", op.name, err)
				}
			}
			prepare(t, server)
			eventuallyCached(t, s, "k:GetIfChanged", "old")
			server.Do("DEL", physical("k:GetIfChanged"))
			eventuallyCached(t, s, "k:GetIfChanged", "")
			server.Do("CONFIG", "RESETSTAT")
			calls := func() (n int) {
				for _, c := range commands[op.name] {
					n += server.Calls(c)
				}
				return n
			}
			var wg sync.WaitGroup
			if how == "silence" {
				proxy.DropReplies(true)
			} else {
				proxy.CutAfter(0)
			}
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				if err := op.call(ctx, s); err == nil || errors.Is(err, errBeside) {
					t.Errorf("%s, %s: error %v", op.name, how, err)
				}
			})
			wg.Wait()
			redistest.Eventually(t, op.name+" did not reach the server", func() bool { return calls() > 0 })
			inner := 0
			if op.name == "CompareAndSwap" { // the script's own
				inner = server.Calls("set") - 1
			}
			if n := calls(); n != 1 || inner != 0 {
				t.Errorf("%s, %s: the server executed it %d times", op.name, how, n)
			}
			proxy.DropReplies(false)
			proxy.CutAfter(-1)
			redistest.Eventually(t, "no recovery", func() bool { _, _, err := s.Get(t.Context(), "other"); return err == nil })
			s.Close()
		}
	}
}

// TestLateWriteIsSeen: a write that was given up lands afterwards, and no read of this process misses it then.
func TestLateWriteIsSeen(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	writer, reader := open(t, at(server.Addr)), open(t, at(server.Addr))
	server.Do("SET", physical("k"), "old")
	want(t, writer, "k", "old")
	wantCached(t, reader, "k", "old")
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), writeTimeout)
	defer cancel()
	if err := writer.Set(ctx, "k", []byte("new"), long); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Set: %v", err)
	}
	server.Resume()
	eventuallyCached(t, writer, "k", "new")
	eventuallyCached(t, reader, "k", "new")
}

// TestFull: a server that is full and does not evict refuses writes, and nothing else.
func TestFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{Config: []string{"maxmemory-policy noeviction"}})
	s := open(t, at(server.Addr))
	set(t, s, "k", "v")
	set(t, s, "gone", "v")
	if ok, err := s.CompareAndSwap(t.Context(), "k", []byte("v"), []byte("v"), long); !ok || err != nil { // loads the script
		t.Fatal(ok, err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "1")
	for name, err := range map[string]error{
		"Set":                 s.Set(t.Context(), "k", []byte("w"), long),
		"CompareAndSwap":      second(s.CompareAndSwap(t.Context(), "k", []byte("v"), []byte("w"), long)),
		"CompareAndSwap(nil)": second(s.CompareAndSwap(t.Context(), "new", nil, []byte("w"), long)),
	} {
		if !errors.Is(err, store.ErrFull) {
			t.Errorf("%s: %v, want ErrFull", name, err)
		}
	}
	want(t, s, "k", "v")
	wantCached(t, s, "k", "v")
	want(t, s, "new", "")
	if err := s.Delete(t.Context(), "gone"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if v, found, err := s.Take(t.Context(), "k"); string(v) != "v" || !found || err != nil {
		t.Errorf("Take: %q, %t, %v", v, found, err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	set(t, s, "k", "w")
}

func second(_ bool, err error) error { return err }

// TestReadOnly: a primary without the replicas that it must have.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	s := open(t, at(server.Addr))
	set(t, s, "k", "v")
	server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	for name, err := range map[string]error{
		"Set":            s.Set(t.Context(), "k", []byte("w"), long),
		"CompareAndSwap": second(s.CompareAndSwap(t.Context(), "k", []byte("v"), []byte("w"), long)),
		"Delete":         s.Delete(t.Context(), "k"),
	} {
		if err == nil || !strings.Contains(err.Error(), "NOREPLICAS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, found, err := s.Take(t.Context(), "k"); err == nil || found {
		t.Errorf("Take: %t, %v", found, err)
	}
	want(t, s, "k", "v")
	wantCached(t, s, "k", "v")
	server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
	set(t, s, "k", "w")
}

// TestReplica: an address that turns out to be a replica's takes no write.
func TestReplica(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{Config: []string{"replicaof 127.0.0.1 1"}})
	s := open(t, at(server.Addr))
	if err := s.Set(t.Context(), "k", []byte("v"), long); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("Set: %v", err)
	}
}

func TestUserIsSwitchedOff(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{Password: "admin", Config: []string{"user app on >pw ~* +@all"}})
	cfg := at(server.Addr)
	cfg.Username, cfg.Password, cfg.CacheTTL = "app", auth.NewSecret("pw"), time.Hour
	s := open(t, cfg)
	set(t, s, "k", "v")
	wantCached(t, s, "k", "v")
	server.Do("ACL", "SETUSER", "app", "off")
	server.Do("CLIENT", "KILL", "USER", "app")
	redistest.Eventually(t, "a record is believed without a connection", func() bool {
		_, _, _, err := s.GetIfChanged(t.Context(), "k", 0)
		return err != nil
	})
	if err := s.Set(t.Context(), "k", []byte("w"), long); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("Set: %v", err)
	}
	server.Do("ACL", "SETUSER", "app", "on")
	redistest.Eventually(t, "no recovery", func() bool { return s.Set(t.Context(), "k", []byte("w"), long) == nil })
	wantCached(t, s, "k", "w")
}

func TestTooManyClients(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	first, second := open(t, at(server.Addr)), hasty(t, server.Addr)
	set(t, first, "k", "v")
	redistest.Eventually(t, "the test's connections stay", func() bool { return server.Clients() == 1 })
	server.Do("CONFIG", "SET", "maxclients", "1")
	if _, found, err := second.Get(t.Context(), "k"); err == nil || found {
		t.Errorf("Get: %t, %v", found, err)
	}
	want(t, first, "k", "v")
	first.Close()
	redistest.Eventually(t, "no recovery", func() bool { _, found, err := second.Get(t.Context(), "k"); return err == nil && found })
}
