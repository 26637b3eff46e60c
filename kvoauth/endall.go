package kvoauth

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/netscript/auth"
)

// atOnce is how many sessions of one user are read or ended at the same time.
const atOnce = 32

// endAll ends all sessions of userID and returns how many it ended. It first begins an epoch and notes it: a sign-in that
// began before, and has not passed its last check, will fail it. An error leaves what is left claimed: calling again
// ends it.
func (b *Backend) endAll(ctx context.Context, userID string) (int, error) {
	ended, err := b.endListed(ctx, b.indexes(userID), b.revokeTokens)
	if err != nil {
		return ended, err
	}
	b.observe(ctx, auth.Event{Name: auth.EventSessionRevoked, Subject: auth.NewSecret(userID), Count: ended})
	return ended, nil
}

// endListed does it for all that indexes list, and calls then for each session that has ended.
func (b *Backend) endListed(ctx context.Context, indexes []*userIndex, then func(context.Context, digest, *record)) (int, error) {
	epoch, err := b.nextEpoch(ctx)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, x := range indexes {
		root, err := x.changeRoot(ctx, func(r *indexRoot) bool {
			r.Ended = max(r.Ended, epoch)
			return true
		})
		if err != nil {
			return ended, err
		}
		for n := root.First; n <= root.Last; n++ {
			k, err := x.endPage(ctx, n, then)
			ended += k
			if err != nil {
				return ended, err
			}
		}
	}
	return ended, nil
}

// endPage ends the sessions of one page. It first claims them, so that a sign-in which has passed its check has stored its
// session, and one which has not will fail it; then deletes them; then forgets them.
func (x *userIndex) endPage(ctx context.Context, n int, then func(context.Context, digest, *record)) (int, error) {
	var claimed []digest
	err := x.changePage(ctx, n, func(p *indexPage) (fresh bool) {
		claimed, fresh = p.Entries.claim()
		return fresh
	})
	if err != nil || len(claimed) == 0 {
		return 0, err
	}
	var ended atomic.Int64
	err = atMost(len(claimed), func(i int) error {
		sealed, found, err := x.kv.Take(ctx, claimed[i].key(sessionKeyPrefix))
		if err != nil {
			return storeError("end sessions", err)
		}
		x.cache.drop(claimed[i])
		if !found {
			return nil
		}
		ended.Add(1)
		if rec, err := x.openRecord(claimed[i], sealed); err == nil {
			then(ctx, claimed[i], rec)
		}
		return nil
	})
	if err != nil {
		return int(ended.Load()), err
	}
	return int(ended.Load()), x.forget(ctx, n, claimed...)
}

// atMost calls f for 0 to n-1, atOnce at a time, and returns the first error. A panic is an error: in a goroutine of its
// own it would end the process.
func atMost(n int, f func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() (err error) {
			defer contain(&err)
			return f(i)
		})
	}
	return group.Wait()
}

// liveSessions returns the sessions of userID that authenticate now, in no order.
func (b *Backend) liveSessions(ctx context.Context, userID string) ([]*auth.Session, error) {
	live := []*auth.Session{}
	for _, x := range b.indexes(userID) {
		root, err := x.root(ctx)
		if err != nil {
			return nil, err
		}
		for n := root.First; n <= root.Last; n++ {
			sessions, err := x.livePage(ctx, n)
			if err != nil {
				return nil, err
			}
			live = append(live, sessions...)
		}
	}
	return live, nil
}

// livePage reads the sessions of one page past the cache, which is for sessions in use.
func (x *userIndex) livePage(ctx context.Context, n int) (live []*auth.Session, err error) {
	var p indexPage
	if _, err := x.load(ctx, x.page(n), &p); err != nil {
		return nil, err
	}
	records := make([]*record, len(p.Entries))
	err = atMost(len(records), func(i int) error {
		_, rec, err := x.readRecord(ctx, p.Entries[i].Digest)
		if errors.Is(err, auth.ErrUnauthenticated) {
			return nil
		}
		records[i] = rec
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, rec := range records {
		if rec != nil && !rec.expired(x.cfg.Now()) {
			live = append(live, rec.session(p.Entries[i].Digest))
		}
	}
	return live, nil
}
