package deployment

import (
	"time"

	"github.com/netscript/auth/store/redisstore"
)

// session is what must be true of one session whose sign-in was acknowledged. Nothing here has a limit that a sequence
// reaches: what ends a session is what somebody does to it.
type session struct {
	user, credential string
	id               string // empty: not known yet

	// doubted is when something that would have ended it was last begun and not acknowledged; zero: never, or it has been
	// seen alive since.
	doubted time.Time
	// atRisk: the provider may no longer honour its refresh token, or answer with an ID token that is refused.
	atRisk bool

	dead   bool
	deadAt time.Time // when the end was acknowledged
	deadBy int       // by which instance; -1: several could have
}

// staleness is how long an instance may go on with what it has read while the word of a change does not reach it.
const staleness = redisstore.DefaultCacheTTL

// surelyAlive reports whether nothing was done that could have ended the session.
func (s *session) surelyAlive() bool { return !s.dead && s.doubted.IsZero() && !s.atRisk }

// end notes an acknowledged end.
func (s *session) end(a answer, by int) {
	if s.dead {
		return
	}
	s.dead, s.deadAt, s.deadBy = true, a.ended, by
}

// doubt notes an end that was not acknowledged.
func (s *session) doubt() {
	if !s.dead {
		s.doubted = time.Now()
	}
}

// lateBy returns by how much a request that began then was late: how long the session had been dead.
func (s *session) lateBy(began time.Time) time.Duration {
	if !s.dead {
		return 0
	}
	return max(0, began.Sub(s.deadAt))
}

// mayAuthenticate reports whether an instance may let a request in that began then.
func (s *session) mayAuthenticate(began time.Time, by int) bool {
	switch late := s.lateBy(began); {
	case late == 0:
		return true
	case by == s.deadBy: // it has seen its own write
		return false
	default:
		return late <= staleness
	}
}

// seen notes that a request was let in. It proves that the session is alive once what was read cannot be from before the
// doubt.
func (s *session) seen(began time.Time) {
	if !s.dead && began.After(s.doubted.Add(staleness)) {
		s.doubted = time.Time{}
	}
}

// person is one browser.
type person struct {
	user    string
	cookies map[string]string
	session *session // that of its cookie; nil: none
	pending *pending
}

// pending is a sign-in that is at the provider.
type pending struct {
	location string
	turn     int
}

// take keeps the cookies of an answer.
func (p *person) take(a answer) {
	for _, c := range a.cookies {
		if c.MaxAge < 0 || c.Value == "" {
			delete(p.cookies, c.Name)
		} else {
			p.cookies[c.Name] = c.Value
		}
	}
	if p.cookies[cookieName] == "" {
		p.session = nil
	}
}
