package workos_test

import (
	"context"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/workos"
	"github.com/netscript/auth/workos/workostest"
)

const (
	fakeKey    = "sk_test_fake_0123456789"
	fakeClient = "client_test"
	tokenLife  = 24 * time.Hour
)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1772366400, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is a backend with a fake WorkOS behind it.
type fixture struct {
	*workos.Backend
	clock  *clock
	server *workostest.Server
	events *events
	config workos.Config
}

type events struct {
	mu   sync.Mutex
	list []auth.Event
}

// names returns the events since the last call.
func (e *events) names() (names []auth.EventName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, v := range e.list {
		names = append(names, v.Name)
	}
	e.list = nil
	return names
}

var fixtureKey = sync.OnceValue(func() *rsa.PrivateKey { return newTestKeys(panicker{})["main"].private })

// panicker lets a key be loaded outside a test.
type panicker struct{ testing.TB }

func (panicker) Helper()        {}
func (panicker) Fatal(a ...any) { panic(a) }

func newFixture(t testing.TB, change func(*workos.Config)) *fixture {
	t.Helper()
	f := &fixture{clock: newClock(), events: &events{}}
	server, err := workostest.NewServer(workostest.Config{ClientID: fakeClient, APIKey: fakeKey, Key: fixtureKey(), Lifetime: tokenLife, Now: f.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	f.server = server
	f.config = workos.Config{
		ClientID: fakeClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey), Now: f.clock.Now,
		HTTPClient: &http.Client{Transport: authtest.NewTransport(map[string]http.Handler{workos.DefaultBaseURL: server})},
		Observer: auth.ObserverFunc(func(_ context.Context, e auth.Event) {
			f.events.mu.Lock()
			defer f.events.mu.Unlock()
			f.events.list = append(f.events.list, e)
		}),
	}
	if change != nil {
		change(&f.config)
	}
	f.Backend = mustNew(t, f.config)
	return f
}

func refreshing(c *workos.Config) { c.Refresh = workos.OnExpiry }

// person returns the person called name.
func person(name string) workostest.Person {
	return workostest.Person{
		ID: "user_" + name, Email: name + "@example.com", FirstName: name, LastName: "Example", OrganizationID: "org_1",
		Role: "member", Permissions: []string{"posts:read"}, Picture: "https://img.example.com/" + name,
	}
}

// signIn returns a request with the cookie of a new session.
func (f *fixture) signIn(t testing.TB, name string) *http.Request {
	t.Helper()
	d, err := f.server.SignIn(person(name))
	if err != nil {
		t.Fatal(err)
	}
	return f.request(t, d)
}

func (f *fixture) request(t testing.TB, d workos.SessionData) *http.Request {
	t.Helper()
	c, err := f.SessionCookie(d)
	if err != nil {
		t.Fatal(err)
	}
	return withCookie(c)
}

func withCookie(c *http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "https://app.test/", nil)
	r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	return r
}

// wantCode checks an error's code, and that its cookies are as they must be.
func wantCode(t *testing.T, err error, code auth.Code, clears bool) {
	t.Helper()
	if auth.CodeOf(err) != code {
		t.Fatalf("%v, want %q", err, code)
	}
	cookies := cookiesOf(err)
	if cleared := len(cookies) == 1 && cookies[0].MaxAge < 0 && cookies[0].Value == ""; cleared != clears || !clears && len(cookies) > 0 {
		t.Errorf("%s has the cookies %v, want one that clears: %v", code, cookies, clears)
	}
}
