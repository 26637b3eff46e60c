// Package sessionmodel tests the sessions of kvoauth over a store: it plays random sequences of sign-ins, reads, refreshes,
// revocations, clock jumps, outages and crashes on two processes that share the store, and compares every answer with
// what the rules alone say.
//
// What an operation did whose process crashed, or whose calls of the store failed, is not always known. The model then
// takes every answer that is possible, until one tells; what was acknowledged is certain.
package sessionmodel

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/netscript/auth/store"
)

// SeedVariable is the environment variable that replaces all seeds by one, to repeat a sequence.
const SeedVariable = "AUTH_TEST_SEED"

// Store makes the store for one sequence and returns what opens a client of it: one for each process, and a new one for
// a process that has crashed. Everything is closed with t at the latest. Only a store that takes its clock from the
// caller uses now.
type Store func(t testing.TB, now func() time.Time) (connect func() (client store.KV, disconnect func()))

// Options says how Run plays. The zero value is for a store that uses the clock it is given and is never behind.
type Options struct {
	// Seeds are played every time. One that was never played before is added. If nil, it is the only one.
	Seeds []uint64

	// Steps is how long a sequence is. If zero, 250.
	Steps int

	// OwnClock says that the store expires records by its own clock, which the model cannot move: it has them kept for
	// longer than kvoauth asks, so that only kvoauth's own decisions are seen.
	OwnClock bool

	// Behind is how long a client's GetIfChanged may still give what another client has changed. If zero, it never does.
	Behind time.Duration
}

// Run plays a sequence for each seed.
func Run(t *testing.T, s Store, o Options) {
	t.Helper()
	if o.Steps == 0 {
		o.Steps = 250
	}
	seeds := o.Seeds
	if os.Getenv("CI") == "" { // where what a new seed finds would stop a change that has nothing to do with it
		seeds = append(seeds[:len(seeds):len(seeds)], rand.Uint64())
	}
	if text := os.Getenv(SeedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Logf("%s=%d", SeedVariable, seed)
			if err := play(t, s, o, seed); err != nil {
				t.Error(err)
			}
		})
	}
}

// play returns the first disagreement between a sequence and the rules. Errors of the test's own parts end t.
func play(t testing.TB, s Store, o Options, seed uint64) error {
	m := newModel(t, s, o, seed)
	for range o.Steps {
		m.step()
		if m.problem != nil {
			return m.problem
		}
	}
	m.verify()
	return m.problem
}
