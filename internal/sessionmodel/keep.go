package sessionmodel

import (
	"context"
	"time"

	"github.com/netscript/auth/store"
)

// keepLonger is how much longer records are kept in a store with a clock of its own: longer than any sequence takes.
const keepLonger = time.Hour

type keeping struct{ store.KV }

type keepingConditional struct {
	keeping
	store.ConditionalGetter
}

// keptLonger returns kv with longer lives for what is stored in it.
func keptLonger(kv store.KV) store.KV {
	if cg, ok := kv.(store.ConditionalGetter); ok {
		return keepingConditional{keeping{kv}, cg}
	}
	return keeping{kv}
}

func (k keeping) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return k.KV.Set(ctx, key, value, ttl+keepLonger)
}

func (k keeping) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (bool, error) {
	return k.KV.CompareAndSwap(ctx, key, prev, next, ttl+keepLonger)
}
