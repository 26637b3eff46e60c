package kvoauth_test

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/kvoauth"
)

// TestDocumentedLimits holds what SECURITY.md says about the lifetimes of sessions against the code (ASVS 7.1.1 to 7.1.3).
// That the code keeps to them, the tests of sessions show.
func TestDocumentedLimits(t *testing.T) {
	text, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	limits := fmt.Sprintf("| `kvoauth.Config.IdleTimeout`, `AbsoluteTimeout` | %d hours, %d days |",
		kvoauth.DefaultIdleTimeout/time.Hour, kvoauth.DefaultAbsoluteTimeout/(24*time.Hour))
	document := strings.Join(strings.Fields(string(text)), " ")
	for _, said := range []string{
		limits, // 7.1.1
		"may have any number of sessions at once",                                                     // 7.1.2
		"depends on neither the life of the provider's tokens nor that of the provider's own session", // 7.1.3
	} {
		if !strings.Contains(document, said) {
			t.Errorf("SECURITY.md does not say %q", said)
		}
	}
	if kvoauth.DefaultIdleTimeout%time.Hour != 0 || kvoauth.DefaultAbsoluteTimeout%(24*time.Hour) != 0 {
		t.Error("the limits are no whole hours and days: the document would round them")
	}
}

// TestLimitsOfAssuranceLevels: the limits that NIST SP 800-63B-4 sets can be configured for each level, and hold: overall
// however much the session is used, and idle (sections 2.1.3, 2.2.3 and 2.3.3). The defaults are within the first level's.
func TestLimitsOfAssuranceLevels(t *testing.T) {
	const day = 24 * time.Hour
	for level, c := range map[string]struct {
		overall, idle time.Duration // zero: the defaults
		most          time.Duration
	}{
		"AAL1": {0, 0, 30 * day}, "AAL2": {day, time.Hour, day}, "AAL3": {12 * time.Hour, 15 * time.Minute, 12 * time.Hour},
	} {
		t.Run(level, func(t *testing.T) {
			g := newRig(t, rigOptions{backend: func(k *kvoauth.Config) { k.AbsoluteTimeout, k.IdleTimeout = c.overall, c.idle }})
			idle := cmp.Or(c.idle, kvoauth.DefaultIdleTimeout)
			unused, _ := g.create("alice")
			g.clock.advance(idle - time.Millisecond)
			g.mustBe(unused, "")
			g.clock.advance(idle)
			if g.whoIs(unused) == "" {
				t.Errorf("a session lives without being used for %v", idle)
			}
			used, _ := g.create("alice")
			began := g.clock.Now()
			for g.whoIs(used) == "" {
				if g.clock.advance(idle - time.Second); g.clock.Now().Sub(began) > c.most+idle {
					t.Fatalf("a session lives for more than %v", c.most)
				}
			}
			g.clock.at.Store(began.Add(cmp.Or(c.overall, kvoauth.DefaultAbsoluteTimeout)).UnixNano())
			if g.whoIs(used) == "" || kvoauth.DefaultAbsoluteTimeout > 30*day {
				t.Error("a session lives beyond its absolute limit")
			}
		})
	}
}
