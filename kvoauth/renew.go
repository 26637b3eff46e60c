package kvoauth

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/netscript/auth"
)

const (
	successorKeyPrefix = "r:"
	// successorTTL is for how long an end of the old session also ends the new one: longer than a request with the old
	// credential may be under way.
	successorTTL = time.Minute
	leasePause   = 50 * time.Millisecond
)

// RenewSession gives the session of r a new credential and what change makes of its principal, and ends the old one: for a
// change of privileges, as when somebody turns administrator, so that a credential that was stolen before gains nothing
// (OWASP ASVS 5.0, 7.2.4). change may set Scopes, Roles and Claims, not Subject; its error, whose text goes nowhere, is
// answered with [auth.CodeForbidden] and changes nothing.
//
// The old credential is dead when the new one is returned. The session keeps its user, its limits, its provider tokens
// and the time of its authentication; nobody has proven anything anew. If it is ended meanwhile, by whomever, it stays
// ended. Other requests that the browser has under way with the old credential are refused, and answered with the cookie
// that removes it: renew when there are none, as in the answer to a form.
func (b *Backend) RenewSession(r *http.Request, change func(*auth.Principal) error) (*auth.CreatedSession, error) {
	ctx := r.Context()
	credential, ok := readCookie(r, b.cfg.CookieName)
	switch ok {
	case absent:
		return nil, errNoCredential
	case malformed:
		return nil, b.reject(ctx, fail(auth.CodeCredentialMalformed, "renew session", errCookie))
	}
	d := digestOf(credential)
	release, err := b.waitForLease(ctx, d) // or the refresh token might be spent while it is handed on
	if err != nil {
		return nil, err
	}
	defer release()
	created, err := b.renew(ctx, d, change)
	if err != nil {
		return nil, b.reject(ctx, err)
	}
	return created, nil
}

// waitForLease is lease, for who comes back when a renewal of the tokens that is under way has ended.
func (b *Backend) waitForLease(ctx context.Context, d digest) (release func(), err error) {
	deadline := time.NewTimer(refreshWait)
	defer deadline.Stop()
	for {
		release, err = b.lease(ctx, d)
		if !errors.Is(err, errLeased) {
			return release, err
		}
		select {
		case <-time.After(leasePause):
		case <-deadline.C:
			return nil, err
		case <-ctx.Done():
			return nil, fail(auth.CodeInternal, "renew session", ctx.Err())
		}
	}
}

func (b *Backend) renew(ctx context.Context, old digest, change func(*auth.Principal) error) (*auth.CreatedSession, error) {
	_, rec, err := b.readRecord(ctx, old)
	if err == nil && rec.expired(b.cfg.Now()) {
		err = fail(auth.CodeSessionExpired, "renew session", nil)
	}
	if err != nil {
		return nil, err
	}
	credential := newCredential()
	d := digestOf(credential)
	next, err := b.changed(old, d, rec, change)
	if err != nil {
		return nil, err
	}
	s, err := b.insert(ctx, d, next)
	if err != nil {
		return nil, err
	}
	if err := b.succeed(ctx, old, d, rec); err != nil {
		b.takeBack(ctx, d)
		return nil, err
	}
	lifetime := time.UnixMilli(next.AbsoluteAt).Sub(b.cfg.Now())
	return &auth.CreatedSession{Session: s, Cookies: []*http.Cookie{b.cfg.sessionCookie(credential, lifetime)}}, nil
}

// changed returns the record of the session of d, which follows the one of old.
func (b *Backend) changed(old, d digest, rec *record, change func(*auth.Principal) error) (*record, error) {
	p := auth.Principal{
		Subject: rec.Subject, Scopes: slices.Clone(rec.Scopes), Roles: slices.Clone(rec.Roles), Claims: maps.Clone(rec.Claims), Scheme: auth.SchemeCustom,
	}
	if err := change(&p); err != nil {
		return nil, fail(auth.CodeForbidden, "renew session", errors.New("the change was refused"))
	}
	if p.Subject != rec.Subject {
		return nil, fail(auth.CodeInternal, "renew session", errors.New("the change is of the subject"))
	}
	next := *rec
	next.Scopes, next.Roles, next.Claims = p.Scopes, p.Roles, storable(p.Claims)
	next.touch(b.cfg.Now(), b.cfg.IdleTimeout)
	if rec.Tokens == nil {
		return &next, nil
	}
	tokens, err := b.tokensOf(old, rec)
	if err != nil {
		return nil, err
	}
	if err := b.setTokens(d, &next, tokens); err != nil {
		return nil, err
	}
	next.RefreshAt = rec.RefreshAt
	return &next, nil
}

// succeed puts the session of d in the place of the one of old. Whoever ends that one at this moment either finds it, and
// then there is nothing to succeed, or finds its successor.
func (b *Backend) succeed(ctx context.Context, old, d digest, rec *record) error {
	if err := b.kv.Set(ctx, old.key(successorKeyPrefix), []byte(d.handle()), successorTTL); err != nil {
		return storeError("renew session", err)
	}
	ended, err := b.remove(ctx, old)
	switch {
	case err != nil:
		return err
	case ended == nil:
		return fail(auth.CodeSessionNotFound, "renew session", errors.New("it was ended meanwhile"))
	case !bytes.Equal(ended.Tokens, rec.Tokens): // the lease was lost
		b.revokeTokens(ctx, old, ended)
		return fail(auth.CodeStoreUnavailable, "renew session", errors.New("its tokens were renewed meanwhile"))
	}
	return nil
}

// takeBack ends a session whose credential has not left the process, also when the request has gone.
func (b *Backend) takeBack(ctx context.Context, d digest) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_, _ = b.remove(ctx, d)
}

// endSuccessor ends the session that has just followed the one of d, which has none of its own any more.
func (b *Backend) endSuccessor(ctx context.Context, d digest) error {
	handle, found, err := b.kv.Get(ctx, d.key(successorKeyPrefix))
	if err != nil {
		return storeError("end session", err)
	}
	if next, ok := parseHandle(string(handle)); found && ok {
		_, err = b.end(ctx, next)
		return err
	}
	return nil
}
