package kvoauth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

const (
	// ample is for providers that answer, however slow the machine is.
	ample = time.Minute
	// brief is for those that never do. The endpoints that are well must have answered within it.
	brief = 4 * time.Second
)

// stage is a call to a provider, by what makes it.
type stage struct {
	name     string
	endpoint fakeop.Endpoint
	refresh  bool // it is made for a session that exists
	fresh    bool // and by a process that knows nothing of the provider yet
}

// starts reports whether the call is made before the browser is sent to the provider.
func (s stage) starts() bool {
	return s.endpoint == fakeop.EndpointDiscovery || s.endpoint == fakeop.EndpointPAR
}

var stages = []stage{
	{"discovery", fakeop.EndpointDiscovery, false, false},
	{"pushed request", fakeop.EndpointPAR, false, false},
	{"keys", fakeop.EndpointJWKS, false, false},
	{"exchange", fakeop.EndpointToken, false, false},
	{"UserInfo", fakeop.EndpointUserInfo, false, false},
	{"e-mail", endpointEmail, false, false},
	{"discovery at a refresh", fakeop.EndpointDiscovery, true, true},
	{"refresh", fakeop.EndpointToken, true, false},
	{"keys at a refresh", fakeop.EndpointJWKS, true, true},
	{"revocation", fakeop.EndpointRevocation, false, false},
}

// providerCell is one fault at one call to the provider.
type providerCell struct {
	*far
	w       *world
	person  *authtest.Browser
	stage   int
	fault   networkFault
	answer  *authtest.Callback // of the provider, to be delivered
	outcome *answer
}

func newProviderCell(t testing.TB, idp *hostileIDP, stage int, fault networkFault, patience time.Duration) *providerCell {
	t.Helper()
	s := stages[stage]
	c := &providerCell{far: newFar(t, idp), stage: stage, fault: fault}
	c.w = c.world(patience, s.endpoint)
	c.person = c.w.browser()
	switch {
	case s.endpoint == fakeop.EndpointRevocation:
		c.w.signedIn(c.person, c.w.finish(c.person, c.w.begin(c.person)), "alice")
	case s.refresh:
		c.w.signedIn(c.person, c.w.finish(c.person, c.w.begin(c.person)), "alice")
		if s.fresh {
			c.restart()
		}
		c.clock.advance(56 * time.Minute) // of the hour that a token lives
	case !s.starts():
		c.answer = c.w.begin(c.person)
	}
	for e := range c.proxies {
		c.asked[e].Store(0)
	}
	c.arm(true)
	return c
}

// restart replaces the process by another that knows nothing but the store and the keys.
func (c *providerCell) restart() {
	c.t.Helper()
	b, err := kvoauth.NewKvOAuthBackend(c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.w.backend.Backend = b
}

// arm breaks the endpoint, or mends it.
func (c *providerCell) arm(on bool) {
	c.t.Helper()
	e := stages[c.stage].endpoint
	switch {
	case c.fault.name == "refused":
		if err := c.proxies[e].Refuse(on); err != nil {
			c.t.Fatal(err)
		}
	case c.fault.name == "black hole":
		if !on {
			c.proxies[e].Cut() // what was sent meanwhile is lost
		}
		c.proxies[e].BlackHole(on)
	case on:
		c.breaks(e, c.fault.hook)
	default:
		c.breaks(e, nil)
		c.transport.CloseIdleConnections() // which the provider may just be closing
	}
}

// act makes the request that leads to the call.
func (c *providerCell) act() {
	switch s := stages[c.stage]; {
	case s.endpoint == fakeop.EndpointRevocation:
		page := c.person.PostJSON(auth.DefaultBasePath+"/signout", map[string]any{})
		c.outcome = &answer{status: page.Status, header: page.Header, body: page.Body}
	case s.refresh:
		c.outcome = c.w.send(c.person, http.MethodGet, auth.DefaultBasePath+"/session", nil)
	case s.starts():
		c.outcome = c.w.send(c.person, http.MethodGet, auth.DefaultBasePath+"/signin", nil)
	default:
		c.outcome = c.w.finish(c.person, c.answer)
	}
}

// judge compares what came of it with what must.
func (c *providerCell) judge() {
	c.t.Helper()
	switch s := stages[c.stage]; {
	case s.endpoint == fakeop.EndpointRevocation:
		c.isOver()
	case s.refresh:
		c.livesOn()
	default:
		c.isRefused()
	}
	c.shutDown()
	c.quiet()
}

// shutDown lets what the backend does in the background end.
func (c *providerCell) shutDown() {
	c.t.Helper()
	given, give := context.WithCancel(context.Background())
	give()
	_ = c.w.backend.Shutdown(given)
}

// isOver: the sign-out has succeeded, whatever the provider says to it.
func (c *providerCell) isOver() {
	c.t.Helper()
	if c.outcome.status != http.StatusOK || !strings.Contains(c.outcome.body, `"signedOut":true`) || c.w.kv.sessions() != 0 {
		c.t.Errorf("sign-out: %d %s, %d sessions are left", c.outcome.status, c.outcome.body, c.w.kv.sessions())
	}
	if c.person.SignedIn() || c.person.Cookie(kvoauth.DefaultCookieName) != nil {
		c.t.Error("the browser is still signed in")
	}
	c.w.silent(c.outcome)
	if c.fault.hook != nil {
		eventually(c.t, "the provider is not asked", func() bool { return c.asked[fakeop.EndpointRevocation].Load() > 0 })
	}
	if n := c.asked[fakeop.EndpointRevocation].Load(); n > 4 {
		c.t.Errorf("the endpoint was asked %d times", n)
	}
	c.arm(false)
	again := c.w.browser()
	c.w.signedIn(again, c.w.finish(again, c.w.begin(again)), "alice")
}

// isRefused: nobody is signed in, the answer says why, the transaction is used up, and the next sign-in works.
func (c *providerCell) isRefused() {
	c.t.Helper()
	s := stages[c.stage]
	code := c.fault.code
	if s.endpoint == endpointEmail && (c.fault.name == "HTML" || c.fault.name == "empty" || c.fault.name == "cut JSON" || c.fault.name == "cut JSON up to the end of the connection") {
		code = auth.CodeIdentityInvalid // it is the document that is wrong, and no list of addresses
	}
	c.w.refused(c.outcome, code)
	if n := c.w.kv.transactions(); n != 0 {
		c.t.Errorf("%d transactions are left", n)
	}
	c.askedAtMost(s.endpoint)
	c.arm(false)
	if !s.starts() { // nothing is promised twice
		c.w.refused(c.w.finish(c.person, c.answer), auth.CodeTransactionMissing)
	}
	again := c.w.browser()
	c.w.signedIn(again, c.w.finish(again, c.w.begin(again)), "alice")
}

// livesOn: the session is what it was, the provider is not asked again for a while, and when it is back its answer is
// taken.
func (c *providerCell) livesOn() {
	c.t.Helper()
	for range 5 {
		if c.outcome.status != http.StatusOK || len(c.outcome.cookies) != 0 || !authenticated(c.t, c.outcome) {
			c.t.Errorf("a session whose provider is broken: %d %s, cookies %v", c.outcome.status, c.outcome.body, c.outcome.cookies)
			return
		}
		c.act()
	}
	eventually(c.t, "the provider is still being asked", func() bool { return c.upkeepEnded() })
	c.askedAtMost(stages[c.stage].endpoint)
	if n := c.asked[fakeop.EndpointToken].Load(); n > 1 {
		c.t.Errorf("the refresh token was sent %d times", n)
	}
	c.w.silent(c.outcome)
	c.arm(false)
	c.clock.advance(31 * time.Second) // longer than a refresh is put off
	eventually(c.t, "the tokens are not renewed although the provider is back", func() bool {
		c.act()
		c.clock.advance(31 * time.Second)
		return refreshed(c.t, c.outcome)
	})
}

// upkeepEnded reports whether the refresh in the background has ended: its event has been seen.
func (c *providerCell) upkeepEnded() bool {
	log := c.w.log.String()
	return strings.Contains(log, string(auth.EventRefreshFailed)) || strings.Contains(log, string(auth.EventTokenRefreshed))
}

// askedAtMost allows what net/http repeats by itself: a request without effects on a connection that turned out dead.
func (c *providerCell) askedAtMost(e fakeop.Endpoint) {
	c.t.Helper()
	most := int64(2)
	if e == fakeop.EndpointToken || e == fakeop.EndpointPAR {
		most = 1
	}
	if n := c.asked[e].Load(); n > most {
		c.t.Errorf("the endpoint was asked %d times", n)
	}
}

func authenticated(t testing.TB, a *answer) bool {
	t.Helper()
	var body struct{ Authenticated bool }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Errorf("%q: %v", a.body, err)
	}
	return body.Authenticated
}

func refreshed(t testing.TB, a *answer) bool {
	t.Helper()
	var body struct{ Session struct{ RefreshedAt string } }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Errorf("%q: %v", a.body, err)
	}
	return body.Session.RefreshedAt != ""
}

// TestProviderFaults: each call to the provider, with each fault that is over at once.
func TestProviderFaults(t *testing.T) {
	cells, idp := 0, newFarIDP(t)
	for i, s := range stages {
		for _, fault := range networkFaults {
			t.Run(s.name+": "+fault.name, func(t *testing.T) {
				cells++
				back := baseline(t)
				t.Run("", func(t *testing.T) {
					c := newProviderCell(t, idp, i, fault, ample)
					c.act()
					c.judge()
				})
				back()
			})
		}
	}
	t.Logf("%d cells", cells)
}

// TestProviderHangs: each call to the provider, with each fault that only a timeout ends, all of them at once.
func TestProviderHangs(t *testing.T) {
	idp := newFarIDP(t)
	back := baseline(t)
	t.Run("", func(t *testing.T) {
		var cells []*providerCell
		for i := range stages {
			for _, fault := range hangs {
				cells = append(cells, newProviderCell(t, idp, i, fault, brief))
			}
		}
		var all sync.WaitGroup
		for _, c := range cells {
			all.Go(c.act)
		}
		all.Wait()
		for _, c := range cells {
			t.Run(stages[c.stage].name+": "+c.fault.name, func(t *testing.T) {
				c.t, c.w.t = t, t
				c.judge()
			})
		}
		t.Logf("%d cells", len(cells))
	})
	back()
}
