package redisstore_test

import (
	"context"
	"flag"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/internal/faultproxy"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store/redisstore"
)

// TestMain lets more tests run at once than there are processors, because most of them wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

const long = time.Hour

// patient is for tests in which a call must succeed: the machine may be busy.
const patient = 20 * time.Second

// open returns a store with timeouts for a busy machine where cfg has none.
func open(t testing.TB, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout, cfg.WriteTimeout, cfg.DialTimeout = patient, patient, patient
	}
	s, err := redisstore.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func at(addrs ...string) redisstore.Config { return redisstore.Config{Addresses: addrs} }

func proxied(t testing.TB, s *redistest.Server) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Start(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func set(t testing.TB, s *redisstore.Store, key, value string) {
	t.Helper()
	if err := s.Set(context.Background(), key, []byte(value), long); err != nil {
		t.Fatalf("Set: %v", err)
	}
}

// want reads with Get.
func want(t testing.TB, s *redisstore.Store, key, value string) {
	t.Helper()
	got, found, err := s.Get(context.Background(), key)
	if string(got) != value || found != (value != "") || err != nil {
		t.Errorf("Get(%s): %q, %t, %v; want %q", key, got, found, err, value)
	}
}

// wantCached reads with GetIfChanged; value "" is an absent record.
func wantCached(t testing.TB, s *redisstore.Store, key, value string) uint64 {
	t.Helper()
	got, version, found, err := s.GetIfChanged(context.Background(), key, 0)
	if string(got) != value || found != (value != "") || err != nil {
		t.Errorf("GetIfChanged(%s): %q, %t, %v; want %q", key, got, found, err, value)
	}
	return version
}

// eventuallyCached waits until GetIfChanged answers value.
func eventuallyCached(t testing.TB, s *redisstore.Store, key, value string) {
	t.Helper()
	redistest.Eventually(t, "GetIfChanged does not come to answer "+value, func() bool {
		got, _, found, err := s.GetIfChanged(context.Background(), key, 0)
		return err == nil && found == (value != "") && string(got) == value
	})
}

// physical is the key of the server for a key of a store with the default prefix.
func physical(key string) string {
	i := strings.LastIndexByte(key, ':') + 1
	return redisstore.DefaultPrefix + ":" + key[:i] + "{" + key[i:] + "}"
}

// goroutines counts those that run code of this library's client or of the store.
func goroutines() int {
	buf := make([]byte, 4<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "redis/rueidis.") || strings.Contains(stack, "redisstore.(*") {
			n++
		}
	}
	return n
}
