package kvoauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

// TestHostileAuthorizationURL: whoever can change the authorization request on its way gains nothing: each of state, nonce
// and code challenge is checked by itself (ADV-14).
func TestHostileAuthorizationURL(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, row := range []struct {
		name   string
		change func(q url.Values)
		code   auth.Code
		token  int // calls of the token endpoint
	}{
		{"state", param("state", strings.Repeat("B", 43)), auth.CodeTransactionMissing, 0},
		{"no state", without("state"), auth.CodeCallbackInvalid, 0},
		{"nonce", param("nonce", strings.Repeat("B", 43)), auth.CodeNonceMismatch, 1},
		{"no nonce", without("nonce"), auth.CodeNonceMismatch, 1},
		{"code_challenge", param("code_challenge", strings.Repeat("A", 43)), auth.CodeCodeRejected, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{})
			w := newWorld(t, idp, nil)
			b := w.browser()
			u, err := url.Parse(b.StartSignIn())
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			row.change(q)
			u.RawQuery = q.Encode()
			w.refused(w.finish(b, b.Authorize(u.String(), "alice")), row.code)
			w.calls(row.token, 0)
		})
	}
}

// TestHostileKeysOfAnotherProvider: the keys of one provider, although they are known and called the same, verify no token
// of another one (ADV-69).
func TestHostileKeysOfAnotherProvider(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	evil := newIDP(t, authtest.ProviderConfig{ID: "evil", Issuer: "https://evil.test"})
	w := newWorld(t, idp, nil, evil)
	b := w.browser()
	w.signedIn(b, w.finish(b, w.begin(b, "providerId", "evil")), "urn:netscript:evil:alice") // its keys are in memory now
	kid := ""
	idp.SetFaults(fakeop.Faults{RawIDToken: func(header, claims map[string]any) string {
		kid, _ = header["kid"].(string)
		return signToken(t, evil.Provider, header, claims)
	}})
	victim := w.browser()
	w.refusedSignedIn(w.finish(victim, w.begin(victim, "providerId", "fake")), auth.CodeIDTokenInvalid)
	for _, p := range []*hostileIDP{idp, evil} {
		found := false
		for _, k := range publishedKeys(t, p.Provider) {
			found = found || k["kid"] == kid
		}
		if !found || kid == "" {
			t.Errorf("%s has no key %q: the test proves less than it says", p.Issuer(), kid)
		}
	}
}

// sizes is a store that knows how much each sign-in takes, and for how long.
type sizes struct {
	store.KV
	most, writes int
	longest      time.Duration
}

func (s *sizes) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	s.writes++
	s.most, s.longest = max(s.most, len(key)+len(value)), max(s.longest, ttl)
	return s.KV.Set(ctx, key, value, ttl)
}

// TestHostileFlood: a sign-in that anybody may start takes one small record for some minutes, whatever is asked for, and
// all of them together ask the provider for its document once (NS-41).
func TestHostileFlood(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	var kept *sizes
	w := newWorld(t, idp, func(c *kvoauth.Config) {
		kept = &sizes{KV: c.KV}
		c.SignInKV = kept
	})
	for i := range 100 {
		d, err := w.backend.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{
			ReturnTo: "/" + strings.Repeat("r", 2047), State: strings.Repeat("s", 1024), LoginHint: strings.Repeat("l", 256),
		})
		if err != nil || len(d.Cookies) != 1 {
			t.Fatalf("sign-in %d: %v", i, err)
		}
	}
	if kept.writes != 100 || kept.most > 4<<10 || kept.longest != kvoauth.DefaultSignInTimeout {
		t.Errorf("%d writes of up to %d bytes for up to %v", kept.writes, kept.most, kept.longest)
	}
	if n := idp.Count(fakeop.EndpointDiscovery); n != 1 || len(w.egress.targets()) != 1 {
		t.Errorf("%d requests for the document, %d in all", n, len(w.egress.targets()))
	}
}
