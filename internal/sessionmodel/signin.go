package sessionmodel

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
)

// signIn is one that has begun.
type signIn struct {
	redirect *auth.Redirect
	began    time.Time
	turn     int
}

func (m *model) request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.test/orders", nil).WithContext(m.ctx)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

func (s *oracle) cookie() *http.Cookie {
	return &http.Cookie{Name: kvoauth.DefaultCookieName, Value: s.credential}
}

// credentialIn returns the value of the session cookie that is set.
func credentialIn(cookies []*http.Cookie) string {
	for _, c := range cookies {
		if c.Name == kvoauth.DefaultCookieName && c.MaxAge > 0 {
			return c.Value
		}
	}
	return ""
}

// undecided reports whether err says that it could not be told, and leaves the browser its session.
func undecided(err error) bool {
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Code.Class() == nil && !slices.ContainsFunc(e.Cookies, func(c *http.Cookie) bool { return c.Name == kvoauth.DefaultCookieName })
}

// start sends the browser to the provider. It returns nil if that failed.
func (m *model) start(cookies ...*http.Cookie) *signIn {
	n := m.pick()
	var redirect *auth.Redirect
	var err error
	h := m.observe(n, func() { redirect, err = n.SignIn(m.request(cookies...), auth.SignInParams{}) })
	switch {
	case err != nil && h.sure:
		m.fail("start of a sign-in: %v", err)
	case err != nil && !undecided(err):
		m.fail("start of a sign-in while the store fails: %v", err)
	case err == nil:
		m.turns++
		return &signIn{redirect, m.now(), m.turns}
	}
	return nil
}

func (m *model) begin() {
	if s := m.start(); s != nil {
		m.pending = append(m.pending, s)
	}
}

// finish takes the oldest sign-in that has begun through the provider and the callback.
func (m *model) finish(user string) {
	if len(m.pending) == 0 {
		return
	}
	s := m.pending[0]
	m.pending = m.pending[1:]
	m.callback(s, user, nil)
}

// signInAs does all at once, in a browser that may have a session.
func (m *model) signInAs(user string, previous *oracle) {
	var cookies []*http.Cookie
	if previous != nil {
		cookies = append(cookies, previous.cookie())
	}
	if s := m.start(cookies...); s != nil {
		m.callback(s, user, previous)
	}
}

func (m *model) callback(s *signIn, user string, previous *oracle) {
	answer := m.person.Authorize(s.redirect.Location, user)
	cookies := []*http.Cookie{s.redirect.Cookies[len(s.redirect.Cookies)-1]}
	if previous != nil {
		cookies = append(cookies, previous.cookie())
	}
	n := m.pick()
	var result *auth.CallbackResult
	var err error
	h := m.observe(n, func() {
		result, err = n.HandleCallback(m.request(cookies...), auth.CallbackParams{Values: answer.Values(), Mode: auth.ResponseModeQuery})
	})
	var id, credential string
	if err == nil {
		id, credential = result.Session.ID, credentialIn(result.Redirect.Cookies)
	}
	m.judgeSignIn(user, m.overtaken(s, user), err, h)
	m.acknowledged(user, credential, id, true, err, n)
	switch {
	case previous == nil || err != nil:
	case h.sure:
		previous.end()
	default:
		previous.doubt() // failing to end it is no reason to fail the sign-in
	}
}

// overtaken says with which code a sign-in must fail now, and whether it may succeed all the same.
func (m *model) overtaken(s *signIn, user string) (v signInVerdict) {
	u := m.people[user]
	switch {
	case !m.now().Before(s.began.Add(signInTimeout)):
		v.code = auth.CodeTransactionInvalid
	case s.turn < u.endedLow:
		v.code = auth.CodeSessionRevoked
	case s.turn < u.endedHigh:
		v.code, v.open = auth.CodeSessionRevoked, true
	}
	return v
}

// signInVerdict is the outcome that a sign-in must have.
type signInVerdict struct {
	code auth.Code // empty: success
	open bool      // it may also succeed
}

// judgeSignIn compares the outcome of a sign-in with what it must be.
func (m *model) judgeSignIn(user string, v signInVerdict, err error, h how) {
	code := auth.CodeOf(err)
	switch {
	case err == nil && v.code != "" && !v.open:
		m.fail("%s is signed in although it must fail with %q", user, v.code)
	case err != nil && code != v.code && h.sure:
		m.fail("%s's sign-in fails with %v, want %q", user, err, v.code)
	case err != nil && code != v.code && !undecided(err):
		m.fail("%s's sign-in fails with %v while the store does", user, err)
	}
}

func (m *model) create(user string) {
	n := m.pick()
	var created *auth.CreatedSession
	var err error
	h := m.observe(n, func() { created, err = n.CreateSession(m.ctx, auth.CreateSessionParams{Subject: user}) })
	var id, credential string
	if err == nil {
		id, credential = created.Session.ID, credentialIn(created.Cookies)
	}
	m.judgeSignIn(user, signInVerdict{}, err, h)
	m.acknowledged(user, credential, id, false, err, n)
}

// acknowledged notes the session of a sign-in that succeeded, or that there may be one which nobody can use: the sign-in
// failed on the way, or the process crashed before it could answer.
func (m *model) acknowledged(user, credential, id string, tokens bool, err error, n *node) {
	if sky, _ := n.now(); err != nil || sky == dead {
		m.people[user].unknown++
		return
	}
	m.sessions = append(m.sessions, newOracle(user, credential, id, tokens, m.now()))
}
