package sessionmodel

import (
	"errors"
	"time"

	"github.com/netscript/auth"
)

// read sends a request with the session's credential. Where a process may be behind, it is asked until it is not.
func (m *model) read(s *oracle) {
	if s.doubtful {
		m.settle([]*oracle{s}) // or an answer that is behind would count as proof of life
	}
	n, now := m.pick(), m.now()
	var a *auth.Authentication
	var err error
	var h how
	var wrong string
	for deadline := time.Now().Add(m.options.Behind); ; time.Sleep(time.Millisecond) {
		h = m.observe(n, func() { a, err = n.Authenticate(m.request(s.cookie())) })
		wrong = m.judgeRead(s, n, a, err, h)
		if wrong == "" || !time.Now().Before(deadline) {
			break
		}
	}
	if wrong != "" {
		m.fail("%s's session, created %v ago: %s: %v", s.user, now.Sub(s.absoluteAt.Add(-absoluteTimeout)), wrong, err)
		return
	}
	s.news = s.news && !h.sure
	switch {
	case err == nil:
		m.let++
		s.used(now, h)
	case undecided(err):
		m.unclear++
		s.mayHaveBeenUsed(now, h)
	default:
		m.turned++
		s.ended = true
	}
}

// judgeRead returns what is wrong with an answer.
func (m *model) judgeRead(s *oracle, n *node, a *auth.Authentication, err error, h how) string {
	now := m.now()
	alive, refused := s.alive(now), s.refused(now)
	isDown, _ := n.now()
	switch {
	case isDown == down && !undecided(err):
		return "the answer is clear although the store is down"
	case err == nil && alive == no:
		return "a dead session authenticates"
	case err == nil && refused == yes && h.sure:
		return "a session whose grant has ended authenticates"
	case err == nil && (a.Principal.Subject != s.user || a.Session.ID != s.id):
		return "it is another's"
	case err == nil && (a.Session.ExpiresAt.After(s.absoluteAt) || !a.Session.ExpiresAt.After(now)):
		return "its end is wrong"
	case err == nil:
		return ""
	case undecided(err) && h.sure:
		return "not decided although the store answers"
	case undecided(err):
		return ""
	case !errors.Is(err, auth.ErrUnauthenticated):
		return "neither yes nor no"
	case alive == yes && refused == no:
		return "a live session is refused"
	}
	return ""
}

// refresh renews the tokens of a session on an administrator's behalf.
func (m *model) refresh(s *oracle) {
	n, now := m.pick(), m.now()
	var err error
	h := m.observe(n, func() { _, err = n.RefreshSession(m.ctx, s.id) })
	alive := s.alive(now)
	var allowed bool
	switch {
	case err == nil:
		allowed = alive != no && s.tokens && s.grant != no
		s.grant, s.doubtful = yes, false
		s.renewed(now)
	case errors.Is(err, auth.ErrUnauthenticated):
		allowed = alive != yes || s.tokens && s.grant != yes
		s.end()
	case errors.Is(err, errors.ErrUnsupported):
		allowed = alive != no && !s.tokens
	default:
		allowed = undecided(err) && (!h.sure || now.Before(s.hindered))
		s.mayHaveBeenRenewed(now, h)
		s.hinder(now, h)
	}
	if !h.sure {
		s.hinder(now, h) // also when the tokens were renewed, and only the lease was left
		s.news = true
	}
	if !allowed {
		m.fail("refresh of %s's session (alive: %v, tokens: %t, grant: %v): %v", s.user, alive, s.tokens, s.grant, err)
	}
}

// list compares a user's list of sessions. Who gets one gets all of it, also while the store fails.
func (m *model) list(user string) {
	n := m.pick()
	var list []*auth.Session
	var err error
	h := m.observe(n, func() { list, err = n.ListSessions(m.ctx, user) })
	if err != nil {
		if h.sure || !undecided(err) {
			m.fail("list: %v", err)
		}
		return
	}
	listed := map[string]bool{}
	for _, s := range list {
		listed[s.ID] = true
	}
	unknown := len(listed)
	for _, s := range m.sessions {
		alive := s.alive(m.now())
		if listed[s.id] {
			unknown--
			if alive == no || s.user != user {
				m.fail("%s's session (alive: %v) is in %s's list", s.user, alive, user)
			}
		} else if alive == yes && s.user == user {
			m.fail("%s's list lacks a live session", user)
		}
	}
	if unknown > m.people[user].unknown {
		m.fail("%d sessions are in %s's list that nobody has made", unknown, user)
	}
}
