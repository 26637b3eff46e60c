package authtest

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/netscript/auth"
)

// FailedChecks runs the kit and returns the errors of the checks that fail, by name. Checks that do not apply are in
// skipped. If only is given, no others are run.
func FailedChecks(t testing.TB, s BackendSuite, only ...string) (failed map[string]error, skipped map[string]string) {
	failed, skipped = make(map[string]error), make(map[string]string)
	for _, c := range checks() {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		f := s.New(t)
		if reason := c.reason(f); reason != "" {
			skipped[c.name] = reason
			continue
		}
		if err := c.run(f); err != nil {
			failed[c.name] = err
		}
	}
	return failed, skipped
}

// CheckNames returns the names of all checks.
func CheckNames() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// SeenThrough is the comparison behind the check of wrappers.
func SeenThrough(bare, wrapped auth.AuthBackendPort) error {
	return seenThrough[auth.SignOutPort]("SignOutPort", bare, wrapped)
}

// Admits says whether a browser takes the cookie from an answer of u.
func Admits(u *url.URL, c *http.Cookie) error { return new(jar).set(u, c, time.Now()) }
