package kvoauth

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/netscript/auth"
)

const (
	freshFor = 10 * time.Minute // then it is fetched again, in the background
	staleFor = 24 * time.Hour   // how long it serves while the provider is down
)

// fetched is a document of the provider that is fetched on first use and kept. When it is no longer fresh it still
// serves while one fetch in the background renews it, so that neither a slow provider nor one that is down for a while
// shows; when it is stale it no longer serves.
type fetched[T any] struct {
	fetch   func(ctx context.Context) (T, error)
	timeout time.Duration
	now     func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	value  T
	at     time.Time // of the last success; zero if none
	tried  time.Time // of the last attempt in the background
}

// get returns the document, fetching it when there is none that may serve.
func (f *fetched[T]) get(ctx context.Context) (T, error) {
	f.mu.Lock()
	value, age, have := f.value, f.now().Sub(f.at), !f.at.IsZero()
	retry := f.now().Sub(f.tried) >= freshFor/10
	if have && age >= freshFor && age < staleFor && retry {
		f.tried = f.now()
		f.mu.Unlock()
		f.start()
		return value, nil
	}
	f.mu.Unlock()
	if have && age < staleFor {
		return value, nil
	}
	return f.renew(ctx)
}

// renew fetches the document now. Concurrent calls share one fetch, which does not end with the context of one of them.
func (f *fetched[T]) renew(ctx context.Context) (T, error) {
	select {
	case r := <-f.start():
		value, _ := r.Val.(T)
		return value, r.Err
	case <-ctx.Done():
		var none T
		return none, providerError("fetch provider document", ctx.Err())
	}
}

func (f *fetched[T]) start() <-chan singleflight.Result {
	return f.flight.DoChan("", func() (_ any, err error) {
		defer contain(&err)
		ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
		defer cancel()
		value, err := f.fetch(ctx)
		if err == nil {
			f.mu.Lock()
			f.value, f.at = value, f.now()
			f.mu.Unlock()
		}
		return value, err
	})
}

// contain turns a panic of a flight into an error. A flight has a goroutine of its own, where a panic of a store or
// transport would end the process, and not, as in a handler, the request.
func contain(err *error) {
	if v := recover(); v != nil {
		*err = fail(auth.CodeInternal, "background work", errors.New("panic"))
	}
}
