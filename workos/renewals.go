package workos

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"

	"github.com/netscript/auth"
)

const (
	// How long the outcome of a refresh is given to requests that come with the same cookie: those that the browser sent
	// before it had the new one. After a failure it keeps a WorkOS that is down from being asked at every request.
	keepRenewed = 10 * time.Second
	keepFailed  = 5 * time.Second
	maxRenewals = 4096
)

// renewals are the refreshes under way and those just done, by refresh token and organization. The zero value is ready.
type renewals struct {
	mu      sync.Mutex
	flights map[digest]*renewal
}

// renewal is one refresh. Its result is not to be read before done is closed.
type renewal struct {
	done      chan struct{}
	sessionID string
	answer    *auth.Authentication
	err       error
	until     time.Time // when the result is forgotten; zero while under way
}

func renewalKey(token, organization string) digest {
	return sha256.Sum256([]byte(token + "\x00" + organization))
}

// start returns the refresh of key, which it starts unless there is one. work runs in a goroutine of its own: what WorkOS
// answers must be kept although the request that asked for it has gone.
func (r *renewals) start(key digest, sessionID string, now func() time.Time, work func() (*auth.Authentication, error)) *renewal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[key]; f != nil && (f.until.IsZero() || now().Before(f.until)) {
		return f
	}
	r.sweep(now())
	f := &renewal{done: make(chan struct{}), sessionID: sessionID}
	r.flights[key] = f
	go func() {
		answer, err := work()
		r.finish(f, answer, err, now())
	}()
	return f
}

func (r *renewals) finish(f *renewal, answer *auth.Authentication, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.answer, f.err, f.until = answer, err, now.Add(keepFailed)
	if err == nil {
		f.until = earlier(now.Add(keepRenewed), answer.Session.ExpiresAt)
	}
	close(f.done)
}

// forget drops what is kept for a session that was ended: its new cookie must not come back.
func (r *renewals) forget(sessionID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.flights, func(_ digest, f *renewal) bool { return f.sessionID == sessionID })
}

// sweep makes room: what is out of date goes when there is much of it, and all that is done when that is not enough.
func (r *renewals) sweep(now time.Time) {
	if r.flights == nil {
		r.flights = map[digest]*renewal{}
	}
	if len(r.flights) < maxRenewals {
		return
	}
	done := func(f *renewal) bool { return !f.until.IsZero() }
	maps.DeleteFunc(r.flights, func(_ digest, f *renewal) bool { return done(f) && !now.Before(f.until) })
	if len(r.flights) >= maxRenewals {
		maps.DeleteFunc(r.flights, func(_ digest, f *renewal) bool { return done(f) })
	}
}
