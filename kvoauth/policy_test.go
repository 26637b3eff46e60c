package kvoauth_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// TestSessionPolicies is NIST-07 and ASVS-7.3: each policy's session ends when it is idle for too long, and however much
// it is used, when it is too old.
func TestSessionPolicies(t *testing.T) {
	const day = 24 * time.Hour
	for policy, want := range map[kvoauth.SessionPolicy]struct{ absolute, idle time.Duration }{
		kvoauth.AAL1: {30 * day, day}, kvoauth.AAL2: {day, time.Hour}, kvoauth.AAL3: {12 * time.Hour, 15 * time.Minute},
	} {
		t.Run(string(policy), func(t *testing.T) {
			g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.SessionPolicy = policy }})
			idle, s := g.create("alice")
			if !s.ExpiresAt.Equal(g.clock.Now().Add(want.idle)) {
				t.Errorf("idle for %v", s.ExpiresAt.Sub(g.clock.Now()))
			}
			g.clock.advance(want.idle - time.Millisecond)
			g.mustBe(idle, "")
			g.clock.advance(want.idle)
			if g.whoIs(idle) == "" {
				t.Error("an idle session lives on")
			}
			used, _ := g.create("alice")
			end := g.clock.Now().Add(want.absolute)
			for g.clock.Now().Add(want.idle / 2).Before(end) {
				g.clock.advance(want.idle / 2)
				g.mustBe(used, "")
			}
			g.clock.advance(end.Sub(g.clock.Now()))
			if g.whoIs(used) == "" {
				t.Error("a session that is used lives on")
			}
		})
	}
}

// TestShorterTimeouts: sessions that began before the timeouts were shortened are held to them at once; longer ones are for
// new sessions, whose users were never promised less.
func TestShorterTimeouts(t *testing.T) {
	g := newRig(t, rigOptions{})
	aal2 := g.build(func(c *kvoauth.Config) { c.SessionPolicy = kvoauth.AAL2 })
	lives := func(b *kvoauth.Backend, cookie string, want bool) {
		t.Helper()
		if _, err := b.Authenticate(request(session(cookie))); want != (err == nil) || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%v, want alive %v", err, want)
		}
	}
	idle, s := g.create("alice")
	g.clock.advance(time.Hour - time.Millisecond)
	if got, err := aal2.SessionByID(t.Context(), s.ID); err != nil || !got.ExpiresAt.Equal(s.IssuedAt.Add(time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	g.clock.advance(time.Millisecond)
	lives(aal2, idle, false)

	used, _ := g.create("alice")
	for range 47 {
		g.clock.advance(30 * time.Minute)
		lives(g.Backend, used, true)
	}
	g.clock.advance(30*time.Minute - time.Millisecond)
	lives(aal2, used, true)
	g.clock.advance(time.Millisecond)
	lives(aal2, used, false)

	longer := g.build(func(c *kvoauth.Config) { c.AbsoluteTimeout, c.IdleTimeout = 365*24*time.Hour, 365*24*time.Hour })
	promised, s := g.create("alice")
	g.clock.advance(s.ExpiresAt.Sub(g.clock.Now()))
	lives(longer, promised, false)
}

func TestSessionPolicyConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*kvoauth.Config)
		wrong  string // what the complaint names; "" if it is good
	}{
		"shorter": {func(c *kvoauth.Config) {
			c.SessionPolicy, c.AbsoluteTimeout, c.IdleTimeout = kvoauth.AAL2, time.Hour, time.Minute
		}, ""},
		"shorter overall than the policy idle": {func(c *kvoauth.Config) { c.SessionPolicy, c.AbsoluteTimeout = kvoauth.AAL2, time.Minute }, ""},
		"as long": {func(c *kvoauth.Config) {
			c.SessionPolicy, c.AbsoluteTimeout, c.IdleTimeout = kvoauth.AAL3, 12*time.Hour, 15*time.Minute
		}, ""},
		"AAL1 without an idle limit of its own": {func(c *kvoauth.Config) { c.SessionPolicy, c.IdleTimeout = kvoauth.AAL1, 30*24*time.Hour }, ""},
		"longer overall":                        {func(c *kvoauth.Config) { c.SessionPolicy, c.AbsoluteTimeout = kvoauth.AAL2, 24*time.Hour+1 }, "AbsoluteTimeout"},
		"longer idle":                           {func(c *kvoauth.Config) { c.SessionPolicy, c.IdleTimeout = kvoauth.AAL3, 15*time.Minute+1 }, "IdleTimeout"},
		"the default, spelt out":                {func(c *kvoauth.Config) { c.SessionPolicy, c.IdleTimeout = kvoauth.AAL2, kvoauth.DefaultIdleTimeout }, "IdleTimeout"},
		"no policy":                             {func(c *kvoauth.Config) { c.SessionPolicy = "AAL2" }, "SessionPolicy"},
		"a negative timeout":                    {func(c *kvoauth.Config) { c.SessionPolicy, c.AbsoluteTimeout = kvoauth.AAL2, -1 }, "IdleTimeout"},
		"no address range":                      {func(c *kvoauth.Config) { c.TrustedProxies = make([]netip.Prefix, 1) }, "TrustedProxies"},
		"no such header":                        {func(c *kvoauth.Config) { c.ForwardedHeader = "X-Real-IP" }, "ForwardedHeader"},
	} {
		g := newRig(t, rigOptions{})
		config := g.config
		c.change(&config)
		_, err := kvoauth.NewKvOAuthBackend(config)
		if (err == nil) != (c.wrong == "") || err != nil && (auth.CodeOf(err) != auth.CodeConfigInvalid || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefreshIsNoUse is NIST-06: tokens that are renewed without a request put nothing off.
func TestRefreshIsNoUse(t *testing.T) {
	g := newRig(t, rigOptions{
		provider: func(c *fakeop.Config) { c.AccessTokenLife = 10 * time.Minute },
		backend:  func(c *kvoauth.Config) { c.SessionPolicy = kvoauth.AAL2 },
	})
	result := g.signIn("alice")
	for range 5 {
		g.clock.advance(10 * time.Minute)
		s, err := g.RefreshSession(t.Context(), result.Session.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !s.ExpiresAt.Equal(result.Session.ExpiresAt) || !s.LastUsedAt.Equal(result.Session.LastUsedAt) || !s.RefreshedAt.Equal(g.clock.Now()) {
			t.Fatalf("a refresh has moved the end to %v, the use to %v", s.ExpiresAt, s.LastUsedAt)
		}
	}
	g.clock.advance(10 * time.Minute)
	if g.whoIs(credential(result)) == "" {
		t.Error("a session that nobody has used for an hour lives on")
	}
}

// TestSessionAddress: whose header is believed, and only for a sign-in.
func TestSessionAddress(t *testing.T) {
	const forwarded = "X-Forwarded-For"
	proxied := func(c *kvoauth.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
	for name, c := range map[string]struct {
		backend      func(*kvoauth.Config)
		header, from string
		want         string
	}{
		"no proxies":          {nil, forwarded, "198.51.100.9", "192.0.2.1"}, // what httptest calls the peer
		"a proxy":             {proxied, forwarded, "203.0.113.6, 198.51.100.9", "198.51.100.9"},
		"the other header":    {proxied, "Forwarded", "for=198.51.100.9", "192.0.2.1"},
		"malformed":           {proxied, forwarded, "<script>", "192.0.2.1"},
		"RFC 7239":            {func(c *kvoauth.Config) { proxied(c); c.ForwardedHeader = "Forwarded" }, "Forwarded", `for="[2001:db8::1]:80"`, "2001:db8::1"},
		"RFC 7239, the other": {func(c *kvoauth.Config) { proxied(c); c.ForwardedHeader = "Forwarded" }, forwarded, "198.51.100.9", "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{backend: c.backend})
			r, p := g.callback("alice")
			r.Header.Set(c.header, c.from)
			result, err := g.HandleCallback(r, p)
			if err != nil {
				t.Fatal(err)
			}
			list, err := g.ListSessions(t.Context(), "alice")
			if err != nil || len(list) != 1 || list[0].IPAddress != c.want || result.Session.IPAddress != c.want {
				t.Errorf("%q, %+v, %v", result.Session.IPAddress, list, err)
			}
			later := request(session(credential(result)))
			later.RemoteAddr, later.Header = "203.0.113.200:1", http.Header{"Cookie": later.Header["Cookie"], c.header: {"203.0.113.201"}}
			if s, err := g.Session(later); err != nil || s.IPAddress != c.want {
				t.Errorf("later %+v, %v", s, err)
			}
		})
	}
	g := newRig(t, rigOptions{})
	r, p := g.callback("alice")
	r.RemoteAddr = "@"
	if result, err := g.HandleCallback(r, p); err != nil || result.Session.IPAddress != "" {
		t.Errorf("over a socket: %q, %v", result.Session.IPAddress, err)
	}
}
