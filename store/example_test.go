package store_test

import (
	"context"
	"fmt"
	"time"

	"github.com/netscript/auth/store"
)

func ExampleMemory() {
	ctx := context.Background()
	m, err := store.NewMemory(store.MemoryConfig{MaxBytes: 256 << 20})
	if err != nil {
		panic(err)
	}
	if err := m.Set(ctx, "txn/1", []byte("state"), 10*time.Minute); err != nil {
		panic(err)
	}
	value, found, err := m.Take(ctx, "txn/1")
	fmt.Printf("%s %t %v\n", value, found, err)
	value, found, err = m.Take(ctx, "txn/1")
	fmt.Printf("%q %t %v\n", value, found, err)
	// Output:
	// state true <nil>
	// "" false <nil>
}

// A caller that decodes records keeps the decoded form beside its version.
func ExampleConditionalGetter() {
	ctx := context.Background()
	m, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	_ = m.Set(ctx, "k", []byte("one"), time.Hour)
	value, version, _, _ := m.GetIfChanged(ctx, "k", 0)
	fmt.Printf("%s\n", value)
	value, _, found, _ := m.GetIfChanged(ctx, "k", version)
	fmt.Println(value == nil, found)
	_ = m.Set(ctx, "k", []byte("two"), time.Hour)
	value, _, _, _ = m.GetIfChanged(ctx, "k", version)
	fmt.Printf("%s\n", value)
	// Output:
	// one
	// true true
	// two
}
