package kvoauth_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
)

// The session state machine by the rules alone (NIST SP 800-63B-4, section 5.2), under the policy AAL3.
const (
	stateIdle     = 15 * time.Minute
	stateAbsolute = 12 * time.Hour
	stateLate     = stateIdle / 20 // a use is noted at most so late
)

// ruled is a session as it must be. Between idleLow and idleHigh it may have ended or not.
type ruled struct {
	credential, id, user string
	idleLow, idleHigh    time.Time
	absolute             time.Time
	ended                bool
	next                 *ruled // that took its place
	renewed              time.Time
}

// end ends s, and what took its place less than a minute ago: a request to end s may then have been under way.
func (s *ruled) end(now time.Time) {
	for ; s != nil; s = s.next {
		s.ended = true
		if now.Sub(s.renewed) >= time.Minute {
			return
		}
	}
}

func (s *ruled) use(now time.Time) {
	s.idleLow, s.idleHigh = now.Add(stateIdle-stateLate), now.Add(stateIdle)
}

func (s *ruled) mustLive(now time.Time) bool {
	return !s.ended && now.Before(s.idleLow) && now.Before(s.absolute)
}

func (s *ruled) mayLive(now time.Time) bool {
	return !s.ended && now.Before(s.idleHigh) && now.Before(s.absolute)
}

type stateMachine struct {
	*rig
	sessions []*ruled
}

var stateUsers = []string{"alice", "bob"}

func (m *stateMachine) add(user, credential string, s *auth.Session) *ruled {
	now := m.clock.Now()
	next := &ruled{credential: credential, id: s.ID, user: user, absolute: now.Add(stateAbsolute)}
	next.use(now)
	m.sessions = append(m.sessions, next)
	return next
}

// login signs in, in a browser that may have a session: that one ends, and both limits begin anew.
func (m *stateMachine) login(user string, previous *ruled) {
	if previous == nil {
		result := m.signIn(user)
		m.add(user, credential(result), result.Session)
		return
	}
	result := m.signIn(user, session(previous.credential))
	previous.ended = true
	m.add(user, credential(result), result.Session)
}

func (m *stateMachine) read(s *ruled) {
	now := m.clock.Now()
	a, err := m.Authenticate(request(session(s.credential)))
	switch {
	case err != nil && !errors.Is(err, auth.ErrUnauthenticated):
		m.t.Fatalf("undecided: %v", err)
	case err != nil && s.mustLive(now), err == nil && !s.mayLive(now):
		m.t.Fatalf("%+v at %v: %v", s, now, err)
	case err != nil:
		s.ended = true
		return
	case a.Session.UserID != s.user || a.Session.ID != s.id || a.Session.ExpiresAt.After(s.absolute):
		m.t.Fatalf("%+v is told as %+v", s, a.Session)
	}
	s.use(now)
	m.noted(s, now)
}

// noted waits until the store has the use, which is written beside the request: the clock moves only then.
func (m *stateMachine) noted(s *ruled, now time.Time) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		got, err := m.SessionByID(context.Background(), s.id)
		if err == nil && (!got.LastUsedAt.Before(now.Add(-stateLate)) || !got.ExpiresAt.Before(s.absolute)) {
			return
		}
		if err != nil || time.Now().After(deadline) {
			m.t.Fatalf("the use of %+v is not noted: %+v, %v", s, got, err)
		}
	}
}

// refresh renews the provider's tokens without a request: it proves nobody's presence, and brings nothing back.
func (m *stateMachine) refresh(s *ruled) {
	now := m.clock.Now()
	_, err := m.RefreshSession(context.Background(), s.id)
	switch {
	case err == nil && !s.mayLive(now), err != nil && s.mustLive(now):
		m.t.Fatalf("refresh of %+v at %v: %v", s, now, err)
	case errors.Is(err, auth.ErrUnauthenticated):
		s.ended = true
	}
}

// renew gives the session another credential, and no longer life.
func (m *stateMachine) renew(s *ruled) {
	now := m.clock.Now()
	credential, next, err := m.renewed(s.credential)
	if err == nil && !s.mayLive(now) || err != nil && (s.mustLive(now) || !errors.Is(err, auth.ErrUnauthenticated)) {
		m.t.Fatalf("renewal of %+v at %v: %v", s, now, err)
	}
	s.ended = true
	if err == nil {
		s.next, s.renewed = m.add(s.user, credential, next), now
		s.next.absolute = s.absolute
	}
}

func (m *stateMachine) end(s *ruled, out bool) {
	var err error
	if out {
		_, err = m.SignOut(request(session(s.credential)), auth.SignOutParams{})
	} else {
		err = m.RevokeSession(context.Background(), s.id)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	s.end(m.clock.Now())
}

func (m *stateMachine) endAll(user string) {
	if _, err := m.RevokeSessions(context.Background(), user); err != nil {
		m.t.Fatal(err)
	}
	for _, s := range m.sessions {
		s.ended = s.ended || s.user == user
	}
}

func (m *stateMachine) list(user string) {
	ids, now := m.ids(user), m.clock.Now()
	for _, s := range m.sessions {
		if listed := slices.Contains(ids, s.id); listed && (s.user != user || !s.mayLive(now)) || !listed && s.user == user && s.mustLive(now) {
			m.t.Fatalf("%s's list at %v has %q; %+v", user, now, ids, s)
		}
	}
}

// step does what two bytes say: an operation, and what it is about.
func (m *stateMachine) step(op, about byte) {
	jumps := []time.Duration{time.Millisecond, time.Minute, 5 * time.Minute, 14 * time.Minute, stateIdle - time.Millisecond, stateIdle, time.Hour, stateAbsolute}
	user := stateUsers[about%2]
	var s *ruled
	if len(m.sessions) > 0 {
		s = m.sessions[len(m.sessions)-1-int(about)%min(len(m.sessions), 4)] // of the latest: the others are mostly dead
	}
	switch op %= 16; {
	case s == nil || op == 0:
		m.login(user, nil)
	case op == 1:
		m.login(s.user, s)
	case op < 6:
		m.read(s)
	case op < 8:
		m.refresh(s)
	case op == 8:
		m.renew(s)
	case op == 9:
		m.end(s, about&4 != 0)
	case op == 10 && about&12 == 0:
		m.endAll(user)
	case op == 11:
		m.list(user)
	default:
		m.clock.advance(jumps[about%byte(len(jumps))])
	}
}

// FuzzSessionState is F-STATE, NIST-06 and NIST-08: whatever the sequence, either limit ends a session, a use puts off the
// idle one alone, a refresh neither, a sign-in begins both anew, and what has ended never comes back.
func FuzzSessionState(f *testing.F) {
	for seed := range uint64(24) {
		random := rand.New(rand.NewPCG(seed, 1))
		steps := make([]byte, 120)
		for i := range steps {
			steps[i] = byte(random.Uint32())
		}
		f.Add(steps)
	}
	var used []byte // all the time, until the absolute limit
	for range 58 {
		used = append(used, 12, 3, 2, 0)
	}
	f.Add(append([]byte{0, 0}, used...))
	f.Add(append([]byte{0, 0, 12, 2, 8, 0}, used...))          // renewed at first
	f.Add([]byte{0, 0, 12, 3, 6, 0, 12, 1, 2, 0})              // refreshed, not used
	f.Add([]byte{0, 0, 12, 3, 1, 0, 12, 3, 2, 0, 2, 1})        // signed in again
	f.Add([]byte{0, 0, 12, 3, 8, 0, 12, 3, 2, 0, 8, 0})        // renewed
	f.Add([]byte{0, 0, 8, 0, 8, 0, 9, 6, 2, 0, 2, 1})          // renewed twice, and the first signed out
	f.Add([]byte{0, 0, 8, 0, 12, 1, 9, 5, 2, 0, 2, 1})         // renewed, and the first signed out too late
	f.Add([]byte{0, 0, 8, 0, 1, 1, 2, 0, 2, 1, 2, 2})          // renewed, and signed in again from the first
	f.Add([]byte{0, 0, 9, 4, 6, 0, 2, 0, 8, 0, 1, 0})          // signed out, then everything else
	f.Add([]byte{0, 0, 0, 0, 0, 1, 10, 0, 11, 0, 11, 1})       // ended all
	f.Add([]byte{0, 0, 12, 4, 2, 0, 12, 4, 2, 0, 12, 5, 2, 0}) // at the very limit
	f.Fuzz(func(t *testing.T, steps []byte) {
		m := &stateMachine{rig: newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.SessionPolicy = kvoauth.AAL3 }})}
		for i := 0; i+1 < min(len(steps), 256); i += 2 {
			m.step(steps[i], steps[i+1])
		}
		for _, s := range m.sessions {
			m.read(s)
		}
		for _, user := range stateUsers {
			m.list(user)
		}
	})
}
