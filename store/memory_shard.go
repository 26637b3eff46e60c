package store

import (
	"math"
	"sync"
	"sync/atomic"
)

// shardCount keeps readers on many cores from meeting on the same lock word.
const shardCount = 256

// sweepSlots is how many index slots each write looks at for expired records. At least one slot in eight is in use, so
// the sweep keeps up with any rate of writes.
const sweepSlots = 8

// record is a write on its way in.
type record struct {
	hash    uint64
	key     string
	value   []byte
	expires int64
}

func (r record) blocks() int { return blocksFor(len(r.key), len(r.value)) }

func (r record) bytes() int64 { return recordBytes(r.blocks()) }

// recordBytes is what a record of n blocks counts for in MaxBytes.
func recordBytes(n int) int64 { return int64(n)*blockSize + indexBytes }

// usage is what all shards together hold.
type usage struct {
	entries, bytes atomic.Int64
}

func (u *usage) add(entries, bytes int64) {
	u.entries.Add(entries)
	u.bytes.Add(bytes)
}

func (u *usage) fits(entries, bytes, maxEntries, maxBytes int64) bool {
	return u.entries.Load()+entries <= maxEntries && u.bytes.Load()+bytes <= maxBytes
}

// reserve adds to the usage unless that would pass a bound.
func (u *usage) reserve(entries, bytes, maxEntries, maxBytes int64) bool {
	if !reserve(&u.entries, entries, maxEntries) {
		return false
	}
	if reserve(&u.bytes, bytes, maxBytes) {
		return true
	}
	u.entries.Add(-entries)
	return false
}

func reserve(n *atomic.Int64, delta, limit int64) bool {
	for {
		old := n.Load()
		if old+delta > limit {
			return false
		}
		if n.CompareAndSwap(old, old+delta) {
			return true
		}
	}
}

// shard is an index and the blocks it points into, under one lock.
type shard struct {
	mu sync.RWMutex
	index
	blocks  blocks
	version uint64 // of the latest write; one count for all keys here, so no key ever sees a version twice
	cursor  int    // where the next sweep begins
	soonest int64  // no record here expires before this time

	_ [64]byte // keeps the lock words of neighbours on different cache lines
}

// lookup returns the slot of key, or -1. A record of version seen is taken for the key's without looking at its
// bytes: the shard gave that version to one write only, and the caller has it from this key. That saves a cache miss.
func (s *shard) lookup(hash uint64, key string, seen uint64) int {
	if len(s.slots) == 0 {
		return -1
	}
	for i := s.home(hash); s.slots[i].hash != 0; i = s.after(i) {
		e := &s.slots[i]
		if e.hash == hash && (e.version == seen || s.blocks.keyIs(e.head, key)) {
			return i
		}
	}
	return -1
}

// put writes r over the record in slot i, or as a new one when i is -1.
func (s *shard) put(i int, r record, m *Memory) error {
	head, have, want := uint32(noBlock), 0, r.blocks()
	entries, bytes := int64(1), r.bytes()
	if i >= 0 {
		head, have = s.slots[i].head, blocksFor(len(r.key), int(s.slots[i].size))
		entries, bytes = 0, bytes-recordBytes(have)
	}
	if !m.usage.reserve(entries, bytes, m.maxEntries, m.maxBytes) {
		return ErrFull
	}
	if want > have {
		head = s.blocks.extend(head, have, want)
	}
	s.blocks.write(head, r)
	s.version++
	s.soonest = min(s.soonest, r.expires)
	e := entry{hash: r.hash, version: s.version, expires: r.expires, head: head, size: uint32(len(r.value))}
	if i < 0 {
		s.insert(e)
		return nil
	}
	s.slots[i] = e
	if want < have {
		s.release(s.blocks.cut(head, want))
	}
	return nil
}

// remove removes the record in slot i. The caller calls shrink when it is done with slot numbers.
func (s *shard) remove(i int, u *usage) {
	e := s.slots[i]
	n := blocksFor(s.blocks.keyLen(e.head), int(e.size))
	s.index.remove(i)
	s.release(e.head)
	u.add(-1, -recordBytes(n))
}

// release gives a detached chain back. The heap stays dense: blocks from its end move into the gaps, and when one of
// them is the head of a record, the index follows.
func (s *shard) release(chain uint32) {
	for chain != noBlock {
		var m move
		if chain, m = s.blocks.release(chain); m.hash != 0 {
			s.index.moveHead(m)
		}
	}
}

// sweep removes expired records among the next few slots.
func (s *shard) sweep(now int64, u *usage) {
	for range min(sweepSlots, len(s.slots)) {
		if s.cursor >= len(s.slots) {
			s.cursor = 0
		}
		if e := &s.slots[s.cursor]; e.hash != 0 && e.expires <= now {
			s.remove(s.cursor, u) // another record may have moved into the slot: look again
			continue
		}
		s.cursor++
	}
	s.shrink()
}

// removeExpired removes all expired records and reports whether there was one.
func (s *shard) removeExpired(now int64, u *usage) (removed bool) {
	if now < s.soonest {
		return false
	}
	for i := 0; i < len(s.slots); {
		if e := &s.slots[i]; e.hash != 0 && e.expires <= now {
			s.remove(i, u)
			removed = true
			continue
		}
		i++
	}
	s.shrink()
	s.soonest = math.MaxInt64
	for i := range s.slots {
		if s.slots[i].hash != 0 {
			s.soonest = min(s.soonest, s.slots[i].expires)
		}
	}
	return removed
}
