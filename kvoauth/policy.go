package kvoauth

import (
	"errors"
	"fmt"
	"time"
)

// SessionPolicy names the limits of an authentication assurance level of NIST SP 800-63B-4 (sections 2.1.3, 2.2.3 and
// 2.3.3). It sets timeouts that are zero, and refuses longer ones. It says nothing about how people authenticate: ask
// for that with max_age and acr_values, in a provider's AuthParams or at a sign-in.
type SessionPolicy string

// The policies.
const (
	AAL1 SessionPolicy = "aal1" // 30 days overall; idle at most as long, and 24 hours if IdleTimeout is zero
	AAL2 SessionPolicy = "aal2" // 24 hours overall, one hour idle
	AAL3 SessionPolicy = "aal3" // 12 hours overall, 15 minutes idle
)

// Limits returns the longest timeouts that p allows. It is false for what is no policy.
func (p SessionPolicy) Limits() (absolute, idle time.Duration, ok bool) {
	const day = 24 * time.Hour
	switch p {
	case AAL1:
		return 30 * day, 30 * day, true
	case AAL2:
		return day, time.Hour, true
	case AAL3:
		return 12 * time.Hour, 15 * time.Minute, true
	}
	return 0, 0, false
}

// applyPolicy fills in the timeouts that are zero and complains about those that are too long.
func (s *settings) applyPolicy() (errs []error) {
	if s.SessionPolicy == "" {
		return nil
	}
	absolute, idle, ok := s.SessionPolicy.Limits()
	if !ok {
		return []error{errors.New("SessionPolicy must be aal1, aal2 or aal3")}
	}
	defaultTo(&s.AbsoluteTimeout, absolute)
	defaultTo(&s.IdleTimeout, min(idle, DefaultIdleTimeout, s.AbsoluteTimeout))
	if s.AbsoluteTimeout > absolute {
		errs = append(errs, fmt.Errorf("AbsoluteTimeout is longer than the %v of SessionPolicy %s", absolute, s.SessionPolicy))
	}
	if s.IdleTimeout > idle {
		errs = append(errs, fmt.Errorf("IdleTimeout is longer than the %v of SessionPolicy %s", idle, s.SessionPolicy))
	}
	return errs
}
