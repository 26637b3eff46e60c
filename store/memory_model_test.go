package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// checkInvariants walks all shards: every record is found where it belongs, the chains cover the heap exactly, nothing
// is allocated beyond it but a chunk or two, freed bytes are cleared, and the accounting is right.
func (m *Memory) checkInvariants() error {
	var entries, size int64
	for n := range m.shards.Load() {
		s := &m.shards.Load()[n]
		reached := 0
		for i := range s.slots {
			e := s.slots[i]
			if e.hash == 0 {
				continue
			}
			blocks, err := s.checkChain(e)
			if err != nil {
				return fmt.Errorf("shard %d, slot %d: %w", n, i, err)
			}
			key := string(s.blocks.at(e.head)[keyStart:][:s.blocks.keyLen(e.head)])
			if m.hash(key) != e.hash || s.lookup(e.hash, key, 0) != i {
				return fmt.Errorf("shard %d: the record in slot %d is not found there", n, i)
			}
			entries++
			size += recordBytes(blocks)
			reached += blocks
		}
		if err := s.checkHeap(reached); err != nil {
			return fmt.Errorf("shard %d: %w", n, err)
		}
	}
	if entries != m.usage.entries.Load() || size != m.usage.bytes.Load() {
		return fmt.Errorf("holds %d entries and %d bytes, counts %d and %d", entries, size, m.usage.entries.Load(), m.usage.bytes.Load())
	}
	return nil
}

func (s *shard) checkChain(e entry) (blocks int, err error) {
	before := uint32(noBlock)
	for i := e.head; i != noBlock; i = next(s.blocks.at(i)) {
		if i >= s.blocks.used || previous(s.blocks.at(i)) != before {
			return 0, fmt.Errorf("block %d is out of place", i)
		}
		before = i
		blocks++
	}
	if want := blocksFor(s.blocks.keyLen(e.head), int(e.size)); blocks != want {
		return 0, fmt.Errorf("%d blocks, want %d", blocks, want)
	}
	return blocks, nil
}

func (s *shard) checkHeap(reached int) error {
	allocated := 0
	for _, c := range s.blocks.chunks {
		allocated += len(c) / blockSize
	}
	used := int(s.blocks.used)
	if reached != used {
		return fmt.Errorf("%d blocks in use and %d in chains", used, reached)
	}
	if allocated > used+2*chunkBlocks || allocated > firstBlocks && used == 0 {
		return fmt.Errorf("%d blocks allocated for %d", allocated, used)
	}
	for i := used; i < allocated; i++ {
		if !bytes.Equal(s.blocks.at(uint32(i)), make([]byte, blockSize)) {
			return fmt.Errorf("free block %d is not cleared", i)
		}
	}
	if n := len(s.slots); n > minSlots && (s.used > n/4*3 || s.used < n/8) {
		return fmt.Errorf("%d of %d slots in use", s.used, n)
	}
	return nil
}

type modelEntry struct {
	value   []byte
	expires int64
}

// model is the contract in a plain map.
type model map[string]modelEntry

func (m model) get(key string, now int64) ([]byte, bool) {
	e, ok := m[key]
	return e.value, ok && e.expires > now
}

// TestMemoryAgainstModel makes long random runs of calls on few and on many keys, with values of very different sizes,
// and compares every answer.
func TestMemoryAgainstModel(t *testing.T) {
	for _, test := range []struct{ keys, ops, longest int }{
		{keys: 5, ops: 20_000, longest: 3_000},
		{keys: 3_000, ops: 40_000, longest: 1_000},
		{keys: 20_000, ops: 80_000, longest: 300},
		{keys: 40, ops: 2_000, longest: 200_000},
	} {
		t.Run(fmt.Sprintf("%d keys", test.keys), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			bytes := rand.NewChaCha8([32]byte(binary.LittleEndian.AppendUint64(make([]byte, 24), seed)))
			run := modelRun{t: t, r: rand.New(bytes), bytes: bytes, model: model{}, keys: test.keys, longest: test.longest}
			run.store, _ = NewMemory(MemoryConfig{Now: func() time.Time { return time.Unix(0, run.now) }})
			for i := range test.ops {
				run.step()
				if i%(test.ops/20) == 0 {
					if err := run.store.checkInvariants(); err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, i, err)
					}
				}
				if t.Failed() {
					t.Fatalf("seed %d, step %d", seed, i)
				}
			}
			run.drain()
		})
	}
}

type modelRun struct {
	t       *testing.T
	r       *rand.Rand
	bytes   *rand.ChaCha8
	model   model
	store   *Memory
	now     int64
	keys    int
	longest int
}

func (m *modelRun) step() {
	ctx := context.Background()
	key := fmt.Sprintf("key/%d", m.r.IntN(m.keys))
	want, wantFound := m.model.get(key, m.now)
	ttl := time.Duration(1 + m.r.IntN(4*m.keys))
	switch op := m.r.IntN(10); {
	case op < 4:
		value := m.value()
		if err := m.store.Set(ctx, key, value, ttl); err != nil {
			m.t.Errorf("Set: %v", err)
		}
		m.model[key] = modelEntry{value, m.now + int64(ttl)}
	case op < 6:
		value, found, err := m.store.Get(ctx, key)
		m.compare("Get", value, found, err, want, wantFound)
	case op < 7:
		value, found, err := m.store.Take(ctx, key)
		m.compare("Take", value, found, err, want, wantFound)
		delete(m.model, key)
	case op < 8:
		if err := m.store.Delete(ctx, key); err != nil {
			m.t.Errorf("Delete: %v", err)
		}
		delete(m.model, key)
	default:
		m.swap(ctx, key, want, wantFound, ttl)
	}
	m.now += int64(m.r.IntN(3))
}

func (m *modelRun) swap(ctx context.Context, key string, want []byte, wantFound bool, ttl time.Duration) {
	prev := [][]byte{nil, want, want, m.value()}[m.r.IntN(4)]
	next := m.value()
	wantSwap := wantFound && prev != nil && bytes.Equal(prev, want) || !wantFound && prev == nil
	swapped, err := m.store.CompareAndSwap(ctx, key, prev, next, ttl)
	if swapped != wantSwap || err != nil {
		m.t.Errorf("CompareAndSwap: %t, %v, want %t", swapped, err, wantSwap)
	}
	if wantSwap {
		m.model[key] = modelEntry{next, m.now + int64(ttl)}
	}
}

func (m *modelRun) value() []byte {
	value := make([]byte, m.r.IntN(m.longest))
	m.bytes.Read(value)
	return value
}

func (m *modelRun) compare(op string, value []byte, found bool, err error, want []byte, wantFound bool) {
	if found != wantFound || err != nil || found && !bytes.Equal(value, want) {
		m.t.Errorf("%s: found %t, error %v, %d bytes, want found %t, %d bytes", op, found, err, len(value), wantFound, len(want))
	}
}

// drain deletes everything: nothing is left of records, and little of memory.
func (m *modelRun) drain() {
	for i := range m.keys {
		if err := m.store.Delete(context.Background(), fmt.Sprintf("key/%d", i)); err != nil {
			m.t.Error(err)
		}
	}
	if n, size := m.store.Size(); n != 0 || size != 0 {
		m.t.Errorf("%d entries and %d bytes are left", n, size)
	}
	if err := m.store.checkInvariants(); err != nil {
		m.t.Error(err)
	}
}

// TestMemoryHashCollisions gives all keys of a shard the same hash: keys are told apart by their bytes.
func TestMemoryHashCollisions(t *testing.T) {
	m, err := NewMemory(MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := &m.shards.Load()[0]
	const hash = 1 << 40
	for i := range 20 {
		key := fmt.Sprint("k", i)
		if err := s.put(s.lookup(hash, key, 0), record{hash: hash, key: key, value: []byte(key), expires: 1}, m); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		key := fmt.Sprint("k", i)
		slot := s.lookup(hash, key, 0)
		if slot < 0 {
			t.Fatalf("%s is not found", key)
		}
		if got := s.blocks.read(s.slots[slot].head, int(s.slots[slot].size)); string(got) != key {
			t.Errorf("%s has the value %q", key, got)
		}
		if i%2 == 0 {
			s.remove(slot, &m.usage)
		}
	}
	for i := range 20 {
		if found := s.lookup(hash, fmt.Sprint("k", i), 0) >= 0; found != (i%2 == 1) {
			t.Errorf("k%d: found %t after every other one was removed", i, found)
		}
	}
	if s.lookup(hash, "absent", 0) >= 0 {
		t.Error("an absent key with the same hash is found")
	}
}
