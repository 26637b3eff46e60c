package authapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// maxClockDifference is how far apart the clocks may be before the backend refuses ID tokens (kvoauth.DefaultClockSkew).
const maxClockDifference = kvoauth.DefaultClockSkew

// Finding is one thing that [Doctor] has looked at.
type Finding struct {
	OK     bool
	What   string // what was looked at
	Detail string // what was found; if not OK, with what to do
}

// String returns one line.
func (f Finding) String() string {
	mark := "ok  "
	if !f.OK {
		mark = "FAIL"
	}
	return mark + " " + f.What + ": " + f.Detail
}

// Doctor looks at a configuration and at everything that it points to, and changes nothing but a record of its own in the
// store. A problem is a Finding, not an error.
func Doctor(ctx context.Context, o Options) []Finding {
	o = o.withDefaults()
	e := o.environ()
	c := e.readConfig(o)
	p := e.readBackend(o, c)
	d := &doctor{options: o}
	var problems *ConfigError
	if errors.As(e.err(), &problems) {
		for _, problem := range problems.Problems {
			d.fail(problem.Variable, problem.What+"; "+problem.Fix)
		}
		return d.findings
	}
	d.pass("configuration", "backend "+p.name+", every variable is well-formed")
	backend, opened, err := p.open(o, observers{})
	defer func() { _ = opened.closeAll() }()
	if err != nil {
		d.fail("backend", "cannot be made: "+err.Error())
		return d.findings
	}
	switch p.name {
	case backendKvOAuth:
		d.kvOAuth(ctx, p, opened)
	case backendWorkOS:
		d.pass("cookie password", "32 characters or more")
		d.checks(ctx, p.checks(o, opened, backend))
	default:
		d.pass("secret", "32 characters or more")
		d.checks(ctx, p.checks(o, opened, backend))
	}
	return d.findings
}

type doctor struct {
	options  Options
	findings []Finding
}

func (d *doctor) pass(what, detail string) {
	d.findings = append(d.findings, Finding{true, what, detail})
}
func (d *doctor) fail(what, detail string) {
	d.findings = append(d.findings, Finding{false, what, detail})
}

func (d *doctor) kvOAuth(ctx context.Context, p plan, s *storage) {
	d.redirect(p.kvOAuth)
	d.cookie(p.kvOAuth)
	d.sessions(p.kvOAuth.SessionPolicy)
	d.pass("keys", fmt.Sprintf("%d of 32 bytes; the first seals", len(p.kvOAuth.Keys)))
	for _, c := range p.kvOAuth.Clients {
		d.provider(ctx, c)
	}
	d.store(ctx, s)
	if s.sql != nil {
		d.run(ctx, check{name: "migrations", ask: func(ctx context.Context) error { return migrated(ctx, s.db) }}, "applied")
	}
}

// checks runs the health checks of a backend that has nothing else to look at.
func (d *doctor) checks(ctx context.Context, all []check) {
	for _, c := range all {
		d.run(ctx, c, "answers")
	}
}

func (d *doctor) run(ctx context.Context, c check, good string) {
	ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
	defer cancel()
	start := d.options.Now()
	if err := c.ask(ctx); err != nil {
		code, fix := explainCheck(err)
		d.fail(c.name, code+"; "+fix)
		return
	}
	d.pass(c.name, fmt.Sprintf("%s, in %v", good, d.options.Now().Sub(start).Round(100*time.Microsecond)))
}

func (d *doctor) redirect(c kvoauth.Config) {
	u, err := url.Parse(c.RedirectURL)
	switch {
	case err != nil:
		d.fail("redirect URI", "is not a URL")
	case u.Scheme == "http":
		d.pass("redirect URI", "leads to "+u.Host+u.Path+" by plain HTTP, which is for development on this machine alone")
	default:
		d.pass("redirect URI", "leads to "+u.Host+u.Path)
	}
}

func (d *doctor) cookie(c kvoauth.Config) {
	name := kvOAuthCookie(c)
	if isHTTP(c.RedirectURL) {
		d.pass("cookie", name+", without Secure because the redirect URI is plain HTTP")
		return
	}
	d.pass("cookie", name+", which only this host can set, over TLS")
}

func (d *doctor) sessions(policy kvoauth.SessionPolicy) {
	absolute, idle, ok := policy.Limits()
	if !ok {
		absolute, idle, policy = kvoauth.DefaultAbsoluteTimeout, kvoauth.DefaultIdleTimeout, "none"
	}
	d.pass("session policy", fmt.Sprintf("%s; sessions end after %v, and %v after they were last used", policy, absolute, min(idle, kvoauth.DefaultIdleTimeout)))
}

// provider looks at the issuer's discovery document and at the clock of who serves it.
func (d *doctor) provider(ctx context.Context, c kvoauth.Client) {
	what := "provider " + c.Provider.ID
	if c.Provider.Kind == providers.OAuth || c.Provider.TenantIssuer != "" {
		d.pass(what, "has explicit endpoints; they are asked for the first time when somebody signs in")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
	defer cancel()
	found, err := discover(ctx, checkClient(d.options.HTTPClient), c)
	if err != nil {
		code, fix := explainCheck(err)
		d.fail(what, code+"; "+fix)
		return
	}
	d.pass(what, "discovery answers, and the issuer matches")
	d.endSession(what, c, found)
	if found.date.IsZero() {
		d.pass(what+" clock", "not known: its answer has no Date")
		return
	}
	difference := d.options.Now().Sub(found.date).Round(time.Second)
	if difference.Abs() > maxClockDifference {
		d.fail(what+" clock", fmt.Sprintf("differs by %v; set this machine's clock by NTP: ID tokens are refused beyond %v", difference, maxClockDifference))
		return
	}
	d.pass(what+" clock", fmt.Sprintf("differs by %v", difference))
}

// endSession says whether a sign-out is one at the provider too.
func (d *doctor) endSession(what string, c kvoauth.Client, found *discovery) {
	switch {
	case c.PostLogoutRedirectURL == "":
		d.pass(what+" sign-out", "ends the session here; set NETSCRIPT_AUTH_POST_LOGOUT_REDIRECT_URI to end the provider's too")
	case c.Provider.EndSessionEndpoint == "" && found.EndSession == "":
		d.pass(what+" sign-out", "ends the session here; the provider has no end-session endpoint")
	default:
		d.pass(what+" sign-out", "ends the provider's session too")
	}
}

// store writes, reads and removes a record of its own.
func (d *doctor) store(ctx context.Context, s *storage) {
	key := probeKey + "/" + rand.Text()
	if s.kind == kvMemory {
		d.pass("store", "in memory: a restart signs everybody out")
		return
	}
	d.run(ctx, check{name: "store", ask: func(ctx context.Context) error { return writable(ctx, s.kv, key) }}, "reachable and writable ("+s.kind+")")
}

func writable(ctx context.Context, kv store.KV, key string) error {
	if err := kv.Set(ctx, key, []byte("doctor"), probeTTL); err != nil {
		return storeProblem(err)
	}
	value, found, err := kv.Take(ctx, key)
	if err != nil {
		return storeProblem(err)
	}
	if !found || string(value) != "doctor" {
		return &checkError{"store_loses_writes", "a record that was just written is not there: see that the address is that of the primary"}
	}
	return nil
}

func isHTTP(address string) bool { return strings.HasPrefix(strings.ToLower(address), "http:") }
