package kvoauth

import (
	"context"
)

// A session is listed wherever somebody who ends it will look: under its user, under the provider's session that it began
// in, and, where users are kept, who may have several, under the provider's account.
const accountKeyPrefix = "a:"

func (b *Backend) accountIndexes(providerID, account string) []*userIndex {
	return b.indexesOf(accountKeyPrefix, providerID+"\x00"+account)
}

func (b *Backend) accountIndex(rec *record, sealed []byte) *userIndex {
	return b.indexLike(sealed, accountKeyPrefix, rec.ProviderID+"\x00"+rec.Account)
}

// enlist lists the session of d, before it exists.
func (b *Backend) enlist(ctx context.Context, d digest, sealed []byte, rec *record) (err error) {
	if rec.IndexPage, err = b.index(rec.UserID, sealed).add(ctx, d, rec.AbsoluteAt); err != nil {
		return err
	}
	if b.cfg.Users != nil {
		if rec.AccountPage, err = b.accountIndex(rec, sealed).add(ctx, d, rec.AbsoluteAt); err != nil {
			return err
		}
	}
	if rec.SID != "" {
		return b.sidIndex(rec, sealed).addSID(ctx, d, rec.AbsoluteAt)
	}
	return nil
}

// enlisted reports whether the session of d, which now exists, is still listed everywhere, and may live.
func (b *Backend) enlisted(ctx context.Context, d digest, sealed []byte, rec *record) (bool, error) {
	live, err := b.index(rec.UserID, sealed).has(ctx, rec.IndexPage, d, rec.Epoch)
	if live && err == nil && b.cfg.Users != nil {
		live, err = b.accountIndex(rec, sealed).has(ctx, rec.AccountPage, d, rec.Epoch)
	}
	if live && err == nil && rec.SID != "" {
		live, err = b.sidIndex(rec, sealed).hasSID(ctx, d, rec.Epoch)
	}
	return live, err
}

// delist forgets a session that has ended. A stale entry harms nobody, and goes with the session's absolute limit.
func (b *Backend) delist(ctx context.Context, d digest, sealed []byte, rec *record) {
	_ = b.index(rec.UserID, sealed).forget(ctx, rec.IndexPage, d)
	if b.cfg.Users != nil {
		_ = b.accountIndex(rec, sealed).forget(ctx, rec.AccountPage, d)
	}
	if rec.SID != "" {
		_ = b.sidIndex(rec, sealed).removeSIDs(ctx, d)
	}
}
