package deployment

import (
	"net/http"
	"sync"
	"time"
)

// partition breaks the way of an instance to Redis.
func (m *model) partition() {
	if m.redisDown {
		return
	}
	m.pick().turn([]string{"black hole", "refused", "no replies"}[m.random.IntN(3)])
}

// troubleProvider makes something wrong with the provider.
func (m *model) troubleProvider() {
	skies := []string{"refused", "overloaded", "loses its answers", "slightly ahead", "slightly behind", "far ahead", "far behind"}
	m.turnProvider(skies[m.random.IntN(len(skies))])
	m.steps = append(m.steps, m.idpSky)
}

// killRedis ends Redis as kill -9 does. What it has acknowledged is on its disk.
func (m *model) killRedis() {
	if !m.redisDown {
		m.redis.Kill()
		m.redisDown = true
	}
}

// killInstance ends an instance as kill -9 does, and starts another in its place.
func (m *model) killInstance() {
	i := m.pick()
	i.kill()
	i.start()
	m.settled(i)
}

// settled waits until a new instance is connected, where that is possible.
func (m *model) settled(i *instance) {
	if m.calm(i) {
		m.recovered(i)
	}
}

// killWithin kills an instance while it does something.
func (m *model) killWithin() {
	i := m.pick()
	pause := time.Duration(m.random.Int64N(int64(6 * time.Millisecond)))
	m.shaken = true
	var killing sync.WaitGroup
	killing.Go(func() {
		time.Sleep(pause)
		i.kill()
	})
	only := m.instances
	m.instances = []*instance{i}
	m.play(m.operations())
	m.instances = only
	killing.Wait()
	i.start()
	m.shaken = false
	m.settled(i)
}

// endGrants makes the provider forget a user's grants. What was promised to the browser may then end at any refresh.
func (m *model) endGrants() {
	user := m.someone().user
	m.idp.RevokeGrants(user)
	for _, s := range m.sessions {
		if s.user == user {
			s.atRisk = true
		}
	}
}

func (m *model) healAll() { m.heal() }

// burst sends requests with one session from everywhere while it is signed out.
func (m *model) burst(p *person) {
	s, ender := p.session, m.pick()
	if s.dead {
		return
	}
	type shot struct {
		i *instance
		a answer
	}
	shots := make(chan shot, 100)
	var readers sync.WaitGroup
	var end answer
	ended := make(chan struct{})
	for _, i := range m.instances {
		for range 2 {
			readers.Go(func() {
				for range 12 {
					shots <- shot{i, m.do(http.MethodGet, i, "/session", map[string]string{cookieName: s.credential}, nil)}
				}
				<-ended // and one that has begun afterwards
				shots <- shot{i, m.do(http.MethodGet, i, "/session", map[string]string{cookieName: s.credential}, nil)}
			})
		}
	}
	cookies := p.clone()
	pause := time.Duration(m.random.Int64N(int64(5 * time.Millisecond)))
	readers.Go(func() {
		defer close(ended)
		time.Sleep(pause)
		end = m.do(http.MethodPost, ender, "/signout", cookies, map[string]any{})
	})
	readers.Wait()
	close(shots)
	before := *s
	m.judgeSignOut(s, ender, end)
	p.take(end)
	for one := range shots {
		m.count["at once"]++
		if one.a.ended.Before(end.began) { // of the session as it was before
			then := before
			m.judgeRead(&then, one.i, one.a)
			s.atRisk = s.atRisk || then.atRisk
			continue
		}
		if !s.dead || one.a.began.Before(s.deadAt) {
			now := before
			now.doubt()
			m.judgeRead(&now, one.i, one.a)
			s.atRisk = s.atRisk || now.atRisk
			continue
		}
		m.judgeRead(s, one.i, one.a)
	}
}

// follow signs out at one instance and asks the other until it knows, however long the way to Redis is broken.
func (m *model) follow(p *person) {
	s, at := p.session, m.random.IntN(2)
	if len(m.instances) < 2 || s.dead {
		return
	}
	here, there := m.instances[at], m.instances[1-at]
	m.read(s, there) // which knows it now
	m.signOut(p, here)
	if !s.dead {
		return
	}
	for m.problem == nil {
		a := m.read(s, there)
		if a.status == http.StatusOK && s.deadBy >= 0 && !isLetIn(a) {
			return
		}
		if a.began.Sub(s.deadAt) > staleness {
			return // it cannot tell, and lets nobody in
		}
		time.Sleep(5 * time.Millisecond)
	}
}
