package kvoauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/netscript/auth"
)

const (
	maxRevocations        = 1024 // of one provider that wait
	revocationWorkers     = 4    // of one provider at a time
	revocationAttempts    = 4    // for one token
	firstRevocationPause  = time.Second
	revocationPauseFactor = 5
	longestRevocationWait = time.Minute // also when Retry-After says more
)

// revoker has one provider revoke the tokens of sessions that have ended here (RFC 7009). Nobody waits for it: what ends
// a session is the store. It is a bounded queue with a few workers, which exist only while there is work.
type revoker struct {
	rp      *relyingParty
	observe func(context.Context, auth.Event)

	mu      sync.Mutex
	queue   []revocation
	workers int
	idle    chan struct{} // closed when the last worker ends; nil while there is none
	closed  bool          // takes no more
	given   chan struct{} // closed when nobody waits for the rest any more
}

// revocation is a token to be revoked. Revoking a refresh token ends the access tokens of its grant too (RFC 7009,
// section 2.1).
type revocation struct {
	ctx         context.Context //nolint:containedctx // carries the values of the request that ended the session, and no end
	token, hint string
	event       auth.Event
}

func newRevoker(rp *relyingParty, observe func(context.Context, auth.Event)) *revoker {
	return &revoker{rp: rp, observe: observe, given: make(chan struct{})}
}

// revokeTokens has the provider revoke the tokens behind the session of d, whose end the store has acknowledged. A
// provider that takes one token's revocation for the end of all that the person has granted is not asked.
func (b *Backend) revokeTokens(ctx context.Context, d digest, rec *record) {
	if rec == nil || rec.Tokens == nil {
		return
	}
	if t, err := b.tokensOf(d, rec); err == nil {
		b.revoke(ctx, rec.event(auth.EventTokenRevoked, d, ""), t)
	}
}

// revoke does it for tokens that no session holds. e is the event of its success.
func (b *Backend) revoke(ctx context.Context, e auth.Event, t *tokenSet) {
	rp, err := b.relyingParty(e.ProviderID)
	if err != nil || rp.Provider.RevocationEndsConsent || t.Grantee != rp.grantee() {
		return
	}
	job := revocation{context.WithoutCancel(ctx), t.Refresh, "refresh_token", e}
	if t.Refresh == "" {
		job.token, job.hint = t.Access, "access_token"
	}
	if job.token != "" {
		rp.revoker.add(job)
	}
}

// Shutdown waits until the tokens of sessions that have ended are revoked at their providers, or until ctx is done: then
// it gives up what is left and returns ctx's error. Tokens of sessions that end later are not revoked any more; all else
// goes on. Call it when no request is in flight any more.
func (b *Backend) Shutdown(ctx context.Context) error {
	var waiting []<-chan struct{}
	for _, rp := range b.parties {
		waiting = append(waiting, rp.revoker.close())
	}
	var err error
	for i, idle := range waiting {
		select {
		case <-idle:
		case <-ctx.Done():
		}
		if !b.parties[i].revoker.quiet() {
			b.parties[i].revoker.giveUp()
			err = ctx.Err()
		}
	}
	return err
}

// add queues job, or drops it: it never waits.
func (r *revoker) add(job revocation) {
	r.mu.Lock()
	if r.closed || len(r.queue) >= maxRevocations {
		r.mu.Unlock()
		r.failed(job, auth.CodeProviderUnavailable)
		return
	}
	defer r.mu.Unlock()
	r.queue = append(r.queue, job)
	if r.workers == revocationWorkers {
		return
	}
	if r.workers++; r.idle == nil {
		r.idle = make(chan struct{})
	}
	go r.work()
}

// close takes no more, and returns what is closed when there is nothing left.
func (r *revoker) close() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.idle == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	return r.idle
}

// quiet reports whether nothing is queued or under way.
func (r *revoker) quiet() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.workers == 0
}

// giveUp lets workers end with what they are at.
func (r *revoker) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.givenUp() {
		close(r.given)
	}
}

func (r *revoker) givenUp() bool {
	select {
	case <-r.given:
		return true
	default:
		return false
	}
}

func (r *revoker) work() {
	for {
		job, ok := r.next()
		if !ok {
			return
		}
		if code := r.revoke(job); code != "" {
			r.failed(job, code)
		}
	}
}

func (r *revoker) next() (revocation, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		if r.workers--; r.workers == 0 {
			close(r.idle)
			r.idle, r.queue = nil, nil
		}
		return revocation{}, false
	}
	job := r.queue[0]
	r.queue[0] = revocation{} // the token is not kept longer than it is needed
	r.queue = r.queue[1:]
	return job, true
}

// revoke tries until the provider has answered, and returns why it did not succeed, or "". A provider that is down, slow
// or busy is asked again after a while, which it may name (RFC 7009, section 2.2.1).
func (r *revoker) revoke(job revocation) auth.Code {
	pause := firstRevocationPause
	for attempt := 1; !r.givenUp(); attempt++ {
		after, err := r.attempt(job)
		code := auth.CodeOf(err)
		if code != auth.CodeProviderUnavailable || attempt == revocationAttempts {
			return code
		}
		wait := time.NewTimer(min(max(pause, after), longestRevocationWait))
		select {
		case <-wait.C:
		case <-r.given:
			wait.Stop()
		}
		pause *= revocationPauseFactor
	}
	return auth.CodeProviderUnavailable
}

// attempt makes one request. after is when the provider wants to be asked again.
func (r *revoker) attempt(job revocation) (after time.Duration, err error) {
	defer contain(&err)
	ctx, cancel := context.WithTimeout(job.ctx, 2*r.rp.client.Timeout)
	defer cancel()
	m, err := r.rp.metadata.get(ctx)
	if err != nil || m.revocation == "" {
		return 0, err
	}
	if after, err = r.rp.revokeToken(ctx, m.revocation, job.token, job.hint); err == nil {
		r.observe(job.ctx, job.event)
	}
	return after, err
}

// failed says so. Workers call it, where a panic of the observer would end the process.
func (r *revoker) failed(job revocation, code auth.Code) {
	var err error
	defer contain(&err)
	e := job.event
	e.Name, e.Code = auth.EventTokenRevocationFailed, code
	r.observe(job.ctx, e)
}

// revokeToken sends the token to the revocation endpoint and nowhere else (RFC 7009, section 2.1). A token that the
// provider does not know is revoked (section 2.2).
func (rp *relyingParty) revokeToken(ctx context.Context, endpoint, token, hint string) (after time.Duration, err error) {
	const op = "revoke token"
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, fail(auth.CodeProviderInvalid, op, errors.New("endpoint is not a URL"))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	res, err := rp.client.Do(r)
	if err != nil {
		return 0, providerError(op, err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection can be used again; the status has said it all
	switch status := res.StatusCode; {
	case status/100 == 2:
		return 0, nil
	case status >= 500 || status == http.StatusTooManyRequests:
		return rp.retryAfter(res.Header), fail(auth.CodeProviderUnavailable, op, errStatus)
	case status == http.StatusUnauthorized:
		return 0, fail(auth.CodeClientRejected, op, errStatus)
	}
	return 0, fail(auth.CodeProviderRefused, op, errStatus)
}

// retryAfter returns how long the provider wants to be left alone (RFC 9110, section 10.2.3), or 0.
func (rp *relyingParty) retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(v, 10, 16); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return at.Sub(rp.Now())
	}
	return 0
}
