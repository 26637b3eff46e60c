package sessionmodel

import "time"

// The limits of the model's sessions and tokens.
const (
	idleTimeout     = 2 * time.Hour
	absoluteTimeout = 5 * time.Hour
	tokenLife       = 30 * time.Minute
	signInTimeout   = 10 * time.Minute

	renewAfter = tokenLife - 5*time.Minute // kvoauth renews tokens five minutes before they expire
	usesNoted  = 5 * time.Minute           // and notes a use at most so late
	putOff     = 30 * time.Second          // and does not try again for so long; a lease ends sooner
)

// truth is what the rules say, as far as they can.
type truth int

const (
	no truth = iota
	maybe
	yes
)

// oracle is what a session must be by the rules alone (NIST SP 800-63B-4, section 5.2): a use puts the idle limit off
// and nothing else, nothing moves the absolute one, and dead is dead.
type oracle struct {
	user, credential, id string

	ended    bool // for certain
	doubtful bool // something that would have ended it has failed
	news     bool // it was made, or something was done to it that may have failed, since it was last read

	// The idle limit is between these: a use need not have been noted at once, nor at all if the store failed.
	idleLow, idleHigh time.Time
	absoluteAt        time.Time

	tokens bool
	grant  truth // whether the provider still honours it
	// Between these times the tokens become due.
	dueLow, dueHigh time.Time
	hindered        time.Time // until then a renewal may be put off, or a lease be left behind
}

func newOracle(user, credential, id string, tokens bool, now time.Time) *oracle {
	s := &oracle{
		user: user, credential: credential, id: id, news: true, tokens: tokens, absoluteAt: now.Add(absoluteTimeout),
		idleLow: now.Add(idleTimeout), idleHigh: now.Add(idleTimeout),
	}
	if tokens {
		s.grant = yes
		s.renewed(now)
	}
	return s
}

// alive says whether the session's own limits, and what was done to it, let it live.
func (s *oracle) alive(now time.Time) truth {
	switch {
	case s.ended || !s.within(now):
		return no
	case s.doubtful || !now.Before(s.idleLow):
		return maybe
	}
	return yes
}

// refused says whether a read finds out that the provider has ended the grant.
func (s *oracle) refused(now time.Time) truth {
	switch {
	case !s.tokens || s.grant == yes || now.Before(s.dueLow):
		return no
	case s.grant == no && !now.Before(s.dueHigh) && !now.Before(s.hindered):
		return yes
	}
	return maybe
}

func (s *oracle) end() { s.ended, s.news = true, true }

func (s *oracle) doubt() { s.doubtful, s.news = true, true }

// within says whether the session's own limits, before anything was done to it, let it live.
func (s *oracle) within(now time.Time) bool {
	return now.Before(s.absoluteAt) && now.Before(s.idleHigh)
}

// used notes a request that was answered, at now, with yes.
func (s *oracle) used(now time.Time, h how) {
	s.doubtful = false
	if h.sure {
		s.idleLow = later(s.idleLow, earlier(now.Add(idleTimeout-usesNoted), s.absoluteAt))
	}
	if h.sure && s.grant == yes && !now.Before(s.dueHigh) && !now.Before(s.hindered) {
		s.idleHigh = earlier(now.Add(idleTimeout), s.absoluteAt)
		s.renewed(now)
		return
	}
	s.mayHaveBeenUsed(now, h)
}

// mayHaveBeenUsed notes a request that got no answer.
func (s *oracle) mayHaveBeenUsed(now time.Time, h how) {
	s.idleHigh = earlier(now.Add(idleTimeout), s.absoluteAt)
	if s.tokens && !now.Before(s.dueLow) {
		s.mayHaveBeenRenewed(now, h)
	}
}

func (s *oracle) renewed(now time.Time) {
	s.dueLow, s.dueHigh, s.hindered = now.Add(renewAfter), now.Add(renewAfter), time.Time{}
}

func (s *oracle) mayHaveBeenRenewed(now time.Time, h how) {
	s.dueHigh = now.Add(renewAfter)
	if h.sure {
		return
	}
	s.hinder(now, h)
	s.news = true
	if s.tokens && s.grant != yes {
		s.doubt() // what was refused is ended, or is not
	}
	if h.lost && s.grant == yes {
		s.grant = maybe // the provider's answer may have been lost, and the refresh token with it
	}
}

// hinder notes that a renewal has failed, and may have left its lease behind.
func (s *oracle) hinder(now time.Time, h how) {
	s.hindered = later(s.hindered, now.Add(putOff))
	if !h.sure && h.ownClock {
		s.hindered = s.absoluteAt // the lease ends by another clock
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
