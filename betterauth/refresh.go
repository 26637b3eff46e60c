package betterauth

import (
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

// dropExpired deletes an expired session that was presented. Nobody depends on it: the expiry is what refuses it.
func (b *Backend) dropExpired(r *http.Request, rec *record, now time.Time) error {
	if !b.mayWrite(r) {
		return nil
	}
	return b.remove(r.Context(), &rec.session, now)
}

// renew extends a session. Only a session that is still there is extended: none comes back after a sign-out.
func (b *Backend) renew(r *http.Request, p request, rec *record, now time.Time) (*record, error) {
	ctx := r.Context()
	until := now.Add(b.conf.Session.ExpiresIn)
	live := true
	var err error
	if b.conf.Secondary != nil {
		live, err = b.extendStored(ctx, &rec.session, until, now)
		if !live && err == nil && b.conf.Secondary.fallback() {
			live = true // it came from the database
		}
	}
	if err == nil && live && b.conf.Secondary.inDatabase() {
		live, err = b.extend(ctx, &rec.session, until, now)
	}
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
