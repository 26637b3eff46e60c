package sessionmodel

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// model is the world with what must be true of it.
type model struct {
	*world
	random   *rand.Rand
	sessions []*oracle
	pending  []*signIn
	people   map[string]*person
	steps    []string

	turns   int // of sign-ins that begin, and of attempts to end all sessions of a user
	ctx     context.Context
	doomed  *node // the process that the step must use, because it is about to fail
	let     int   // requests that were let in,
	turned  int   // refused,
	unclear int   // or not decided
	problem error // the first disagreement
}

var users = []string{"alice", "bob"}

// person is what is known of a user beside the sessions.
type person struct {
	// unknown is how many sessions there may be whose sign-in was not acknowledged.
	unknown int
	// All sessions were last ended in the turn endedLow, for certain, and perhaps in endedHigh.
	endedLow, endedHigh int
}

func newModel(t testing.TB, s Store, o Options, seed uint64) *model {
	return &model{
		world: newWorld(t, s, o, seed), random: rand.New(rand.NewPCG(seed, 7)),
		people: map[string]*person{"alice": {}, "bob": {}}, ctx: context.WithoutCancel(t.Context()),
	}
}

// pick returns the process that serves the next request.
func (m *model) pick() *node {
	if m.doomed != nil {
		return m.doomed
	}
	return m.nodes[m.random.IntN(len(m.nodes))]
}

// any returns a session, mostly one that may be alive: of the dead there are many more.
func (m *model) any() *oracle {
	all := m.sessions
	if m.random.IntN(4) != 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(s *oracle) bool { return s.alive(m.now()) == no })
	}
	if len(all) == 0 {
		return nil
	}
	return all[m.random.IntN(len(all))]
}

func (m *model) fail(format string, args ...any) {
	if m.problem == nil {
		m.problem = fmt.Errorf(format+"\nstep %d, after %q", append(args, len(m.steps), m.steps[max(0, len(m.steps)-25):])...)
	}
}

type step struct {
	weight int
	name   string
	do     func()
}

func (m *model) step() {
	healing := 0
	for _, n := range m.nodes {
		if sky, _ := n.now(); sky != calm {
			healing += 15
		}
	}
	m.play(append(m.operations(),
		step{20, "advance", m.advance},
		step{1, "end grants", m.endGrants},
		step{1, "overtake", m.overtake},
		step{1, "outlive", m.outlive},
		step{2, "outage", m.outage},
		step{healing, "heal", m.heal},
		step{1, "crash", func() { m.crash(m.pick()) }},
		step{4, "crash in the middle of", m.crashWithin},
		step{20, "hiccup in", m.hiccupWithin},
	))
}

// operations are what a process is asked to do.
func (m *model) operations() []step {
	user := users[m.random.IntN(len(users))]
	s, other := m.any(), m.any()
	steps := []step{
		{7, "sign in " + user, func() { m.signInAs(user, nil) }},
		{4, "create " + user, func() { m.create(user) }},
		{3, "begin", m.begin},
		{3, "finish as " + user, func() { m.finish(user) }},
		{2, "revoke all " + user, func() { m.revokeAll(user) }},
		{5, "list " + user, func() { m.list(user) }},
	}
	if s == nil || other == nil {
		return steps
	}
	return append(steps,
		step{40, "read", func() { m.read(s) }},
		step{5, "refresh", func() { m.refresh(s) }},
		step{4, "sign out", func() { m.signOut(s) }},
		step{2, "sign out other", func() { m.signOutOther(s, other) }},
		step{2, "revoke", func() { m.revoke(s) }},
		step{2, "everywhere", func() { m.everywhere(s) }},
		step{2, "renew " + user, func() { m.signInAs(user, s) }},
	)
}

// play does one of steps.
func (m *model) play(steps []step) {
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := m.random.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			m.steps = append(m.steps, s.name)
			s.do()
			return
		}
	}
}

func (m *model) advance() {
	m.settle(m.sessions)
	most := []time.Duration{5 * time.Minute, 5 * time.Minute, time.Hour, time.Hour, time.Hour, 4 * time.Hour}[m.random.IntN(6)]
	m.at.Add(m.random.Int64N(most.Milliseconds()))
}

func (m *model) endGrants() {
	user := users[m.random.IntN(len(users))]
	m.idp.RevokeGrants(user)
	for _, s := range m.sessions {
		if s.user == user {
			s.grant = no
		}
	}
}

// overtake ends all sessions of a user who is at the provider.
func (m *model) overtake() {
	user := users[m.random.IntN(len(users))]
	s := m.start()
	if s == nil {
		return
	}
	m.settle(m.sessions)
	m.at.Add(1 + m.random.Int64N(time.Minute.Milliseconds()))
	m.revokeAll(user)
	m.callback(s, user, nil)
}

// outlive uses a session up to its absolute limit, and again after it.
func (m *model) outlive() {
	s := m.any()
	for s != nil && s.alive(m.now()) != no {
		m.settle(m.sessions)
		m.at.Add((idleTimeout - usesNoted).Milliseconds() * 9 / 10)
		m.read(s)
	}
}

// outage spoils the weather of a process; heal mends that of all.
func (m *model) outage() {
	m.pick().turn([]sky{down, frozen, mute, flaky}[m.random.IntN(4)])
}

func (m *model) heal() {
	for _, n := range m.nodes {
		n.turn(calm)
	}
	m.audit()
}

// audit reads the sessions that something was done to, which a process that has failed may have done badly.
func (m *model) audit() {
	for _, s := range m.sessions {
		if !s.news || !s.within(m.now()) {
			continue
		}
		if s.tokens {
			m.refresh(s) // which needs the tokens that were stored last
		}
		m.read(s)
	}
	for _, user := range users {
		m.list(user)
	}
}

// hiccupWithin makes a call of the store fail that an operation makes.
func (m *model) hiccupWithin() {
	n := m.pick()
	if sky, _ := n.now(); sky != calm {
		return
	}
	m.doomed = n
	n.failAfter(m.random.IntN(10))
	m.play(m.operations())
	m.doomed = nil
	n.turn(calm)
	m.audit()
}

// crashWithin ends a process at one of the calls of the store that an operation makes, or after the last.
func (m *model) crashWithin() {
	n := m.pick()
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	before := m.ctx
	m.doomed, m.ctx = n, ctx
	n.dieAfter(m.random.IntN(10), cancel)
	m.play(m.operations())
	m.doomed, m.ctx = nil, before
	m.crash(n)
	m.audit()
}

// verify reads everything once more, and then ends everything.
func (m *model) verify() {
	m.steps = append(m.steps, "verify")
	m.heal()
	for range m.nodes {
		for _, s := range m.sessions {
			m.read(s)
		}
	}
	for _, user := range users {
		m.list(user)
		m.revokeAll(user)
		m.list(user)
	}
	for _, s := range m.sessions {
		m.read(s)
	}
	if few := m.options.Steps / 20; m.let < few || m.turned < few {
		m.fail("%d requests were let in, %d were refused, %d were not decided: the sequence proves little", m.let, m.turned, m.unclear)
	}
}
