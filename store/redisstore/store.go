package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/netscript/auth/store"
)

// maxValue is what one call may send. The server's own limit breaks the connection for all calls that share it.
const maxValue = 64 << 20

// swapScript is CompareAndSwap with a value that must be present. Like SET NX it answers OK or null.
const swapScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])`

// Store keeps records in Redis. It implements store.KV and store.ConditionalGetter; the package documentation says how
// old an answer of GetIfChanged can be.
//
// A write answers an error that matches store.ErrFull when the server is out of memory and does not evict; nothing has
// changed then. An error names neither key nor value; it may name the server's address and the kind of its error reply.
//
// A Store is safe for concurrent use. It keeps one connection to each server.
type Store struct {
	keys         keyspace
	link         *link
	cache        *cache
	swap         *rueidis.Lua
	readTimeout  time.Duration
	writeTimeout time.Duration
	cacheTTL     time.Duration
	cached       bool
}

var (
	_ store.KV                = (*Store)(nil)
	_ store.ConditionalGetter = (*Store)(nil)
)

// New returns a store. It connects to nothing: the first call does. It fails when cfg is contradictory.
func New(cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Store{
		keys:         newKeyspace(cfg.Prefix),
		cache:        newCache(cfg.CacheTTL, cfg.CacheBytes),
		swap:         rueidis.NewLuaScript(swapScript),
		readTimeout:  cfg.ReadTimeout,
		writeTimeout: cfg.WriteTimeout,
		cacheTTL:     cfg.CacheTTL,
		cached:       !cfg.DisableCache,
	}
	s.link = newLink(cfg, func(rueidis.CacheStoreOption) rueidis.CacheStore {
		return &tracker{cache: s.cache, keys: s.keys}
	})
	return s, nil
}

// Close ends the connections. Calls that are under way and later ones fail. It may take a second when a server does not
// answer, and may be called more than once.
func (s *Store) Close() { s.link.close() }

// Get implements store.KV. It asks the server.
func (s *Store) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	text, found, err := s.text(ctx, "get", s.readTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Get().Key(s.keys.physical(key)).Build())
	})
	return bytesOf(text, found), found, err
}

// Set implements store.KV.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := s.put(ctx, "set", key, value, ttl, func(ctx context.Context, c rueidis.Client, k, v string, ms int64) rueidis.RedisResult {
		return c.Do(ctx, c.B().Set().Key(k).Value(v).PxMilliseconds(ms).Build())
	})
	return err
}

// Take implements store.KV.
func (s *Store) Take(ctx context.Context, key string) (value []byte, found bool, err error) {
	s.cache.writing(key)
	defer s.cache.written(key, false)
	text, found, err := s.text(ctx, "take", s.writeTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Getdel().Key(s.keys.physical(key)).Build())
	})
	return bytesOf(text, found), found, err
}

// CompareAndSwap implements store.KV.
func (s *Store) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (swapped bool, err error) {
	if prev == nil {
		return s.put(ctx, "compare and swap", key, next, ttl, func(ctx context.Context, c rueidis.Client, k, v string, ms int64) rueidis.RedisResult {
			return c.Do(ctx, c.B().Set().Key(k).Value(v).Nx().PxMilliseconds(ms).Build())
		})
	}
	if len(prev) > maxValue {
		return false, errTooLarge
	}
	before := string(prev) // a copy: see put
	return s.put(ctx, "compare and swap", key, next, ttl, func(ctx context.Context, c rueidis.Client, k, v string, ms int64) rueidis.RedisResult {
		return s.swap.Exec(ctx, c, []string{k}, []string{before, v, strconv.FormatInt(ms, 10)})
	})
}

// Delete implements store.KV.
func (s *Store) Delete(ctx context.Context, key string) error {
	s.cache.writing(key)
	defer s.cache.written(key, false)
	_, err := s.ask(ctx, "delete", s.writeTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Del().Key(s.keys.physical(key)).Build())
	})
	return err
}

// put runs a command that writes value, and reports whether it did: it did not when the answer is null. The command gets
// a copy, because a call that is given up leaves its command in the pipeline, and the caller may change value as soon as
// the call has returned.
func (s *Store) put(ctx context.Context, op, key string, value []byte, ttl time.Duration,
	f func(ctx context.Context, c rueidis.Client, key, value string, ms int64) rueidis.RedisResult,
) (done bool, err error) {
	if ttl <= 0 {
		return false, errTTL
	}
	if len(value) > maxValue {
		return false, errTooLarge
	}
	ms := int64((ttl-1)/time.Millisecond) + 1 // rounded up
	s.cache.writing(key)
	defer func() { s.cache.written(key, !done && err == nil) }()
	reply, err := s.ask(ctx, op, s.writeTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return f(ctx, c, s.keys.physical(key), string(value), ms)
	})
	if err != nil || reply == nil {
		return false, err
	}
	if text, err := reply.ToString(); err != nil || text != "OK" {
		return false, errReply
	}
	return true, nil
}

// text runs a command that answers a string, or null for found == false.
func (s *Store) text(ctx context.Context, op string, timeout time.Duration, f command) (text string, found bool, err error) {
	reply, err := s.ask(ctx, op, timeout, f)
	if err != nil || reply == nil {
		return "", false, err
	}
	text, err = reply.ToString()
	if err != nil {
		return "", false, errReply
	}
	return text, true, nil
}

// ask runs a command and returns its reply, nil for null. Every call to a server goes through it.
func (s *Store) ask(ctx context.Context, op string, timeout time.Duration, f command) (*rueidis.RedisMessage, error) {
	if ctx.Err() != nil {
		return nil, explain(ctx, op, ctx.Err())
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := s.link.do(limited, f)
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(ctx, op, err)
	}
	return &reply, nil
}

// bytesOf returns a slice of its own for the caller, never nil for what was found.
func bytesOf(text string, found bool) []byte {
	if !found {
		return nil
	}
	return append(make([]byte, 0, len(text)), text...)
}
