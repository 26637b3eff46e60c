package betterauth

import (
	"context"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

// due reports whether the server would extend the session now.
func (b *Backend) due(s *session, now time.Time) bool {
	o := &b.conf.Session
	return !o.DisableRefresh && !s.expiresAt.Add(o.UpdateAge-o.ExpiresIn).After(now)
}

func (b *Backend) skipsRefresh(r *http.Request) bool {
	return b.conf.Session.SkipRefresh != nil && b.conf.Session.SkipRefresh(r)
}

// mayWrite reports whether this request may extend or delete a session.
func (b *Backend) mayWrite(r *http.Request) bool {
	o := &b.conf.Session
	return o.Refresh == RefreshWrite && (!o.DeferRefresh || r.Method == http.MethodPost)
}

// dropExpired deletes an expired session that was presented, unless others have extended it since it was read. Nobody
// depends on it: the expiry is what refuses it.
func (b *Backend) dropExpired(r *http.Request, rec *record, now time.Time) error {
	if !b.mayWrite(r) {
		return nil
	}
	s := &rec.session
	if b.conf.Secondary != nil { // whose copy decides, whatever the row says
		return b.remove(r.Context(), s, now)
	}
	defer b.local.forget(s.token)
	_, err := b.db.exec(r.Context(), "end session", b.statements.deleteExpired, s.id, s.token, b.db.dialect.timeParameter(now, s.stored))
	return err
}

// renew extends a session. Only a session that is still there is extended: none comes back after a sign-out.
func (b *Backend) renew(r *http.Request, p request, rec *record, now time.Time) (*record, error) {
	ctx := r.Context()
	until := now.Add(b.conf.Session.ExpiresIn)
	live, err := b.prolong(ctx, &rec.session, until, now)
	if err != nil {
		return nil, err
	}
	b.local.forget(rec.session.token)
	if !live {
		return nil, &auth.Error{Code: auth.CodeSessionNotFound, Backend: Name, Op: opAuthenticate, Err: errVanishing, Cookies: b.conf.jar.clearSession(p.cookies)}
	}
	renewed := *rec
	renewed.session.expiresAt, renewed.session.updatedAt = until, now
	b.observe(ctx, auth.Event{Name: auth.EventTokenRefreshed, SessionID: rec.session.id, Subject: auth.NewSecret(rec.session.userID)})
	return &renewed, nil
}

// prolong writes a session's new expiry. Where there is a row, the row goes first and decides: the storage gets nothing of
// a session that has none. It is false when the session has ended, and then the storage has it no more.
func (b *Backend) prolong(ctx context.Context, s *session, until, now time.Time) (bool, error) {
	switch {
	case b.conf.Secondary == nil:
		return b.extend(ctx, s, until, now)
	case !b.conf.Secondary.inDatabase():
		return b.extendStored(ctx, s, until, now)
	}
	live, err := b.extend(ctx, s, until, now)
	if err == nil && live {
		var stored bool
		if stored, err = b.extendStored(ctx, s, until, now); err == nil && !stored {
			return b.conf.Secondary.fallback(), nil // it came from the database
		}
		if err == nil {
			live, err = b.lives(ctx, s) // it may have been ended before the storage got it
		}
	}
	if err != nil || live {
		return live, err
	}
	return false, b.removeStored(ctx, s, now)
}

// lives reports whether the row of a session is there and has not ended.
func (b *Backend) lives(ctx context.Context, s *session) (bool, error) {
	rec, err := b.byToken(ctx, s.token)
	return rec != nil && rec.session.id == s.id && rec.session.expiresAt.After(b.conf.Now()), err
}
