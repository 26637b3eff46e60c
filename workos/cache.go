package workos

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/netscript/auth"
)

// digest is the SHA-256 of a cookie's value.
type digest [sha256.Size]byte

// verified is a cookie that was verified, without the cookie.
type verified struct {
	answer *auth.Authentication
	keys   *keys     // with which the token was verified
	until  time.Time // when the seal or the token ends, or is due to be refreshed
}

// cache remembers verified cookies. It decides nothing that verifying again would not: an entry counts only with the very
// keys it was verified with, while they may be used, and before its time is up. It holds no credential.
type cache struct {
	shards [cacheShards]cacheShard
	limit  int // of a generation of a shard
}

const cacheShards = 16

// cacheShard keeps two generations: when the younger is full the older is dropped, so that what is used stays and
// nothing has to be searched for.
type cacheShard struct {
	mu         sync.Mutex
	young, old map[digest]*verified
}

// newCache returns a cache of at most n cookies, rounded up to a multiple of 32; none if n is negative.
func newCache(n int) *cache {
	return &cache{limit: (max(n, 0) + 2*cacheShards - 1) / (2 * cacheShards)}
}

func (c *cache) shard(d digest) *cacheShard { return &c.shards[d[0]%cacheShards] }

// digestOf returns the digest of a cookie's value, if digests are needed at all.
func (c *cache) digestOf(value string) digest {
	if c.limit == 0 {
		return digest{}
	}
	var b [maxSetCookie]byte // keeps a copy of an ordinary cookie on the stack
	if len(value) <= len(b) {
		return sha256.Sum256(b[:copy(b[:], value)])
	}
	return sha256.Sum256([]byte(value))
}

// get returns the answer for the cookie, or nil. k are the keys that may be used now, nil for none.
func (c *cache) get(d digest, k *keys, now time.Time) *auth.Authentication {
	if c.limit == 0 || k == nil {
		return nil
	}
	s := c.shard(d)
	s.mu.Lock()
	e := s.young[d]
	if e == nil {
		if e = s.old[d]; e != nil {
			s.add(d, e, c.limit)
		}
	}
	s.mu.Unlock()
	if e == nil || e.keys != k || !now.Before(e.until) {
		return nil
	}
	return e.answer
}

func (c *cache) put(d digest, e *verified) {
	if c.limit == 0 {
		return
	}
	s := c.shard(d)
	s.mu.Lock()
	s.add(d, e, c.limit)
	s.mu.Unlock()
}

func (s *cacheShard) add(d digest, e *verified, limit int) {
	if _, ok := s.young[d]; !ok && len(s.young) >= limit || s.young == nil {
		s.young, s.old = make(map[digest]*verified, min(limit, 64)), s.young
	}
	s.young[d] = e
}
