package sessionmodel

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth/store"
)

// TestModelFindsFaults: over a store that does not keep the contract some sequence must find that out, and over one that
// does none.
func TestModelFindsFaults(t *testing.T) {
	for name, c := range map[string]struct {
		client func(*store.Memory) store.KV
		good   bool
	}{
		"good":                         {func(m *store.Memory) store.KV { return m }, true},
		"keeps what is deleted":        {func(m *store.Memory) store.KV { return keeper{m} }, false},
		"gives what is taken again":    {func(m *store.Memory) store.KV { return giver{m} }, false},
		"a client never sees changes":  {func(m *store.Memory) store.KV { return &stale{Memory: m, known: map[string][]byte{}} }, false},
		"loses one write in a hundred": {func(m *store.Memory) store.KV { return &forgetful{Memory: m} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			newStore := func(t testing.TB, now func() time.Time) func() (store.KV, func()) {
				memory, err := store.NewMemory(store.MemoryConfig{Now: now})
				if err != nil {
					t.Fatal(err)
				}
				return func() (store.KV, func()) { return c.client(memory), func() {} }
			}
			var err error
			for seed := uint64(0); seed < 4 && err == nil; seed++ {
				err = play(t, newStore, Options{Steps: 200}, seed)
			}
			if (err == nil) != c.good {
				t.Errorf("the model finds %v", err)
			}
		})
	}
}

// keeper keeps sessions that are ended, which takes them.
type keeper struct{ *store.Memory }

func (keeper) Delete(context.Context, string) error { return nil }

func (k keeper) Take(ctx context.Context, key string) ([]byte, bool, error) {
	if key[0] == 's' {
		return k.Get(ctx, key)
	}
	return k.Memory.Take(ctx, key)
}

type giver struct{ *store.Memory }

func (g giver) Take(ctx context.Context, key string) ([]byte, bool, error) { return g.Get(ctx, key) }

// stale is a client that goes on giving what it has read.
type stale struct {
	*store.Memory
	mu    sync.Mutex
	known map[string][]byte
}

func (s *stale) Get(ctx context.Context, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key[0] != 's' {
		return s.Memory.Get(ctx, key)
	}
	if value, ok := s.known[key]; ok {
		return bytes.Clone(value), true, nil
	}
	value, found, err := s.Memory.Get(ctx, key)
	if found {
		s.known[key] = bytes.Clone(value)
	}
	return value, found, err
}

func (s *stale) GetIfChanged(ctx context.Context, key string, _ uint64) ([]byte, uint64, bool, error) {
	value, found, err := s.Get(ctx, key)
	return value, 1, found, err
}

// forgetful loses one in twenty writes.
type forgetful struct {
	*store.Memory
	mu     sync.Mutex
	writes int
}

func (f *forgetful) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (bool, error) {
	f.mu.Lock()
	f.writes++
	lost := f.writes%20 == 0
	f.mu.Unlock()
	if lost {
		return true, nil
	}
	return f.Memory.CompareAndSwap(ctx, key, prev, next, ttl)
}
