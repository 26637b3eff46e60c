package redisstore

// MaxDirect is how many calls use the pipeline directly.
const MaxDirect = maxDirect

// CacheSize returns how many records the cache of s holds and how many bytes they take.
func CacheSize(s *Store) (entries, bytes int) {
	for i := range s.cache.shards {
		shard := &s.cache.shards[i]
		shard.mu.RLock()
		sum := 0
		for key, e := range shard.entries {
			sum += size(key, e)
		}
		if sum != shard.bytes {
			panic("the shard has lost count")
		}
		entries, bytes = entries+len(shard.entries), bytes+sum
		shard.mu.RUnlock()
	}
	return entries, bytes
}

// Pending returns how many reads and writes the cache of s believes to be under way.
func Pending(s *Store) int {
	n := 0
	for i := range s.cache.shards {
		shard := &s.cache.shards[i]
		shard.mu.RLock()
		n += len(shard.reads) + len(shard.writers)
		shard.mu.RUnlock()
	}
	return n
}
