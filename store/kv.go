package store

import (
	"context"
	"time"
)

// KV is the key-value store that sessions, sign-in transactions and leases are kept in. Its methods use predeclared
// types, context and time only, so an implementation need not import this package; [storetest.TestKV] tells whether
// it keeps the contract.
//
// Answers. Missing and expired are the same thing, and that thing is a bool, never an error. An error always means
// that the store could not do it or could not tell; a caller answers "unavailable" then, never "no session" and never
// "session". When a method returns an error its other results are zero. A Set, Take, CompareAndSwap or Delete that
// returns an error has an unknown outcome: it may have happened, may not have, and must not be repeated by the
// implementation. An error names neither key nor value: both can be as good as a credential.
//
// Consistency. Each call happens at one moment between its start and its return, for all callers of the same store
// and across processes when the store is shared (linearizable). So a read that starts after a Delete has returned
// nil never finds the deleted record.
//
// Keys. A key is 1 to 200 bytes of printable ASCII without the space (0x21 to 0x7E). Callers use no other and
// implementations may rely on it. Keys are compared as bytes: case counts. Implementations do not interpret them.
//
// Values. A value is any bytes, none included; a nil value is stored as an empty one. An implementation takes values
// of at least 1 MiB and may refuse larger ones with an error. A found value is never a nil slice, because nil has a
// meaning of its own as CompareAndSwap's prev.
//
// Slices. An implementation keeps no reference to a slice it was given after the call has returned, and does not
// write to it. A slice it returns belongs to the caller, who may change it.
//
// Lifetimes. ttl runs from the call that wrote the record; overwriting starts a new one. A ttl of zero or less is
// refused with an error and changes nothing. A store may round a ttl up to whole milliseconds and takes every ttl up
// to ten years. Nothing lives for ever.
//
// Contexts. A call returns soon after ctx is done, with an error that wraps ctx.Err or with a correct answer.
//
// Methods are safe for concurrent use.
//
// [storetest.TestKV]: https://pkg.go.dev/github.com/netscript/auth/store/storetest#TestKV
type KV interface {
	// Get returns the value stored under key. found is false and err nil when there is no such record or its ttl
	// has run out.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)

	// Set stores value under key for ttl, whether or not the key is present.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Take returns the value stored under key and removes the record in the same step: of any number of concurrent
	// calls exactly one gets found. It is what makes a value single-use. After an error the caller treats the
	// value as used.
	Take(ctx context.Context, key string) (value []byte, found bool, err error)

	// CompareAndSwap stores next under key for ttl if the record is as prev says, in one step, and reports whether
	// it did. A nil prev means that the key must be absent. Any other prev, an empty one included, means that the
	// key must be present with a value of exactly these bytes: a CompareAndSwap with a non-nil prev never brings
	// back a record that was deleted or has expired. When swapped is false nothing has changed, the ttl included.
	CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (swapped bool, err error)

	// Delete removes the record stored under key. When there is none it returns nil.
	Delete(ctx context.Context, key string) error
}

// ConditionalGetter is an optional capability of a [KV]. With it a caller keeps a decoded value beside the version
// it was decoded from, asks on every use whether the record still has that version, and so neither decodes twice
// nor serves a record that was changed, deleted or has expired.
//
// The rules of [KV] hold: answers, slices, contexts, concurrency. Consistency is that of [KV] for everything that is
// written through the same value of the store, so that a read that starts after its Delete has returned nil never finds
// the record. A store that is shared between processes may be behind the others by a bound that it documents and keeps
// also when it can reach nobody; Get, Take and CompareAndSwap are never behind. It is what allows a read without a call
// over the network.
type ConditionalGetter interface {
	// GetIfChanged is Get, except that it also returns the record's version, and that value is nil when that version
	// is seen. Every successful write through this store gives the record a new version, also when the bytes are the
	// same; so does every write of other bytes by anybody else. A record that nobody writes keeps its version, unless
	// a store that keeps versions in bounded memory had to forget it. A version is never 0 and never used again for
	// the same key by this store, not after a delete and not after expiry; seen 0 therefore matches nothing. When found
	// is false, value is nil and version is 0.
	//
	// Versions of different stores, and of one store before and after a restart of the process that holds them,
	// must not be compared: forget them together with the store.
	GetIfChanged(ctx context.Context, key string, seen uint64) (value []byte, version uint64, found bool, err error)
}
