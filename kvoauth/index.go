package kvoauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/netscript/auth"
)

const (
	indexKeyPrefix = "u:"
	// How often a change to an index is tried again because somebody else changed it first. Someone succeeds in every
	// round, so this many sign-ins of one user at the same moment pass.
	indexAttempts = 1000
	emptyIndexTTL = time.Minute
)

var (
	errContended  = errors.New("index of the user is changed too often")
	errUnreadable = errors.New("index of the user does not open, or is of an unknown format")
)

// indexEntry is one session in the index of its user.
type indexEntry struct {
	_      struct{} `cbor:",toarray"`
	Digest digest
	EndsAt int64 // the absolute limit, Unix milliseconds; then the entry is dropped
	Ending bool  // "sign out everywhere" has claimed it: whoever is just creating it must not go on
}

// index is the list of a user's sessions, one record of the store, changed with CompareAndSwap only.
type index []indexEntry

func indexName(subject string) digest { return sha256.Sum256([]byte(subject)) }

// readIndex returns the index of subject and its stored form, nil if there is none. The error matches errUnreadable when
// it is not one that this backend can have written; the stored form is returned all the same.
func (b *Backend) readIndex(ctx context.Context, subject string) (index, []byte, error) {
	name := indexName(subject)
	sealed, found, err := b.kv.Get(ctx, name.key(indexKeyPrefix))
	if err != nil {
		return nil, nil, storeError("read index", err)
	}
	if !found {
		return nil, nil, nil
	}
	var idx index
	plain, err := b.sealIndex.open(name.handle(), sealed)
	if err == nil {
		err = b.decode.Unmarshal(plain, &idx)
	}
	if err != nil {
		return nil, sealed, fail(auth.CodeStoreUnavailable, "read index", errUnreadable)
	}
	return idx, sealed, nil
}

// changeIndex applies change to the index of subject until nobody else changed it in between. change returns false when
// there is nothing to change. It works on its own copy. renew begins a new index in place of one that is unreadable.
func (b *Backend) changeIndex(ctx context.Context, subject string, renew bool, change func(index) (index, bool)) error {
	name := indexName(subject)
	for range indexAttempts {
		idx, prev, err := b.readIndex(ctx, subject)
		if err != nil && (!renew || !errors.Is(err, errUnreadable)) {
			return err
		}
		next, changed := change(idx)
		if !changed {
			return nil
		}
		plain, err := cbor.Marshal(next)
		if err != nil {
			return fail(auth.CodeInternal, "change index", err)
		}
		swapped, err := b.kv.CompareAndSwap(ctx, name.key(indexKeyPrefix), prev, b.sealIndex.seal(name.handle(), plain), next.ttl(b.Now()))
		if err != nil {
			return storeError("change index", err)
		}
		if swapped {
			return nil
		}
	}
	return fail(auth.CodeStoreUnavailable, "change index", errContended)
}

// ttl keeps the index a little longer than its last session.
func (idx index) ttl(now time.Time) time.Duration {
	ttl := emptyIndexTTL
	for _, e := range idx {
		ttl = max(ttl, time.UnixMilli(e.EndsAt).Sub(now)+emptyIndexTTL)
	}
	return ttl
}

// indexAdd renews an index whose key was dropped: its sessions began under that key or an older one, and ended with it.
func (b *Backend) indexAdd(ctx context.Context, subject string, d digest, endsAt int64) error {
	return b.changeIndex(ctx, subject, true, func(idx index) (index, bool) {
		now := b.Now().UnixMilli()
		idx = slices.DeleteFunc(idx, func(e indexEntry) bool { return e.EndsAt <= now })
		return append(idx, indexEntry{Digest: d, EndsAt: endsAt}), true
	})
}

// indexHas reports whether the index of subject still knows d and nobody is ending it.
func (b *Backend) indexHas(ctx context.Context, subject string, d digest) (bool, error) {
	idx, _, err := b.readIndex(ctx, subject)
	return slices.ContainsFunc(idx, func(e indexEntry) bool { return e.Digest == d && !e.Ending }), err
}

func (b *Backend) indexRemove(ctx context.Context, subject string, gone []digest) error {
	set := make(map[digest]bool, len(gone))
	for _, d := range gone {
		set[d] = true
	}
	return b.changeIndex(ctx, subject, false, func(idx index) (index, bool) {
		n := len(idx)
		idx = slices.DeleteFunc(idx, func(e indexEntry) bool { return set[e.Digest] })
		return idx, len(idx) != n
	})
}

// endAll ends all sessions of subject and returns how many it ended. It first claims them in the index, so that a sign-in
// which has passed its check has stored its session, and one which has not will fail it; then deletes them; then forgets
// them. An error leaves what is left claimed: calling again ends it.
func (b *Backend) endAll(ctx context.Context, subject string) (int, error) {
	var claimed []digest
	err := b.changeIndex(ctx, subject, false, func(idx index) (index, bool) {
		claimed = claimed[:0]
		fresh := false
		for i := range idx {
			fresh = fresh || !idx[i].Ending
			idx[i].Ending = true
			claimed = append(claimed, idx[i].Digest)
		}
		return idx, fresh
	})
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, d := range claimed {
		_, found, err := b.kv.Take(ctx, d.key(sessionKeyPrefix))
		if err != nil {
			return ended, storeError("end sessions", err)
		}
		b.cache.drop(d)
		if found {
			ended++
		}
	}
	if err := b.indexRemove(ctx, subject, claimed); err != nil {
		return ended, err
	}
	b.observe(ctx, auth.Event{Name: auth.EventSessionRevoked, Subject: auth.NewSecret(subject), Count: ended})
	return ended, nil
}
