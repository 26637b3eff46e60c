package workos

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

var (
	errNoCredential = fail(auth.CodeNoCredential, "authenticate", nil)
	errCookie       = errors.New("the cookie came twice, or is too long")
)

// Authenticate implements [auth.AuthenticatorPort]. The Authentication carries the new cookie when the session was
// refreshed. A cookie is removed from the browser when its session was ended, and with [OnExpiry] also when it is not one
// that these passwords have sealed: otherwise the cookie is the front end's, which may yet renew it.
func (b *Backend) Authenticate(r *http.Request) (*auth.Authentication, error) {
	value, how := readCookie(r.Header, b.conf.CookieName)
	switch how {
	case absent:
		return nil, errNoCredential
	case malformed:
		return nil, b.reject(r.Context(), fail(auth.CodeCredentialMalformed, "authenticate", errCookie))
	}
	a, err := b.authenticate(r.Context(), value)
	if err == nil && b.ended.has(a.Session.ID) {
		err = fail(auth.CodeSessionRevoked, "authenticate", nil)
	}
	if err != nil {
		return nil, b.reject(r.Context(), err)
	}
	return a, nil
}

func (b *Backend) authenticate(ctx context.Context, value string) (*auth.Authentication, error) {
	d, now := b.cache.digestOf(value), b.conf.Now()
	if a := b.cache.get(d, b.tokens.keys.fresh(), now); a != nil {
		return a, nil
	}
	s, err := b.open(value, now)
	if err != nil {
		return nil, err
	}
	if b.ended.has(s.token.claims.text("sid")) {
		return nil, fail(auth.CodeSessionRevoked, "authenticate", nil)
	}
	return b.decide(ctx, s, d)
}

// Session implements [auth.SessionReaderPort].
func (b *Backend) Session(r *http.Request) (*auth.Session, error) {
	a, err := b.Authenticate(r)
	if err != nil {
		return nil, err
	}
	return a.Session, nil
}

// opened is the content of a cookie whose seal is authentic. Its token is not verified.
type opened struct {
	payload payload
	token   *token
	until   time.Time // the seal's own expiry
}

// open unseals a cookie.
func (b *Backend) open(value string, now time.Time) (*opened, error) {
	sealed, wrapped := splitVersion(decodeCookie(value))
	u, err := b.unseal(sealed, now)
	if err != nil {
		return nil, err
	}
	p, err := parsePayload(u.plaintext, wrapped)
	if err != nil {
		return nil, err
	}
	raw, err := p.accessToken()
	if err != nil {
		return nil, err
	}
	t, err := parseToken(raw)
	if err != nil {
		return nil, invalidToken(err)
	}
	return &opened{p, t, u.until}, nil
}

func (b *Backend) unseal(sealed string, now time.Time) (*unsealed, error) {
	u, err := ironUnseal(sealed, b.conf.passwords, now)
	switch {
	case err == nil:
		return u, nil
	case errors.Is(err, errSealExpired):
		return nil, fail(auth.CodeSessionExpired, "open session", nil)
	case errors.Is(err, errSealContent):
		return nil, fail(auth.CodeSessionInvalid, "open session", err)
	}
	return nil, fail(auth.CodeCredentialMalformed, "open session", err)
}

// decide decides about an opened cookie, and refreshes it when that is due.
func (b *Backend) decide(ctx context.Context, s *opened, d digest) (*auth.Authentication, error) {
	renewable := b.renewable(s)
	if renewable && s.token.expired(b.conf.Now()) {
		return b.renewExpired(ctx, s)
	}
	c, from, err := b.tokens.verifyParsed(ctx, s.token, fromClient)
	if err != nil {
		return nil, err
	}
	a, err := authenticationOf(c, s.payload)
	if err != nil {
		return nil, err
	}
	until := earlier(a.Session.ExpiresAt, s.until)
	if renewable {
		due := a.Session.ExpiresAt.Add(-b.margin(a.Session))
		if !b.conf.Now().Before(due) {
			return b.renewEarly(ctx, s, a)
		}
		until = earlier(until, due)
	}
	b.cache.put(d, &verified{a, from, until})
	return a, nil
}

// renewable reports whether s is refreshed when that is due.
func (b *Backend) renewable(s *opened) bool {
	return b.conf.Refresh == OnExpiry && s.payload.text("refreshToken") != ""
}

// authenticationOf binds the token to the sealed user: the same person, or nobody. The SDK does not look.
func authenticationOf(c claims, p payload) (*auth.Authentication, error) {
	user, id, err := p.user()
	if err != nil {
		return nil, err
	}
	if id != c.text("sub") {
		return nil, fail(auth.CodeSessionInvalid, "authenticate", errOtherUser)
	}
	s := sessionOf(c)
	addSealed(s, p, user)
	return &auth.Authentication{Principal: principalOf(s), Session: s}, nil
}

// reject reports a cookie that is not good, and removes it if it is ours to remove.
func (b *Backend) reject(ctx context.Context, err error) error {
	if !errors.Is(err, auth.ErrUnauthenticated) {
		return err
	}
	code := auth.CodeOf(err)
	name := auth.EventSessionRejected
	if code == auth.CodeTokenExpired || code == auth.CodeSessionExpired {
		name = auth.EventSessionExpired
	}
	b.observe(ctx, auth.Event{Name: name, Code: code})
	foreign := code == auth.CodeCredentialMalformed || code == auth.CodeSessionInvalid
	if code == auth.CodeSessionRevoked || foreign && b.conf.Refresh == OnExpiry {
		return b.clearing(code, "authenticate", errors.Unwrap(err))
	}
	return err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
