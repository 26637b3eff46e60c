package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

func TestMemoryConformance(t *testing.T) {
	storetest.TestKV(t, func(t *testing.T) store.KV { return newMemory(t, store.MemoryConfig{}) })
}

func TestMemoryConformanceWithClock(t *testing.T) {
	clock := newClock()
	storetest.TestKVWith(t, storetest.Options{Advance: clock.advance}, func(t *testing.T) store.KV {
		return newMemory(t, store.MemoryConfig{Now: clock.now})
	})
}

// clock is a clock that stands still until it is moved.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }
