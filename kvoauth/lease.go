package kvoauth

import (
	"context"
	"errors"
	"time"

	"github.com/netscript/auth"
)

const (
	leaseKeyPrefix = "l:"
	leaseLife      = refreshTimeout + 5*time.Second
	releaseTimeout = time.Second
)

var errLeased = errors.New("another process is renewing the tokens")

// lease keeps other processes from renewing the tokens of d at the same time: a provider that rotates refresh tokens
// takes a second use of one for theft and ends the grant (RFC 9700, section 4.14.2). It only prevents that: what is
// stored is guarded by CompareAndSwap. The error matches errLeased while another process has the lease. One that dies
// with it is waited for no longer than leaseLife.
func (b *Backend) lease(ctx context.Context, d digest) (release func(), err error) {
	key := d.key(leaseKeyPrefix)
	taken := time.Now()
	swapped, err := b.kv.CompareAndSwap(ctx, key, nil, []byte{1}, leaseLife)
	if err != nil {
		return nil, storeError("refresh", err)
	}
	if !swapped {
		return nil, fail(auth.CodeProviderUnavailable, "refresh", errLeased)
	}
	return func() {
		if time.Since(taken) >= leaseLife {
			return // it may be another's by now
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		_ = b.kv.Delete(ctx, key)
	}, nil
}
