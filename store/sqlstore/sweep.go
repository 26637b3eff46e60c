package sqlstore

import (
	"context"
	"errors"
)

// Sweep removes expired records for good, at most batch with one statement, until there are no more, and returns how many
// it has removed. Nothing else does; an application calls it every few minutes, from as many instances as it likes. Small
// batches keep locks short: a thousand is a good number. It returns when ctx is done, and each statement has
// [Config].Timeout.
func (s *Store) Sweep(ctx context.Context, batch int) (removed int64, err error) {
	if batch <= 0 {
		return 0, errors.New("sqlstore: batch must be greater than zero")
	}
	for {
		n, err := s.sweepOnce(ctx, batch)
		removed += n
		if err != nil || n < int64(batch) {
			return removed, err
		}
	}
}

func (s *Store) sweepOnce(ctx context.Context, batch int) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err = repeatRolledBack(ctx, func(ctx context.Context) error {
		n, err = s.sql.sweep.exec(ctx, s.db, s.prepare, &arguments{batch: batch})
		return err
	})
	return n, s.wrap(ctx, "sweep", err)
}
