package betterauth

import (
	"errors"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

const opAuthenticate = "authenticate"

var (
	errNoToken   = errors.New("no session cookie that is signed with this secret")
	errGone      = errors.New("no such session")
	errExpired   = errors.New("the session has expired")
	errBanned    = errors.New("the user is banned")
	errVanishing = errors.New("the session ended while it was renewed")
)

// Authenticate implements [auth.AuthenticatorPort]. It decides as the server's GET /get-session does: an API key before a
// token in the Authorization header, that before the session cookie, and session_data before the database where that is
// enabled. Nothing in r but these headers is read.
func (b *Backend) Authenticate(r *http.Request) (*auth.Authentication, error) {
	if key := b.presentedKey(r.Header); key != "" {
		return b.authenticateKey(r, key)
	}
	if token := b.presentedJWT(r.Header); token != "" {
		return b.authenticateJWT(r.Context(), token)
	}
	return b.authenticateSession(r)
}

// Session implements [auth.SessionReaderPort]. For an API key or a JWT, behind which there is no session, it describes the
// credential itself.
func (b *Backend) Session(r *http.Request) (*auth.Session, error) {
	a, err := b.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if a.Session == nil {
		return credentialSession(a, b.conf.Now()), nil
	}
	return a.Session, nil
}

// request is what a request presents.
type request struct {
	cookies  requestCookies
	token    string
	remember bool // there is no dont_remember cookie
}

// present reads the credentials of r that stand for a session.
func (b *Backend) present(r *http.Request) request {
	p := request{cookies: readCookies(r.Header)}
	signed, unsigned := b.bearerCookie(r.Header)
	switch {
	case unsigned != "":
		p.token = unsigned
	case signed == "":
		signed = p.cookies.get(b.conf.jar.names[keySessionToken])
		fallthrough
	default:
		p.token, _ = b.conf.secrets.openSigned(signed)
	}
	_, forget := b.conf.secrets.openSigned(p.cookies.get(b.conf.jar.names[keyDontRemember]))
	p.remember = !forget
	return p
}

func (b *Backend) authenticateSession(r *http.Request) (*auth.Authentication, error) {
	p := b.present(r)
	now := b.conf.Now().UTC().Truncate(time.Millisecond)
	data, stray := b.sessionData(r, p)
	if p.token == "" {
		return nil, &auth.Error{Code: auth.CodeNoCredential, Backend: Name, Op: opAuthenticate, Err: errNoToken, Cookies: stray}
	}
	if data != "" {
		a, err := b.authenticateCached(r, p, data, now)
		if a != nil || err != nil {
			return a, err
		}
		stray = append(stray, b.conf.jar.clear(keySessionData))
	}
	rec, err := b.known(r, p.token, now)
	if err != nil {
		return nil, err
	}
	if err := b.refuse(r, p, rec, now); err != nil {
		return nil, err
	}
	return b.admit(r, p, rec, now, stray)
}

// sessionData returns session_data where it is to be used, or the cookies that remove it where it is not enabled.
func (b *Backend) sessionData(r *http.Request, p request) (data string, stray []*http.Cookie) {
	c := b.conf.CookieCache
	switch {
	case c == nil:
		return "", b.conf.jar.clearData(p.cookies)
	case p.token == "" || c.Bypass != nil && c.Bypass(r):
		return "", nil
	}
	return p.cookies.data(b.conf.jar.names[keySessionData]), nil
}

// authenticateCached decides from session_data alone, but for the membership. Nil and nil: the database decides.
func (b *Backend) authenticateCached(r *http.Request, p request, data string, now time.Time) (*auth.Authentication, error) {
	rec := b.fromCache(r, data, p.token, now)
	if rec == nil {
		return nil, nil
	}
	if b.conf.organization != nil && rec.session.organizationID != "" && b.db != nil {
		u, m, err := b.standing(r.Context(), rec.session.userID, rec.session.organizationID, rec.session.teamID)
		if err != nil || u == nil {
			return nil, err
		}
		if b.barred(u, now) {
			return nil, fail(auth.CodeSessionRevoked, opAuthenticate, errBanned)
		}
		withMember := *rec
		withMember.member = m
		rec = &withMember
	}
	if b.barred(&rec.user, now) {
		return nil, fail(auth.CodeSessionRevoked, opAuthenticate, errBanned)
	}
	a := b.authentication(rec)
	if cookies := b.reissue(rec, p, now); cookies != nil {
		renewed := *a
		renewed.Cookies = cookies
		return &renewed, nil
	}
	return a, nil
}

// known returns the session with that token, from memory where that is enabled. One that has expired there may have been
// extended by others.
func (b *Backend) known(r *http.Request, token string, now time.Time) (*record, error) {
	if rec := b.local.get(token, now); rec != nil && !rec.session.expiresAt.Before(now) {
		return rec, nil
	}
	mark := b.local.mark()
	rec, err := b.find(r.Context(), token)
	if err == nil && rec != nil {
		b.local.put(token, rec, now, mark)
	}
	return rec, err
}

// refuse returns the error for a session that is not valid now, with the cookies that the server would remove.
func (b *Backend) refuse(r *http.Request, p request, rec *record, now time.Time) error {
	code, reason := auth.CodeSessionNotFound, errGone
	switch {
	case rec == nil:
	case rec.session.expiresAt.Before(now):
		code, reason = auth.CodeSessionExpired, errExpired
		if err := b.dropExpired(r, rec, now); err != nil {
			return err
		}
	case b.barred(&rec.user, now):
		return fail(auth.CodeSessionRevoked, opAuthenticate, errBanned) // the ban may end before the session does
	default:
		return nil
	}
	return &auth.Error{Code: code, Backend: Name, Op: opAuthenticate, Err: reason, Cookies: b.conf.jar.clearSession(p.cookies)}
}

// barred reports whether the user is banned, and that counts.
func (b *Backend) barred(u *user, now time.Time) bool {
	return b.conf.admin != nil && !b.conf.admin.InsecureAllowBanned && u.bannedAt(now)
}

// admit answers a request whose session is valid, and renews the session if that is due.
func (b *Backend) admit(r *http.Request, p request, rec *record, now time.Time, cookies []*http.Cookie) (*auth.Authentication, error) {
	due := b.due(&rec.session, now) && p.remember && !b.skipsRefresh(r)
	write := due && b.mayWrite(r)
	if write {
		renewed, err := b.renew(r, p, rec, now)
		if err != nil {
			return nil, err
		}
		rec = renewed
		cookies = append(cookies, b.conf.jar.cookie(keySessionToken, b.conf.secrets.sign(rec.session.token), b.conf.Session.ExpiresIn))
	}
	if p.remember && !b.skipsRefresh(r) {
		cookies = append(cookies, b.cacheCookies(rec, p, now)...)
	}
	a := b.authentication(rec)
	if due && !write {
		a = withRefresh(a)
	}
	a.Cookies = cookies
	return a, nil
}
