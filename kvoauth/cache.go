package kvoauth

import (
	"bytes"
	"sync"

	"github.com/netscript/auth"
)

// cached is a decoded session with what it was decoded from. It is never changed after it was put into the cache.
type cached struct {
	version uint64 // of the stored record; 0 if the store gives none
	sealed  []byte // the record itself; only if the store gives no versions
	record  *record
	answer  *auth.Authentication
}

// sessionCache keeps decoded sessions. It decides nothing: the store is asked every time, and an entry is used only for
// the very record that it was decoded from.
type sessionCache struct {
	shards [cacheShards]cacheShard
	limit  int // of a shard
}

const cacheShards = 64

type cacheShard struct {
	mu      sync.RWMutex
	entries map[digest]*cached
	_       [32]byte // keeps neighbours off one another's cache lines
}

// newSessionCache returns a cache of about n sessions, none if n is negative.
func newSessionCache(n int) *sessionCache {
	c := &sessionCache{limit: (max(n, 0) + cacheShards - 1) / cacheShards}
	for i := range c.shards {
		c.shards[i].entries = map[digest]*cached{}
	}
	return c
}

func (c *sessionCache) shard(d digest) *cacheShard { return &c.shards[d[0]%cacheShards] }

func (c *sessionCache) get(d digest) *cached {
	s := c.shard(d)
	s.mu.RLock()
	e := s.entries[d]
	s.mu.RUnlock()
	return e
}

// put keeps e, in place of any other entry when the cache is full: which one is left to the map's random order.
func (c *sessionCache) put(d digest, e *cached) {
	if c.limit == 0 {
		return
	}
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[d]; !ok && len(s.entries) >= c.limit {
		for victim := range s.entries {
			delete(s.entries, victim)
			break
		}
	}
	s.entries[d] = e
}

func (c *sessionCache) drop(d digest) {
	s := c.shard(d)
	s.mu.Lock()
	delete(s.entries, d)
	s.mu.Unlock()
}

// of reports whether e was decoded from sealed.
func (e *cached) of(sealed []byte) bool {
	return e != nil && e.sealed != nil && bytes.Equal(e.sealed, sealed)
}
