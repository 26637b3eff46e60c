package kvoauth_test

import (
	"runtime"
	"testing"
	"time"
)

// settleWithin bounds how long a machine that is busy with other tests may take to end what has nothing more to do.
const settleWithin = 30 * time.Second

// eventually waits until ok. A test that uses it says nothing about how long that takes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(settleWithin); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// baseline counts the goroutines that there are now. What it returns waits until there are no more than that, and
// otherwise fails the test and shows them.
func baseline(t testing.TB) (back func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	return func() {
		t.Helper()
		for deadline := time.Now().Add(settleWithin); runtime.NumGoroutine() > before; time.Sleep(2 * time.Millisecond) {
			if !time.Now().After(deadline) {
				continue
			}
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, and %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
