package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

func newFaulty(t *testing.T, fault func(storetest.Op, string) storetest.Fault) *storetest.Faulty {
	t.Helper()
	m, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return &storetest.Faulty{KV: m, Fault: fault}
}

func TestFaultyWithoutFaultIsAStore(t *testing.T) {
	storetest.TestKV(t, func(t *testing.T) store.KV { return newFaulty(t, nil) })
}

// calls makes each call once, all on the same key, and returns the errors.
func calls(ctx context.Context, f *storetest.Faulty) map[storetest.Op]error {
	errs := map[storetest.Op]error{}
	_, _, errs[storetest.OpGet] = f.Get(ctx, "k")
	errs[storetest.OpSet] = f.Set(ctx, "k", []byte("v"), time.Hour)
	_, errs[storetest.OpCompareAndSwap] = f.CompareAndSwap(ctx, "k", []byte("v"), []byte("w"), time.Hour)
	_, _, errs[storetest.OpTake] = f.Take(ctx, "k")
	errs[storetest.OpDelete] = f.Delete(ctx, "k")
	return errs
}

func TestFaultyFails(t *testing.T) {
	for op, err := range calls(t.Context(), newFaulty(t, storetest.Always(storetest.Fail))) {
		if !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("%s: got %v, want ErrInjected", op, err)
		}
	}
}

func TestFaultyFailsOneMethod(t *testing.T) {
	for op, err := range calls(t.Context(), newFaulty(t, storetest.Always(storetest.Fail, storetest.OpTake))) {
		if got, want := errors.Is(err, storetest.ErrInjected), op == storetest.OpTake; got != want {
			t.Errorf("%s: got %v", op, err)
		}
	}
}

func TestFaultyHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty(t, storetest.Always(storetest.Hang, storetest.OpGet))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, _, found, err := f.GetIfChanged(ctx, "k", 0)
		if waited := time.Since(start); found || !errors.Is(err, context.DeadlineExceeded) || waited != time.Minute {
			t.Errorf("GetIfChanged: found %t, error %v after %v", found, err, waited)
		}
	})
}

func TestFaultyLosesReply(t *testing.T) {
	f := newFaulty(t, storetest.Always(storetest.LoseReply, storetest.OpSet, storetest.OpTake))
	if err := f.Set(t.Context(), "k", []byte("v"), time.Hour); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("Set: %v", err)
	}
	if value, found, err := f.Get(t.Context(), "k"); string(value) != "v" || !found || err != nil {
		t.Errorf("Get after a Set without reply: %q, %t, %v", value, found, err)
	}
	if value, found, err := f.Take(t.Context(), "k"); value != nil || found || !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("Take: %q, %t, %v", value, found, err)
	}
	if _, found, err := f.Get(t.Context(), "k"); found || err != nil {
		t.Errorf("Get after a Take without reply: %t, %v", found, err)
	}
}

// TestFaultyWithPlainStore covers a store without GetIfChanged: the value always comes back.
func TestFaultyWithPlainStore(t *testing.T) {
	f := newFaulty(t, nil)
	f.KV = struct{ store.KV }{f.KV}
	if err := f.Set(t.Context(), "k", []byte("v"), time.Hour); err != nil {
		t.Fatal(err)
	}
	var seen uint64
	for range 3 {
		value, version, found, err := f.GetIfChanged(t.Context(), "k", seen)
		if string(value) != "v" || version == seen || !found || err != nil {
			t.Fatalf("GetIfChanged: %q, %d, %t, %v", value, version, found, err)
		}
		seen = version
	}
	if value, version, found, err := f.GetIfChanged(t.Context(), "absent", seen); value != nil || version != 0 || found || err != nil {
		t.Errorf("absent: %q, %d, %t, %v", value, version, found, err)
	}
}

func ExampleFaulty() {
	m, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	// A store that can be read and not written to, as a database that has become a replica.
	f := &storetest.Faulty{KV: m, Fault: storetest.Always(storetest.Fail, storetest.OpSet, storetest.OpCompareAndSwap)}
	_ = f.Set(context.Background(), "k", []byte("v"), time.Minute)
}
