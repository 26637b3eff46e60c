// Package storetest judges implementations of [store.KV] and breaks them on purpose.
//
// [TestKV] is the conformance kit: one subtest for each sentence of the contract. Run it in the test of your store:
//
//	func TestConformance(t *testing.T) {
//		storetest.TestKV(t, func(t *testing.T) store.KV { return mystore.New(...) })
//	}
//
// The kit knows interfaces only. A store that is also a [store.ConditionalGetter] is held to that contract too. It takes
// a few seconds of real time, because records must be seen to expire; a store with a clock that can be set runs at once
// with [TestKVWith].
//
// [Faulty] wraps a store whose calls fail, hang or lose their reply when a test says so.
package storetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/netscript/auth/store"
)

// Options adapts the kit to a store.
type Options struct {
	// Advance moves the clock of every store that newStore returned forward by d. If nil, the kit waits instead,
	// up to about two seconds in a subtest, and subtests run in parallel.
	Advance func(d time.Duration)

	// CallTimeout bounds each subtest; a store that hangs fails it. If zero, it is one minute.
	CallTimeout time.Duration
}

// TestKV runs the kit with the zero [Options]. newStore is called for each subtest, with the subtest's t, and may
// return the same store every time, also one that holds other records: the kit uses keys that nobody else has.
func TestKV(t *testing.T, newStore func(t *testing.T) store.KV) {
	t.Helper()
	TestKVWith(t, Options{}, newStore)
}

// TestKVWith is [TestKV] with options.
func TestKVWith(t *testing.T, o Options, newStore func(t *testing.T) store.KV) {
	t.Helper()
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if o.Advance == nil {
				t.Parallel()
			}
			kv := newStore(t)
			if kv == nil {
				t.Fatal("newStore returned nil")
			}
			ok, err := c.judge(t.Context(), o, kv)
			if err != nil {
				t.Error(err)
			}
			if !ok {
				t.Logf("%T is no store.ConditionalGetter: nothing to check", kv)
			}
		})
	}
}

// check is one sentence of the contract.
type check struct {
	name string
	run  func(*probe)

	// conditional is set instead of run when the sentence is ConditionalGetter's.
	conditional func(*probe, store.ConditionalGetter)
}

func checks() []check {
	var all []check
	for _, list := range [][]check{valueChecks, lifetimeChecks, swapChecks, concurrencyChecks, contextChecks, conditionalChecks} {
		all = append(all, list...)
	}
	return all
}

// judge runs the check against kv. ok is false when it does not apply.
func (c check) judge(ctx context.Context, o Options, kv store.KV) (ok bool, err error) {
	timeout := o.CallTimeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &probe{kv: kv, ctx: ctx, advance: o.Advance, prefix: "storetest/" + rand.Text() + "/"}
	if c.run != nil {
		c.run(p)
		return true, p.err
	}
	cg, ok := kv.(store.ConditionalGetter)
	if ok {
		c.conditional(p, cg)
	}
	return ok, p.err
}
