package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store/redisstore"
)

// TestManyCallsOnAHangingServer: every call returns in time, and nothing piles up.
func TestManyCallsOnAHangingServer(t *testing.T) { // not parallel: it counts goroutines
	server := redistest.Start(t, redistest.Options{})
	before := goroutines()
	s := hasty(t, server.Addr)
	set(t, s, "k", "v")
	server.Pause()
	for range 2 { // the second wave finds a store that knows
		var wg sync.WaitGroup
		for range 6000 {
			wg.Go(func() {
				start := time.Now()
				_, found, err := s.Get(t.Context(), "k")
				if err == nil || found {
					t.Errorf("Get: %t, %v", found, err)
				}
				if took := time.Since(start); took > readTimeout+slack {
					t.Errorf("Get took %v", took)
				}
			})
		}
		wg.Wait()
		if n := goroutines() - before; n > redisstore.MaxDirect+300 {
			t.Errorf("%d goroutines wait for a server that hangs", n)
		}
	}
	server.Resume()
	redistest.Eventually(t, "no recovery", func() bool { _, found, err := s.Get(t.Context(), "k"); return err == nil && found })
	redistest.Eventually(t, "goroutines stay", func() bool { return goroutines() <= before+10 })
	redistest.Eventually(t, "connections stay", func() bool { return server.Clients() == 1 })
	s.Close()
	redistest.Eventually(t, "goroutines stay after Close", func() bool { return goroutines() <= before })
	redistest.Eventually(t, "connections stay after Close", func() bool { return server.Clients() == 0 })
}

// TestManyCallsOnAServerThatIsWell: more than the pipeline takes directly, and all are answered.
func TestManyCallsOnAServerThatIsWell(t *testing.T) { // not parallel: it would hold up the others
	s := open(t, at(redistest.Start(t, redistest.Options{}).Addr))
	set(t, s, "k", "v")
	var wg sync.WaitGroup
	for range 6000 {
		wg.Go(func() { want(t, s, "k", "v") })
	}
	wg.Wait()
}

// TestConnectingHoldsUpNobody: a call with a short deadline does not wait for the connection that another one makes.
func TestConnectingHoldsUpNobody(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	proxy := proxied(t, server)
	s := open(t, redisstore.Config{
		Addresses: []string{proxy.Addr()}, ReadTimeout: 50 * time.Millisecond, WriteTimeout: patient, DialTimeout: patient,
	})
	redistest.Eventually(t, "no connection", func() bool { return s.Set(t.Context(), "k", []byte("v"), long) == nil })
	proxy.BlackHole(true)
	proxy.Cut()
	time.Sleep(50 * time.Millisecond) // the store notices, and no call fails over it
	var wg sync.WaitGroup
	wg.Go(func() {
		redistest.Eventually(t, "no recovery", func() bool { return s.Set(t.Context(), "k", []byte("w"), long) == nil })
	})
	redistest.Eventually(t, "nobody connects", func() bool { return proxy.Accepted() >= 2 })
	start := time.Now()
	if _, _, err := s.Get(t.Context(), "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get: %v", err)
	}
	if took := time.Since(start); took > 700*time.Millisecond { // the other one waits for a second
		t.Errorf("Get took %v", took)
	}
	proxy.BlackHole(false)
	wg.Wait()
}

// TestCloseWhileConnecting: the connection that is made afterwards does not stay.
func TestCloseWhileConnecting(t *testing.T) {
	t.Parallel()
	proxy := proxied(t, redistest.Start(t, redistest.Options{}))
	proxy.BlackHole(true)
	s := open(t, redisstore.Config{Addresses: []string{proxy.Addr()}, ReadTimeout: readTimeout, WriteTimeout: patient, DialTimeout: patient})
	if _, _, err := s.Get(t.Context(), "k"); err == nil {
		t.Error("Get succeeded")
	}
	s.Close()
	proxy.BlackHole(false)
	redistest.Eventually(t, "the connection stays", func() bool { return proxy.Accepted() > 0 && proxy.Open() == 0 })
}

// TestCancelledCall returns at once, not with the answer and not at its deadline.
func TestCancelledCall(t *testing.T) {
	t.Parallel()
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			proxy := proxied(t, redistest.Start(t, redistest.Options{}))
			s := open(t, at(proxy.Addr()))
			set(t, s, "k", "v")
			proxy.Delay(800 * time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if err := op.call(ctx, s); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			proxy.Delay(0)
			want(t, s, "k", "v")
			if n := proxy.Accepted(); n != 1 {
				t.Errorf("%d connections: the cancelled call broke the first", n)
			}
		})
	}
}

// TestStartsWhileTheServerIsDown, and closes in every state.
func TestStartsWhileTheServerIsDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	server.Kill()
	s := hasty(t, server.Addr)
	wantFailure(t, s)
	server.Restart()
	wantRecovery(t, s, server)
	s.Close()
	s.Close()
	if err := s.Set(t.Context(), "k", []byte("v"), long); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
	unused := open(t, at(server.Addr))
	unused.Close()
	if _, _, err := unused.Get(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
	redistest.Eventually(t, "connections stay", func() bool { return server.Clients() == 0 })
}
