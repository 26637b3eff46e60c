package redisstore

import (
	"context"
	"errors"

	"github.com/redis/rueidis"

	"github.com/netscript/auth/store"
)

// GetIfChanged implements store.ConditionalGetter. While the server's promise to tell of changes holds it answers from
// memory, in about the time of a map lookup; the package documentation says how old the answer can be.
//
// Versions belong to this Store: another one, in this process or another, gives other versions to the same records. A
// version may change while the record does not, when it has left the memory in between. With Config.DisableCache a
// record keeps its version when another process writes the same bytes again.
func (s *Store) GetIfChanged(ctx context.Context, key string, seen uint64) (value []byte, version uint64, found bool, err error) {
	if ctx.Err() != nil {
		return nil, 0, false, explain(ctx, "get", ctx.Err())
	}
	var text string
	if s.cached {
		text, version, found = s.cache.get(key)
	}
	if !found {
		text, version, found, err = s.fetch(ctx, key)
	}
	switch {
	case err != nil || !found:
		return nil, 0, false, err
	case version == seen:
		return nil, seen, true, nil
	}
	return bytesOf(text, true), version, true, nil
}

// fetch asks the server, and to be told when the record changes.
func (s *Store) fetch(ctx context.Context, key string) (text string, version uint64, found bool, err error) {
	m := s.cache.begin(key)
	defer s.cache.end(m, key)
	if s.cached {
		text, found, err = s.text(ctx, "get", s.readTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.DoCache(ctx, c.B().Get().Key(s.keys.physical(key)).Cache(), s.cacheTTL)
		})
	}
	// A server that is full refuses the transaction that a tracked read is, and none that is not.
	if !s.cached || errors.Is(err, store.ErrFull) {
		text, found, err = s.text(ctx, "get", s.readTimeout, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.Do(ctx, c.B().Get().Key(s.keys.physical(key)).Build())
		})
	}
	if err != nil || !found {
		return "", 0, false, err
	}
	if s.cached {
		return text, s.cache.admit(m, key, text), true, nil
	}
	return text, s.cache.recognize(m, key, text), true, nil
}
