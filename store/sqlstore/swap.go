package sqlstore

import (
	"context"
	"time"
)

// Take implements [store.KV].
func (s *Store) Take(ctx context.Context, key string) (value []byte, found bool, err error) {
	take := s.takeReturning
	if s.sql.take == nil {
		take = s.takeSeen
	}
	err = s.call(ctx, "take", key, func(ctx context.Context) error {
		value, found, err = take(ctx, key)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return value, found, nil
}

func (s *Store) takeReturning(ctx context.Context, key string) ([]byte, bool, error) {
	var id string
	var value blob
	found, err := s.sql.take.query(ctx, s.db, s.prepare, &arguments{id: key}, &id, &value)
	switch {
	case err != nil || !found:
		return nil, false, err
	case id != key:
		return nil, false, errOtherID
	case value == nil:
		return nil, false, errUnreadable
	}
	return value, true, nil
}

// takeSeen reads a record and removes exactly what it has read. When somebody else was quicker it starts again; each round
// means that another call has got on.
func (s *Store) takeSeen(ctx context.Context, key string) ([]byte, bool, error) {
	for {
		value, version, found, err := s.get(ctx, &arguments{id: key})
		if err != nil || !found {
			return nil, false, err
		}
		n, err := s.sql.takeSeen.exec(ctx, s.db, s.prepare, &arguments{id: key, version: int64(version)}) //nolint:gosec // 63 bits
		if err != nil {
			return nil, false, err
		}
		if n > 0 {
			return value, true, nil
		}
	}
}

// CompareAndSwap implements [store.KV].
func (s *Store) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (swapped bool, err error) {
	a, err := writing(key, next, ttl)
	if err != nil {
		return false, err
	}
	swap := s.create
	if prev != nil {
		a.prev = prev
		swap = s.swap
	}
	err = s.call(ctx, "compare and swap", key, func(ctx context.Context) error {
		swapped, err = swap(ctx, a)
		return err
	})
	return swapped && err == nil, err
}

// swap counts on the version: it makes every swap a change, and MySQL counts only rows that change.
func (s *Store) swap(ctx context.Context, a *arguments) (bool, error) {
	n, err := s.sql.cas.exec(ctx, s.db, s.prepare, a)
	return n > 0, err
}

func (s *Store) create(ctx context.Context, a *arguments) (bool, error) {
	if s.sql.reuse != nil {
		n, err := s.sql.reuse.exec(ctx, s.db, s.prepare, a)
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	n, err := s.sql.create.exec(ctx, s.db, s.prepare, a)
	if s.sql.reuse != nil && isDuplicate(err) {
		return false, nil
	}
	return n > 0, err
}
