package authtest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/netscript/auth"
)

// BackendSuite says how to make the backend that [TestBackend] judges.
type BackendSuite struct {
	// New returns a fresh backend and its surroundings. It is called for each check, and cleans up with t. Required.
	New func(t testing.TB) *BackendFixture
}

// BackendFixture is a backend with all that a check needs to know of it.
type BackendFixture struct {
	// Backend is the backend under test. Required.
	Backend auth.AuthBackendPort

	// SignIn makes a new session of the user "alice" or "bob" and returns a GET request that carries its credential.
	// Signing the same user in again makes another session. Required.
	SignIn func(user string) *http.Request

	// Dead are requests with credentials that were good once: expired, revoked, of a deleted user. By name. If empty, the
	// check is left out, and says so.
	Dead map[string]*http.Request

	// Garbage are requests with credentials that never were good, beside those that the kit makes. By name. If empty, only
	// the kit's.
	Garbage map[string]*http.Request

	// SetStorageDown makes the storage unreachable, or reachable again: the one that is asked at every request. If nil,
	// the backend has none, and the checks are left out.
	SetStorageDown func(down bool)

	// Secrets are texts that must never show: keys, client secrets, passwords. The kit adds the credentials of the
	// requests. Texts under eight bytes are ignored. If nil, only the credentials.
	Secrets []string

	// SignOutIsLocal says why a credential outlives its sign-out, for a backend whose credentials are good until they
	// expire. If empty, a credential must be dead after its sign-out.
	SignOutIsLocal string

	// Origin is the application's origin. If empty, [AppOrigin].
	Origin string

	// Handler configures the handler over the backend. The zero value is good for most.
	Handler auth.HandlerConfig
}

// check is one sentence of a contract. It returns an error rather than failing a test, so that the kit itself can be
// tested with backends that are wrong.
type check struct {
	name string
	// needs says why the check does not apply, or "".
	needs func(f *BackendFixture) string
	run   func(f *BackendFixture) error
}

func checks() []check {
	var all []check
	all = append(all, coreChecks()...)
	all = append(all, outageChecks()...)
	all = append(all, secrecyChecks()...)
	all = append(all, signOutChecks()...)
	all = append(all, adminChecks()...)
	all = append(all, flowChecks()...)
	all = append(all, concurrencyChecks()...)
	return append(all, handlerChecks()...)
}

// TestBackend checks that a backend keeps the contracts of package auth: what [auth.AuthBackendPort] and those optional
// ports that it has say. Each check is a subtest with a fixture of its own. A check of a port that the backend does not
// have passes and says in the log why. Run it with -race.
func TestBackend(t *testing.T, s BackendSuite) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			f := s.New(t)
			if reason := c.reason(f); reason != "" {
				t.Log("does not apply: " + reason)
				return
			}
			if err := c.run(f); err != nil {
				t.Error(err)
			}
		})
	}
}

func (c check) reason(f *BackendFixture) string {
	if c.needs == nil {
		return ""
	}
	return c.needs(f)
}

// needsPort leaves a check out for a backend without the port P.
func needsPort[P any](name string) func(*BackendFixture) string {
	return func(f *BackendFixture) string {
		if _, ok := auth.As[P](f.Backend); ok {
			return ""
		}
		return fmt.Sprintf("%s does not implement %s", f.Backend.Name(), name)
	}
}

func needsStorage(f *BackendFixture) string {
	if f.SetStorageDown == nil {
		return "the fixture has no SetStorageDown"
	}
	return ""
}

// both joins two needs.
func both(a, b func(*BackendFixture) string) func(*BackendFixture) string {
	return func(f *BackendFixture) string {
		if reason := a(f); reason != "" {
			return reason
		}
		return b(f)
	}
}

func (f *BackendFixture) origin() string {
	if f.Origin == "" {
		return AppOrigin
	}
	return f.Origin
}

// anonymous returns a request without a credential.
func (f *BackendFixture) anonymous(method, path string) *http.Request {
	r, err := http.NewRequest(method, f.origin()+path, nil) //nolint:noctx // a server's request, not a client's
	if err != nil {
		return &http.Request{Method: method, Header: http.Header{}}
	}
	r.RequestURI, r.RemoteAddr = path, "192.0.2.1:1234"
	return r
}
