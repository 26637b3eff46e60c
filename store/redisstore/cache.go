package redisstore

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// cache holds records that servers have promised to tell about when they change.
//
// A record comes in two steps. The goroutine that reads the connection offers it, in the order of the server's words, so
// that news of a change that follows removes it again. It can be used when the call that had asked for it admits it,
// which it does not if this process has begun or ended a write to the record since it asked: the server's word about a
// write of ours can arrive after the write's own answer, and a read that starts after the answer must not find the old
// record.
type cache struct {
	ttl     time.Duration
	start   time.Time
	seed    maphash.Seed
	version atomic.Uint64
	shards  [cacheShards]cacheShard
}

const (
	cacheShards = 64

	// entryBytes is what an entry takes besides key and value: itself, its place in the map, rounding.
	entryBytes = 256

	// evictSample is how many entries are looked at to find one to evict.
	evictSample = 5
)

type cacheShard struct {
	mu      sync.RWMutex
	entries map[string]*entry
	writers map[string]int   // writes of this process that are under way
	reads   map[string]*read // what servers are being asked for
	bytes   int
	max     int
}

// read is what concurrent calls that ask for one record share.
type read struct {
	calls  int
	writes int // how many writes of this process to the record have begun or ended meanwhile
}

// entry is immutable.
type entry struct {
	text    string
	version uint64        // 0: not admitted yet
	expires time.Duration // since the cache's start; once admitted
	left    time.Duration // the record's ttl at the server when it was read
	from    *tracker      // the connection that must tell of changes
	live    bool          // admitted
}

// mark is the moment at which a call has asked for a record.
type mark struct {
	read   *read
	writes int
	at     time.Duration
}

func newCache(ttl time.Duration, maxBytes int) *cache {
	c := &cache{ttl: ttl, start: time.Now(), seed: maphash.MakeSeed()}
	// A random start makes a version that was kept from another store meet nothing here.
	c.version.Store(rand.Uint64() >> 1) //nolint:gosec // G404: no secret
	for i := range c.shards {
		c.shards[i].entries = make(map[string]*entry)
		c.shards[i].writers = make(map[string]int)
		c.shards[i].reads = make(map[string]*read)
		c.shards[i].max = maxBytes / cacheShards
	}
	return c
}

func (c *cache) shard(key string) *cacheShard {
	return &c.shards[maphash.String(c.seed, key)%cacheShards]
}

// now counts on the monotonic clock.
func (c *cache) now() time.Duration { return time.Since(c.start) }

// get returns a record that can be used.
func (c *cache) get(key string) (text string, version uint64, ok bool) {
	s := c.shard(key)
	s.mu.RLock()
	e := s.entries[key]
	s.mu.RUnlock()
	if e == nil || !e.live || c.now() >= e.expires {
		return "", 0, false
	}
	return e.text, e.version, true
}

// begin is called before a server is asked for a record, end when it has answered or failed and the answer is used.
func (c *cache) begin(key string) mark {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reads[key]
	if r == nil {
		r = new(read)
		s.reads[key] = r
	}
	r.calls++
	return mark{read: r, writes: r.writes, at: c.now()}
}

func (c *cache) end(m mark, key string) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.read.calls--; m.read.calls == 0 {
		delete(s.reads, key)
	}
}

// disturbed reports whether this process has written the record since m, or is writing it.
func (s *cacheShard) disturbed(m mark, key string) bool {
	return m.read.writes != m.writes || s.writers[key] > 0
}

// count notes that a write has begun or ended.
func (s *cacheShard) count(key string) {
	if r := s.reads[key]; r != nil {
		r.writes++
	}
}

// offer adds what was read over a connection. When it is what was read over the same one before, and there was no news
// in between, it is the same record and keeps its version.
func (c *cache) offer(from *tracker, key, text string, left time.Duration) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &entry{text: text, left: left, from: from}
	if old := s.entries[key]; old != nil && old.from == from && old.text == text {
		e.version = old.version
	}
	s.put(key, e)
}

// admit lets the record that was offered for the call that asked at m be used, and returns its version. A record that
// cannot be kept gets a version that no other has.
func (c *cache) admit(m mark, key, text string) uint64 {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil || !same(e.text, text) || s.disturbed(m, key) {
		return c.version.Add(1)
	}
	admitted := *e
	if admitted.version == 0 {
		admitted.version = c.version.Add(1)
	}
	admitted.live = true
	admitted.expires = m.at + min(c.ttl, e.left)
	s.entries[key] = &admitted
	return admitted.version
}

// same reports whether a and b are one string, not only equal ones. Empty ones always are.
func same(a, b string) bool {
	return len(a) == len(b) && (len(a) == 0 || unsafe.StringData(a) == unsafe.StringData(b)) //nolint:gosec // G103: addresses are compared, nothing is read
}

// recognize returns the version of a record that no server tells about, and remembers it for when it is read again.
func (c *cache) recognize(m mark, key, text string) uint64 {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disturbed(m, key) {
		return c.version.Add(1)
	}
	if e := s.entries[key]; e != nil && e.text == text {
		return e.version
	}
	e := &entry{text: text, version: c.version.Add(1), expires: m.at}
	s.put(key, e)
	return e.version
}

// writing is called before this process writes a record. The record is not used until the server has been asked again.
func (c *cache) writing(key string) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil && e.live {
		hidden := *e
		hidden.live = false
		s.entries[key] = &hidden
	}
	s.writers[key]++
	s.count(key)
}

// written is called when the answer to a write is known, or given up. If the server said that nothing has changed, the
// record keeps its version.
func (c *cache) written(key string, unchanged bool) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !unchanged {
		s.remove(key)
	}
	if s.writers[key]--; s.writers[key] == 0 {
		delete(s.writers, key)
	}
	s.count(key)
}

// drop forgets a record.
func (c *cache) drop(key string) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
}

// dropAll forgets what was read over a connection.
func (c *cache) dropAll(from *tracker) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for key, e := range s.entries {
			if e.from == from {
				s.remove(key)
			}
		}
		s.mu.Unlock()
	}
}

// put adds an entry and makes room for it. An entry larger than the shard does not stay.
func (s *cacheShard) put(key string, e *entry) {
	s.remove(key)
	s.entries[key] = e
	s.bytes += size(key, e)
	for s.bytes > s.max && len(s.entries) > 0 {
		s.evict()
	}
}

// evict removes the entry that ends first of a few that the map happens to begin with.
func (s *cacheShard) evict() {
	victim, looked := "", 0
	var soonest time.Duration
	for key, e := range s.entries {
		if looked == 0 || e.expires < soonest {
			victim, soonest = key, e.expires
		}
		if looked++; looked == evictSample {
			break
		}
	}
	s.remove(victim)
}

func (s *cacheShard) remove(key string) {
	if e := s.entries[key]; e != nil {
		delete(s.entries, key)
		s.bytes -= size(key, e)
	}
}

func size(key string, e *entry) int { return len(key) + len(e.text) + entryBytes }
