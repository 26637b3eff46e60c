package auth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
)

const proxyPeer = "10.1.2.3:5000"

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newSigner(t testing.TB, c auth.HeaderSignerConfig) *auth.HeaderSigner {
	t.Helper()
	s, err := auth.NewHeaderSigner(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newTrusted(t testing.TB, c auth.TrustedHeadersConfig) *auth.TrustedHeaders {
	t.Helper()
	if c.Proxies == nil {
		c.Proxies = proxies
	}
	a, err := auth.NewTrustedHeaders(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// signed returns Alice's headers.
func signed(t testing.TB, s *auth.HeaderSigner) http.Header {
	t.Helper()
	a, _ := alice(nil)
	h, err := s.Headers(a)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func fromProxy(h http.Header) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr, r.Header = proxyPeer, h
	return r
}

func TestTrustedHeaders(t *testing.T) {
	key := auth.GenerateKey()
	signer := newSigner(t, auth.HeaderSignerConfig{Keys: []auth.Key{key}, Claims: []string{"name", "absent"}})
	trusted := newTrusted(t, auth.TrustedHeadersConfig{Keys: []auth.Key{auth.GenerateKey(), key}})
	got, err := trusted.Authenticate(fromProxy(signed(t, signer)))
	want := &auth.Authentication{Principal: auth.Principal{Subject: "alice", Scopes: []string{"orders:read"}, Roles: []string{"clerk"},
		Scheme: auth.SchemeTrustedHeader, Claims: map[string]any{"name": "Alice"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	h := signed(t, signer)
	if h.Get(auth.HeaderSubject) != "alice" || h.Get(auth.HeaderScopes) != "orders:read" || h.Get(auth.HeaderRoles) != "clerk" {
		t.Errorf("plain headers %v", h)
	}
}

func TestTrustedHeadersRefused(t *testing.T) {
	key, other := auth.GenerateKey(), auth.GenerateKey()
	now := time.Now()
	at := func(d time.Duration) auth.HeaderSignerConfig {
		return auth.HeaderSignerConfig{Keys: []auth.Key{key}, Now: func() time.Time { return now.Add(d) }}
	}
	plain := at(0)
	change := func(f func(h http.Header)) *http.Request {
		h := signed(t, newSigner(t, plain))
		f(h)
		return fromProxy(h)
	}
	from := func(peer string) *http.Request {
		r := fromProxy(signed(t, newSigner(t, plain)))
		r.RemoteAddr = peer
		return r
	}
	by := func(c auth.HeaderSignerConfig) *http.Request { return fromProxy(signed(t, newSigner(t, c))) }
	tests := []struct {
		name string
		r    *http.Request
		code auth.Code
	}{
		{"no headers", fromProxy(http.Header{}), auth.CodeNoCredential},
		{"the plain headers alone", change(func(h http.Header) { h.Del(auth.HeaderIdentity) }), auth.CodeNoCredential},
		{"another peer", from("192.0.2.1:5000"), auth.CodeNoCredential},
		{"no peer", from("@"), auth.CodeNoCredential},
		{"forwarded for a proxy", func() *http.Request {
			r := from("192.0.2.1:5000")
			r.Header.Set("X-Forwarded-For", "10.1.2.3")
			return r
		}(), auth.CodeNoCredential},
		{"another key", by(auth.HeaderSignerConfig{Keys: []auth.Key{other}}), auth.CodeTokenInvalid},
		{"another audience", by(auth.HeaderSignerConfig{Keys: []auth.Key{key}, Audience: "billing"}), auth.CodeTokenInvalid},
		{"expired", by(at(-36 * time.Second)), auth.CodeTokenExpired},
		{"from the future", by(at(7 * time.Second)), auth.CodeTokenInvalid},
		{"changed", change(func(h http.Header) {
			v := []byte(h.Get(auth.HeaderIdentity))
			v[10] ^= 1
			h.Set(auth.HeaderIdentity, string(v))
		}), auth.CodeTokenInvalid},
		{"cut", change(func(h http.Header) { h.Set(auth.HeaderIdentity, h.Get(auth.HeaderIdentity)[:20]) }), auth.CodeCredentialMalformed},
		{"a session token", change(func(h http.Header) {
			tokens, _ := auth.NewSessionTokens([]auth.Key{key}, nil)
			token, _ := tokens.SealSessionToken(auth.SessionToken{SessionID: "s", Subject: "alice", Purpose: "p", ExpiresAt: now.Add(time.Hour)})
			h.Set(auth.HeaderIdentity, "nsi1."+strings.TrimPrefix(token, "nst1."))
		}), auth.CodeTokenInvalid},
		{"twice", change(func(h http.Header) { h.Add(auth.HeaderIdentity, h.Get(auth.HeaderIdentity)) }), auth.CodeCredentialMalformed},
		{"with an underscore", change(func(h http.Header) { h["X_auth_identity"] = h[auth.HeaderIdentity] }), auth.CodeCredentialMalformed},
		{"a plain one with an underscore", change(func(h http.Header) { h["X-Auth_roles"] = []string{"admin"} }), auth.CodeCredentialMalformed},
		{"another subject", change(func(h http.Header) { h.Set(auth.HeaderSubject, "bob") }), auth.CodeCredentialMalformed},
		{"other scopes", change(func(h http.Header) { h.Set(auth.HeaderScopes, "orders:read orders:write") }), auth.CodeCredentialMalformed},
		{"other roles", change(func(h http.Header) { h.Set(auth.HeaderRoles, "admin") }), auth.CodeCredentialMalformed},
	}
	trusted := newTrusted(t, auth.TrustedHeadersConfig{Keys: []auth.Key{key}, Now: func() time.Time { return now }})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := trusted.Authenticate(tt.r)
			if got != nil || !errors.Is(err, auth.ErrUnauthenticated) || auth.CodeOf(err) != tt.code {
				t.Errorf("%+v, %v; want %s", got, err, tt.code)
			}
		})
	}
	for _, ok := range []*http.Request{by(at(-34 * time.Second)), by(at(4 * time.Second)), from("[::1]:5000"), from("[::ffff:10.9.9.9]:80")} {
		if _, err := trusted.Authenticate(ok); err != nil {
			t.Errorf("from %s: %v", ok.RemoteAddr, err)
		}
	}
}

func TestTrustedHeadersConfig(t *testing.T) {
	key := []auth.Key{auth.GenerateKey()}
	tests := map[string]auth.TrustedHeadersConfig{
		"no key":     {Proxies: proxies},
		"zero key":   {Keys: []auth.Key{{}}, Proxies: proxies},
		"no proxy":   {Keys: key},
		"zero proxy": {Keys: key, Proxies: []netip.Prefix{{}}},
		"skew":       {Keys: key, Proxies: proxies, ClockSkew: time.Hour},
	}
	for name, c := range tests {
		if _, err := auth.NewTrustedHeaders(c); auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]auth.HeaderSignerConfig{"no key": {}, "lifetime": {Keys: key, Lifetime: time.Hour}, "short": {Keys: key, Lifetime: 1}} {
		if _, err := auth.NewHeaderSigner(c); auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Errorf("signer, %s: %v", name, err)
		}
	}
}

func TestHeaderSignerLimits(t *testing.T) {
	s := newSigner(t, auth.HeaderSignerConfig{Keys: []auth.Key{auth.GenerateKey()}, Claims: []string{"x"}})
	for name, p := range map[string]auth.Principal{
		"no subject": {}, "too long": {Subject: "a", Claims: map[string]any{"x": strings.Repeat("x", 4096)}},
		"not JSON": {Subject: "a", Claims: map[string]any{"x": func() {}}},
	} {
		if h, err := s.Headers(&auth.Authentication{Principal: p}); h != nil || auth.CodeOf(err) != auth.CodeInternal {
			t.Errorf("%s: %v, %v", name, h, err)
		}
	}
}

// TestHeaderSignerMiddleware sends what a client may smuggle through a gateway.
func TestHeaderSignerMiddleware(t *testing.T) {
	signer := newSigner(t, auth.HeaderSignerConfig{Keys: []auth.Key{auth.GenerateKey()}})
	var passed http.Header
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { passed = r.Header })
	for _, tt := range []struct {
		name         string
		authenticate func(*http.Request) (*auth.Authentication, error)
		subject      []string
	}{{"somebody", alice, []string{"alice"}}, {"nobody", nobody, nil}} {
		t.Run(tt.name, func(t *testing.T) {
			r := request("GET", "/", "", "X-Other", "kept")
			for _, name := range []string{"X-Auth-Identity", "X-Auth-Subject", "X_auth_subject", "X-Auth_scopes", "x_AUTH-roles", "X-Auth-Roles"} {
				r.Header[name] = []string{"forged"}
			}
			before := r.Header.Clone()
			g := auth.Guard{Authenticator: &fakeCore{authenticate: tt.authenticate}}
			do(g.OptionalAuth(signer.Middleware(next)), r)
			for name, values := range passed {
				if strings.Contains(strings.Join(values, ""), "forged") {
					t.Errorf("%s passed", name)
				}
			}
			if got := passed["X-Auth-Subject"]; !reflect.DeepEqual(got, tt.subject) || passed.Get("X-Other") != "kept" {
				t.Errorf("passed on %v", passed)
			}
			if !reflect.DeepEqual(r.Header, before) {
				t.Error("the request itself was changed")
			}
		})
	}
	w := do(auth.RequireAuth(&fakeCore{authenticate: func(*http.Request) (*auth.Authentication, error) {
		return &auth.Authentication{Principal: auth.Principal{Subject: strings.Repeat("x", 5000)}}, nil
	}})(signer.Middleware(next)), request("GET", "/", ""))
	wantError(t, w, 503, "AUTH_UNAVAILABLE", auth.CodeInternal)
}

func TestVerify(t *testing.T) {
	key := auth.GenerateKey()
	signer := newSigner(t, auth.HeaderSignerConfig{Keys: []auth.Key{key}})
	renewed := func(*http.Request) (*auth.Authentication, error) {
		a, _ := alice(nil)
		a.Cookies = []*http.Cookie{setting("renewed")}
		return a, nil
	}
	b := working()
	b.authenticate = renewed
	h := newHandler(t, b, auth.HandlerConfig{Signer: signer})
	w := do(h, request("GET", base+"/verify", "", "X-Forwarded-Uri", "/health", "X-Original-Method", "OPTIONS"))
	wantStatus(t, w, 200)
	wantCookies(t, w, setting("renewed"))
	checkHeaders(t, w.Header())
	got, err := newTrusted(t, auth.TrustedHeadersConfig{Keys: []auth.Key{key}}).Authenticate(fromProxy(w.Header()))
	if err != nil || got.Principal.Subject != "alice" || !got.Principal.HasRoles("clerk") {
		t.Errorf("the headers say %+v, %v", got, err)
	}

	b.authenticate = deadSession
	w = do(h, request("GET", base+"/verify", "", "Accept", asHTML, "X-Forwarded-Uri", "/health", "User-Agent", "kube-probe/1.30"))
	wantError(t, w, 401, "UNAUTHORIZED", auth.CodeSessionExpired)
	wantCookies(t, w, clearing())
	if w.Header().Get(auth.HeaderIdentity) != "" || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("headers %v", w.Header())
	}
	b.authenticate = storeDown
	w = do(h, request("GET", base+"/verify", ""))
	wantError(t, w, 503, "AUTH_UNAVAILABLE", auth.CodeStoreUnavailable)
	wantCookies(t, w)

	wantStatus(t, do(newHandler(t, working(), auth.HandlerConfig{}), request("GET", base+"/verify", "")), 404)
	wantStatus(t, do(h, request("POST", base+"/verify", "", "Content-Type", asJSON)), 405)
}

// FuzzTrustedHeaders is F-FWD for identity headers: from a peer that is no proxy they do not count, and from a proxy the very
// text that was signed does.
func FuzzTrustedHeaders(f *testing.F) {
	key := auth.GenerateKey()
	signer := newSigner(f, auth.HeaderSignerConfig{Keys: []auth.Key{key}})
	trusted := newTrusted(f, auth.TrustedHeadersConfig{Keys: []auth.Key{key}})
	good := signed(f, signer)
	f.Add(auth.HeaderIdentity, "SIGNED", proxyPeer)
	f.Add(auth.HeaderIdentity, "SIGNED=", proxyPeer)
	f.Add("X_Auth_Identity", "SIGNED", "[::1]:1")
	f.Add(auth.HeaderSubject, "alice", "[fe80::1%eth0]:80")
	f.Add(auth.HeaderIdentity, "nsi1..", "@")
	f.Add(auth.HeaderIdentity, "nsi1.e30."+strings.Repeat("A", 43), "10.0.0.1")
	f.Fuzz(func(t *testing.T, name, value, peer string) {
		value = strings.ReplaceAll(value, "SIGNED", good.Get(auth.HeaderIdentity))
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header[name] = []string{value}
		var got *auth.Authentication
		var err error
		fuzzcheck.Bounded(t, len(name)+len(value), func() { got, err = trusted.Authenticate(r) })
		fuzzcheck.Discreet(t, err, value, good.Get(auth.HeaderIdentity))
		if err == nil && (name != auth.HeaderIdentity || value != good.Get(auth.HeaderIdentity) || got.Principal.Subject != "alice") {
			t.Errorf("%q: %q from %q is %+v", name, value, peer, got)
		}
		if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%v", err)
		}
	})
}
