package redisstore

import (
	"math"
	"time"

	"github.com/redis/rueidis"
)

// tracker feeds the cache from one connection: with the records that were read over it and with the server's word that
// they have changed. All its calls but Flight, Cancel and Close come from the goroutine that reads the connection, in the
// order in which the server sent what they report.
type tracker struct {
	cache *cache
	keys  keyspace
}

var _ rueidis.CacheStore = (*tracker)(nil)

// Flight finds nothing: the cache was asked before. Reads of one key at the same time are not joined, because then one
// that is cancelled would fail the others.
func (t *tracker) Flight(string, string, time.Duration, time.Time) (rueidis.RedisMessage, rueidis.CacheEntry) {
	return rueidis.RedisMessage{}, nil
}

// Update is told what the server answered.
func (t *tracker) Update(physical, _ string, reply rueidis.RedisMessage) int64 {
	expires := reply.CachePXAT()
	text, err := reply.ToString()
	key, ok := t.keys.logical(physical)
	if err != nil || !ok {
		return expires // null or an error: nothing to keep
	}
	left := time.Duration(math.MaxInt64)
	if expires > 0 {
		// The client library counted from now, in whole milliseconds; the server a moment earlier.
		left = time.Until(time.UnixMilli(expires)) - time.Millisecond
	}
	t.cache.offer(t, key, text, left)
	return expires
}

// Cancel is told that a read failed.
func (t *tracker) Cancel(string, string, error) {}

// Delete is told which records have changed; nil is all of them.
func (t *tracker) Delete(physical []rueidis.RedisMessage) {
	if physical == nil {
		t.cache.dropAll(t)
		return
	}
	for i := range physical {
		if name, err := physical[i].ToString(); err == nil {
			if key, ok := t.keys.logical(name); ok {
				t.cache.drop(key)
			}
		}
	}
}

// Close is told that the connection is gone, and with it the promise to be told of changes.
func (t *tracker) Close(error) { t.cache.dropAll(t) }
