package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth/store"
)

func newMemory(t testing.TB, cfg store.MemoryConfig) *store.Memory {
	t.Helper()
	m, err := store.NewMemory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustSet(t testing.TB, m *store.Memory, key string, value []byte, ttl time.Duration) {
	t.Helper()
	if err := m.Set(t.Context(), key, value, ttl); err != nil {
		t.Fatalf("Set(%s): %v", key, err)
	}
}

func wantFound(t testing.TB, m *store.Memory, key string, want bool) {
	t.Helper()
	if _, found, err := m.Get(t.Context(), key); found != want || err != nil {
		t.Errorf("Get(%s): found %t, error %v, want found %t", key, found, err, want)
	}
}

func wantEntries(t testing.TB, m *store.Memory, want int) {
	t.Helper()
	if n, size := m.Size(); n != want || (n == 0) != (size == 0) {
		t.Errorf("Size: %d entries, %d bytes, want %d entries", n, size, want)
	}
}

func TestNewMemoryRefusesNegativeBounds(t *testing.T) {
	for _, cfg := range []store.MemoryConfig{{MaxEntries: -1}, {MaxBytes: -1}} {
		if m, err := store.NewMemory(cfg); err == nil || m != nil {
			t.Errorf("NewMemory(%+v): no error", cfg)
		}
	}
}

func TestMemoryRefusesWrites(t *testing.T) {
	m := newMemory(t, store.MemoryConfig{})
	for _, key := range []string{"", strings.Repeat("k", 201), "a b", "a\tb", "a\x00", "caf\u00e9", "a\x7f"} {
		if err := m.Set(t.Context(), key, nil, time.Hour); err == nil {
			t.Errorf("Set(%q): no error", key)
		} else if key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("Set(%q): the error has the key: %v", key, err)
		}
		if _, err := m.CompareAndSwap(t.Context(), key, nil, nil, time.Hour); err == nil {
			t.Errorf("CompareAndSwap(%q): no error", key)
		}
		wantFound(t, m, key, false)
	}
	wantEntries(t, m, 0)
}

func TestMemoryMaxEntries(t *testing.T) {
	c := newClock()
	m := newMemory(t, store.MemoryConfig{MaxEntries: 3, Now: c.now})
	mustSet(t, m, "a", []byte("a"), time.Minute)
	mustSet(t, m, "b", []byte("b"), time.Hour)
	mustSet(t, m, "c", []byte("c"), time.Hour)

	if err := m.Set(t.Context(), "d", []byte("d"), time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("Set of a new key at the bound: %v, want ErrFull", err)
	}
	if swapped, err := m.CompareAndSwap(t.Context(), "d", nil, []byte("d"), time.Hour); swapped || !errors.Is(err, store.ErrFull) {
		t.Errorf("CompareAndSwap of a new key at the bound: %t, %v, want ErrFull", swapped, err)
	}
	if swapped, err := m.CompareAndSwap(t.Context(), "d", []byte("x"), []byte("d"), time.Hour); swapped || err != nil {
		t.Errorf("CompareAndSwap that does not apply: %t, %v, want false and no error", swapped, err)
	}
	for _, live := range []string{"a", "b", "c"} {
		wantFound(t, m, live, true)
	}
	wantFound(t, m, "d", false)
	mustSet(t, m, "b", []byte("overwritten"), time.Hour)

	c.advance(time.Minute)
	mustSet(t, m, "d", []byte("d"), time.Hour)
	wantFound(t, m, "a", false)
	wantFound(t, m, "d", true)
	if err := m.Set(t.Context(), "e", nil, time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("Set at the bound again: %v, want ErrFull", err)
	}
	if err := m.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	mustSet(t, m, "e", nil, time.Hour)
	wantEntries(t, m, 3)
}

func TestMemoryMaxBytes(t *testing.T) {
	c := newClock()
	m := newMemory(t, store.MemoryConfig{MaxBytes: 10_000, Now: c.now})
	mustSet(t, m, "a", make([]byte, 4_000), time.Minute)
	mustSet(t, m, "b", make([]byte, 4_000), time.Hour)

	for _, key := range []string{"b", "c"} { // larger, and new
		if err := m.Set(t.Context(), key, make([]byte, 8_000), time.Hour); !errors.Is(err, store.ErrFull) {
			t.Errorf("Set(%s) beyond the bound: %v, want ErrFull", key, err)
		}
	}
	if value, found, _ := m.Get(t.Context(), "b"); !found || len(value) != 4_000 {
		t.Errorf("a refused Set changed the record: found %t, %d bytes", found, len(value))
	}
	wantEntries(t, m, 2)
	mustSet(t, m, "b", make([]byte, 5_000), time.Hour)
	mustSet(t, m, "b", make([]byte, 10), time.Hour)
	mustSet(t, m, "b", make([]byte, 5_000), time.Hour)

	c.advance(time.Minute)
	mustSet(t, m, "b", make([]byte, 9_000), time.Hour)
	wantFound(t, m, "a", false)
	if _, size := m.Size(); size < 9_000 || size > 10_000 {
		t.Errorf("Size: %d bytes, want 9000 to 10000", size)
	}
	if err := m.Set(t.Context(), "big", make([]byte, 20_000), time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("Set of a value larger than the store: %v, want ErrFull", err)
	}
}

// TestMemoryFullUnderRace has many writers at the bound at once: never more than the bound, and exactly the bound.
func TestMemoryFullUnderRace(t *testing.T) {
	const bound, writers, each = 500, 16, 100
	m := newMemory(t, store.MemoryConfig{MaxEntries: bound})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := m.Set(t.Context(), fmt.Sprintf("%d/%d", w, i), []byte("v"), time.Hour)
				if err != nil && !errors.Is(err, store.ErrFull) {
					t.Error(err)
				}
				if n, _ := m.Size(); n > bound {
					t.Errorf("%d entries", n)
				}
			}
		})
	}
	wg.Wait()
	wantEntries(t, m, bound)
}

// TestMemoryReclaimsOnWrites never reads nor fills the store: writes alone keep it from growing.
func TestMemoryReclaimsOnWrites(t *testing.T) {
	c := newClock()
	m := newMemory(t, store.MemoryConfig{Now: c.now})
	const perMinute, ttl = 4_000, 5
	most := 0
	for minute := range 40 {
		for i := range perMinute {
			mustSet(t, m, fmt.Sprintf("%d/%d", minute, i), []byte("v"), ttl*time.Minute)
		}
		n, _ := m.Size()
		most = max(most, n)
		c.advance(time.Minute)
	}
	if live := perMinute * ttl; most < live || most > live*3/2 {
		t.Errorf("at most %d entries with %d live", most, live)
	}
}

// TestMemoryGivesBackWhenAllExpired leaves nothing behind, neither of expired nor of deleted records.
func TestMemoryGivesBackWhenAllExpired(t *testing.T) {
	c := newClock()
	m := newMemory(t, store.MemoryConfig{MaxEntries: 10_000, Now: c.now})
	for i := range 10_000 {
		mustSet(t, m, sessionKey(i), make([]byte, i%2_000), time.Minute)
	}
	c.advance(time.Minute)
	mustSet(t, m, "new", nil, time.Minute) // at the bound: reclaims
	for i := range 10_000 {
		mustSet(t, m, sessionKey(i), nil, time.Minute)
		if err := m.Delete(t.Context(), sessionKey(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Delete(t.Context(), "new"); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, m, 0)
}

func TestMemoryInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, store.MemoryConfig{})
		mustSet(t, m, "k", []byte("v"), 90*24*time.Hour)
		time.Sleep(90*24*time.Hour - 1)
		wantFound(t, m, "k", true)
		time.Sleep(time.Nanosecond)
		wantFound(t, m, "k", false)
		mustSet(t, m, "ever", []byte("v"), math.MaxInt64)
		wantFound(t, m, "ever", true)
	})
}

// TestMemoryClockSetBack has an operator set the clock of an injected Now back: what lives, lives longer; nothing else.
func TestMemoryClockSetBack(t *testing.T) {
	c := newClock()
	m := newMemory(t, store.MemoryConfig{Now: c.now})
	c.advance(-time.Hour)
	mustSet(t, m, "k", []byte("v"), time.Minute)
	wantFound(t, m, "k", true)
	c.advance(time.Minute)
	wantFound(t, m, "k", false)
}

func TestMemoryCancelledContext(t *testing.T) {
	m := newMemory(t, store.MemoryConfig{})
	mustSet(t, m, "k", []byte("v"), time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, getErr := m.Get(ctx, "k")
	_, _, takeErr := m.Take(ctx, "k")
	_, swapErr := m.CompareAndSwap(ctx, "k", []byte("v"), nil, time.Hour)
	for _, err := range []error{getErr, takeErr, swapErr, m.Set(ctx, "k", nil, time.Hour), m.Delete(ctx, "k")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if value, _, _ := m.Get(t.Context(), "k"); string(value) != "v" {
		t.Errorf("the record is %q now", value)
	}
}

// TestMemoryDoesNotPrint formats a store in every way that could reach a log.
func TestMemoryDoesNotPrint(t *testing.T) {
	m := newMemory(t, store.MemoryConfig{})
	secret := []byte("hunter2hunter2")
	mustSet(t, m, "keykeykey", secret, time.Hour)
	var out bytes.Buffer
	type around struct{ m *store.Memory }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb, m)
		fmt.Fprintf(&out, verb, around{m})
		fmt.Fprintf(&out, verb, &around{m})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("store", "m", m, "around", around{m})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("store", "m", m, "around", around{m})
	for _, leak := range []string{"hunter2", "keykeykey", fmt.Sprintf("%x", secret), fmt.Sprint(secret)[1:20]} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("printing the store shows %q", leak)
		}
	}
}

func TestMemoryReadsOfUnchangedDoNotAllocate(t *testing.T) {
	m := newMemory(t, store.MemoryConfig{})
	mustSet(t, m, "k", make([]byte, 800), time.Hour)
	_, version, _, _ := m.GetIfChanged(t.Context(), "k", 0)
	if n := testing.AllocsPerRun(100, func() {
		if value, _, found, _ := m.GetIfChanged(t.Context(), "k", version); value != nil || !found {
			t.Error("changed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
