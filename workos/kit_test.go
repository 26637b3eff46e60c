package workos_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/workos"
)

func TestBackend(t *testing.T) {
	for name, change := range map[string]func(*workos.Config){
		"never":           nil,
		"on expiry":       refreshing,
		"without API key": func(c *workos.Config) { c.APIKey = auth.Secret{} },
		"without cache":   func(c *workos.Config) { c.CachedSessions = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			authtest.TestBackend(t, authtest.BackendSuite{New: func(t testing.TB) *authtest.BackendFixture { return newBackendFixture(t, change) }})
		})
	}
}

func newBackendFixture(t testing.TB, change func(*workos.Config)) *authtest.BackendFixture {
	f := newFixture(t, change)
	// The SDK ignores what follows the version, so that appending to a cookie changes nothing. Without one, the MAC is the
	// end of the cookie.
	bare := func(r *http.Request) *http.Request {
		c, _ := r.Cookie(workos.DefaultCookieName)
		return withCookie(&http.Cookie{Name: c.Name, Value: strings.TrimSuffix(c.Value, "~2")})
	}
	revoked := f.signIn(t, "carol")
	s, err := f.Session(revoked)
	if err != nil {
		t.Fatal(err)
	}
	f.server.End(s.ID)
	f.clock.advance(25 * time.Hour) // its token expires
	local := ""
	if f.config.APIKey.IsZero() {
		local = "without an API key, it is the browser that ends the session at WorkOS"
	}
	return &authtest.BackendFixture{
		Backend: f.Backend,
		SignIn:  func(user string) *http.Request { return bare(f.signIn(t, user)) },
		Dead:    map[string]*http.Request{"ended at WorkOS, and expired": revoked},
		Garbage: map[string]*http.Request{
			"bearer token": bearerRequest("Bearer x"),
			"chunked":      withCookie(&http.Cookie{Name: "wos-session.0", Value: "Fe26.2*1"}),
		},
		SetStorageDown: func(down bool) {
			f.server.SetDown(down)
			f.clock.advance(11 * time.Minute) // the keys are to be fetched again
		},
		Secrets:        []string{testPassword, fakeKey},
		SignOutIsLocal: local,
	}
}

func bearerRequest(value string) *http.Request {
	r, _ := http.NewRequest("GET", "https://app.test/", nil)
	r.Header.Set("Authorization", value)
	return r
}

func cookiesOf(err error) []*http.Cookie {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return e.Cookies
	}
	return nil
}
