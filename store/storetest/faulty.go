package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/netscript/auth/store"
)

// ErrInjected is what a call that [Faulty] made fail returns, wrapped.
var ErrInjected = errors.New("storetest: injected fault")

// Op names a method of a store.
type Op string

// The methods a [Faulty] can break.
const (
	OpGet            Op = "Get" // also GetIfChanged
	OpSet            Op = "Set"
	OpTake           Op = "Take"
	OpCompareAndSwap Op = "CompareAndSwap"
	OpDelete         Op = "Delete"
)

// Fault is what goes wrong with a call.
type Fault int

const (
	// None lets the call through.
	None Fault = iota

	// Fail returns an error at once; the store is not asked.
	Fail

	// Hang waits until the call's context is done and returns its error; the store is not asked.
	Hang

	// LoseReply makes the call and returns an error whatever the answer was, as when a connection breaks after the
	// server has acted.
	LoseReply
)

// Faulty is a store whose calls go wrong when a test says so: for proving what a caller does while the store is down,
// slow or unclear. It has [store.ConditionalGetter] also when KV has not; then every read is a change.
//
// It is safe for concurrent use if KV and Fault are.
type Faulty struct {
	// KV does the work. It must not be nil.
	KV store.KV

	// Fault is asked before each call what shall go wrong with it. Several goroutines may ask at once; to change
	// the answer during a test, keep it in an atomic variable. If nil, nothing goes wrong.
	Fault func(op Op, key string) Fault

	versions atomic.Uint64
}

var (
	_ store.KV                = (*Faulty)(nil)
	_ store.ConditionalGetter = (*Faulty)(nil)
)

// Always returns a Fault function that breaks every call of the given methods, of all when none is given.
func Always(fault Fault, ops ...Op) func(Op, string) Fault {
	return func(op Op, _ string) Fault {
		if len(ops) == 0 {
			return fault
		}
		for _, o := range ops {
			if o == op {
				return fault
			}
		}
		return None
	}
}

// Get implements [store.KV].
func (f *Faulty) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	err = f.call(ctx, OpGet, key, func() (err error) {
		value, found, err = f.KV.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return value, found, nil
}

// GetIfChanged implements [store.ConditionalGetter].
func (f *Faulty) GetIfChanged(ctx context.Context, key string, seen uint64) (value []byte, version uint64, found bool, err error) {
	cg, ok := f.KV.(store.ConditionalGetter)
	if !ok {
		if value, found, err = f.Get(ctx, key); found {
			version = f.versions.Add(1)
		}
		return value, version, found, err
	}
	err = f.call(ctx, OpGet, key, func() (err error) {
		value, version, found, err = cg.GetIfChanged(ctx, key, seen)
		return err
	})
	if err != nil {
		return nil, 0, false, err
	}
	return value, version, found, nil
}

// Set implements [store.KV].
func (f *Faulty) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return f.call(ctx, OpSet, key, func() error { return f.KV.Set(ctx, key, value, ttl) })
}

// Take implements [store.KV].
func (f *Faulty) Take(ctx context.Context, key string) (value []byte, found bool, err error) {
	err = f.call(ctx, OpTake, key, func() (err error) {
		value, found, err = f.KV.Take(ctx, key)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return value, found, nil
}

// CompareAndSwap implements [store.KV].
func (f *Faulty) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (swapped bool, err error) {
	err = f.call(ctx, OpCompareAndSwap, key, func() (err error) {
		swapped, err = f.KV.CompareAndSwap(ctx, key, prev, next, ttl)
		return err
	})
	return swapped && err == nil, err
}

// Delete implements [store.KV].
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.call(ctx, OpDelete, key, func() error { return f.KV.Delete(ctx, key) })
}

func (f *Faulty) call(ctx context.Context, op Op, key string, do func() error) error {
	fault := None
	if f.Fault != nil {
		fault = f.Fault(op, key)
	}
	switch fault {
	case None:
		return do()
	case Hang:
		<-ctx.Done()
		return fmt.Errorf("%s: %w: %w", op, ErrInjected, ctx.Err())
	case LoseReply:
		if err := do(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w", op, ErrInjected)
}
