package workos

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/netscript/auth"
)

var (
	errNotOwn     = errors.New("not a session of this user")
	errNotAllowed = errors.New("only for who is signed in")
)

// SignOut implements [auth.SignOutPort]. The session is taken from the seal, also when its token has expired. With an API
// key it is ended at WorkOS before the answer; without one, the Redirect leads the browser to WorkOS, which ends it and
// sends the browser on: to the return URL if that is absolute, and else to where the WorkOS dashboard says.
//
// This process refuses the session from then on. Other processes accept a copy of the cookie until its access token
// expires. Ending another session of the user, or all of them, needs an API key. When
// not all can be ended, that of the cookie is nevertheless, as far as possible, and the error says why not all.
func (b *Backend) SignOut(r *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	const op = "sign out"
	redirect := &auth.Redirect{Location: b.conf.returnURL(p.ReturnTo)}
	s := b.sealedSession(r)
	if s == nil {
		redirect.Cookies = []*http.Cookie{b.conf.clearSessionCookie()}
		if p.SessionID != "" || p.Everywhere {
			return redirect, fail(auth.CodeNoCredential, op, errNotAllowed)
		}
		return redirect, nil
	}
	id, userID := s.token.claims.text("sid"), s.token.claims.text("sub")
	if !usableID(id) {
		redirect.Cookies = []*http.Cookie{b.conf.clearSessionCookie()}
		return redirect, fail(auth.CodeSessionInvalid, op, errTokenNames)
	}
	if p.SessionID != "" && p.SessionID != id {
		return redirect, b.endOther(r.Context(), s, p.SessionID)
	}
	redirect.Cookies = []*http.Cookie{b.conf.clearSessionCookie()}
	var err error
	switch {
	case p.Everywhere:
		if err = b.signOutEverywhere(r); err != nil && !b.conf.APIKey.IsZero() && !b.ended.has(id) {
			_ = b.end(r.Context(), id, userID) // at least this one; the answer is the first error
		}
	case b.conf.APIKey.IsZero():
		redirect.Location = logoutURL(b.conf.BaseURL, id, redirect.Location)
	default:
		err = b.end(r.Context(), id, userID)
	}
	b.ended.add(id, b.conf.Now())
	b.renewal.forget(id)
	if err == nil {
		b.observe(r.Context(), auth.Event{Name: auth.EventSignedOut, SessionID: id, Subject: auth.NewSecret(userID)})
	}
	return redirect, err
}

// LogoutURL returns where to send the browser to end the session of r at WorkOS, which then sends it to returnTo: a URL
// that the WorkOS dashboard allows, or empty for its default. The session is taken from the seal, also when its token has
// expired. No session: errors.Is(err, auth.ErrUnauthenticated). The caller removes the cookie; [Backend.SignOut] does both.
func (b *Backend) LogoutURL(r *http.Request, returnTo string) (string, error) {
	s := b.sealedSession(r)
	if s == nil || !usableID(s.token.claims.text("sid")) {
		return "", fail(auth.CodeNoCredential, "logout URL", nil)
	}
	return logoutURL(b.conf.BaseURL, s.token.claims.text("sid"), returnTo), nil
}

func logoutURL(base, sessionID, returnTo string) string {
	u := base + "/user_management/sessions/logout?session_id=" + formEscape(sessionID)
	if strings.Contains(returnTo, "://") {
		u += "&return_to=" + formEscape(returnTo)
	}
	return u
}

// formEscape writes a value as the SDK's URLSearchParams does, which differs from Go in two characters.
func formEscape(value string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(value), "~", "%7E"), "%2A", "*")
}

// sealedSession returns the session that r's cookie holds, live or not, or nil. The seal proves it; it may have no usable id.
func (b *Backend) sealedSession(r *http.Request) *opened {
	value, how := readCookie(r.Header, b.conf.CookieName)
	if how != present {
		return nil
	}
	s, err := b.open(value, b.conf.Now())
	if err != nil {
		return nil
	}
	return s
}

// end ends a session of a user at WorkOS. What an error of the request itself means is not documented: then the list
// decides, because a session that is not on it has ended.
func (b *Backend) end(ctx context.Context, id, userID string) error {
	err := b.api.revoke(ctx, id)
	if auth.CodeOf(err) == auth.CodeProviderInvalid {
		active, listErr := b.api.list(ctx, userID)
		if listErr == nil && !slices.ContainsFunc(active, func(s *auth.Session) bool { return s.ID == id }) {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	b.noteEnded(ctx, id, userID)
	return nil
}

// noteEnded makes the end of a session felt here at once.
func (b *Backend) noteEnded(ctx context.Context, id, userID string) {
	b.ended.add(id, b.conf.Now())
	b.renewal.forget(id)
	b.observe(ctx, auth.Event{Name: auth.EventSessionRevoked, SessionID: id, Subject: auth.NewSecret(userID), Count: 1})
}

// endOther ends the session called id on behalf of who has s. Whether it does not exist or is somebody else's, the
// answer is the same. Nothing is refreshed: the redirect has no place for a new cookie, and the old one would be spent.
func (b *Backend) endOther(ctx context.Context, s *opened, id string) error {
	user, err := b.owner(ctx, s)
	if err != nil {
		return b.reject(ctx, err)
	}
	forbidden := fail(auth.CodeForbidden, "sign out", errNotOwn)
	if b.conf.APIKey.IsZero() {
		return forbidden // whose it is cannot be known
	}
	own, err := b.api.list(ctx, user)
	if err != nil {
		return err
	}
	listed := func(id string) bool {
		return slices.ContainsFunc(own, func(s *auth.Session) bool { return s.ID == id })
	}
	if !listed(s.token.claims.text("sid")) {
		return b.reject(ctx, fail(auth.CodeSessionRevoked, "sign out", nil))
	}
	if !listed(id) {
		return forbidden
	}
	return b.end(ctx, id, user)
}

// owner returns whose session s is. The token must be good, but may have expired where it could be refreshed: that the
// session lives is then for WorkOS' list to say.
func (b *Backend) owner(ctx context.Context, s *opened) (string, error) {
	c := s.token.claims
	if b.ended.has(c.text("sid")) {
		return "", fail(auth.CodeSessionRevoked, "sign out", nil)
	}
	if !b.renewable(s) || !s.token.expired(b.conf.Now()) {
		var err error
		if c, _, err = b.tokens.verifyParsed(ctx, s.token, fromClient); err != nil {
			return "", err
		}
	}
	if _, err := authenticationOf(c, s.payload); err != nil {
		return "", err
	}
	return c.text("sub"), nil
}

// signOutEverywhere needs a token that is good: a stolen old cookie must not end what its owner has since begun.
func (b *Backend) signOutEverywhere(r *http.Request) error {
	if b.conf.APIKey.IsZero() {
		return auth.Unsupported(Name, "sign out everywhere", noAPIKey)
	}
	a, err := b.Authenticate(r)
	if err != nil {
		return err
	}
	_, err = b.RevokeSessions(r.Context(), a.Session.UserID)
	return err
}
