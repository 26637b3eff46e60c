package kvoauth

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/netscript/auth"
)

// What a session that is being read needs.
type dueWork int

const (
	nothingDue dueWork = iota
	touchDue           // note in the store that it is used
	refreshDue         // renew the provider's tokens
)

const (
	refreshWait    = 3 * time.Second        // how long a request waits for the provider before it goes on without
	touchWait      = 250 * time.Millisecond // and for the note of its use
	refreshTimeout = 15 * time.Second       // of the refresh itself
	refreshBackoff = 30 * time.Second       // after a failed one
	maxRetryTimes  = 4096
)

// flight is the key under which w is done for d once at a time.
func (w dueWork) flight(d digest) string { return string(append(d[:], byte(w))) }

func (b *Backend) due(d digest, rec *record, now time.Time) dueWork {
	switch {
	case rec.RefreshAt != 0 && now.UnixMilli() >= rec.RefreshAt && b.retries.passed(d, now):
		return refreshDue
	case b.touchable(rec, now):
		return touchDue
	}
	return nothingDue
}

func (b *Backend) touchable(rec *record, now time.Time) bool {
	unnoted := time.Duration(now.UnixMilli()-rec.UsedAt) * time.Millisecond
	return unnoted >= min(b.cfg.IdleTimeout/touchFraction, touchAtMost) && rec.IdleAt < rec.AbsoluteAt
}

// maintain does what is due for the session of d and returns what it then is. Its error means that the session has ended,
// or that it cannot be told; a refresh that fails otherwise leaves the session as it is.
func (b *Backend) maintain(ctx context.Context, d digest, due dueWork) (*cached, error) {
	patience := touchWait
	if due == refreshDue {
		patience = refreshWait
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case r := <-b.start(ctx, d, due, false):
		if errors.Is(r.Err, auth.ErrUnauthenticated) || errors.Is(r.Err, errGrantEnded) {
			return nil, r.Err
		}
	case <-wait.C:
	case <-ctx.Done():
		return nil, fail(auth.CodeInternal, "authenticate", ctx.Err())
	}
	// Asked once more, because it may have ended while this waited.
	return b.live(ctx, d)
}

// start begins w for d, or joins who is at it: one flight per session does it for all requests of this process, and
// outlives them, because a provider's answer to a refresh must be kept although the request that asked for it has gone.
func (b *Backend) start(ctx context.Context, d digest, w dueWork, force bool) <-chan singleflight.Result {
	return b.upkeep.DoChan(w.flight(d), func() (_ any, err error) {
		defer contain(&err)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
		defer cancel()
		if w == refreshDue {
			return nil, b.refresh(ctx, d, force)
		}
		return nil, b.touch(ctx, d)
	})
}

// touch notes that the session is used. It is best effort: a session that somebody else has just changed or ended is left
// alone, and one that could not be written just lives on to its earlier limit.
func (b *Backend) touch(ctx context.Context, d digest) error {
	sealed, rec, err := b.readRecord(ctx, d)
	if err != nil {
		return err
	}
	now := b.cfg.Now()
	if rec.expired(now) || !b.touchable(rec, now) {
		return nil
	}
	rec.touch(now, b.cfg.IdleTimeout)
	_, err = b.replace(ctx, d, sealed, rec)
	return err
}

// readRecord reads the stored session of d.
func (b *Backend) readRecord(ctx context.Context, d digest) ([]byte, *record, error) {
	sealed, found, err := b.kv.Get(ctx, d.key(sessionKeyPrefix))
	if err != nil {
		return nil, nil, storeError("read session", err)
	}
	if !found {
		return nil, nil, fail(auth.CodeSessionNotFound, "read session", nil)
	}
	rec, err := b.openRecord(d, sealed)
	return sealed, rec, err
}

// replace stores rec in place of prev. It is false when the stored session is no longer prev: a write never brings back
// what was ended.
func (b *Backend) replace(ctx context.Context, d digest, prev []byte, rec *record) (bool, error) {
	sealed, err := b.sealRecord(d, prev, rec)
	if err != nil {
		return false, err
	}
	swapped, err := b.kv.CompareAndSwap(ctx, d.key(sessionKeyPrefix), prev, sealed, max(rec.lifetime(b.cfg.Now()), time.Millisecond))
	if err != nil {
		return false, storeError("write session", err)
	}
	return swapped, nil
}

// retryTimes says when a session whose refresh failed may try again.
type retryTimes struct {
	mu    sync.Mutex
	times map[digest]time.Time
}

func (r *retryTimes) passed(d digest, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(r.times[d])
}

// set keeps d waiting from now on. When too many wait, those whose time has passed are forgotten, and then all: one
// early attempt each is better than a map without a bound.
func (r *retryTimes) set(d digest, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) >= maxRetryTimes {
		maps.DeleteFunc(r.times, func(_ digest, t time.Time) bool { return !now.Before(t) })
	}
	if r.times == nil || len(r.times) >= maxRetryTimes {
		r.times = map[digest]time.Time{}
	}
	r.times[d] = now.Add(refreshBackoff)
}
