package fakeop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/netscript/auth/authtest/fakeop"
)

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signES256 writes a JWT by hand.
func signES256(t *testing.T, key *ecdsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	var input string
	for i, part := range []map[string]any{header, claims} {
		b, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			input += "."
		}
		input += base64.RawURLEncoding.EncodeToString(b)
	}
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// TestClientAssertions breaks one rule of RFC 7523, section 3, at a time.
func TestClientAssertions(t *testing.T) {
	key, other := newECKey(t), newECKey(t)
	clk := &clock{at: time.Unix(1700000000, 0)}
	op := newProvider(t, func(c *fakeop.Config) {
		c.Now = clk.now
		c.Clients = append(c.Clients,
			fakeop.Client{ID: "jwt", AuthMethod: fakeop.AuthKeyJWT, Keys: map[string]crypto.PublicKey{"k1": key.Public()}, RedirectURIs: []string{redirectURI}},
			fakeop.Client{ID: "apple", AuthMethod: fakeop.AuthSignedSecret, Keys: map[string]crypto.PublicKey{"k1": key.Public()}, SecretIssuer: "TEAM", RedirectURIs: []string{redirectURI}})
	})
	jti := 0
	good := func() (header, claims map[string]any) {
		jti++
		return map[string]any{"alg": "ES256", "kid": "k1"}, map[string]any{
			"iss": "jwt", "sub": "jwt", "aud": issuer, "jti": jti, "iat": clk.at.Unix(), "exp": clk.at.Unix() + 60,
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(header, claims map[string]any, form url.Values)
		code  string
	}{
		{"a good one", func(_, _ map[string]any, _ url.Values) {}, ""},
		{"for the token endpoint", func(_, c map[string]any, _ url.Values) { c["aud"] = issuer + "/token" }, ""},
		{"client_id repeated", func(_, _ map[string]any, f url.Values) { f.Set("client_id", "jwt") }, ""},
		{"another client_id", func(_, _ map[string]any, f url.Values) { f.Set("client_id", clientID) }, "invalid_request"},
		{"another type", func(_, _ map[string]any, f url.Values) { f.Set("client_assertion_type", "x") }, "invalid_request"},
		{"with a secret", func(_, _ map[string]any, f url.Values) { f.Set("client_secret", "x") }, "invalid_request"},
		{"another audience", func(_, c map[string]any, _ url.Values) { c["aud"] = "https://other.test" }, "invalid_client"},
		{"another issuer", func(_, c map[string]any, _ url.Values) { c["iss"] = "x" }, "invalid_client"},
		{"another subject", func(_, c map[string]any, _ url.Values) { c["sub"] = clientID }, "invalid_client"},
		{"an unknown key", func(h, _ map[string]any, _ url.Values) { h["kid"] = "k2" }, "invalid_client"},
		{"another algorithm", func(h, _ map[string]any, _ url.Values) { h["alg"] = "RS256" }, "invalid_client"},
		{"expired", func(_, c map[string]any, _ url.Values) { c["exp"] = clk.at.Unix() }, "invalid_client"},
		{"good for an hour", func(_, c map[string]any, _ url.Values) { c["exp"] = clk.at.Unix() + 3600 }, "invalid_client"},
		{"without exp", func(_, c map[string]any, _ url.Values) { delete(c, "exp") }, "invalid_client"},
		{"without jti", func(_, c map[string]any, _ url.Values) { c["jti"] = "" }, "invalid_client"},
		{"jti of before", func(_, c map[string]any, _ url.Values) { c["jti"] = "1" }, "invalid_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header, claims := good()
			claims["jti"] = string(rune('0' + claims["jti"].(int)))
			form := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
			tt.spoil(header, claims, form)
			form.Set("client_assertion", signES256(t, key, header, claims))
			wantCode(t, op, form, tt.code)
		})
	}
	t.Run("another key", func(t *testing.T) {
		header, claims := good()
		claims["jti"] = "z"
		wantCode(t, op, url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {signES256(t, other, header, claims)}}, "invalid_client")
	})
	secret := map[string]any{"iss": "TEAM", "sub": "apple", "aud": issuer, "iat": clk.at.Unix(), "exp": clk.at.Unix() + 60}
	for name, want := range map[string]string{"": "", "iss": "invalid_client", "sub": "invalid_client", "aud": "invalid_client", "exp": "invalid_client"} {
		t.Run("signed secret "+name, func(t *testing.T) {
			claims := maps.Clone(secret)
			delete(claims, name)
			form := url.Values{"client_id": {"apple"}, "client_secret": {signES256(t, key, map[string]any{"alg": "ES256", "kid": "k1"}, claims)}}
			wantCode(t, op, form, want)
		})
	}
}

// wantCode authenticates with form. Without a grant_type, invalid_request with that complaint means that it succeeded.
func wantCode(t *testing.T, op *fakeop.Provider, form url.Values, want string) {
	t.Helper()
	got := object(t, newBrowser(t, op).do("POST", issuer+"/token", form))
	passed := got["error_description"] == "grant_type is missing"
	if passed != (want == "") || !passed && got["error"] != want {
		t.Errorf("got %v, want %q", got, want)
	}
}
