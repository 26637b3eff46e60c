package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Defaults of [MemoryConfig].
const (
	DefaultMemoryMaxEntries = 2 << 20 // about two million records
	DefaultMemoryMaxBytes   = 2 << 30 // 2 GiB
)

// ErrFull is matched by the errors of writes to a store that has no room: of a [Memory] that has reached one of its
// bounds and holds nothing expired that could make some, of a server that is out of memory. Nothing has changed then.
var ErrFull = errors.New("store: the store is full")

var (
	errTTL      = errors.New("store: ttl must be greater than zero")
	errKey      = errors.New("store: key must be 1 to 200 bytes of printable ASCII without spaces")
	errTooLarge = errors.New("store: value is larger than 1 GiB")
)

const (
	maxKey   = 200
	maxValue = 1 << 30
)

// MemoryConfig configures a [Memory]. The zero value is ready to use.
type MemoryConfig struct {
	// MaxEntries bounds how many records are kept. If zero, DefaultMemoryMaxEntries is used.
	MaxEntries int

	// MaxBytes bounds the memory that records take, in bytes: keys and values in blocks of 256 bytes, and 64 bytes
	// of index for each record. Unused capacity of a large store adds at most 64 MiB. Set it to what the machine can
	// spare: a session takes about 1 KiB. If zero, DefaultMemoryMaxBytes is used.
	MaxBytes int64

	// Now tells the time. It is called by several goroutines at once. If nil, the store counts the time that has
	// passed since it was made on the monotonic clock, so that setting the machine's clock neither ends nor
	// prolongs a session.
	Now func() time.Time
}

// Memory is a [KV] and [ConditionalGetter] in the memory of this process. It holds a million sessions in about 1 GiB
// without work for the garbage collector, since nothing in it is a pointer.
//
// It is bounded: at a bound it refuses new records with [ErrFull] after reclaiming what has expired, and never drops a
// live one. An existing record can be overwritten at the bound when the new value fits. Expired records are reclaimed
// by later writes, a few at a time; there is no goroutine and nothing to close. Everything is lost when the process
// ends. The memory of removed records is reused and cleared.
//
// A call never waits for anything but a short lock; it fails if ctx is done when it starts.
//
// A Memory is safe for concurrent use and must not be copied.
type Memory struct {
	now        func() time.Time
	start      time.Time
	seed       maphash.Seed
	maxEntries int64
	maxBytes   int64
	usage      usage

	// An atomic pointer because package fmt prints its address only: neither %+v of a Memory nor %s of a struct
	// around it shows a record. It is set once.
	shards atomic.Pointer[[shardCount]shard]
}

var (
	_ KV                = (*Memory)(nil)
	_ ConditionalGetter = (*Memory)(nil)
)

// NewMemory returns an empty store. It fails when a bound is negative.
func NewMemory(cfg MemoryConfig) (*Memory, error) {
	if cfg.MaxEntries < 0 || cfg.MaxBytes < 0 {
		return nil, fmt.Errorf("store: NewMemory: negative bound (MaxEntries %d, MaxBytes %d)", cfg.MaxEntries, cfg.MaxBytes)
	}
	m := &Memory{
		now:        cfg.Now,
		seed:       maphash.MakeSeed(),
		maxEntries: int64(cmp.Or(cfg.MaxEntries, DefaultMemoryMaxEntries)),
		maxBytes:   cmp.Or(cfg.MaxBytes, DefaultMemoryMaxBytes),
	}
	if m.now != nil {
		m.start = m.now()
	} else {
		m.start = time.Now()
	}
	shards := new([shardCount]shard)
	for i := range shards {
		// A random start makes a version that was kept from another store meet nothing here.
		shards[i].version = rand.Uint64() >> 1 //nolint:gosec // no secret
		shards[i].soonest = math.MaxInt64
	}
	m.shards.Store(shards)
	return m, nil
}

// Get implements [KV].
func (m *Memory) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	value, _, found, err = m.GetIfChanged(ctx, key, 0)
	return value, found, err
}

// GetIfChanged implements [ConditionalGetter]. When the version is seen it takes about as long as a map lookup and
// allocates nothing.
func (m *Memory) GetIfChanged(ctx context.Context, key string, seen uint64) (value []byte, version uint64, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, false, err
	}
	now := m.clock()
	h := m.hash(key)
	s := m.shard(h)
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := s.lookup(h, key, seen)
	if i < 0 || s.slots[i].expires <= now {
		return nil, 0, false, nil
	}
	e := &s.slots[i]
	if e.version == seen {
		return nil, seen, true, nil
	}
	return s.blocks.read(e.head, int(e.size)), e.version, true, nil
}

// Set implements [KV]. It returns [ErrFull] when the record does not fit.
func (m *Memory) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := m.write(ctx, key, value, ttl, func(*shard, int) bool { return true })
	return err
}

// CompareAndSwap implements [KV]. It returns [ErrFull] when the record does not fit.
func (m *Memory) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (swapped bool, err error) {
	return m.write(ctx, key, next, ttl, func(s *shard, i int) bool {
		if i < 0 || prev == nil {
			return i < 0 && prev == nil
		}
		return s.blocks.equal(s.slots[i].head, int(s.slots[i].size), prev)
	})
}

// Take implements [KV].
func (m *Memory) Take(ctx context.Context, key string) (value []byte, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	now := m.clock()
	h := m.hash(key)
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.lookup(h, key, 0)
	if i < 0 {
		return nil, false, nil
	}
	if e := &s.slots[i]; e.expires > now {
		value, found = s.blocks.read(e.head, int(e.size)), true
	}
	s.remove(i, &m.usage)
	s.shrink()
	return value, found, nil
}

// Delete implements [KV].
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h := m.hash(key)
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.lookup(h, key, 0); i >= 0 {
		s.remove(i, &m.usage)
		s.shrink()
	}
	return nil
}

// Size returns how many records the store holds and how many bytes they take, counted as [MemoryConfig] bounds them.
// Records that have expired and are not yet reclaimed count.
func (m *Memory) Size() (entries int, bytes int64) {
	return int(m.usage.entries.Load()), m.usage.bytes.Load()
}

// write stores value under key if admit, called under the lock with the slot of the live record or -1, says so.
func (m *Memory) write(ctx context.Context, key string, value []byte, ttl time.Duration, admit func(*shard, int) bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := checkWrite(key, value, ttl); err != nil {
		return false, err
	}
	now := m.clock()
	r := record{hash: m.hash(key), key: key, value: value, expires: now + int64(ttl)}
	if r.expires < now { // overflow: an age away
		r.expires = math.MaxInt64
	}
	done, err := m.tryWrite(r, now, admit)
	if errors.Is(err, ErrFull) && m.reclaim(r, now) {
		// Another writer may have changed the record meanwhile, so admit is asked again.
		done, err = m.tryWrite(r, now, admit)
	}
	return done, err
}

func (m *Memory) tryWrite(r record, now int64, admit func(*shard, int) bool) (bool, error) {
	s := m.shard(r.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now, &m.usage)
	i := s.lookup(r.hash, r.key, 0)
	if i >= 0 && s.slots[i].expires <= now {
		s.remove(i, &m.usage)
		s.shrink()
		i = -1
	}
	if !admit(s, i) {
		return false, nil
	}
	if err := s.put(i, r, m); err != nil {
		return false, err
	}
	return true, nil
}

// reclaim removes expired records, shard by shard beginning with r's own, until there is room for r as a new record.
// It reports whether it removed any. It skips shards in which nothing can have expired, so that a full store refuses
// cheaply.
func (m *Memory) reclaim(r record, now int64) (removed bool) {
	shards := m.shards.Load()
	for i := range uint64(shardCount) {
		s := &shards[(r.hash+i)%shardCount]
		s.mu.Lock()
		removed = s.removeExpired(now, &m.usage) || removed
		s.mu.Unlock()
		if removed && m.usage.fits(1, r.bytes(), m.maxEntries, m.maxBytes) {
			return true
		}
	}
	return removed
}

func checkWrite(key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return errTTL
	}
	if len(value) > maxValue {
		return errTooLarge
	}
	if len(key) == 0 || len(key) > maxKey {
		return errKey
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return errKey
		}
	}
	return nil
}

// clock returns nanoseconds since the store was made.
func (m *Memory) clock() int64 {
	if m.now != nil {
		return int64(m.now().Sub(m.start))
	}
	return int64(time.Since(m.start))
}

// hash never returns 0, which marks an empty slot.
func (m *Memory) hash(key string) uint64 {
	return max(maphash.String(m.seed, key), 1)
}

func (m *Memory) shard(hash uint64) *shard {
	return &m.shards.Load()[hash%shardCount]
}
