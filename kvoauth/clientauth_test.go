package kvoauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

const longSecret = "a-client-secret-of-more-than-32-bytes"

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newPrivateKey(t testing.TB, alg string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "RS256", "PS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return newECKey(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signingKey(t testing.TB, key crypto.Signer, id, alg string) kvoauth.SigningKey {
	t.Helper()
	k, err := kvoauth.NewSigningKey(key, id, alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// withSigningKeys makes the rig's client one that authenticates with private_key_jwt; the provider knows the keys by id.
func withSigningKeys(o rigOptions, known map[string]crypto.PublicKey, keys ...kvoauth.SigningKey) rigOptions {
	provider, backend := o.provider, o.backend
	o.provider = func(c *fakeop.Config) {
		c.Clients[0].Secret, c.Clients[0].AuthMethod, c.Clients[0].Keys = "", fakeop.AuthKeyJWT, known
		if provider != nil {
			provider(c)
		}
	}
	o.backend = func(c *kvoauth.Config) {
		c.Clients[0].Provider.ClientAuth, c.Clients[0].SigningKeys = providers.PrivateKeyJWT, keys
		if backend != nil {
			backend(c)
		}
	}
	return o
}

// forms returns the forms that an endpoint was sent.
func (g *rig) forms(e fakeop.Endpoint) (forms []url.Values) {
	for _, r := range g.idp.Requests() {
		if r.Endpoint == e {
			forms = append(forms, r.Form)
		}
	}
	return forms
}

// jwtPart decodes the header (0) or the claims (1) of a JWT.
func jwtPart(t testing.TB, token string, part int) map[string]any {
	t.Helper()
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		t.Fatalf("not a JWT, but %d segments", len(segments))
	}
	raw, err := base64.RawURLEncoding.DecodeString(segments[part])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// TestClientAssertion signs in and refreshes with every kind of client assertion. No two are alike, and no other
// credential is sent.
func TestClientAssertion(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			var g *rig
			if alg == "HS256" {
				g = newRig(t, rigOptions{
					provider: func(c *fakeop.Config) {
						c.Clients[0].Secret, c.Clients[0].AuthMethod = longSecret, fakeop.AuthSecretJWT
					},
					backend: func(c *kvoauth.Config) { c.Clients[0].Provider.ClientAuth = providers.ClientSecretJWT },
				})
			} else {
				key := newPrivateKey(t, alg)
				g = newRig(t, withSigningKeys(rigOptions{}, map[string]crypto.PublicKey{"k1": key.Public()}, signingKey(t, key, "k1", alg)))
			}
			result := g.signIn("alice")
			for range 2 {
				if _, err := g.RefreshSession(t.Context(), result.Session.ID); err != nil {
					t.Fatal(err)
				}
			}
			g.mustBe(credential(result), "")
			g.checkAssertions(alg)
		})
	}
}

func (g *rig) checkAssertions(alg string) {
	g.t.Helper()
	forms := g.forms(fakeop.EndpointToken)
	if len(forms) != 3 {
		g.t.Fatalf("%d token requests", len(forms))
	}
	seen := map[any]bool{}
	for _, form := range forms {
		raw := form.Get("client_assertion")
		if form.Has("client_secret") || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			g.t.Error("not the form of RFC 7523, section 2.2")
		}
		header, claims := jwtPart(g.t, raw, 0), jwtPart(g.t, raw, 1)
		iat, _ := claims["iat"].(float64)
		exp, _ := claims["exp"].(float64)
		if header["alg"] != alg || header["jwk"] != nil || claims["iss"] != g.idp.ClientID || claims["sub"] != g.idp.ClientID || claims["aud"] != g.idp.Issuer() ||
			int64(iat) != g.clock.Now().Unix() || exp-iat <= 0 || exp-iat > 60 {
			g.t.Errorf("header %v, claims %v", header, claims)
		}
		if jti, _ := claims["jti"].(string); len(jti) < 22 || seen[jti] {
			g.t.Error("jti is short, or was used before")
		}
		seen[claims["jti"]] = true
	}
	for _, r := range g.idp.Requests() {
		if r.Endpoint == fakeop.EndpointToken && r.Header.Get("Authorization") != "" {
			g.t.Error("an Authorization header beside the assertion")
		}
	}
}

// TestAssertionAudience: a provider may want its token endpoint named, and only its own is.
func TestAssertionAudience(t *testing.T) {
	key := newECKey(t)
	known := map[string]crypto.PublicKey{"k1": key.Public()}
	for _, tt := range []struct {
		name     string
		wants    string // by the provider
		audience providers.AssertionAudience
		endpoint string // in discovery
		code     auth.Code
	}{
		{"the issuer by default", "https://idp.test", "", "", ""},
		{"the token endpoint where the definition says so", "https://idp.test/token", providers.AudienceTokenEndpoint, "", ""},
		{"not both", "https://idp.test/token", "", "", auth.CodeClientRejected},
		{"not another provider's token endpoint", "https://idp.test", providers.AudienceTokenEndpoint, "https://victim.test/token", auth.CodeProviderInvalid},
		{"the issuer, whatever the token endpoint is", "https://idp.test", "", "https://victim.test/token", auth.CodeProviderUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, withSigningKeys(rigOptions{
				provider: func(c *fakeop.Config) { c.Clients[0].AssertionAudience = tt.wants },
				backend:  func(c *kvoauth.Config) { c.Clients[0].Provider.AssertionAudience = tt.audience },
			}, known, signingKey(t, key, "k1", "")))
			if tt.endpoint != "" {
				g.idp.SetFaults(fakeop.Faults{Discovery: func(doc map[string]any) { doc["token_endpoint"] = tt.endpoint }})
			}
			_, err := g.HandleCallback(g.callback("alice"))
			if auth.CodeOf(err) != tt.code {
				t.Errorf("%v, want %q", err, tt.code)
			}
		})
	}
}

// TestAssertionAudienceWithoutIssuer: of a provider of many tenants, which has no one issuer, the token endpoint is named.
func TestAssertionAudienceWithoutIssuer(t *testing.T) {
	key := newECKey(t)
	g := newRig(t, withSigningKeys(rigOptions{backend: func(c *kvoauth.Config) {
		p := &c.Clients[0].Provider
		p.AuthorizationEndpoint, p.TokenEndpoint, p.JWKSURI = p.Issuer+"/authorize", p.Issuer+"/token", p.Issuer+"/jwks"
		p.TenantIssuer, p.AllowedTenants, p.Issuer = p.Issuer+"/{tenantid}/v2.0", []string{"t1"}, ""
	}}, map[string]crypto.PublicKey{"k1": key.Public()}, signingKey(t, key, "k1", "")))
	g.idp.SetFaults(fakeop.Faults{Callback: func(v url.Values) { v.Del("iss") }})
	if _, err := g.HandleCallback(g.callback("alice")); auth.CodeOf(err) != auth.CodeIDTokenInvalid { // it is no tenant's
		t.Fatal(err)
	}
	if aud := jwtPart(t, g.forms(fakeop.EndpointToken)[0].Get("client_assertion"), 1)["aud"]; aud != g.idp.Issuer()+"/token" {
		t.Errorf("aud %v", aud)
	}
}

// TestSigningKeyRotation: the first key signs. A provider that knows both keys meanwhile notices nothing.
func TestSigningKeyRotation(t *testing.T) {
	oldKey, newKey := newECKey(t), newPrivateKey(t, "EdDSA")
	first, second := signingKey(t, oldKey, "2025", ""), signingKey(t, newKey, "2026", "")
	known := map[string]crypto.PublicKey{"2025": oldKey.Public(), "2026": newKey.Public()}
	g := newRig(t, withSigningKeys(rigOptions{}, known, first, second))
	result := g.signIn("alice")
	for _, step := range []struct {
		keys []kvoauth.SigningKey
		kid  string
	}{{[]kvoauth.SigningKey{first, second}, "2025"}, {[]kvoauth.SigningKey{second, first}, "2026"}, {[]kvoauth.SigningKey{second}, "2026"}} {
		b := g.build(func(c *kvoauth.Config) {
			c.Clients = slices.Clone(c.Clients)
			c.Clients[0].SigningKeys = step.keys
		})
		if _, err := b.RefreshSession(t.Context(), result.Session.ID); err != nil {
			t.Fatal(err)
		}
		forms := g.forms(fakeop.EndpointToken)
		if kid := jwtPart(t, forms[len(forms)-1].Get("client_assertion"), 0)["kid"]; kid != step.kid {
			t.Errorf("%v signed, want %s", kid, step.kid)
		}
	}
	other := g.build(func(c *kvoauth.Config) {
		c.Clients = slices.Clone(c.Clients)
		c.Clients[0].SigningKeys = []kvoauth.SigningKey{signingKey(t, newECKey(t), "2026", "")}
	})
	if _, err := other.RefreshSession(t.Context(), result.Session.ID); auth.CodeOf(err) != auth.CodeClientRejected {
		t.Errorf("a key that the provider does not know: %v", err)
	}
	g.mustBe(credential(result), "")
}

// TestHostileClientAssertion: a provider that repeats what it was sent, in every field and header that it has, puts it
// nowhere.
func TestHostileClientAssertion(t *testing.T) {
	key := newECKey(t)
	idp := newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) {
		c.RequirePushedAuthorization = true
		c.Clients[0].Secret, c.Clients[0].AuthMethod, c.Clients[0].IDTokenAlg = "", fakeop.AuthKeyJWT, "ES256"
		c.Clients[0].Keys = map[string]crypto.PublicKey{"k1": key.Public()}
	}})
	for _, status := range []int{200, 302, 400, 401, 500} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointToken: func(w http.ResponseWriter, r *http.Request) bool {
				sent := r.Form.Get("client_assertion") + " " + r.Header.Get("DPoP")
				body, err := json.Marshal(map[string]any{"error": sent, "error_description": sent, "error_uri": sent, "token_type": sent})
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("WWW-Authenticate", `Basic realm="`+sent+`"`)
				w.Header().Set("Location", "https://evil.test/?"+url.QueryEscape(sent))
				w.WriteHeader(status)
				_, _ = w.Write(body)
				return err == nil
			}}})
			w := newWorld(t, idp, func(c *kvoauth.Config) {
				c.Clients[0].SigningKeys, c.Clients[0].DPoP = []kvoauth.SigningKey{signingKey(t, key, "k1", "")}, true
			})
			b := w.browser()
			a := w.finish(b, w.begin(b))
			if a.status < 400 || b.SignedIn() || w.kv.sessions() != 0 {
				t.Errorf("status %d", a.status)
			}
			w.silent(a)
			for _, target := range w.egress.targets() {
				if strings.Contains(target, "eyJ") || strings.Contains(target, "evil.test") {
					t.Errorf("a request to %.80s", target)
				}
			}
		})
	}
}

// brokenSigner is a key whose device fails.
type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New(marker)
}

// TestBrokenSigner: a key that cannot sign is nobody's fault but ours, and ends no session.
func TestBrokenSigner(t *testing.T) {
	key := newECKey(t)
	g := newRig(t, withSigningKeys(rigOptions{}, map[string]crypto.PublicKey{"k1": key.Public()}, signingKey(t, key, "k1", "")))
	result := g.signIn("alice")
	broken := g.build(func(c *kvoauth.Config) {
		c.Clients = slices.Clone(c.Clients)
		c.Clients[0].SigningKeys = []kvoauth.SigningKey{signingKey(t, brokenSigner{key}, "k1", "")}
	})
	before := g.idp.Count(fakeop.EndpointToken)
	_, err := broken.RefreshSession(t.Context(), result.Session.ID)
	if auth.CodeOf(err) != auth.CodeInternal || strings.Contains(err.Error(), marker) {
		t.Errorf("refresh: %v", err)
	}
	if g.idp.Count(fakeop.EndpointToken) != before {
		t.Error("a request without credentials was sent")
	}
	g.mustBe(credential(result), "")
	if g.clock.advance(time.Minute); g.whoIs(credential(result)) != "" {
		t.Error("the session ended")
	}
}
