package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// swapTextScript is SET on condition that the key has a value. A time to live of zero is none.
const swapTextScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
if ARGV[3] == '0' then return redis.call('SET', KEYS[1], ARGV[2]) end
return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])`

// Secondary reads and writes texts under keys that are another program's, as they are: those that a better-auth server
// keeps in its secondary storage. It has what package betterauth asks of one, the optional parts included.
//
//	shared, err := redisstore.NewSecondary(redisstore.Config{Addresses: []string{"127.0.0.1:6379"}})
//	...
//	Secondary: &betterauth.Secondary{Storage: shared, KeyPrefix: "better-auth:"},
//
// Every call asks the primary, has a deadline and is sent once, as those of a [Store]. Safe for concurrent use.
type Secondary struct {
	store *Store
	swap  *rueidis.Lua
}

// NewSecondary returns a storage. It connects to nothing: the first call does. It fails when cfg is contradictory, or has
// a Prefix: that of a better-auth server is betterauth.Secondary.KeyPrefix. There is no cache, and so no setting of one
// counts.
func NewSecondary(cfg Config) (*Secondary, error) {
	if cfg.Prefix != "" {
		return nil, errors.New("redisstore: Config.Prefix is not for a Secondary: its caller names whole keys")
	}
	cfg.DisableCache = true
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &Secondary{s, rueidis.NewLuaScript(swapTextScript)}, nil
}

// Close ends the connections. Calls that are under way and later ones fail. It may take a second when a server does not
// answer, and may be called more than once.
func (s *Secondary) Close() { s.store.Close() }

// Get returns the value of a key; false if there is none.
func (s *Secondary) Get(ctx context.Context, key string) (value string, found bool, err error) {
	return s.store.text(ctx, "get", s.store.readTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Get().Key(key).Build())
	})
}

// Set writes a value that ends after ttl, or never if ttl is zero.
func (s *Secondary) Set(ctx context.Context, key, value string, ttl time.Duration) error {
	_, err := s.put(ctx, "set", value, ttl, func(ctx context.Context, c rueidis.Client, ms int64) rueidis.RedisResult {
		if ms == 0 {
			return c.Do(ctx, c.B().Set().Key(key).Value(value).Build())
		}
		return c.Do(ctx, c.B().Set().Key(key).Value(value).PxMilliseconds(ms).Build())
	})
	return err
}

// Replace is Set for a key that is there, in one step. If it is not there, nothing is written, and found is false.
func (s *Secondary) Replace(ctx context.Context, key, value string, ttl time.Duration) (found bool, err error) {
	return s.put(ctx, "replace", value, ttl, func(ctx context.Context, c rueidis.Client, ms int64) rueidis.RedisResult {
		if ms == 0 {
			return c.Do(ctx, c.B().Set().Key(key).Value(value).Xx().Build())
		}
		return c.Do(ctx, c.B().Set().Key(key).Value(value).Xx().PxMilliseconds(ms).Build())
	})
}

// CompareAndSwap is Set for a key that has the value prev, in one step. If it has another or none, nothing is written, and
// swapped is false.
func (s *Secondary) CompareAndSwap(ctx context.Context, key, prev, next string, ttl time.Duration) (swapped bool, err error) {
	if len(prev) > maxValue {
		return false, errTooLarge
	}
	return s.put(ctx, "compare and swap", next, ttl, func(ctx context.Context, c rueidis.Client, ms int64) rueidis.RedisResult {
		return s.swap.Exec(ctx, c, []string{key}, []string{prev, next, strconv.FormatInt(ms, 10)})
	})
}

// Delete removes a key. Removing one that is not there is not an error.
func (s *Secondary) Delete(ctx context.Context, key string) error {
	_, err := s.store.ask(ctx, "delete", s.store.writeTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Del().Key(key).Build())
	})
	return err
}

// put runs a command that writes value, and reports whether it did: it did not when the answer is null.
func (s *Secondary) put(ctx context.Context, op, value string, ttl time.Duration,
	f func(ctx context.Context, c rueidis.Client, ms int64) rueidis.RedisResult,
) (done bool, err error) {
	if ttl < 0 {
		return false, errors.New("redisstore: ttl is negative")
	}
	if len(value) > maxValue {
		return false, errTooLarge
	}
	ms := int64((ttl + time.Millisecond - 1) / time.Millisecond) // rounded up
	reply, found, err := s.store.text(ctx, op, s.store.writeTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return f(ctx, c, ms)
	})
	if err == nil && found && reply != "OK" {
		err = errReply
	}
	return found && err == nil, err
}
