package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

type remoteKey = [sha256.Size]byte

// remoteAnswers keeps answers "yes" for a while.
type remoteAnswers struct {
	staleness time.Duration
	most      int

	mu      sync.Mutex
	entries map[remoteKey]remoteAnswer
	order   []remoteKey // as they were kept, so the oldest first; keys may be here that are gone
}

type remoteAnswer struct {
	authentication *Authentication
	until          time.Time
}

func newRemoteAnswers(staleness time.Duration, most int) *remoteAnswers {
	return &remoteAnswers{staleness: staleness, most: most, entries: make(map[remoteKey]remoteAnswer)}
}

func (c *remoteAnswers) get(key remoteKey, now time.Time) (*Authentication, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok || !now.Before(e.until) {
		return nil, false
	}
	return e.authentication, true
}

// put keeps an answer from when it was asked for, without its cookies: those are for who asked. A session that ends
// sooner ends it sooner.
func (c *remoteAnswers) put(key remoteKey, a *Authentication, asked time.Time) {
	if c == nil {
		return
	}
	kept := *a
	kept.Cookies = nil
	e := remoteAnswer{&kept, asked.Add(c.staleness)}
	if a.Session != nil && a.Session.ExpiresAt.Before(e.until) {
		e.until = a.Session.ExpiresAt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[key]; !ok {
		c.makeRoom(asked)
		c.order = append(c.order, key)
	}
	c.entries[key] = e
}

// makeRoom drops what has run out, and the oldest when that is not enough.
func (c *remoteAnswers) makeRoom(now time.Time) {
	for len(c.order) > 0 {
		oldest := c.order[0]
		if e := c.entries[oldest]; len(c.entries) < c.most && now.Before(e.until) {
			return
		}
		delete(c.entries, oldest)
		c.order = c.order[1:]
	}
}

// remoteFlights lets concurrent requests with one credential share a question.
type remoteFlights struct {
	mu      sync.Mutex
	flights map[remoteKey]*remoteFlight
}

type remoteFlight struct {
	done chan struct{}
	got  *Authentication
	err  error
}

// do asks, or waits for who is asking already. The question outlives the request that began it, because others may be
// waiting; f bounds it.
func (s *remoteFlights) do(ctx context.Context, key remoteKey, f func(context.Context) (*Authentication, error)) (*Authentication, error) {
	s.mu.Lock()
	flight, ok := s.flights[key]
	if !ok {
		flight = &remoteFlight{done: make(chan struct{})}
		if s.flights == nil {
			s.flights = make(map[remoteKey]*remoteFlight)
		}
		s.flights[key] = flight
		go s.run(context.WithoutCancel(ctx), key, flight, f)
	}
	s.mu.Unlock()
	select {
	case <-flight.done:
		return flight.got, flight.err
	case <-ctx.Done():
		return nil, &Error{Code: CodeProviderUnavailable, Op: "remote", Err: ctx.Err()}
	}
}

func (s *remoteFlights) run(ctx context.Context, key remoteKey, flight *remoteFlight, f func(context.Context) (*Authentication, error)) {
	defer close(flight.done)
	defer func() {
		s.mu.Lock()
		delete(s.flights, key)
		s.mu.Unlock()
	}()
	flight.err = remoteError(CodeInternal, "the question was not answered")
	flight.got, flight.err = f(ctx)
}
