package memo_test

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/netscript/auth/internal/memo"
)

type value struct{ n int }

func TestMemo(t *testing.T) {
	m := memo.New[value, string]()
	computed := 0
	text := func(v *value) (string, error) { computed++; return strconv.Itoa(v.n), nil }
	a, alike := &value{1}, &value{1}
	for range 3 {
		if got, err := m.Of(a, text); got != "1" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if computed != 1 {
		t.Errorf("computed %d times", computed)
	}
	if _, err := m.Of(alike, text); err != nil || computed != 2 {
		t.Errorf("a value that is alike is not the same: computed %d times, %v", computed, err)
	}
	failing := errors.New("no")
	for range 2 {
		if _, err := m.Of(&value{3}, func(*value) (string, error) { return "", failing }); !errors.Is(err, failing) {
			t.Errorf("%v", err)
		}
	}
	b := &value{4}
	_, _ = m.Of(b, func(*value) (string, error) { return "wrong", failing })
	if got, err := m.Of(b, text); got != "4" || err != nil {
		t.Errorf("a failure was remembered: %q, %v", got, err)
	}
}

// TestAddresses makes and drops far more values than are kept, so that addresses come again.
func TestAddresses(t *testing.T) {
	m := memo.New[value, int]()
	var working sync.WaitGroup
	for g := range 4 {
		working.Go(func() {
			for i := range 20_000 {
				n := g*1_000_000 + i
				if got, _ := m.Of(&value{n}, func(v *value) (int, error) { return v.n, nil }); got != n {
					t.Errorf("%d, want %d", got, n)
					return
				}
				if i%5000 == 0 {
					runtime.GC()
				}
			}
		})
	}
	working.Wait()
}
