package kvoauth

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/netscript/auth"
)

// CreateSession implements [auth.SessionAdminPort]. The session has no provider tokens. The subject is the provider's own
// and is qualified as one of a sign-in would be.
func (b *Backend) CreateSession(ctx context.Context, p auth.CreateSessionParams) (*auth.CreatedSession, error) {
	rp, err := b.relyingParty(p.ProviderID)
	if err != nil {
		return nil, err
	}
	subject, ok := rp.subject(p.Subject)
	if !ok || p.Lifetime != 0 && p.Lifetime < time.Millisecond {
		return nil, fail(auth.CodeValidation, "create session", errors.New("subject is empty or reserved, or lifetime too short"))
	}
	epoch, err := b.epoch(ctx)
	if err != nil {
		return nil, err
	}
	principal := &auth.Principal{Subject: subject, Scopes: slices.Clone(p.Scopes), Roles: slices.Clone(p.Roles), Claims: p.Claims}
	userID, err := b.userOf(ctx, rp.Provider.ID, p.Subject, principal, nil, "")
	if err != nil {
		return nil, err
	}
	now := b.cfg.Now()
	rec := newRecord(now, b.cfg, rp.Provider.ID, p.Subject, userID, principal)
	rec.Epoch = epoch
	if p.Lifetime > 0 {
		rec.AbsoluteAt = min(rec.AbsoluteAt, now.Add(p.Lifetime).UnixMilli())
		rec.touch(now, b.cfg.IdleTimeout)
	}
	credential, s, err := b.create(ctx, rec, nil)
	if err != nil {
		return nil, err
	}
	lifetime := time.UnixMilli(rec.AbsoluteAt).Sub(now) // and not the idle timeout, which each use puts off
	return &auth.CreatedSession{Session: s, Cookies: []*http.Cookie{b.cfg.sessionCookie(credential, lifetime)}}, nil
}

// SessionByID implements [auth.SessionAdminPort].
func (b *Backend) SessionByID(ctx context.Context, id string) (*auth.Session, error) {
	d, ok := parseHandle(id)
	if !ok {
		return nil, fail(auth.CodeSessionNotFound, "read session", nil)
	}
	e, err := b.live(ctx, d)
	if err != nil {
		return nil, err
	}
	return e.answer.Session, nil
}

// RefreshSession implements [auth.SessionAdminPort]. A session without a refresh token: errors.ErrUnsupported.
func (b *Backend) RefreshSession(ctx context.Context, id string) (*auth.Session, error) {
	d, ok := parseHandle(id)
	if !ok {
		return nil, fail(auth.CodeSessionNotFound, "refresh", nil)
	}
	if _, err := b.live(ctx, d); err != nil {
		return nil, err
	}
	// In the same flight as the refreshes of requests: two at once would spend one refresh token twice.
	select {
	case r := <-b.start(ctx, d, refreshDue, true):
		if r.Err != nil {
			return nil, r.Err
		}
	case <-ctx.Done():
		return nil, fail(auth.CodeInternal, "refresh", ctx.Err())
	}
	return b.SessionByID(ctx, id)
}

// RevokeSession implements [auth.SessionAdminPort].
func (b *Backend) RevokeSession(ctx context.Context, id string) error {
	d, ok := parseHandle(id)
	if !ok {
		return nil
	}
	_, err := b.end(ctx, d)
	return err
}

// ListSessions implements [auth.SessionAdminPort]: the newest first.
func (b *Backend) ListSessions(ctx context.Context, userID string) ([]*auth.Session, error) {
	sessions, err := b.liveSessions(ctx, userID)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(sessions, func(x, y *auth.Session) int { return cmp.Compare(y.IssuedAt.UnixNano(), x.IssuedAt.UnixNano()) })
	return sessions, nil
}

// RevokeSessions implements [auth.SessionAdminPort].
func (b *Backend) RevokeSessions(ctx context.Context, userID string) (int, error) {
	return b.endAll(ctx, userID)
}
