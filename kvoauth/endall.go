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

// endAll ends all sessions of userID and returns how many it ended. An error leaves what is left claimed: calling again
// ends it.
func (b *Backend) endAll(ctx context.Context, userID string) (int, error) {
	root, _, err := b.root(ctx, userID, 0)
	if err != nil {
		return 0, err
	}
	ended := 0
	for n := root.First; n <= root.Last; n++ {
		k, err := b.endPage(ctx, userID, n)
		ended += k
		if err != nil {
			return ended, err
		}
	}
	b.observe(ctx, auth.Event{Name: auth.EventSessionRevoked, Subject: auth.NewSecret(userID), Count: ended})
	return ended, nil
}

// endPage ends the sessions of one page. It first claims them, so that a sign-in which has passed its check has stored its
// session, and one which has not will fail it; then deletes them; then forgets them.
func (b *Backend) endPage(ctx context.Context, userID string, n int) (int, error) {
	var claimed []digest
	err := b.changePage(ctx, userID, n, false, func(p *indexPage) bool {
		claimed = claimed[:0]
		fresh := false
		for i := range p.Entries {
			fresh = fresh || !p.Entries[i].Ending
			p.Entries[i].Ending = true
			claimed = append(claimed, p.Entries[i].Digest)
		}
		return fresh
	})
	if err != nil || len(claimed) == 0 {
		return 0, err
	}
	var ended atomic.Int64
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, d := range claimed {
		group.Go(func() error {
			_, found, err := b.kv.Take(ctx, d.key(sessionKeyPrefix))
			if err != nil {
				return storeError("end sessions", err)
			}
			b.cache.drop(d)
			if found {
				ended.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return int(ended.Load()), err
	}
	return int(ended.Load()), b.indexRemove(ctx, userID, n, claimed...)
}

// liveSessions returns the sessions of userID that authenticate now, in no order.
func (b *Backend) liveSessions(ctx context.Context, userID string) ([]*auth.Session, error) {
	root, _, err := b.root(ctx, userID, 0)
	if err != nil {
		return nil, err
	}
	live := []*auth.Session{}
	for n := root.First; n <= root.Last; n++ {
		var p indexPage
		if _, err := b.loadIndex(ctx, pageName(userID, n), &p); err != nil {
			return nil, err
		}
		sessions := make([]*auth.Session, len(p.Entries))
		var group errgroup.Group
		group.SetLimit(atOnce)
		for i, e := range p.Entries {
			group.Go(func() error {
				rec, err := b.live(ctx, e.Digest)
				if err == nil {
					sessions[i] = rec.session(e.Digest)
				}
				if errors.Is(err, auth.ErrUnauthenticated) {
					return nil
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		for _, s := range sessions {
			if s != nil {
				live = append(live, s)
			}
		}
	}
	return live, nil
}
