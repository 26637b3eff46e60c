package betterauth

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/netscript/auth"
)

var (
	errNotOwn     = errors.New("not a session of this user")
	errNotAllowed = errors.New("only for who is signed in")
	errUnreadable = errors.New("the session cannot be read, and so not be ended")
)

const opSignOut = "sign out"

// SignOut implements [auth.SignOutPort]. The session's row and its entry in the secondary storage are removed before the
// answer, and every cookie is cleared that the server clears. A session that has expired can be ended, too.
//
// A copy of session_data authenticates together with the token's cookie until it expires, at the server as well as here.
// A server without a database keeps nothing that could be ended: there, only the browser forgets.
func (b *Backend) SignOut(r *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	redirect := &auth.Redirect{Location: b.conf.returnURL(p.ReturnTo)}
	now := b.conf.Now().UTC().Truncate(time.Millisecond)
	presented := b.present(r)
	rec, err := b.findToEnd(r, presented.token)
	if p.SessionID != "" && rec != nil && p.SessionID != rec.session.id {
		return redirect, b.endOther(r, rec, p.SessionID, now)
	}
	redirect.Cookies = b.signOutCookies(presented.cookies)
	switch {
	case err != nil:
		return redirect, err
	case rec == nil && (p.SessionID != "" || p.Everywhere):
		return redirect, fail(auth.CodeNoCredential, opSignOut, errNotAllowed)
	case rec == nil:
		return redirect, b.endMulti(r, presented.cookies, now)
	case p.Everywhere && !rec.session.expiresAt.Before(now):
		_, err = b.RevokeSessions(r.Context(), rec.session.userID)
	case p.Everywhere:
		err = fail(auth.CodeSessionExpired, opSignOut, errNotAllowed)
	default:
		err = b.end(r, &rec.session, now)
	}
	if err == nil {
		b.observe(r.Context(), auth.Event{Name: auth.EventSignedOut, SessionID: rec.session.id, Subject: auth.NewSecret(rec.session.userID)})
	}
	return redirect, errors.Join(err, b.endMulti(r, presented.cookies, now))
}

// findToEnd returns the session with the token, live or not. One that cannot be read might be live for the server.
func (b *Backend) findToEnd(r *http.Request, token string) (*record, error) {
	if token == "" {
		return nil, nil
	}
	rec, err := b.find(r.Context(), token)
	if errors.Is(err, auth.ErrUnauthenticated) {
		return nil, fail(auth.CodeStoreUnavailable, opSignOut, errUnreadable)
	}
	return rec, err
}

func (b *Backend) end(r *http.Request, s *session, now time.Time) error {
	if err := b.remove(r.Context(), s, now); err != nil {
		return err
	}
	b.observe(r.Context(), auth.Event{Name: auth.EventSessionRevoked, SessionID: s.id, Subject: auth.NewSecret(s.userID), Count: 1})
	return nil
}

// endOther ends another session of the user whose session rec is. Whether it does not exist or is somebody else's, the
// answer is the same.
func (b *Backend) endOther(r *http.Request, rec *record, id string, now time.Time) error {
	forbidden := fail(auth.CodeForbidden, opSignOut, errNotOwn)
	if rec.session.expiresAt.Before(now) || b.barred(&rec.user, now) {
		return forbidden
	}
	own, err := b.liveSessions(r.Context(), rec.session.userID, now)
	if err != nil {
		return err
	}
	for i := range own {
		if own[i].id == id {
			return b.end(r, &own[i], now)
		}
	}
	return forbidden
}

// signOutCookies are the cookies that the server removes at a sign-out.
func (b *Backend) signOutCookies(cookies requestCookies) []*http.Cookie {
	list := b.conf.jar.clearSession(cookies)
	if b.conf.Cookies.AccountData {
		list = append(list, b.conf.jar.clear(keyAccountData))
	}
	if b.conf.Cookies.OAuthState {
		list = append(list, b.conf.jar.clear(keyOAuthState))
	}
	for _, c := range b.multiCookies(cookies) {
		list = append(list, b.conf.jar.named(c.name, "", -1))
	}
	return list
}

// multiCookies are the multi-session cookies that are signed, with their tokens for values. One that is not is nobody's:
// it ends nothing.
func (b *Backend) multiCookies(cookies requestCookies) []requestCookie {
	if !b.conf.multiSession {
		return nil
	}
	var list []requestCookie
	for _, c := range cookies {
		if !strings.HasPrefix(c.name, b.conf.jar.names[keySessionToken]+"_multi-") || len(list) == maxChunks {
			continue
		}
		if token, ok := b.conf.secrets.openSigned(decodeURI(c.value)); ok {
			list = append(list, requestCookie{c.name, token})
		}
	}
	return list
}

func (b *Backend) endMulti(r *http.Request, cookies requestCookies, now time.Time) error {
	var errs []error
	for _, c := range b.multiCookies(cookies) {
		rec, err := b.findToEnd(r, c.value)
		if err == nil && rec != nil {
			err = b.end(r, &rec.session, now)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
