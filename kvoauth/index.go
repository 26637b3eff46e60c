package kvoauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/netscript/auth"
)

// The index of a user lists the user's sessions, so that they can be shown and ended. It is cut into pages, each a record
// of the store, so that a sign-in costs the same whether the user has one session or ten thousand. A root record says
// which pages there are. All are changed with CompareAndSwap only.
//
// A record of the index is sealed with a key at least as new as those of the sessions it leads to. So when it no longer
// opens because its key was dropped, those sessions have ended too, and a sign-in begins a new one in its place.
//
// New sessions go to the last page. A page that has become empty is closed before the root forgets it: a sign-in that is
// about to write to it then fails to, and looks again.
const (
	indexKeyPrefix = "u:"
	pageSize       = 128
	// How often a change is tried again because somebody else was first. Someone succeeds in every round, so this many
	// sign-ins of one user at the same moment pass.
	indexAttempts = 1000
	emptyPageTTL  = time.Minute
	closedPageTTL = time.Hour // much longer than any write can be under way
)

var (
	errContended  = errors.New("index of the user is changed too often")
	errUnreadable = errors.New("index of the user does not open, or is of an unknown format")
)

// indexRoot says where a user's pages are: First to Last.
type indexRoot struct {
	_     struct{} `cbor:",toarray"`
	First int
	Last  int
	Until int64 // Unix milliseconds; a sign-in whose session ends later writes it again, so that it outlives every session
}

// indexPage is up to pageSize sessions.
type indexPage struct {
	_       struct{} `cbor:",toarray"`
	Closed  bool
	Entries []indexEntry
}

// indexEntry is one session.
type indexEntry struct {
	_      struct{} `cbor:",toarray"`
	Digest digest
	EndsAt int64 // the absolute limit, Unix milliseconds; then the entry is dropped
	Ending bool  // "sign out everywhere" has claimed it: whoever is just creating it must not go on
}

// indexName names a user's index: user ids are of any length and alphabet, keys are not.
func indexName(userID string) digest { return sha256.Sum256([]byte(userID)) }

func pageName(userID string, n int) string { return indexName(userID).handle() + ":" + strconv.Itoa(n) }

// loadIndex reads the index record called name into v. It returns its stored form, nil if there is none. The error matches
// errUnreadable when it is none that this backend can have written; the stored form is returned all the same.
func (b *Backend) loadIndex(ctx context.Context, name string, v any) ([]byte, error) {
	sealed, found, err := b.kv.Get(ctx, indexKeyPrefix+name)
	if err != nil || !found {
		return nil, indexError(err)
	}
	plain, err := b.sealIndex.open(name, sealed)
	if err == nil {
		err = b.decode.Unmarshal(plain, v)
	}
	if err != nil {
		return sealed, fail(auth.CodeStoreUnavailable, "read index", errUnreadable)
	}
	return sealed, nil
}

// swapIndex stores v in place of prev.
func (b *Backend) swapIndex(ctx context.Context, name string, prev []byte, v any, ttl time.Duration) (bool, error) {
	plain, err := cbor.Marshal(v)
	if err != nil {
		return false, fail(auth.CodeInternal, "change index", err)
	}
	swapped, err := b.kv.CompareAndSwap(ctx, indexKeyPrefix+name, prev, b.sealIndex.seal(name, plain), ttl)
	return swapped, indexError(err)
}

func indexError(err error) error {
	if err == nil {
		return nil
	}
	return storeError("user index", err)
}

// root returns the root of userID's index. For a session that ends at endsAt it makes one when there is none or an
// unreadable one, and writes one again that ends earlier or is sealed with an older key. endsAt zero writes nothing.
func (b *Backend) root(ctx context.Context, userID string, endsAt int64) (indexRoot, []byte, error) {
	name, write := indexName(userID).handle(), endsAt != 0
	for range indexAttempts {
		var root indexRoot
		prev, err := b.loadIndex(ctx, name, &root)
		if write && errors.Is(err, errUnreadable) {
			root, err = indexRoot{}, nil
		} else if err == nil && b.sealIndex.newest(prev) && endsAt <= root.Until {
			return root, prev, nil
		}
		if err != nil || !write {
			return root, prev, err
		}
		if _, err := b.swapRoot(ctx, userID, prev, root); err != nil {
			return root, nil, err
		}
	}
	return indexRoot{}, nil, fail(auth.CodeStoreUnavailable, "user index", errContended)
}

// swapRoot stores root for twice the absolute timeout, and never for less than it was: the timeout may have been shortened
// since sessions began.
func (b *Backend) swapRoot(ctx context.Context, userID string, prev []byte, root indexRoot) (bool, error) {
	now := b.Now()
	root.Until = max(root.Until, now.Add(2*b.AbsoluteTimeout).UnixMilli())
	return b.swapIndex(ctx, indexName(userID).handle(), prev, root, time.UnixMilli(root.Until).Sub(now)+emptyPageTTL)
}

// changePage applies change to a page until nobody else changed it in between. change returns false when there is nothing
// to change. With renew, a page that is unreadable counts as empty.
func (b *Backend) changePage(ctx context.Context, userID string, n int, renew bool, change func(*indexPage) bool) error {
	name := pageName(userID, n)
	for range indexAttempts {
		var p indexPage
		prev, err := b.loadIndex(ctx, name, &p)
		if renew && errors.Is(err, errUnreadable) {
			p, err = indexPage{}, nil
		}
		if err != nil || !change(&p) {
			return err
		}
		if swapped, err := b.swapIndex(ctx, name, prev, p, p.ttl(b.Now())); err != nil || swapped {
			return err
		}
	}
	return fail(auth.CodeStoreUnavailable, "user index", errContended)
}

// ttl keeps a page a little longer than its last session.
func (p *indexPage) ttl(now time.Time) time.Duration {
	if p.Closed {
		return closedPageTTL
	}
	ttl := emptyPageTTL
	for _, e := range p.Entries {
		ttl = max(ttl, time.UnixMilli(e.EndsAt).Sub(now)+emptyPageTTL)
	}
	return ttl
}

// indexAdd notes the session of d before it is made, and returns the page that it is on.
func (b *Backend) indexAdd(ctx context.Context, userID string, d digest, endsAt int64) (int, error) {
	for range indexAttempts {
		root, prev, err := b.root(ctx, userID, endsAt)
		if err != nil {
			return 0, err
		}
		added := false
		err = b.changePage(ctx, userID, root.Last, true, func(p *indexPage) bool {
			now := b.Now().UnixMilli()
			p.Entries = slices.DeleteFunc(p.Entries, func(e indexEntry) bool { return e.EndsAt <= now })
			if added = !p.Closed && len(p.Entries) < pageSize; added {
				p.Entries = append(p.Entries, indexEntry{Digest: d, EndsAt: endsAt})
			}
			return added
		})
		if err != nil || added {
			return root.Last, err
		}
		if err := b.turnPage(ctx, userID, root, prev); err != nil {
			return 0, err
		}
	}
	return 0, fail(auth.CodeStoreUnavailable, "user index", errContended)
}

// turnPage moves on to a new last page, and forgets first pages that have become empty: one for each new one keeps their
// number bounded, two let it shrink.
func (b *Backend) turnPage(ctx context.Context, userID string, root indexRoot, prev []byte) error {
	for range 2 {
		closed := false
		if root.First == root.Last {
			break
		}
		err := b.changePage(ctx, userID, root.First, true, func(p *indexPage) bool {
			now := b.Now().UnixMilli()
			closed = p.Closed || !slices.ContainsFunc(p.Entries, func(e indexEntry) bool { return e.EndsAt > now })
			change := closed && !p.Closed
			if change {
				*p = indexPage{Closed: true}
			}
			return change
		})
		if err != nil {
			return err
		}
		if !closed {
			break
		}
		root.First++
	}
	root.Last++
	_, err := b.swapRoot(ctx, userID, prev, root) // not swapped: somebody else turned it
	return err
}

// indexHas reports whether page n still knows the session of d and nobody is ending it.
func (b *Backend) indexHas(ctx context.Context, userID string, n int, d digest) (bool, error) {
	var p indexPage
	_, err := b.loadIndex(ctx, pageName(userID, n), &p)
	return slices.ContainsFunc(p.Entries, func(e indexEntry) bool { return e.Digest == d && !e.Ending }), err
}

// indexRemove forgets sessions of page n.
func (b *Backend) indexRemove(ctx context.Context, userID string, n int, gone ...digest) error {
	return b.changePage(ctx, userID, n, false, func(p *indexPage) bool {
		before := len(p.Entries)
		p.Entries = slices.DeleteFunc(p.Entries, func(e indexEntry) bool { return slices.Contains(gone, e.Digest) })
		return len(p.Entries) != before
	})
}
