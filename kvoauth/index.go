package kvoauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
// Each key of the ring has an index of its own, which lists the sessions that are sealed with that key: dropping a key
// ends its sessions and forgets their index, and touches nothing else.
//
// New sessions go to the last page. A page that has become empty is closed before the root forgets it: a sign-in that is
// about to write to it then fails to, and looks again.
const (
	indexKeyPrefix = "u:"
	pageSize       = 128
	// How often a change is tried again because somebody else was first. Someone succeeds in every round, so this many
	// sign-ins of one user at the same moment pass.
	indexAttempts = 1000
	// What one process must not forget because its clock is ahead, while another still counts on it.
	maxClockDifference = 10 * time.Minute
	emptyPageTTL       = maxClockDifference + time.Minute
	closedPageTTL      = time.Hour // much longer than any write can be under way
)

var (
	errContended  = errors.New("index of the user is changed too often")
	errUnreadable = errors.New("index of the user does not open, or is of an unknown format")
)

// userIndex is the index of one user, or of one account or session of a provider, under one key.
type userIndex struct {
	*Backend
	prefix string // of its keys in the store
	key    sealKey
	name   string
}

// indexRoot says where a user's pages are: First to Last. Times are Unix milliseconds.
type indexRoot struct {
	_     struct{} `cbor:",toarray"`
	First int
	Last  int
	Until int64 // how long the root is kept: longer than any session that it leads to
	// Ended is the epoch that began when all sessions were last ended. A sign-in of an earlier one is not completed.
	Ended int64
}

// indexPage is up to pageSize sessions.
type indexPage struct {
	_       struct{} `cbor:",toarray"`
	Closed  bool
	Entries indexEntries
}

// index returns the index that lists the sessions of userID which are sealed like sealed.
func (b *Backend) index(userID string, sealed []byte) *userIndex {
	return b.indexLike(sealed, indexKeyPrefix, userID)
}

// indexes returns the indexes of userID under all keys.
func (b *Backend) indexes(userID string) []*userIndex { return b.indexesOf(indexKeyPrefix, userID) }

// indexLike returns the index of id under the key that sealed is sealed with.
func (b *Backend) indexLike(sealed []byte, prefix, id string) *userIndex {
	return b.indexAt(prefix, id, b.sealSession.position(sealed))
}

// indexesOf returns the indexes of id under all keys.
func (b *Backend) indexesOf(prefix, id string) []*userIndex {
	all := make([]*userIndex, len(b.sealIndex.ring))
	for i := range all {
		all[i] = b.indexAt(prefix, id, i)
	}
	return all
}

// indexAt names an index by a digest: user ids are of any length and alphabet, keys of the store are not.
func (b *Backend) indexAt(prefix, id string, position int) *userIndex {
	key := b.sealIndex.ring[position]
	return &userIndex{b, prefix, key, hex.EncodeToString(key.id[:]) + ":" + digest(sha256.Sum256([]byte(id))).handle()}
}

func (x *userIndex) page(n int) string { return x.name + ":" + strconv.Itoa(n) }

// load reads the record called name into v. It returns its stored form, nil if there is none. One that this backend
// cannot have written is an error: it must not pass for an empty one.
func (x *userIndex) load(ctx context.Context, name string, v any) ([]byte, error) {
	sealed, found, err := x.kv.Get(ctx, x.prefix+name)
	if err != nil {
		return nil, storeError("user index", err)
	}
	if !found {
		return nil, nil
	}
	plain, err := x.sealIndex.open(name, sealed)
	if err == nil {
		err = x.decode.Unmarshal(plain, v)
	}
	if err != nil {
		return nil, fail(auth.CodeStoreUnavailable, "user index", errUnreadable)
	}
	return sealed, nil
}

// swap stores v in place of prev.
func (x *userIndex) swap(ctx context.Context, name string, prev []byte, v any, ttl time.Duration) (bool, error) {
	plain, err := cbor.Marshal(v)
	if err != nil {
		return false, fail(auth.CodeInternal, "user index", err)
	}
	swapped, err := x.kv.CompareAndSwap(ctx, x.prefix+name, prev, x.sealIndex.sealWith(x.key, name, plain), ttl)
	if err != nil {
		return false, storeError("user index", err)
	}
	return swapped, nil
}

// changeRecord applies change to the record called name until nobody else changed it in between, and returns what it then
// is. change returns false when there is nothing to change; ttl is for how long what it leaves is kept.
func changeRecord[T any](ctx context.Context, x *userIndex, name string, change func(*T) bool, ttl func(*T) time.Duration) (T, error) {
	for range indexAttempts {
		var v T
		prev, err := x.load(ctx, name, &v)
		if err != nil || !change(&v) {
			return v, err
		}
		lifetime := ttl(&v)
		if swapped, err := x.swap(ctx, name, prev, v, lifetime); err != nil || swapped {
			return v, err
		}
	}
	var none T
	return none, fail(auth.CodeStoreUnavailable, "user index", errContended)
}

func (x *userIndex) changeRoot(ctx context.Context, change func(*indexRoot) bool) (indexRoot, error) {
	var now time.Time
	extend := func(root *indexRoot) bool {
		if !change(root) {
			return false
		}
		now = x.cfg.Now()
		// Never shorter than it was: the absolute timeout may have been longer when its sessions began.
		root.Until = max(root.Until, now.Add(2*x.cfg.AbsoluteTimeout).UnixMilli())
		return true
	}
	return changeRecord(ctx, x, x.name, extend, func(root *indexRoot) time.Duration {
		return time.UnixMilli(root.Until).Sub(now) + emptyPageTTL
	})
}

func (x *userIndex) root(ctx context.Context) (indexRoot, error) {
	return x.changeRoot(ctx, func(*indexRoot) bool { return false })
}

func (x *userIndex) changePage(ctx context.Context, n int, change func(*indexPage) bool) error {
	_, err := changeRecord(ctx, x, x.page(n), change, func(p *indexPage) time.Duration { return p.ttl(x.cfg.Now()) })
	return err
}

// ttl keeps a page a little longer than its last session.
func (p *indexPage) ttl(now time.Time) time.Duration {
	if p.Closed {
		return closedPageTTL
	}
	return p.Entries.ttl(now)
}

// add notes the session of d before it is made, and returns the page that it is on.
func (x *userIndex) add(ctx context.Context, d digest, endsAt int64) (int, error) {
	for range indexAttempts {
		root, err := x.changeRoot(ctx, func(r *indexRoot) bool { return r.Until < endsAt })
		if err != nil {
			return 0, err
		}
		added := false
		err = x.changePage(ctx, root.Last, func(p *indexPage) bool {
			now := x.cfg.Now()
			p.Entries = p.Entries.unended(now)
			if added = !p.Closed && len(p.Entries) < pageSize; added {
				p.Entries = append(p.Entries, indexEntry{Digest: d, EndsAt: endsAt})
			}
			return added
		})
		if err != nil || added {
			return root.Last, err
		}
		if err := x.turnPage(ctx, root); err != nil {
			return 0, err
		}
	}
	return 0, fail(auth.CodeStoreUnavailable, "user index", errContended)
}

// turnPage moves on from the last page of full, and forgets first pages that have become empty: one for each new one
// keeps their number bounded, two let it shrink.
func (x *userIndex) turnPage(ctx context.Context, full indexRoot) error {
	first := full.First
	for first < min(full.First+2, full.Last) {
		closed, err := x.closeEmpty(ctx, first)
		if err != nil {
			return err
		}
		if !closed {
			break
		}
		first++
	}
	_, err := x.changeRoot(ctx, func(r *indexRoot) bool {
		if r.Last != full.Last {
			return false // somebody else turned it
		}
		r.First, r.Last = max(r.First, first), r.Last+1
		return true
	})
	return err
}

// closeEmpty closes page n if it leads to no session any more, and reports whether it is closed.
func (x *userIndex) closeEmpty(ctx context.Context, n int) (closed bool, err error) {
	err = x.changePage(ctx, n, func(p *indexPage) bool {
		now := x.cfg.Now()
		closed = p.Closed || !slices.ContainsFunc(p.Entries, func(e indexEntry) bool { return !e.over(now) })
		if !closed || p.Closed {
			return false
		}
		*p = indexPage{Closed: true}
		return true
	})
	return closed, err
}

// has reports whether page n still knows the session of d, nobody is ending it, and all were not ended after epoch.
func (x *userIndex) has(ctx context.Context, n int, d digest, epoch int64) (bool, error) {
	root, err := x.root(ctx)
	if err != nil || epoch < root.Ended {
		return false, err
	}
	var p indexPage
	_, err = x.load(ctx, x.page(n), &p)
	return p.Entries.keep(d), err
}

// forget forgets sessions of page n.
func (x *userIndex) forget(ctx context.Context, n int, gone ...digest) error {
	return x.changePage(ctx, n, func(p *indexPage) bool { return p.Entries.forget(gone) })
}
