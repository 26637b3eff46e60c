package deployment

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"
)

// soon is how quickly an operation ends in which no time ran out: Redis gets a quarter of a second for a read.
const soon = 200 * time.Millisecond

// model is the deployment with what must be true of it.
type model struct {
	*world
	random   *rand.Rand
	people   []*person
	sessions []*session
	// All sessions of a user were last ended in the turn endedLow, for certain, and perhaps in endedHigh.
	endedLow, endedHigh map[string]int
	turn                int
	shaken              bool // something is about to happen to an instance in the middle of an operation
	steps               []string
	count               map[string]int
	problem             error
	mostStale           time.Duration
}

func newModel(t testing.TB, program string, seed uint64) *model {
	m := &model{
		world: newWorld(t, program, seed%2 == 1), random: rand.New(rand.NewPCG(seed, 11)),
		endedLow: map[string]int{}, endedHigh: map[string]int{}, count: map[string]int{},
	}
	for n := range 5 {
		m.people = append(m.people, &person{user: []string{"alice", "bob"}[n%2], cookies: map[string]string{}})
	}
	return m
}

// fail keeps the first disagreement.
func (m *model) fail(format string, args ...any) {
	m.count["VIOLATIONS"]++
	if m.problem == nil {
		m.problem = fmt.Errorf(format+"\nstep %d, after %q", append(args, len(m.steps), m.steps[max(0, len(m.steps)-25):])...)
	}
}

func (m *model) pick() *instance { return m.instances[m.random.IntN(len(m.instances))] }

func (m *model) someone() *person { return m.people[m.random.IntN(len(m.people))] }

// one returns a session of those that ok accepts, or nil.
func (m *model) one(ok func(*session) bool) *session {
	var list []*session
	for _, s := range m.sessions {
		if ok(s) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[m.random.IntN(len(list))]
}

// sure reports whether everything that a request at i asked for has been done when it was answered.
func (m *model) sure(i *instance, a answer) bool {
	return m.calm(i) && !m.shaken && a.status != 0 && a.ended.Sub(a.began) < soon
}

// unclear reports whether an answer says that it could not be told. Such an answer leaves the browser its session, unless
// it was a sign-out.
func (m *model) unclear(what string, i *instance, a answer, keepsCookie bool) bool {
	if a.status == 0 && !m.shaken {
		m.fail("%s: the connection broke", what)
	}
	if a.status != 0 && a.status != http.StatusServiceUnavailable && a.status != http.StatusBadGateway {
		return false
	}
	m.count["unclear"]++
	if value, removed := a.sessionCookie(); keepsCookie && (removed || value != "") {
		m.fail("%s: %d changes the session cookie", what, a.status)
	}
	if m.sure(i, a) && a.status == http.StatusServiceUnavailable {
		m.fail("%s: 503 although everything is well: %s", what, a.body)
	}
	return true
}

type sessionBody struct {
	Authenticated bool `json:"authenticated"`
	Session       struct {
		ID      string `json:"id"`
		Subject string `json:"subject"`
	} `json:"session"`
}

// read asks who the holder of s is, and judges the answer.
func (m *model) read(s *session, i *instance) answer {
	a := m.do(http.MethodGet, i, []string{"/session", "/me"}[m.random.IntN(2)], map[string]string{cookieName: s.credential}, nil)
	m.judgeRead(s, i, a)
	return a
}

// mayHaveRefreshed notes that a request was authenticated, which renews tokens that are due. What the provider has rotated
// may be lost when something goes wrong then, and an ID token of another hour is refused.
func (m *model) mayHaveRefreshed(s *session, i *instance, a answer) {
	if !m.sure(i, a) && m.rotating || m.idpSky == "far ahead" || m.idpSky == "far behind" {
		s.atRisk = s.atRisk || !s.dead
	}
}

func (m *model) judgeRead(s *session, i *instance, a answer) {
	m.mayHaveRefreshed(s, i, a)
	if m.unclear("read", i, a, true) {
		return
	}
	var body sessionBody
	if err := json.Unmarshal(a.body, &body); a.status != http.StatusOK || err != nil {
		m.fail("read: %d %s", a.status, a.body)
		return
	}
	_, removed := a.sessionCookie()
	switch {
	case body.Authenticated && (body.Session.Subject != s.user || s.id != "" && body.Session.ID != s.id):
		m.fail("a session of %s is taken for one of %s", s.user, body.Session.Subject)
	case body.Authenticated && removed:
		m.fail("a session that authenticates loses its cookie")
	case body.Authenticated && !s.mayAuthenticate(a.began, i.number):
		m.fail("instance %d lets a session in that instance %d had ended %v before", i.number, s.deadBy, s.lateBy(a.began))
	case body.Authenticated:
		m.count["let in"]++
		if late := s.lateBy(a.began); late > 0 {
			m.count["let in late"]++
			m.mostStale = max(m.mostStale, late)
		}
		s.id = body.Session.ID
		s.seen(a.began)
	case s.surelyAlive():
		m.fail("instance %d does not know a live session of %s", i.number, s.user)
	default:
		m.count["turned away"]++
		s.end(a, i.number)
		if !removed {
			m.fail("a session that does not authenticate keeps its cookie")
		}
	}
}

type step struct {
	weight int
	name   string
	do     func()
}

func (m *model) step() {
	healing := 0
	for _, i := range m.instances {
		if !m.calm(i) {
			healing += 8
		}
	}
	if m.idpSky != "" {
		healing += 10
	}
	m.play(append(m.operations(),
		step{2, "partition", m.partition},
		step{2, "trouble at the provider", m.troubleProvider},
		step{1, "kill Redis", m.killRedis},
		step{2, "kill an instance", m.killInstance},
		step{6, "kill an instance in the middle of", m.killWithin},
		step{1, "end grants", m.endGrants},
		step{healing, "heal", m.healAll},
	))
}

// operations are what people do.
func (m *model) operations() []step {
	p, i := m.someone(), m.pick()
	steps := []step{
		{12, "sign in", func() { m.begin(p, i); m.finish(p, m.pick()) }},
		{3, "begin", func() { m.begin(p, i) }},
		{3, "finish", func() { m.finish(p, i) }},
	}
	if s := m.one(func(s *session) bool { return s.dead }); s != nil {
		steps = append(steps, step{8, "read a dead one", func() { m.read(s, i) }})
	}
	if p.session == nil {
		return steps
	}
	return append(steps,
		step{30, "read", func() { m.use(p, i) }},
		step{6, "sign out", func() { m.signOut(p, i) }},
		step{2, "everywhere", func() { m.everywhere(p, i) }},
		step{4, "end another", func() { m.endOther(p, i) }},
		step{5, "list", func() { m.list(p, i) }},
		step{6, "all at once", func() { m.burst(p) }},
		step{2, "follow a sign-out", func() { m.follow(p) }},
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
			m.count[s.name]++
			s.do()
			return
		}
	}
}

// use is a request of the person's, whose browser takes the cookies of the answer.
func (m *model) use(p *person, i *instance) {
	a := m.read(p.session, i)
	p.take(a)
}

// verify heals everything, reads every session at every instance, and ends all.
func (m *model) verify() {
	m.steps = append(m.steps, "verify")
	m.heal()
	for _, i := range m.instances {
		for _, s := range m.sessions {
			m.decided(s, i)
		}
	}
	for _, p := range m.people {
		if p.session != nil && !p.session.dead {
			m.everywhere(p, m.instances[0])
		}
	}
	for _, i := range m.instances {
		for _, s := range m.sessions {
			m.decided(s, i)
		}
	}
}

// decided reads s until there is a clear answer.
func (m *model) decided(s *session, i *instance) {
	for deadline := time.Now().Add(startTime); ; {
		if a := m.read(s, i); a.status == http.StatusOK || m.problem != nil {
			return
		}
		if time.Now().After(deadline) {
			m.fail("no clear answer in %v", startTime)
			return
		}
	}
}

// summary is what happened, in one line.
func (m *model) summary() string {
	text := fmt.Sprintf("%d steps, rotating %t, stale by at most %v:", len(m.steps), m.rotating, m.mostStale)
	names := make([]string, 0, len(m.count))
	for name := range m.count {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text += fmt.Sprintf(" %s %d;", name, m.count[name])
	}
	return text
}
