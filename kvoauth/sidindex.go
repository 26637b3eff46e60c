package kvoauth

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/netscript/auth"
)

// The sessions that began in one session at a provider (sid, OpenID Connect Back-Channel Logout 1.0, section 2.1) are
// listed in one record for each key of the ring, so that a logout token finds them. Like the index of a user it knows a
// session before it exists, and which epoch its sessions were last ended in.
const (
	sidKeyPrefix = "o:"
	// logoutMemory is how long an end is remembered without sessions: longer than a sign-in that began before can take.
	logoutMemory = 2 * time.Hour
)

type sidPage struct {
	_       struct{} `cbor:",toarray"`
	Entries indexEntries
	Ended   int64 // the epoch; a sign-in of an earlier one is not completed
}

func (b *Backend) sidIndexes(providerID, sid string) []*userIndex {
	return b.indexesOf(sidKeyPrefix, providerID+"\x00"+sid)
}

// sidIndex returns the index that lists rec, which is sealed like sealed.
func (b *Backend) sidIndex(rec *record, sealed []byte) *userIndex {
	return b.indexLike(sealed, sidKeyPrefix, rec.ProviderID+"\x00"+rec.SID)
}

func (x *userIndex) changeSIDs(ctx context.Context, change func(*sidPage) bool) error {
	_, err := changeRecord(ctx, x, x.name, change, func(p *sidPage) time.Duration {
		ttl := p.Entries.ttl(x.cfg.Now())
		if p.Ended != 0 {
			ttl = max(ttl, logoutMemory)
		}
		return ttl
	})
	return err
}

// addSID notes the session of d before it is made. One sid has so many sessions only when one browser loses its cookies
// again and again; the oldest of them ends then, because one that is not listed would outlive its logout.
func (x *userIndex) addSID(ctx context.Context, d digest, endsAt int64) error {
	for {
		var oldest *digest
		err := x.changeSIDs(ctx, func(p *sidPage) bool {
			p.Entries = p.Entries.unended(x.cfg.Now())
			if oldest = nil; len(p.Entries) >= pageSize {
				oldest = &p.Entries[0].Digest
				return false
			}
			p.Entries = append(p.Entries, indexEntry{Digest: d, EndsAt: endsAt})
			return true
		})
		if err != nil || oldest == nil {
			return err
		}
		if _, err := x.end(ctx, *oldest); err != nil {
			return err
		}
		if err := x.removeSIDs(ctx, *oldest); err != nil {
			return err
		}
	}
}

// hasSID reports whether the session of d is still listed, nobody is ending it, and all were not ended after epoch.
func (x *userIndex) hasSID(ctx context.Context, d digest, epoch int64) (bool, error) {
	var p sidPage
	_, err := x.load(ctx, x.name, &p)
	return epoch >= p.Ended && p.Entries.keep(d), err
}

func (x *userIndex) removeSIDs(ctx context.Context, gone ...digest) error {
	return x.changeSIDs(ctx, func(p *sidPage) bool { return p.Entries.forget(gone) })
}

// endSID ends the sessions of a sid, and the sign-ins under way that would have it. A token that names another subject than
// one of them is contradictory, and ends none.
func (b *Backend) endSID(ctx context.Context, rp *relyingParty, t *logoutToken) (ended int, err error) {
	indexes := b.sidIndexes(rp.Provider.ID, t.sid)
	for _, x := range indexes {
		if err := x.wantAccount(ctx, t.sub); err != nil {
			return 0, err
		}
	}
	epoch, err := b.nextEpoch(ctx)
	if err != nil {
		return 0, err
	}
	for _, x := range indexes {
		n, err := x.endSIDs(ctx, epoch)
		ended += n
		if err != nil {
			return ended, err
		}
	}
	return ended, nil
}

// wantAccount wants all sessions that are listed to be of account, unless that is empty.
func (x *userIndex) wantAccount(ctx context.Context, account string) error {
	var p sidPage
	if _, err := x.load(ctx, x.name, &p); err != nil || account == "" {
		return err
	}
	return atMost(len(p.Entries), func(i int) error {
		_, rec, err := x.readRecord(ctx, p.Entries[i].Digest)
		if errors.Is(err, auth.ErrUnauthenticated) {
			return nil
		}
		if err == nil && rec.Account != account {
			err = logoutTokenError(errors.New("sid is of another subject's session"))
		}
		return err
	})
}

// endSIDs claims the sessions, so that a sign-in which has not passed its check will fail it, ends them, and forgets
// them. An error leaves what is left claimed: calling again ends it.
func (x *userIndex) endSIDs(ctx context.Context, epoch int64) (int, error) {
	var claimed []digest
	err := x.changeSIDs(ctx, func(p *sidPage) bool {
		p.Ended = max(p.Ended, epoch)
		claimed, _ = p.Entries.claim()
		return true
	})
	if err != nil || len(claimed) == 0 {
		return 0, err
	}
	var ended atomic.Int64
	err = atMost(len(claimed), func(i int) error {
		rec, err := x.remove(ctx, claimed[i])
		if rec != nil {
			ended.Add(1)
			x.revokeOnline(ctx, claimed[i], rec)
		}
		return err
	})
	if err == nil {
		err = x.removeSIDs(ctx, claimed...)
	}
	return int(ended.Load()), err
}
