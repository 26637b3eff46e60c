package kvoauth

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/netscript/auth"
)

const (
	epochKey  = "e:1"
	epochName = "epoch"
	epochTTL  = 5 * 365 * 24 * time.Hour
)

// The epoch is a number in the store that grows with every "sign out everywhere". It tells whether a sign-in began before
// one, which the clocks of two processes could not: they may disagree by minutes.
//
// It starts at the time in milliseconds, so that should the store lose it, the next one is greater all the same.
func (b *Backend) epoch(ctx context.Context) (int64, error) {
	return b.changeEpoch(ctx, func(now int64) int64 { return now })
}

// nextEpoch begins a new epoch and returns it.
func (b *Backend) nextEpoch(ctx context.Context) (int64, error) {
	return b.changeEpoch(ctx, func(now int64) int64 { return now + 1 })
}

// changeEpoch stores what change makes of the epoch, unless that is nothing new, and returns it.
func (b *Backend) changeEpoch(ctx context.Context, change func(now int64) int64) (int64, error) {
	for range indexAttempts {
		prev, _, err := b.kv.Get(ctx, epochKey)
		if err != nil {
			return 0, storeError("epoch", err)
		}
		now := int64(0)
		if plain, err := b.sealIndex.open(epochName, prev); err == nil && len(plain) == 8 {
			now = int64(binary.BigEndian.Uint64(plain)) //nolint:gosec // written below
		}
		next := max(change(now), 1)
		if now == 0 {
			next = max(next, b.cfg.Now().UnixMilli()) // none yet, or of a key that was dropped
		}
		if next == now {
			return now, nil
		}
		var plain [8]byte
		binary.BigEndian.PutUint64(plain[:], uint64(next)) //nolint:gosec // positive
		swapped, err := b.kv.CompareAndSwap(ctx, epochKey, prev, b.sealIndex.seal(epochName, plain[:]), epochTTL)
		if err != nil {
			return 0, storeError("epoch", err)
		}
		if swapped {
			return next, nil
		}
	}
	return 0, fail(auth.CodeStoreUnavailable, "epoch", errors.New("changed too often"))
}
