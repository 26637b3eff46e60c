package kvoauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type jwks = map[string]any

// rsaJWK returns a key that nobody has the private part of.
func rsaJWK(t *testing.T, kid string) jwks {
	t.Helper()
	n := make([]byte, 256)
	_, _ = rand.Read(n)
	n[0] |= 0x80
	n[255] |= 1
	return jwks{"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64(n), "e": "AQAB"}
}

// TestHostileKeySetEntries: an entry that cannot be used is ignored, and the right key beside it works (RFC 7517,
// section 5, section 7, F-JWKS).
func TestHostileKeySetEntries(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	entry := map[string]jwks{
		"unknown kty":    {"kty": "AKP", "kid": "x", "alg": "ML-DSA-44", "pub": "AAAA"},
		"unknown crv":    {"kty": "EC", "kid": "x", "crv": "secp256k1", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		"no kty":         {"kid": "x"},
		"empty":          {},
		"broken base64":  {"kty": "RSA", "kid": "x", "n": "!!", "e": "AQAB"},
		"off the curve":  {"kty": "EC", "kid": "x", "crv": "P-256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		"short OKP":      {"kty": "OKP", "kid": "x", "crv": "Ed25519", "x": "AAAA"},
		"symmetric":      {"kty": "oct", "kid": "x", "k": b64(make([]byte, 32))},
		"junk x5c":       {"kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "x5c": []string{"!!"}},
		"modulus zero":   {"kty": "RSA", "kid": "x", "n": "AA", "e": "AQAB"},
		"kid a number":   {"kty": "RSA", "kid": 7, "n": "AQAB", "e": "AQAB"},
		"key_ops a text": {"kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB", "key_ops": "verify"},
	}
	for name, bad := range entry {
		t.Run(name, func(t *testing.T) {
			for _, front := range []bool{true, false} {
				idp.SetFaults(fakeop.Faults{JWKS: func(set map[string]any) {
					keys := set["keys"].([]map[string]any)
					if front {
						set["keys"] = append([]map[string]any{bad}, keys...)
						return
					}
					set["keys"] = append(keys, bad)
				}})
				w := newWorld(t, idp, nil)
				b := w.browser()
				w.signedIn(b, w.finish(b, w.begin(b)), "alice")
			}
		})
	}
	t.Run("not an object", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{JWKS: func(set map[string]any) {
			set["keys"] = []any{7, nil, "x", []int{1}, set["keys"].([]map[string]any)[0]}
		}})
		w := newWorld(t, idp, nil)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	})
	t.Run("same kid twice", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{JWKS: func(set map[string]any) {
			keys := set["keys"].([]map[string]any)
			set["keys"] = append([]map[string]any{rsaJWK(t, keys[0]["kid"].(string))}, keys...)
		}})
		w := newWorld(t, idp, nil)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	})
}

// TestHostileKeySet: the provider's own key is published in a form in which it must not be used, or not at all.
func TestHostileKeySet(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	first := func(change func(k jwks)) func(map[string]any) {
		return func(set map[string]any) { change(set["keys"].([]map[string]any)[0]) }
	}
	member := func(name string, value any) func(map[string]any) { return first(func(k jwks) { k[name] = value }) }
	for _, row := range []struct {
		id   string
		jwks func(map[string]any)
		code auth.Code
	}{
		{"CONF-N14 use enc", member("use", "enc"), auth.CodeIDTokenInvalid},
		{"use in capitals", member("use", "SIG"), auth.CodeIDTokenInvalid},
		{"CONF-N14 key_ops", member("key_ops", []string{"encrypt"}), auth.CodeIDTokenInvalid},
		{"key_ops empty", member("key_ops", []string{}), auth.CodeIDTokenInvalid},
		{"alg of another use", member("alg", "RSA-OAEP"), auth.CodeIDTokenInvalid},
		{"ADV-51", member("alg", "RS512"), auth.CodeIDTokenInvalid},
		{"alg none", member("alg", "none"), auth.CodeIDTokenInvalid},
		{"private part", member("d", "AQAB"), auth.CodeIDTokenInvalid},
		{"exponent one", member("e", "AQ"), auth.CodeIDTokenInvalid},
		{"exponent even", member("e", "Ag"), auth.CodeIDTokenInvalid},
		{"another kid", member("kid", "x"), auth.CodeIDTokenInvalid},
		{"another key", first(func(k jwks) { maps.Copy(k, rsaJWK(t, k["kid"].(string))) }), auth.CodeIDTokenInvalid},
		{"empty", func(set map[string]any) { set["keys"] = []any{} }, auth.CodeIDTokenInvalid},
		{"null", func(set map[string]any) { set["keys"] = nil }, auth.CodeIDTokenInvalid},
		{"missing", func(set map[string]any) { delete(set, "keys") }, auth.CodeProviderInvalid},
		{"Keys", func(set map[string]any) {
			set["Keys"] = set["keys"]
			delete(set, "keys")
		}, auth.CodeProviderInvalid},
		{"an object", func(set map[string]any) { set["keys"] = set["keys"].([]map[string]any)[0] }, auth.CodeProviderInvalid},
		{"101 keys", func(set map[string]any) {
			keys := set["keys"].([]map[string]any)
			for len(keys) < 101 {
				keys = append(keys, jwks{"kty": "x"})
			}
			set["keys"] = keys
		}, auth.CodeProviderInvalid},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{JWKS: row.jwks})
			w := newWorld(t, idp, nil)
			b := w.browser()
			w.refused(w.finish(b, w.begin(b)), row.code)
			w.calls(1, 0)
		})
	}
	t.Run("100 keys", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{JWKS: func(set map[string]any) {
			keys := set["keys"].([]map[string]any)
			for len(keys) < 100 {
				keys = append(keys, jwks{"kty": "x"})
			}
			set["keys"] = keys
		}})
		w := newWorld(t, idp, nil)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	})
}

// TestHostileWeakKey: a signature that verifies with a key that is too short, or of another kind, is none.
func TestHostileWeakKey(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	fair, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := curve.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	publicRSA := func(k *rsa.PrivateKey) jwks {
		return jwks{"kty": "RSA", "kid": "k", "n": b64(k.N.Bytes()), "e": "AQAB"}
	}
	for name, row := range map[string]struct {
		key   any
		jwk   jwks
		alg   string
		works bool
	}{
		"RSA 1024":                    {weak, publicRSA(weak), "RS256", false},
		"RSA 2048":                    {fair, publicRSA(fair), "RS256", true},
		"ES256, which was not agreed": {curve, jwks{"kty": "EC", "kid": "k", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}, "ES256", false},
	} {
		t.Run(name, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{
				JWKS: func(set map[string]any) { set["keys"] = []any{row.jwk} },
				RawIDToken: func(_, claims map[string]any) string {
					return signWith(t, row.key, map[string]any{"alg": row.alg, "kid": "k"}, claims)
				},
			})
			w := newWorld(t, idp, nil)
			b := w.browser()
			a := w.finish(b, w.begin(b))
			if row.works {
				w.signedIn(b, a, "alice")
				return
			}
			w.refused(a, auth.CodeIDTokenInvalid)
		})
	}
}

// TestHostileKidAbsent: CONF-B07. Of several keys that fit, none is tried.
func TestHostileKidAbsent(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(fakeop.Faults{
		IDToken: func(header, _ map[string]any) { delete(header, "kid") },
		JWKS: func(set map[string]any) {
			set["keys"] = append(set["keys"].([]map[string]any), rsaJWK(t, "other"))
		},
	})
	w := newWorld(t, idp, nil)
	b := w.browser()
	w.refused(w.finish(b, w.begin(b)), auth.CodeIDTokenInvalid)
	w.calls(1, 0)
}

// TestHostileRotation: keys that change between two sign-ins, or just before signing, cost one further fetch (CONF-C05,
// CONF-C06), also when everybody comes at once.
func TestHostileRotation(t *testing.T) {
	for _, kidless := range []bool{false, true} {
		t.Run(fmt.Sprintf("without kid %t", kidless), func(t *testing.T) {
			idp := newIDP(t, authtest.ProviderConfig{})
			if kidless {
				idp.SetFaults(fakeop.Faults{IDToken: func(header, _ map[string]any) { delete(header, "kid") }})
			}
			w := newWorld(t, idp, nil)
			b := w.browser()
			w.signedIn(b, w.finish(b, w.begin(b)), "alice")
			if n := idp.Count(fakeop.EndpointJWKS); n != 1 {
				t.Fatalf("%d fetches of the keys before", n)
			}
			const crowd = 8
			type tab struct {
				b  *authtest.Browser
				cb *authtest.Callback
			}
			var tabs []tab
			for range crowd {
				b := w.browser()
				tabs = append(tabs, tab{b, w.begin(b)})
			}
			idp.RotateKeys()
			var wg sync.WaitGroup
			for _, tab := range tabs {
				wg.Go(func() {
					if a := w.finish(tab.b, tab.cb); a.status != http.StatusFound {
						t.Errorf("status %d, reason %q", a.status, a.reason)
					}
				})
			}
			wg.Wait()
			if n := idp.Count(fakeop.EndpointJWKS); n != 2 {
				t.Errorf("%d fetches of the keys, want one more", n)
			}
		})
	}
}

// TestHostileForgedKids: fifty tokens with unknown keys are one request to the provider in five minutes (OIDC-20).
func TestHostileForgedKids(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	n := 0
	idp.SetFaults(fakeop.Faults{IDToken: func(header, _ map[string]any) {
		n++
		header["kid"] = fmt.Sprintf("forged-%d", n)
	}})
	w := newWorld(t, idp, nil)
	for range 50 {
		b := w.browser()
		w.refused(w.finish(b, w.begin(b)), auth.CodeIDTokenInvalid)
	}
	if n := idp.Count(fakeop.EndpointJWKS); n != 2 {
		t.Errorf("%d fetches of the keys, want the first and one more", n)
	}
	w.clock.advance(5 * time.Minute)
	for range 3 {
		b := w.browser()
		w.refused(w.finish(b, w.begin(b)), auth.CodeIDTokenInvalid)
	}
	if n := idp.Count(fakeop.EndpointJWKS); n != 3 {
		t.Errorf("%d fetches of the keys after five minutes, want one more", n)
	}
	idp.SetFaults(fakeop.Faults{})
	b := w.browser()
	w.signedIn(b, w.finish(b, w.begin(b)), "alice") // and the known key goes on working
}

// TestHostileRotationWhileDown: a failed fetch of new keys is "could not tell", not "the token is wrong".
func TestHostileRotationWhileDown(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	idp.RotateKeys()
	idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointJWKS: fakeop.Reply(503, "text/plain", marker)}})
	b = w.browser()
	if a := w.finish(b, w.begin(b)); a.reason != string(auth.CodeProviderUnavailable) {
		t.Errorf("reason %q", a.reason)
	}
	idp.SetFaults(fakeop.Faults{})
	b = w.browser()
	cb := w.begin(b)
	w.clock.advance(10 * time.Second) // a short outage does not lock people out for minutes
	if a := w.finish(b, cb); a.status != http.StatusFound {
		t.Errorf("after the outage: status %d, reason %q", a.status, a.reason)
	}
	w.silent(nil)
}

// TestHostileStale: keys and metadata serve for a day while the provider's documents cannot be had, and then no more.
func TestHostileStale(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	down := fakeop.Reply(503, "text/plain", marker)
	w := newWorld(t, idp, nil)
	b := w.browser()
	w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointJWKS: down, fakeop.EndpointDiscovery: down}})
	w.clock.advance(24*time.Hour - time.Second)
	b = w.browser()
	cb := w.begin(b)
	if a := w.finish(b, cb); a.status != http.StatusFound {
		t.Errorf("after a day: status %d, reason %q", a.status, a.reason)
	}
	w.clock.advance(time.Second)
	a := w.send(w.browser(), http.MethodGet, auth.DefaultBasePath+"/signin", nil)
	if a.status != http.StatusBadGateway || a.reason != string(auth.CodeProviderUnavailable) || len(a.cookies) != 0 {
		t.Errorf("after more than a day: status %d, reason %q", a.status, a.reason)
	}
	idp.SetFaults(fakeop.Faults{})
	b = w.browser()
	w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	w.silent(nil)
}

// TestHostileFirstFetch: many first sign-ins at once ask for the discovery document once, and the constructor not at all.
func TestHostileFirstFetch(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	release := make(chan struct{})
	idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointDiscovery: fakeop.HoldUntil(release)}})
	w := newWorld(t, idp, nil)
	if n := len(w.egress.targets()); n != 0 {
		t.Fatalf("%d requests before the first sign-in", n)
	}
	var wg sync.WaitGroup
	started := make(chan struct{}, 20)
	for range 20 {
		wg.Go(func() {
			started <- struct{}{}
			rec := httptest.NewRecorder()
			w.app.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, auth.DefaultBasePath+"/signin", nil))
			if rec.Code != http.StatusFound {
				t.Errorf("status %d", rec.Code)
			}
		})
	}
	for range 20 {
		<-started
	}
	close(release)
	wg.Wait()
	if n := idp.Count(fakeop.EndpointDiscovery); n != 1 {
		t.Errorf("%d requests for the discovery document", n)
	}
}
