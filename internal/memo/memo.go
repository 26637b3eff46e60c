// Package memo remembers what was computed from values that never change.
package memo

import (
	"hash/maphash"
	"sync/atomic"
)

// size is how many results are kept. Each keeps its value alive.
const size = 1024

// Memo remembers results by the address of the value that they were computed from, which must not change. It never
// confuses two values: a value whose result is kept stays alive, so its address is not used again. Results push one
// another out; nothing is ever stale. The zero value is not usable; it is safe for concurrent use.
type Memo[K, V any] struct {
	seed  maphash.Seed
	slots [size]atomic.Pointer[entry[K, V]]
}

type entry[K, V any] struct {
	key    *K
	result V
}

// New returns an empty memo.
func New[K, V any]() *Memo[K, V] { return &Memo[K, V]{seed: maphash.MakeSeed()} }

// Of returns compute(key), perhaps from memory.
func (m *Memo[K, V]) Of(key *K, compute func(*K) (V, error)) (V, error) {
	slot := &m.slots[maphash.Comparable(m.seed, key)%size]
	if e := slot.Load(); e != nil && e.key == key {
		return e.result, nil
	}
	result, err := compute(key)
	if err == nil {
		slot.Store(&entry[K, V]{key, result})
	}
	return result, err
}
