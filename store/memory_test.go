package store_test

import (
	"testing"

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
