package kvoauth_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// oracle is what a session must be by the rules alone (F-STATE, NIST SP 800-63B-4 section 5.2): a use resets the idle limit
// and nothing else, nothing moves the absolute one, and dead is dead.
type oracle struct {
	user, credential, id string
	ended                bool
	slack                time.Duration // uses that need not have been noted yet
	idleAt, absoluteAt   time.Time
	tokens               bool
	grant                bool // the provider still honours it
	due                  time.Time
}

// TestSessionsAgainstOracle runs random operations on the whole API of sessions and compares every answer with the rules.
func TestSessionsAgainstOracle(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newModel(t, seed)
			for range 250 {
				m.step()
				if t.Failed() {
					return
				}
			}
			m.verify()
		})
	}
}

const (
	modelIdle     = 2 * time.Hour
	modelAbsolute = 10 * time.Hour
	modelToken    = 30 * time.Minute
)

type model struct {
	*rig
	t        *testing.T
	random   *rand.Rand
	nodes    []*kvoauth.Backend
	sessions []*oracle
	log      []string
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, random: rand.New(rand.NewPCG(seed, 7))}
	m.rig = newRig(t, rigOptions{
		plain:    seed%2 == 1,
		provider: func(c *fakeop.Config) { c.AccessTokenLife = modelToken },
		backend: func(c *kvoauth.Config) {
			c.IdleTimeout, c.AbsoluteTimeout = modelIdle, modelAbsolute
			c.CachedSessions = []int{0, -1, 3}[seed%3]
		},
	})
	m.nodes = []*kvoauth.Backend{m.Backend, m.build(nil)}
	return m
}

func (m *model) node() *kvoauth.Backend { return m.nodes[m.random.IntN(len(m.nodes))] }

func (m *model) any() *oracle {
	if len(m.sessions) == 0 {
		return nil
	}
	return m.sessions[m.random.IntN(len(m.sessions))]
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Errorf(format+"\nafter %v", append(args, m.log[max(0, len(m.log)-25):])...)
}

func (m *model) step() {
	user := []string{"alice", "bob"}[m.random.IntN(2)]
	s := m.any()
	steps := []struct {
		weight int
		name   string
		do     func()
	}{
		{8, "sign in " + user, func() { m.signInAs(user, nil) }},
		{4, "create " + user, func() { m.createFor(user) }},
		{20, "advance", m.advance},
		{40, "read", func() { m.read(s) }},
		{5, "refresh", func() { m.refreshNow(s) }},
		{4, "sign out", func() { m.signOutOf(s) }},
		{2, "revoke", func() { m.revokeOne(s) }},
		{1, "everywhere", func() { m.everywhere(s) }},
		{1, "revoke all " + user, func() { m.revokeAll(user) }},
		{1, "end grants " + user, func() { m.endGrants(user) }},
		{3, "list " + user, func() { m.list(user) }},
		{2, "renew " + user, func() { m.signInAs(user, s) }},
	}
	total := 0
	for _, st := range steps {
		total += st.weight
	}
	n := m.random.IntN(total)
	for _, st := range steps {
		if n -= st.weight; n < 0 {
			m.log = append(m.log, st.name)
			st.do()
			return
		}
	}
}

func (m *model) begin(user, credential, id string, tokens bool) {
	now := m.clock.Now()
	m.sessions = append(m.sessions, &oracle{
		user: user, credential: credential, id: id, idleAt: now.Add(modelIdle), absoluteAt: now.Add(modelAbsolute),
		tokens: tokens, grant: tokens, due: now.Add(modelToken * 4 / 5),
	})
}

func (m *model) signInAs(user string, previous *oracle) {
	var cookies []*http.Cookie
	if previous != nil {
		cookies = append(cookies, session(previous.credential))
	}
	result := m.rig.signIn(user, cookies...)
	if previous != nil {
		previous.ended = true
	}
	m.begin(user, credential(result), result.Session.ID, true)
}

func (m *model) createFor(user string) {
	credential, s := m.rig.create(user)
	m.begin(user, credential, s.ID, false)
}

func (m *model) advance() {
	d := time.Duration(m.random.Int64N(int64(time.Hour)))
	if m.random.IntN(6) == 0 {
		d = time.Duration(m.random.Int64N(int64(4 * time.Hour)))
	}
	m.clock.advance(d)
}

// live reports whether s must authenticate, and maybe whether it may or may not: its idle limit is between the last use and
// the last use that had to be noted.
func (m *model) live(s *oracle) (live, maybe bool) {
	now := m.clock.Now()
	if s.ended || !now.Before(s.absoluteAt) || !now.Before(s.idleAt) {
		return false, false
	}
	return true, !now.Before(s.idleAt.Add(-s.slack))
}

func (m *model) read(s *oracle) {
	if s == nil {
		return
	}
	live, maybe := m.live(s)
	now := m.clock.Now()
	refused := s.tokens && !s.grant && !now.Before(s.due)
	a, err := m.node().Authenticate(request(session(s.credential)))
	switch {
	case live && refused:
		if err == nil {
			m.fail("a session whose grant has ended authenticates")
		}
		s.ended = true
	case err != nil && live && !maybe:
		m.fail("%s's session is refused with %v", s.user, err)
	case err == nil && !live:
		m.fail("%s's dead session authenticates", s.user)
	case err == nil:
		if a.Principal.Subject != s.user || a.Session.ID != s.id {
			m.fail("it is %s's session", a.Principal.Subject)
		}
		if a.Session.ExpiresAt.After(s.absoluteAt) || !a.Session.ExpiresAt.After(now) {
			m.fail("it ends at %v", a.Session.ExpiresAt)
		}
		s.idleAt, s.slack = minTime(now.Add(modelIdle), s.absoluteAt), 5*time.Minute
		if s.tokens && !now.Before(s.due) {
			s.due = now.Add(modelToken * 4 / 5)
		}
	default:
		s.ended = true
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (m *model) refreshNow(s *oracle) {
	if s == nil {
		return
	}
	live, maybe := m.live(s)
	_, err := m.node().RefreshSession(m.t.Context(), s.id)
	switch {
	case maybe:
		s.ended = s.ended || err != nil && s.tokens
	case !live || s.tokens && !s.grant:
		if !errors.Is(err, auth.ErrUnauthenticated) {
			m.fail("refresh of a session that is dead or has no grant: %v", err)
		}
		s.ended = true
	case !s.tokens:
		if auth.CodeOf(err) != auth.CodeUnsupported {
			m.fail("refresh without tokens: %v", err)
		}
	case err != nil:
		m.fail("refresh: %v", err)
	default:
		s.due = m.clock.Now().Add(modelToken * 4 / 5)
	}
	if err == nil && maybe {
		s.due = m.clock.Now().Add(modelToken * 4 / 5)
	}
}

func (m *model) signOutOf(s *oracle) {
	if s == nil {
		return
	}
	if _, err := m.node().SignOut(request(session(s.credential)), auth.SignOutParams{}); err != nil {
		m.fail("sign-out: %v", err)
	}
	s.ended = true
}

func (m *model) revokeOne(s *oracle) {
	if s == nil {
		return
	}
	if err := m.node().RevokeSession(m.t.Context(), s.id); err != nil {
		m.fail("revoke: %v", err)
	}
	s.ended = true
}

func (m *model) everywhere(s *oracle) {
	if s == nil {
		return
	}
	live, maybe := m.live(s)
	_, err := m.node().SignOut(request(session(s.credential)), auth.SignOutParams{Everywhere: true})
	if (err == nil) != live && !maybe {
		m.fail("everywhere: %v of a session that lives: %t", err, live)
	}
	if err == nil {
		m.endAll(s.user)
	}
}

func (m *model) revokeAll(user string) {
	if _, err := m.node().RevokeSessions(m.t.Context(), user); err != nil {
		m.fail("revoke all: %v", err)
	}
	m.endAll(user)
}

func (m *model) endAll(user string) {
	for _, s := range m.sessions {
		s.ended = s.ended || s.user == user
	}
}

func (m *model) endGrants(user string) {
	m.idp.RevokeGrants(user)
	for _, s := range m.sessions {
		s.grant = s.grant && s.user != user
	}
}

func (m *model) list(user string) {
	list, err := m.node().ListSessions(m.t.Context(), user)
	if err != nil {
		m.fail("list: %v", err)
		return
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	for _, s := range m.sessions {
		live, maybe := m.live(s)
		if has := slices.Contains(ids, s.id); !maybe && has != (live && s.user == user) {
			m.fail("%s's session (alive: %t) is in %s's list: %t", s.user, live, user, has)
		}
	}
}

// verify reads everything once more.
func (m *model) verify() {
	ended, lived := 0, 0
	for _, s := range m.sessions {
		m.read(s)
		if s.ended {
			ended++
		} else {
			lived++
		}
	}
	m.list("alice")
	m.list("bob")
	if ended < 5 {
		m.fail("only %d sessions have ended: the test proves little", ended)
	}
	_ = lived
}
