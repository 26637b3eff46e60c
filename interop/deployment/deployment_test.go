// Package deployment plays random sequences on a whole deployment and compares every answer with what the rules alone
// say: two instances of the service that are killed, one Redis that keeps what it acknowledges and is killed too, a
// provider that is down, overloaded or has the wrong time, and the ways between them, which break.
//
// The rules: no request that begins after an acknowledged sign-out is let in, but for the few seconds for which an instance
// may not hear of it; nobody becomes somebody else; a session that was acknowledged lives until something ends it; and
// "could not tell" takes no cookie away.
package deployment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

const (
	// SeedVariable replaces all seeds by one, to repeat a sequence. What runs at the same time differs all the same.
	SeedVariable = "AUTH_TEST_SEED"
	// SeedsVariable is how many new seeds are played, and StepsVariable how long each sequence is.
	SeedsVariable = "AUTH_DEPLOYMENT_SEEDS"
	StepsVariable = "AUTH_DEPLOYMENT_STEPS"
)

// TestDeployment plays the pinned seeds, one with refresh tokens that rotate and one without.
func TestDeployment(t *testing.T) {
	program := build(t)
	steps := number(t, StepsVariable, 150)
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Logf("%s=%d", SeedVariable, seed)
			m := newModel(t, program, seed)
			for range steps {
				if m.step(); m.problem != nil {
					break
				}
			}
			if m.problem == nil {
				m.verify()
			}
			t.Log(m.summary())
			if m.problem != nil {
				t.Fatal(m.problem)
			}
			if m.count["let in"] < steps/8 || m.count["turned away"] < steps/15 || m.count["signed in"] < steps/30 {
				t.Error("the sequence proves little")
			}
		})
	}
}

func seeds(t *testing.T) []uint64 {
	t.Helper()
	if os.Getenv(SeedVariable) != "" {
		return []uint64{uint64(number(t, SeedVariable, 0))}
	}
	list := []uint64{1, 2}
	for range number(t, SeedsVariable, 0) {
		list = append(list, uint64(rand.Uint32()))
	}
	return list
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s: %q is no number", name, text)
	}
	return n
}

// isLetIn reports what a session or me answer says.
func isLetIn(a answer) bool { return bytes.Contains(a.body, []byte(`"authenticated":true`)) }
