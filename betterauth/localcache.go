package betterauth

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

// localCache remembers sessions by the SHA-256 of their tokens. It is bounded: of the two generations of a shard the
// older goes when the younger is full.
type localCache struct {
	ttl    time.Duration
	limit  int          // of a generation of a shard
	epoch  atomic.Int64 // counts what was forgotten
	shards [cacheShards]cacheShard
}

const cacheShards = 16

type cacheShard struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]remembered
}

type remembered struct {
	record *record
	until  time.Time
}

func newLocalCache(c Cache) *localCache {
	return &localCache{ttl: c.TTL, limit: (c.Size + 2*cacheShards - 1) / (2 * cacheShards)}
}

func (c *localCache) get(token string, now time.Time) *record {
	if c.ttl == 0 {
		return nil
	}
	key := sha256.Sum256([]byte(token))
	s := &c.shards[key[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.young[key]
	if !ok {
		if e, ok = s.old[key]; ok {
			s.add(key, e, c.limit)
		}
	}
	if !ok || !now.Before(e.until) || now.Add(c.ttl).Before(e.until) { // the clock was set back
		return nil
	}
	return e.record
}

// mark is taken before a session is read, so that put knows whether one was ended meanwhile.
func (c *localCache) mark() int64 { return c.epoch.Load() }

func (c *localCache) put(token string, rec *record, now time.Time, mark int64) {
	if c.ttl == 0 {
		return
	}
	key := sha256.Sum256([]byte(token))
	s := &c.shards[key[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.epoch.Load() == mark {
		s.add(key, remembered{rec, now.Add(c.ttl)}, c.limit)
	}
}

func (s *cacheShard) add(key [sha256.Size]byte, e remembered, limit int) {
	if _, ok := s.young[key]; !ok && len(s.young) >= limit || s.young == nil {
		s.young, s.old = make(map[[sha256.Size]byte]remembered, min(limit, 64)), s.young
	}
	s.young[key] = e
}

// forget makes the next request with the token ask the database.
func (c *localCache) forget(token string) {
	if c.ttl == 0 {
		return
	}
	c.epoch.Add(1)
	key := sha256.Sum256([]byte(token))
	s := &c.shards[key[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, key)
	delete(s.old, key)
}

// forgetAll forgets every session: which tokens a user or an id has is not kept.
func (c *localCache) forgetAll() {
	c.epoch.Add(1)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.young, s.old = nil, nil
		s.mu.Unlock()
	}
}
