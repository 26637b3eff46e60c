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

// givenBack is the value of a lease that nobody holds.
var givenBack = []byte("free")

var errLeased = errors.New("another process is renewing the tokens")

// lease keeps other processes from renewing the tokens of d at the same time: a provider that rotates refresh tokens
// takes a second use of one for theft and ends the grant (RFC 9700, section 4.14.2). It only prevents that: what is
// stored is guarded by CompareAndSwap. The error matches errLeased while another process has the lease. One that dies
// with it is waited for no longer than leaseLife.
func (b *Backend) lease(ctx context.Context, d digest) (release func(), err error) {
	key, token := d.key(leaseKeyPrefix), []byte(newCredential())
	swapped, err := b.kv.CompareAndSwap(ctx, key, nil, token, leaseLife)
	if err == nil && !swapped {
		swapped, err = b.kv.CompareAndSwap(ctx, key, givenBack, token, leaseLife)
	}
	if err != nil {
		return nil, storeError("refresh", err)
	}
	if !swapped {
		return nil, fail(auth.CodeProviderUnavailable, "refresh", errLeased)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		// Only while it is ours: a call that is late must not end the lease of the next.
		_, _ = b.kv.CompareAndSwap(ctx, key, token, givenBack, time.Second)
	}, nil
}
