package kvoauth_test

import (
	"testing"
	"time"

	"github.com/netscript/auth/internal/sessionmodel"
	"github.com/netscript/auth/store"
)

// TestSessionsAgainstOracle runs random operations on the whole API of sessions, on two processes that fail and crash, and
// compares every answer with the rules. interop/sessions does the same over every other store.
func TestSessionsAgainstOracle(t *testing.T) {
	for name, ownClock := range map[string]bool{"one clock": false, "the store has its own": true} {
		inMemory := func(t testing.TB, now func() time.Time) func() (store.KV, func()) {
			if ownClock {
				now = nil
			}
			memory, err := store.NewMemory(store.MemoryConfig{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return func() (store.KV, func()) { return memory, func() {} }
		}
		t.Run(name, func(t *testing.T) {
			sessionmodel.Run(t, inMemory, sessionmodel.Options{Seeds: []uint64{0, 1, 2, 3, 4, 5}, OwnClock: ownClock})
		})
	}
}
