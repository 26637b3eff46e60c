package sessionmodel

import (
	"errors"

	"github.com/netscript/auth"
)

// ending notes what became of an attempt to end s.
func (m *model) ending(s *oracle, what string, err error, h how) {
	switch {
	case err == nil:
		s.end()
	case h.sure || !undecided(err):
		m.fail("%s: %v", what, err)
	default:
		s.doubt()
	}
}

func (m *model) signOut(s *oracle) {
	n := m.pick()
	var err error
	h := m.observe(n, func() { _, err = n.SignOut(m.request(s.cookie()), auth.SignOutParams{}) })
	if sky, _ := n.now(); sky == down && err == nil {
		m.fail("a sign-out succeeds although the store is down")
	}
	m.ending(s, "sign-out", err, h)
}

func (m *model) revoke(s *oracle) {
	n := m.pick()
	var err error
	h := m.observe(n, func() { err = n.RevokeSession(m.ctx, s.id) })
	m.ending(s, "revoke", err, h)
}

// signOutOther lets the holder of s end the session other, which only its own user may.
func (m *model) signOutOther(s, other *oracle) {
	if s == other {
		return
	}
	n, now := m.pick(), m.now()
	mine, theirs := s.alive(now), other.alive(now)
	var err error
	h := m.observe(n, func() { _, err = n.SignOut(m.request(s.cookie()), auth.SignOutParams{SessionID: other.id}) })
	late := m.options.Behind > 0 // the process may take either for alive
	switch {
	case err == nil:
		if (mine == no || theirs == no) && !late || s.user != other.user {
			m.fail("%s has ended a session of %s (alive: %v and %v)", s.user, other.user, mine, theirs)
		}
		other.end()
	case errors.Is(err, auth.ErrUnauthenticated):
		if mine == yes && !late {
			m.fail("sign-out of another session: %v", err)
		}
	case auth.CodeOf(err) == auth.CodeForbidden:
		if (mine == no || theirs == yes && s.user == other.user) && !late {
			m.fail("sign-out of another session: %v", err)
		}
	case h.sure || !undecided(err):
		m.fail("sign-out of another session: %v", err)
	default:
		if s.user == other.user {
			other.doubt()
		}
	}
}

// everywhere lets the holder of s sign out everywhere, which only a live session may.
func (m *model) everywhere(s *oracle) {
	n := m.pick()
	alive := s.alive(m.now())
	var err error
	h := m.observe(n, func() { _, err = n.SignOut(m.request(s.cookie()), auth.SignOutParams{Everywhere: true}) })
	if err == nil && alive == no && m.options.Behind == 0 {
		m.fail("a dead session of %s ends the others", s.user)
	}
	if errors.Is(err, auth.ErrUnauthenticated) {
		if alive == yes {
			m.fail("everywhere: %v of a live session", err)
		}
		return
	}
	m.endingAll(s.user, "everywhere", err, h)
}

func (m *model) revokeAll(user string) {
	n := m.pick()
	least := 0
	for _, s := range m.sessions {
		if s.user == user && s.alive(m.now()) == yes {
			least++
		}
	}
	ended := 0
	var err error
	h := m.observe(n, func() { ended, err = n.RevokeSessions(m.ctx, user) })
	if err == nil && ended < least {
		m.fail("%d sessions of %s are ended, and %d were alive", ended, user, least)
	}
	m.endingAll(user, "revoke all", err, h)
}

// endingAll notes what became of an attempt to end all sessions of user.
func (m *model) endingAll(user, what string, err error, h how) {
	u := m.people[user]
	m.turns++
	u.endedHigh = m.turns
	if err == nil {
		u.endedLow, u.unknown = m.turns, 0
	}
	for _, s := range m.sessions {
		if s.user == user && err == nil {
			s.end()
		} else if s.user == user {
			s.doubt()
		}
	}
	if err != nil && (h.sure || !undecided(err)) {
		m.fail("%s: %v", what, err)
	}
}
