package workos

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keepEnded = 24 * time.Hour // longer than access tokens live
	maxEnded  = 64 << 10
)

// ended are the sessions that this process has ended. Their access tokens would be good until they expire; here they are
// refused at once. Other processes notice at the expiry. The zero value is ready.
type ended struct {
	some atomic.Bool // whether there is anything to look for
	mu   sync.Mutex
	at   map[string]time.Time // by session id
}

func (e *ended) add(id string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.at) >= maxEnded {
		maps.DeleteFunc(e.at, func(_ string, at time.Time) bool { return now.Sub(at) >= keepEnded })
	}
	if e.at == nil || len(e.at) >= maxEnded {
		e.at = map[string]time.Time{} // the tokens of those forgotten are good until they expire, as everywhere else
	}
	e.at[id] = now
	e.some.Store(true)
}

func (e *ended) has(id string) bool {
	if !e.some.Load() {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.at[id]
	return ok
}
