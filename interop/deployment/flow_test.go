package deployment

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// begin starts a sign-in of p.
func (m *model) begin(p *person, i *instance) {
	a := m.do(http.MethodGet, i, "/signin?returnTo=/welcome", p.cookies, nil)
	if m.unclear("start of a sign-in", i, a, true) {
		if m.sure(i, a) && m.idpSky == "" {
			m.fail("start of a sign-in: %d although everything is well: %s", a.status, a.body)
		}
		return
	}
	if a.status != http.StatusFound || !strings.HasPrefix(a.location, m.idp.Issuer()) {
		m.fail("start of a sign-in: %d to %q, %s", a.status, a.location, a.body)
		return
	}
	m.turn++
	p.take(a)
	p.pending = &pending{a.location, m.turn}
}

// finish takes p through the provider and the callback, which any instance may get, by a redirect or by a script.
func (m *model) finish(p *person, i *instance) {
	if p.pending == nil {
		return
	}
	pend, previous := p.pending, p.session
	p.pending = nil
	values := m.authorize(pend.location, p.user)
	var a answer
	if m.random.IntN(2) == 0 {
		a = m.do(http.MethodGet, i, "/callback?"+values.Encode(), p.cookies, nil)
	} else {
		a = m.do(http.MethodPost, i, "/callback", p.cookies, textsOf(values))
	}
	m.judgeSignIn(p, pend, previous, i, a)
}

func textsOf(values url.Values) map[string]string {
	texts := map[string]string{}
	for name := range values {
		texts[name] = values.Get(name)
	}
	return texts
}

func (m *model) judgeSignIn(p *person, pend *pending, previous *session, i *instance, a answer) {
	if m.unclear("callback", i, a, true) {
		if a.status == 0 && previous != nil {
			previous.doubt()
		}
		if m.sure(i, a) && m.idpSky == "" {
			m.fail("callback: %d although everything is well: %s", a.status, a.body)
		}
		p.take(a)
		return
	}
	overtaken := pend.turn < m.endedHigh[p.user]
	credential, _ := a.sessionCookie()
	if a.status == http.StatusFound || a.status == http.StatusOK {
		if pend.turn < m.endedLow[p.user] {
			m.fail("%s is signed in by a sign-in that began before all sessions were ended", p.user)
		}
		m.acknowledged(p, previous, credential, i, a)
		return
	}
	clockWrong := m.idpSky == "far ahead" || m.idpSky == "far behind"
	switch {
	case credential != "":
		m.fail("callback: %d sets a session cookie", a.status)
	case a.status == http.StatusUnauthorized && overtaken, a.status == http.StatusBadRequest && clockWrong:
		m.count["sign-in refused"]++
	default:
		m.fail("callback: %d %s (overtaken: %t, provider: %q)", a.status, a.body, overtaken, m.idpSky)
	}
	p.take(a)
}

// acknowledged notes the session of a sign-in that succeeded, and that the browser's previous one has ended.
func (m *model) acknowledged(p *person, previous *session, credential string, i *instance, a answer) {
	s := &session{user: p.user, credential: credential}
	if a.status == http.StatusOK {
		var body struct{ SessionID, Subject string }
		if err := json.Unmarshal(a.body, &body); err != nil || body.Subject != p.user || body.SessionID == "" {
			m.fail("callback of %s: %s", p.user, a.body)
		}
		s.id = body.SessionID
	}
	if credential == "" {
		m.fail("a sign-in without a session cookie: %d %s", a.status, a.body)
		return
	}
	m.count["signed in"]++
	m.sessions = append(m.sessions, s)
	p.take(a)
	p.session = s
	switch {
	case previous == nil:
	case m.sure(i, a):
		previous.end(a, i.number)
	default:
		previous.doubt() // failing to end it is no reason to fail the sign-in
	}
}

// signOut ends the session of p. The cookie goes in every case that has an answer.
func (m *model) signOut(p *person, i *instance) {
	s := p.session
	a := m.do(http.MethodPost, i, "/signout", p.cookies, map[string]any{})
	m.judgeSignOut(s, i, a)
	p.take(a)
}

func (m *model) judgeSignOut(s *session, i *instance, a answer) {
	if _, removed := a.sessionCookie(); a.status != 0 && !removed {
		m.fail("a sign-out with %d leaves the cookie", a.status)
	}
	switch {
	case m.unclear("sign-out", i, a, false):
		s.doubt()
	case a.status == http.StatusOK && strings.Contains(string(a.body), `"signedOut":true`):
		m.count["signed out"]++
		s.end(a, i.number)
	default:
		m.fail("sign-out: %d %s", a.status, a.body)
	}
}

// everywhere ends all sessions of p's user.
func (m *model) everywhere(p *person, i *instance) {
	s := p.session
	m.turn++
	turn := m.turn
	a := m.do(http.MethodPost, i, "/signout", p.cookies, map[string]any{"everywhere": true})
	defer p.take(a)
	unclear := m.unclear("everywhere", i, a, false)
	switch {
	case !unclear && a.status == http.StatusUnauthorized:
		if s.surelyAlive() {
			m.fail("everywhere: %d of a live session", a.status)
		}
		s.end(a, i.number)
		return
	case !unclear && (a.status != http.StatusOK || !s.mayAuthenticate(a.began, i.number)):
		m.fail("everywhere: %d %s (dead for %v)", a.status, a.body, s.lateBy(a.began))
	}
	m.endedHigh[p.user] = turn
	if !unclear {
		m.endedLow[p.user] = turn
		m.count["signed out everywhere"]++
	}
	for _, other := range m.sessions {
		switch {
		case other.user != p.user:
		case unclear:
			other.doubt()
		default:
			other.end(a, i.number)
		}
	}
}

// endOther ends another session, which only its own user can.
func (m *model) endOther(p *person, i *instance) {
	s, other := p.session, m.one(func(s *session) bool { return s.id != "" && s != p.session })
	if other == nil {
		return
	}
	a := m.do(http.MethodDelete, i, "/sessions/"+other.id, p.cookies, nil)
	m.mayHaveRefreshed(s, i, a)
	switch {
	case m.unclear("end another", i, a, true):
		if other.user == s.user {
			other.doubt()
		}
	case a.status == http.StatusOK:
		if other.user != s.user || !s.mayAuthenticate(a.began, i.number) || !other.mayAuthenticate(a.began, i.number) {
			m.fail("%s ends a session of %s (dead for %v and %v)", s.user, other.user, s.lateBy(a.began), other.lateBy(a.began))
		}
		m.count["ended another"]++
		other.end(a, i.number)
	case a.status == http.StatusForbidden:
		if other.user == s.user && other.surelyAlive() {
			m.fail("end another: 403 for a live session")
		}
	case a.status == http.StatusUnauthorized:
		if s.surelyAlive() {
			m.fail("end another: 401 of a live session")
		}
		s.end(a, i.number)
	default:
		m.fail("end another: %d %s", a.status, a.body)
	}
	p.take(a)
}

// list compares p's list of sessions. Who gets one gets all of it.
func (m *model) list(p *person, i *instance) {
	s := p.session
	a := m.do(http.MethodGet, i, "/sessions", p.cookies, nil)
	m.mayHaveRefreshed(s, i, a)
	defer p.take(a)
	if m.unclear("list", i, a, true) {
		return
	}
	if a.status == http.StatusUnauthorized {
		if s.surelyAlive() {
			m.fail("list: 401 of a live session")
		}
		s.end(a, i.number)
		return
	}
	var body struct {
		Sessions []struct{ ID, Subject string }
	}
	if err := json.Unmarshal(a.body, &body); err != nil || a.status != http.StatusOK {
		m.fail("list: %d %s", a.status, a.body)
		return
	}
	listed := map[string]bool{}
	for _, one := range body.Sessions {
		listed[one.ID] = true
		if one.Subject != s.user {
			m.fail("a session of %s is in %s's list", one.Subject, s.user)
		}
	}
	for _, one := range m.sessions {
		switch {
		case one.id == "":
		case listed[one.id] && (one.user != s.user || !one.mayAuthenticate(a.began, i.number)):
			m.fail("a session of %s (dead for %v) is in %s's list", one.user, one.lateBy(a.began), s.user)
		case !listed[one.id] && one.user == s.user && one.surelyAlive():
			m.fail("%s's list lacks a live session", s.user)
		}
	}
}

// clone returns a person's cookies, for requests that do not wait for one another.
func (p *person) clone() map[string]string { return maps.Clone(p.cookies) }
