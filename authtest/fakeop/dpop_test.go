package fakeop_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/authtest/fakeop"
)

// prover makes DPoP proofs by hand.
type prover struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	now time.Time
	n   int
}

func (p *prover) jwk() map[string]any {
	p.t.Helper()
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		p.t.Fatal(err)
	}
	return map[string]any{"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}
}

func (p *prover) jkt() string {
	jwk := p.jwk()
	return sha256Of(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, jwk["x"], jwk["y"]))
}

func sha256Of(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (p *prover) proof(method, path string, spoil func(header, claims map[string]any)) string {
	p.t.Helper()
	p.n++
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk()}
	claims := map[string]any{"htm": method, "htu": issuer + path, "iat": p.now.Unix(), "jti": fmt.Sprint(p.n)}
	if spoil != nil {
		spoil(header, claims)
	}
	return signES256(p.t, p.key, header, claims)
}

// redeem signs alice in and redeems the code as the public client, with a proof.
func (p *prover) redeem(b *browser, proof string, change ...string) (*http.Response, map[string]any) {
	p.t.Helper()
	code := b.signIn("alice", authParams(append([]string{"client_id", "public"}, change...)...)).Get("code")
	resp := b.do("POST", issuer+"/token", codeForm(code, "client_id", "public"), "DPoP", proof)
	return resp, object(p.t, resp)
}

// TestDPoPProofs breaks one rule of RFC 9449, section 4.3, at a time.
func TestDPoPProofs(t *testing.T) {
	clk := &clock{at: time.Unix(1700000000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now = clk.now })
	p, other := &prover{t: t, key: newECKey(t), now: clk.at}, &prover{t: t, key: newECKey(t), now: clk.at}
	for _, tt := range []struct {
		name  string
		spoil func(header, claims map[string]any)
		code  string
	}{
		{"a good one", func(_, _ map[string]any) {}, ""},
		{"typ", func(h, _ map[string]any) { h["typ"] = "JWT" }, "invalid_dpop_proof"},
		{"alg", func(h, _ map[string]any) { h["alg"] = "none" }, "invalid_dpop_proof"},
		{"no key", func(h, _ map[string]any) { delete(h, "jwk") }, "invalid_dpop_proof"},
		{"a private key", func(h, _ map[string]any) { h["jwk"].(map[string]any)["d"] = "x" }, "invalid_dpop_proof"},
		{"another's key", func(h, _ map[string]any) { h["jwk"] = other.jwk() }, "invalid_dpop_proof"},
		{"htm", func(_, c map[string]any) { c["htm"] = "GET" }, "invalid_dpop_proof"},
		{"htu", func(_, c map[string]any) { c["htu"] = issuer + "/token?x=y" }, "invalid_dpop_proof"},
		{"too old", func(_, c map[string]any) { c["iat"] = clk.at.Unix() - 61 }, "invalid_dpop_proof"},
		{"of the future", func(_, c map[string]any) { c["iat"] = clk.at.Unix() + 61 }, "invalid_dpop_proof"},
		{"no jti", func(_, c map[string]any) { delete(c, "jti") }, "invalid_dpop_proof"},
		{"jti of before", func(_, c map[string]any) { c["jti"] = "1" }, "invalid_dpop_proof"},
		{"ath without a token", func(_, c map[string]any) { c["ath"] = "x" }, "invalid_dpop_proof"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.t = t
			_, got := p.redeem(newBrowser(t, op), p.proof("POST", "/token", tt.spoil))
			if got["error"] != nil && got["error"] != tt.code || got["error"] == nil && (tt.code != "" || got["token_type"] != "DPoP") {
				t.Errorf("got %v, want %q", got, tt.code)
			}
		})
	}
	p.t = t
	if _, got := p.redeem(newBrowser(t, op), p.proof("POST", "/token", nil), "dpop_jkt", other.jkt()); got["error"] != "invalid_grant" {
		t.Errorf("a code that is bound to another key: %v", got)
	}
	if _, got := p.redeem(newBrowser(t, op), p.proof("POST", "/token", nil), "dpop_jkt", p.jkt()); got["token_type"] != "DPoP" {
		t.Errorf("a code that is bound to the key: %v", got)
	}
}

// TestDPoPTokens: bound tokens are good with their key alone, and bearer tokens are no bound ones.
func TestDPoPTokens(t *testing.T) {
	clk := &clock{at: time.Unix(1700000000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now, c.Clients[1].RequireOfflineAccess = clk.now, false })
	b := newBrowser(t, op)
	p, other := &prover{t: t, key: newECKey(t), now: clk.at}, &prover{t: t, key: newECKey(t), now: clk.at, n: 1000}
	_, tokens := p.redeem(b, p.proof("POST", "/token", nil))
	access, _ := tokens["access_token"].(string)
	refresh, _ := tokens["refresh_token"].(string)
	ath := func(_, claims map[string]any) { claims["ath"] = sha256Of(access) }
	for _, tt := range []struct {
		name, scheme, proof string
		status              int
	}{
		{"with its key", "DPoP", p.proof("GET", "/userinfo", ath), http.StatusOK},
		{"in another case", "dpop", p.proof("GET", "/userinfo", ath), http.StatusOK},
		{"as a bearer token", "Bearer", p.proof("GET", "/userinfo", ath), http.StatusUnauthorized},
		{"without ath", "DPoP", p.proof("GET", "/userinfo", nil), http.StatusUnauthorized},
		{"with another key", "DPoP", other.proof("GET", "/userinfo", ath), http.StatusUnauthorized},
		{"without a proof", "DPoP", "", http.StatusUnauthorized},
	} {
		header := []string{"Authorization", tt.scheme + " " + access}
		if tt.proof != "" {
			header = append(header, "DPoP", tt.proof)
		}
		if resp := b.do("GET", issuer+"/userinfo", nil, header...); resp.StatusCode != tt.status {
			t.Errorf("%s: %d, want %d", tt.name, resp.StatusCode, tt.status)
		}
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"public"}}
	if got := object(t, b.do("POST", issuer+"/token", form)); got["error"] != "invalid_grant" {
		t.Errorf("a refresh without a proof: %v", got)
	}
	if got := object(t, b.do("POST", issuer+"/token", form, "DPoP", other.proof("POST", "/token", nil))); got["error"] != "invalid_grant" {
		t.Errorf("a refresh with another key: %v", got)
	}
	if got := object(t, b.do("POST", issuer+"/token", form, "DPoP", p.proof("POST", "/token", nil))); got["token_type"] != "DPoP" {
		t.Errorf("a refresh: %v", got)
	}
	bearer := b.complete("alice", authParams())
	if resp := b.do("GET", issuer+"/userinfo", nil, "Authorization", "DPoP "+bearer["access_token"].(string), "DPoP", p.proof("GET", "/userinfo", nil)); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a bearer token as a bound one: %d", resp.StatusCode)
	}
}

// TestDPoPNonce: who has no nonce is told it, at the token endpoint, at UserInfo and at the push.
func TestDPoPNonce(t *testing.T) {
	clk := &clock{at: time.Unix(1700000000, 0)}
	op := newProvider(t, func(c *fakeop.Config) {
		c.Now, c.RequireDPoPNonce, c.Clients[1].RequireDPoP = clk.now, true, true
	})
	b := newBrowser(t, op)
	p := &prover{t: t, key: newECKey(t), now: clk.at}
	if resp := b.do("POST", issuer+"/token", codeForm("x", "client_id", "public")); object(t, resp)["error"] != "invalid_dpop_proof" {
		t.Error("a token request without a proof")
	}
	code := b.signIn("alice", authParams("client_id", "public")).Get("code")
	redeem := func(nonce string) (*http.Response, map[string]any) {
		resp := b.do("POST", issuer+"/token", codeForm(code, "client_id", "public"), "DPoP", p.proof("POST", "/token", func(_, c map[string]any) { c["nonce"] = nonce }))
		return resp, object(t, resp)
	}
	resp, got := redeem("")
	if resp.StatusCode != http.StatusBadRequest || got["error"] != "use_dpop_nonce" || resp.Header.Get("DPoP-Nonce") == "" {
		t.Fatalf("%d %v", resp.StatusCode, got)
	}
	op.RotateDPoPNonce()
	resp, got = redeem(resp.Header.Get("DPoP-Nonce"))
	if got["error"] != "use_dpop_nonce" {
		t.Fatalf("an old nonce: %v", got)
	}
	nonce := resp.Header.Get("DPoP-Nonce")
	if _, got = redeem(nonce); got["token_type"] != "DPoP" {
		t.Fatalf("the nonce, and the code that was not used up: %v", got)
	}
	access, _ := got["access_token"].(string)
	resp = b.do("GET", issuer+"/userinfo", nil, "Authorization", "DPoP "+access, "DPoP", p.proof("GET", "/userinfo", func(_, c map[string]any) { c["ath"] = sha256Of(access) }))
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("DPoP-Nonce") != nonce || !strings.Contains(resp.Header.Get("Www-Authenticate"), `error="use_dpop_nonce"`) {
		t.Errorf("UserInfo: %d %v", resp.StatusCode, resp.Header)
	}
	resp = b.do("POST", issuer+"/par", authParams("client_id", "public"), "DPoP", p.proof("POST", "/par", nil))
	if object(t, resp)["error"] != "use_dpop_nonce" || resp.Header.Get("DPoP-Nonce") != nonce {
		t.Errorf("PAR: %d", resp.StatusCode)
	}
}
