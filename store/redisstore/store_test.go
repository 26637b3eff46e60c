package redisstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/redisstore"
	"github.com/netscript/auth/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	servers := []struct {
		name  string
		start func(t *testing.T) redisstore.Config
	}{
		{"standalone", func(t *testing.T) redisstore.Config {
			return at(redistest.Start(t, redistest.Options{}).Addr)
		}},
		{"cache off", func(t *testing.T) redisstore.Config {
			return redisstore.Config{Addresses: []string{redistest.Start(t, redistest.Options{}).Addr}, DisableCache: true}
		}},
		{"TLS", func(t *testing.T) redisstore.Config {
			s := redistest.Start(t, redistest.Options{TLS: authority, Password: "hunter2"})
			return redisstore.Config{Addresses: []string{s.Addr}, TLS: authority.Trusting(), Password: auth.NewSecret("hunter2")}
		}},
		{"Cluster", func(t *testing.T) redisstore.Config {
			nodes := redistest.StartCluster(t, 3, redistest.Options{})
			return redisstore.Config{Addresses: []string{nodes[0].Addr}, Cluster: true}
		}},
		{"Cluster with TLS", func(t *testing.T) redisstore.Config {
			nodes := redistest.StartCluster(t, 3, redistest.Options{TLS: authority})
			return redisstore.Config{Addresses: []string{nodes[1].Addr, nodes[0].Addr}, Cluster: true, TLS: authority.Trusting()}
		}},
	}
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			kv := open(t, s.start(t))
			storetest.TestKV(t, func(*testing.T) store.KV { return kv })
		})
	}
}

func TestBinaryKeysAndPrefixes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	prefixes := []string{"a", "a:s", "a%3As", "", "A", "a{x}", "ä", "a ", "auth"}
	keys := []string{"s:b", "b", ":", "{", "}", "{}", "a:{b}", "a:b}", "a{:b", "a:{{b}}", "%", `"`, "*"}
	stores := make([]*redisstore.Store, len(prefixes))
	for i, p := range prefixes {
		stores[i] = open(t, redisstore.Config{Addresses: []string{server.Addr}, Prefix: p})
		for _, k := range keys {
			set(t, stores[i], k, p+"\x00\r\n\xff"+k)
		}
	}
	for i, p := range prefixes {
		for _, k := range keys {
			want(t, stores[i], k, p+"\x00\r\n\xff"+k)
			wantCached(t, stores[i], k, p+"\x00\r\n\xff"+k)
		}
	}
	if n := server.Do("DBSIZE"); n != fmt.Sprint(len(prefixes)*len(keys)) {
		t.Errorf("%s keys, want %d", n, len(prefixes)*len(keys))
	}
	// Invalidation finds its way back from every key of the server.
	server.Do("FLUSHALL")
	for i := range prefixes {
		for _, k := range keys {
			eventuallyCached(t, stores[i], k, "")
		}
	}
	for _, k := range keys {
		set(t, stores[1], k, "old")
		wantCached(t, stores[1], k, "old")
		for name := range strings.SplitSeq(server.Do("KEYS", "a%3As:*"), "\n") {
			server.Do("SET", name, "new")
		}
		eventuallyCached(t, stores[1], k, "new")
	}
}

func TestKeysOfOneSessionShareASlot(t *testing.T) {
	t.Parallel()
	node := redistest.StartCluster(t, 1, redistest.Options{})[0]
	s := open(t, redisstore.Config{Addresses: []string{node.Addr}, Cluster: true})
	for _, k := range []string{"s:abc", "l:abc", "t:x:abc", "abc"} {
		set(t, s, k, "v")
	}
	var slots []string
	for name := range strings.SplitSeq(node.Do("KEYS", "*"), "\n") {
		slots = append(slots, node.Do("CLUSTER", "KEYSLOT", name))
	}
	if len(slots) != 4 || len(slices.Compact(slots)) != 1 {
		t.Errorf("slots %v, want four times the same", slots)
	}
}

func TestLifetimeIsInMilliseconds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	s := open(t, at(server.Addr))
	for ttl, most := range map[time.Duration]int{
		time.Nanosecond: 1, time.Millisecond: 1, 1500 * time.Microsecond: 2,
		10 * time.Second: 10_000, 10 * 365 * 24 * time.Hour: 10 * 365 * 24 * 3600 * 1000,
	} {
		if err := s.Set(t.Context(), "k", []byte("v"), ttl); err != nil {
			t.Fatalf("Set for %v: %v", ttl, err)
		}
		var left int
		if _, err := fmt.Sscan(server.Do("PTTL", physical("k")), &left); err != nil {
			t.Fatal(err)
		}
		if least := most - 20_000; left > most || left < max(least, -2) || most > 100 && left < 0 {
			t.Errorf("%v left of %v, want at most %d ms", left, ttl, most)
		}
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	// The rule of the package documentation, and no other right.
	server := redistest.Start(t, redistest.Options{Password: "admin", Config: []string{
		"user app on >hunter2 ~" + redisstore.DefaultPrefix + ":* +@connection +get +set +getdel +del +pttl +multi +exec +evalsha +eval",
	}})
	s := open(t, redisstore.Config{Addresses: []string{server.Addr}, Username: "app", Password: auth.NewSecret("hunter2")})
	storetest.TestKV(t, func(*testing.T) store.KV { return s })
	for name, cfg := range map[string]redisstore.Config{
		"wrong password": {Username: "app", Password: auth.NewSecret("hunter3")},
		"unknown user":   {Username: "opp", Password: auth.NewSecret("hunter2")},
		"no password":    {},
	} {
		cfg.Addresses = []string{server.Addr}
		s := open(t, cfg)
		_, _, err := s.Get(t.Context(), "k")
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, s), "hunter") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	cfg := at(server.Addr)
	cfg.Database = 3
	set(t, open(t, cfg), "k", "v")
	want(t, open(t, at(server.Addr)), "k", "")
	want(t, open(t, cfg), "k", "v")
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	right, wrong, others := redistest.NewAuthority(t), redistest.NewAuthority(t), redistest.NewAuthorityOfOthers(t)
	server := redistest.Start(t, redistest.Options{TLS: right})
	elsewhere := redistest.Start(t, redistest.Options{TLS: others})
	plain := redistest.Start(t, redistest.Options{})
	tests := map[string]struct {
		addr   string
		config *tls.Config
		ok     bool
	}{
		"right authority":     {server.Addr, right.Trusting(), true},
		"wrong authority":     {server.Addr, wrong.Trusting(), false},
		"the system's":        {server.Addr, &tls.Config{}, false}, //nolint:gosec // the store sets the least version
		"another host's name": {elsewhere.Addr, others.Trusting(), false},
		"clear text to TLS":   {server.Addr, nil, false},
		"TLS to clear text":   {plain.Addr, right.Trusting(), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := redisstore.Config{Addresses: []string{tt.addr}, TLS: tt.config}
			if !tt.ok {
				cfg.ReadTimeout, cfg.WriteTimeout, cfg.DialTimeout = 2*time.Second, 2*time.Second, time.Second
			}
			s := open(t, cfg)
			if err := s.Set(t.Context(), "k", []byte("v"), long); (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", authority.Server(t, tls.VersionTLS11))
	if err != nil {
		t.Fatal(err)
	}
	shaken := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.(*tls.Conn).Handshake() //nolint:noctx // the client gives up
			_ = c.Close()
		}
		_ = l.Close()
		shaken <- err
	}()
	config := authority.Trusting()
	config.MinVersion = 0
	s := open(t, redisstore.Config{Addresses: []string{l.Addr().String()}, TLS: config})
	if err := s.Delete(t.Context(), "k"); err == nil {
		t.Error("no error")
	}
	if err := <-shaken; err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	sentinel, master, replica := redistest.StartSentinel(t)
	s := open(t, redisstore.Config{
		Addresses: []string{sentinel.Addr}, SentinelMaster: redistest.MasterSet,
		ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second, DialTimeout: 2 * time.Second,
	})
	redistest.Eventually(t, "no write through the sentinel", func() bool {
		return s.Set(t.Context(), "k", []byte("v"), long) == nil
	})
	wantCached(t, s, "k", "v")
	redistest.Eventually(t, "the replica does not get the record", func() bool {
		got, err := replica.Try("EXISTS", physical("k"))
		return err == nil && got == "1"
	})
	master.Kill()
	redistest.Eventually(t, "the replica is not made master", func() bool {
		info, err := replica.Try("INFO", "replication") // the promotion ends connections
		return err == nil && strings.Contains(info, "role:master")
	})
	redistest.Eventually(t, "no write after the failover", func() bool {
		return s.Set(t.Context(), "k", []byte("w"), long) == nil
	})
	redistest.Eventually(t, "no read after the failover", func() bool {
		value, _, _, err := s.GetIfChanged(t.Context(), "k", 0)
		return err == nil && string(value) == "w"
	})
	redistest.Eventually(t, "the new master does not have the record", func() bool {
		got, err := replica.Try("GET", physical("k"))
		return err == nil && got == "w"
	})
}

func TestClusterFollowsSlots(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, 2, redistest.Options{})
	s := open(t, redisstore.Config{Addresses: []string{nodes[0].Addr}, Cluster: true, CacheTTL: time.Minute})
	set(t, s, "s:abc", "v")
	wantCached(t, s, "s:abc", "v")
	from, to := nodes[0], nodes[1]
	if from.Do("CLUSTER", "KEYSLOT", physical("s:abc")) >= "8192" || from.Do("DBSIZE") == "0" {
		from, to = to, from
	}
	redistest.MoveSlot(t, from, to, from.Do("CLUSTER", "KEYSLOT", physical("s:abc")))
	want(t, s, "s:abc", "v")
	eventuallyCached(t, s, "s:abc", "v")
	set(t, s, "s:abc", "w")
	wantCached(t, s, "s:abc", "w")
	to.Do("SET", physical("s:abc"), "x")
	eventuallyCached(t, s, "s:abc", "x")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]redisstore.Config{
		"no address":            {},
		"two single servers":    at("a:1", "b:1"),
		"no port":               at("localhost"),
		"no host":               at(":6379"),
		"sentinel and cluster":  {Addresses: []string{"a:1"}, Cluster: true, SentinelMaster: "m"},
		"database of a cluster": {Addresses: []string{"a:1"}, Cluster: true, Database: 1},
		"negative database":     {Addresses: []string{"a:1"}, Database: -1},
		"negative timeout":      {Addresses: []string{"a:1"}, ReadTimeout: -1},
		"negative cache":        {Addresses: []string{"a:1"}, CacheBytes: -1},
		"old TLS":               {Addresses: []string{"a:1"}, TLS: &tls.Config{MinVersion: tls.VersionTLS11}}, //nolint:gosec // it is refused
	} {
		if _, err := redisstore.New(cfg); err == nil || !strings.Contains(err.Error(), "Config") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRefusedBeforeSending(t *testing.T) {
	t.Parallel()
	s := open(t, at("127.0.0.1:1")) // nobody is there
	ctx := context.Background()
	big := make([]byte, 64<<20+1)
	if err := s.Set(ctx, "k", nil, 0); err == nil || !strings.Contains(err.Error(), "ttl") {
		t.Errorf("ttl 0: %v", err)
	}
	if err := s.Set(ctx, "k", big, long); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("large value: %v", err)
	}
	if _, err := s.CompareAndSwap(ctx, "k", big, nil, long); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("large prev: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := s.Get(cancelled, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	// The reply to a command that does not exist begins with its arguments.
	server := redistest.Start(t, redistest.Options{Password: "canary-password", Config: []string{`rename-command GETDEL ""`}})
	cfg := redisstore.Config{Addresses: []string{server.Addr}, Password: auth.NewSecret("canary-password"), SentinelPassword: auth.NewSecret("canary-sentinel")}
	s := open(t, cfg)
	set(t, s, "canary-key", "canary-value")
	wantCached(t, s, "canary-key", "canary-value")
	server.Do("DEL", physical("canary-key"))
	server.Do("LPUSH", physical("canary-key"), "x")
	_, _, err := s.Get(t.Context(), "canary-key")
	_, err2 := s.CompareAndSwap(t.Context(), "canary-key", []byte("canary-value"), []byte("canary-next"), long)
	_, _, err3 := s.Take(t.Context(), "canary-key")
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		var b bytes.Buffer
		fmt.Fprintf(&b, format+format+format+format, cfg, err, err2, err3)
		if strings.Contains(b.String(), "canary") || strings.Contains(b.String(), "63616e617279") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
	if err == nil || err2 == nil || err3 == nil {
		t.Errorf("errors %v, %v, %v", err, err2, err3)
	}
}
