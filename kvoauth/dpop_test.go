package kvoauth_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

func useDPoP(c *kvoauth.Config) { c.Clients[0].DPoP = true }

func requireNonce(c *fakeop.Config) { c.Clients[0].RequireDPoP, c.RequireDPoPNonce = true, true }

// proofs returns the DPoP proofs that an endpoint was sent, and fails where one is missing.
func (g *rig) proofs(e fakeop.Endpoint) (proofs []string) {
	g.t.Helper()
	for _, r := range g.idp.Requests() {
		if r.Endpoint != e {
			continue
		}
		if len(r.Header.Values("DPoP")) != 1 {
			g.t.Fatalf("a %s request with %d proofs", e, len(r.Header.Values("DPoP")))
		}
		proofs = append(proofs, r.Header.Get("DPoP"))
	}
	return proofs
}

// jktOf returns the thumbprint of a proof's key (RFC 7638).
func jktOf(t testing.TB, proof string) string {
	t.Helper()
	jwk, ok := jwtPart(t, proof, 0)["jwk"].(map[string]any)
	if !ok || jwk["d"] != nil {
		t.Fatal("the proof has no key, or a private one")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":%q,"x":%q,"y":%q}`, jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestDPoP signs in and refreshes. The session has one key, which no other session has, and every request has a proof
// of its own.
func TestDPoP(t *testing.T) {
	key := newECKey(t)
	for name, o := range map[string]rigOptions{
		"alone":      {backend: useDPoP},
		"with nonce": {backend: useDPoP, provider: requireNonce},
		"pushed":     {backend: useDPoP, provider: requirePush},
		"all of it": withSigningKeys(rigOptions{backend: useDPoP, provider: func(c *fakeop.Config) {
			requireNonce(c)
			requirePush(c)
		}}, map[string]crypto.PublicKey{"k1": key.Public()}, signingKey(t, key, "k1", "")),
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, o)
			result := g.signIn("alice")
			for range 2 {
				if _, err := g.RefreshSession(t.Context(), result.Session.ID); err != nil {
					t.Fatal(err)
				}
			}
			g.mustBe(credential(result), "")
			token := g.proofs(fakeop.EndpointToken)
			jkt := jktOf(t, token[0])
			seen := map[any]bool{}
			for _, e := range []fakeop.Endpoint{fakeop.EndpointPAR, fakeop.EndpointToken, fakeop.EndpointUserInfo} {
				for _, proof := range g.proofs(e) {
					g.checkProof(e, proof)
					if jti := jwtPart(t, proof, 1)["jti"]; jktOf(t, proof) != jkt || seen[jti] {
						t.Errorf("a proof for %s of another key, or one that was used before", e)
					} else {
						seen[jti] = true
					}
				}
			}
			g.checkNamedKey(jkt)
			g.checkBoundUserInfo()
			g.idp.Reset()
			g.signIn("bob")
			if jktOf(t, g.proofs(fakeop.EndpointToken)[0]) == jkt {
				t.Error("two sessions have one key")
			}
		})
	}
}

func (g *rig) checkProof(e fakeop.Endpoint, proof string) {
	g.t.Helper()
	header, claims := jwtPart(g.t, proof, 0), jwtPart(g.t, proof, 1)
	method := http.MethodPost
	if e == fakeop.EndpointUserInfo {
		method = http.MethodGet
	}
	iat, _ := claims["iat"].(float64)
	if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || claims["htm"] != method || claims["htu"] != g.idp.Issuer()+"/"+string(e) ||
		int64(iat) != g.clock.Now().Unix() || (claims["ath"] != nil) != (e == fakeop.EndpointUserInfo) {
		g.t.Errorf("header %v, claims %v", header, claims)
	}
}

// checkNamedKey: the authorization request names the key (RFC 9449, section 10).
func (g *rig) checkNamedKey(jkt string) {
	g.t.Helper()
	named := ""
	for _, r := range g.idp.Requests() {
		if r.Endpoint == fakeop.EndpointAuthorize && r.Query.Has("dpop_jkt") {
			named = r.Query.Get("dpop_jkt")
		}
		if r.Endpoint == fakeop.EndpointPAR {
			named = r.Form.Get("dpop_jkt")
		}
	}
	if named != jkt {
		g.t.Errorf("dpop_jkt is %q, want %q", named, jkt)
	}
}

func (g *rig) checkBoundUserInfo() {
	g.t.Helper()
	for _, r := range g.idp.Requests() {
		if r.Endpoint != fakeop.EndpointUserInfo {
			continue
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
		sum := sha256.Sum256([]byte(token))
		if ath := jwtPart(g.t, r.Header.Get("DPoP"), 1)["ath"]; !ok || ath != base64.RawURLEncoding.EncodeToString(sum[:]) {
			g.t.Errorf("UserInfo with scheme DPoP %t and ath %v", ok, ath)
		}
	}
}

// TestDPoPNonceIsRemembered: a challenge costs one request more, once.
func TestDPoPNonceIsRemembered(t *testing.T) {
	g := newRig(t, rigOptions{backend: useDPoP, provider: requireNonce})
	for i, want := range []int{2, 1, 2, 1} { // the token requests of a sign-in
		if i == 2 {
			g.idp.RotateDPoPNonce()
		}
		g.idp.Reset()
		g.signIn("alice")
		if n := g.idp.Count(fakeop.EndpointToken); n != want {
			t.Errorf("sign-in %d: %d token requests, want %d", i, n, want)
		}
		if n := g.idp.Count(fakeop.EndpointUserInfo); n != 1 {
			t.Errorf("sign-in %d: %d UserInfo requests", i, n)
		}
	}
	result := g.signIn("alice")
	g.idp.RotateDPoPNonce()
	g.idp.Reset()
	if _, err := g.RefreshSession(t.Context(), result.Session.ID); err != nil || g.idp.Count(fakeop.EndpointToken) != 2 {
		t.Errorf("refresh after a rotation: %d requests, %v", g.idp.Count(fakeop.EndpointToken), err)
	}
}

// challenge makes an endpoint ask for another nonce every time.
func challenge(e fakeop.Endpoint, change func(http.Header)) fakeop.Faults {
	var n atomic.Int64
	return fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{e: func(w http.ResponseWriter, _ *http.Request) bool {
		h, status, body := w.Header(), http.StatusBadRequest, `{"error":"use_dpop_nonce","error_description":"`+marker+`"}`
		h.Set("DPoP-Nonce", marker+strconv.FormatInt(n.Add(1), 10))
		h.Set("Content-Type", "application/json")
		if e == fakeop.EndpointUserInfo {
			h.Set("WWW-Authenticate", `dPoP realm="x", error="use_dpop_nonce"`)
			status, body = http.StatusUnauthorized, ""
		}
		if change != nil {
			change(h)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}}}
}

// TestHostileDPoPNonce: a provider that never has enough is asked twice, and one that gives no usable nonce once.
func TestHostileDPoPNonce(t *testing.T) {
	g := newRig(t, rigOptions{backend: useDPoP, provider: requirePush})
	for _, row := range []struct {
		name     string
		endpoint fakeop.Endpoint
		change   func(http.Header)
		requests int
		code     auth.Code
	}{
		{"endless at the token endpoint", fakeop.EndpointToken, nil, 2, auth.CodeProviderInvalid},
		{"endless at UserInfo", fakeop.EndpointUserInfo, nil, 2, auth.CodeProviderInvalid},
		{"endless at the push", fakeop.EndpointPAR, nil, 2, auth.CodeProviderInvalid},
		{"no nonce", fakeop.EndpointToken, func(h http.Header) { h.Del("DPoP-Nonce") }, 1, auth.CodeProviderInvalid},
		{"two nonces", fakeop.EndpointToken, func(h http.Header) { h.Add("DPoP-Nonce", "b") }, 1, auth.CodeProviderInvalid},
		{"an endless nonce", fakeop.EndpointToken, func(h http.Header) { h.Set("DPoP-Nonce", strings.Repeat("n", 4096)) }, 1, auth.CodeProviderInvalid},
		{"a nonce with a space", fakeop.EndpointToken, func(h http.Header) { h.Set("DPoP-Nonce", "a b") }, 1, auth.CodeProviderInvalid},
		{"another challenge at UserInfo", fakeop.EndpointUserInfo, func(h http.Header) { h.Set("WWW-Authenticate", `DPoP error="invalid_token"`) }, 1, auth.CodeProviderInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			g.idp.SetFaults(challenge(row.endpoint, row.change))
			g.idp.Reset()
			b := g.build(nil)
			stored := g.count(storetest.OpSet, "t")
			redirect, err := b.SignIn(request(), auth.SignInParams{})
			if row.endpoint == fakeop.EndpointPAR {
				if redirect != nil || g.count(storetest.OpSet, "t") != stored {
					t.Error("a sign-in is under way")
				}
			} else if err == nil {
				_, err = b.HandleCallback(g.answer(redirect, "alice"))
			}
			if auth.CodeOf(err) != row.code || err != nil && strings.Contains(err.Error(), marker) {
				t.Errorf("%v, want %q", err, row.code)
			}
			if n := g.idp.Count(row.endpoint); n != row.requests {
				t.Errorf("%d requests, want %d", n, row.requests)
			}
		})
	}
	t.Run("a refresh", func(t *testing.T) {
		g.idp.SetFaults(fakeop.Faults{})
		result := g.signIn("alice")
		g.idp.SetFaults(challenge(fakeop.EndpointToken, nil))
		g.idp.Reset()
		if _, err := g.RefreshSession(t.Context(), result.Session.ID); err == nil || g.idp.Count(fakeop.EndpointToken) != 2 {
			t.Errorf("%d requests, %v", g.idp.Count(fakeop.EndpointToken), err)
		}
		g.mustBe(credential(result), "")
	})
}

// TestHostileDPoP: tokens that are not bound as they were to be are refused, and nothing of the proofs shows.
func TestHostileDPoP(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) { c.Clients[0].IDTokenAlg = "ES256" }})
	for _, row := range []struct {
		name   string
		faults fakeop.Faults
		dpop   bool
		code   auth.Code // empty: it works
	}{
		{"as it should be", fakeop.Faults{}, true, ""},
		{"CONF-F10 in another case", tokenMember("token_type", "dpOP"), true, ""},
		{"CONF-F09 without expires_in", noTokenMember("expires_in"), true, ""},
		{"a bearer token", tokenMember("token_type", "Bearer"), true, auth.CodeProviderInvalid},
		{"a token of no type", noTokenMember("token_type"), true, auth.CodeProviderInvalid},
		{"a bound token that was not asked for", tokenMember("token_type", "DPoP"), false, auth.CodeProviderInvalid},
		{"invalid_dpop_proof", tokenAnswer(400, "application/json", `{"error":"invalid_dpop_proof","error_description":"`+marker+`"}`), true, auth.CodeProviderRefused},
	} {
		t.Run(row.name, func(t *testing.T) {
			idp.SetFaults(row.faults)
			w := newWorld(t, idp, func(c *kvoauth.Config) { c.Clients[0].DPoP = row.dpop })
			b := w.browser()
			a := w.finish(b, w.begin(b))
			if row.code != "" {
				w.refused(a, row.code)
				return
			}
			if !b.SignedIn() {
				t.Errorf("status %d, reason %q", a.status, a.reason)
			}
			w.silent(a)
		})
	}
	for name, algs := range map[string]any{"nothing": nil, "other algorithms": []string{"RS256"}, "a text": "ES256"} {
		t.Run("a provider that promises "+name, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) {
				if doc["dpop_signing_alg_values_supported"] = algs; algs == nil {
					delete(doc, "dpop_signing_alg_values_supported")
				}
			}})
			w := newWorld(t, idp, useDPoP)
			redirect, err := w.backend.SignIn(request(), auth.SignInParams{})
			if redirect != nil || auth.CodeOf(err) != auth.CodeProviderInvalid || w.kv.transactions() != 0 {
				t.Errorf("redirect %v, error %v", redirect, err)
			}
		})
	}
}

// TestDPoPIsTurnedOnAndOff: a session stays as it began.
func TestDPoPIsTurnedOnAndOff(t *testing.T) {
	for _, began := range []bool{true, false} {
		t.Run(strconv.FormatBool(began), func(t *testing.T) {
			g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.Clients[0].DPoP = began }})
			result := g.signIn("alice")
			other := g.build(func(c *kvoauth.Config) {
				c.Clients = slices.Clone(c.Clients)
				c.Clients[0].DPoP = !began
			})
			g.idp.Reset()
			if _, err := other.RefreshSession(t.Context(), result.Session.ID); err != nil {
				t.Fatal(err)
			}
			for _, r := range g.idp.Requests() {
				if r.Endpoint == fakeop.EndpointToken && (r.Header.Get("DPoP") != "") != began {
					t.Errorf("a proof: %t, want %t", !began, began)
				}
			}
			g.mustBe(credential(result), "")
		})
	}
}
