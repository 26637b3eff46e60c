package fakeop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// proofLife is how old a DPoP proof may be.
const proofLife = time.Minute

// RotateDPoPNonce replaces the nonce that DPoP proofs must have (Config.RequireDPoPNonce). Whoever uses the old one is
// told of the new.
func (p *Provider) RotateDPoPNonce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nonce = newToken()
}

func (p *Provider) dpopNonce() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nonce == "" {
		p.nonce = newToken()
	}
	return p.nonce
}

// proof verifies the DPoP proof that came with a request (RFC 9449, section 4.3), and returns the thumbprint of its key:
// "" when there is no proof. token is the access token that it must be for, if any. An answer instead says what is wrong.
func (p *Provider) proof(c *call, token string) (jkt string, resp *Response) {
	proofs := c.r.Header.Values("DPoP")
	if len(proofs) == 0 {
		return "", nil
	}
	wrong := func(problem string) (string, *Response) {
		return "", oauthError(http.StatusBadRequest, "invalid_dpop_proof", problem)
	}
	if len(proofs) > 1 {
		return wrong("two proofs")
	}
	t, err := parseToken(proofs[0])
	if err != nil {
		return wrong("not a JWT")
	}
	key, jkt, ok := proofKey(t.header)
	switch {
	case !ok || t.header["typ"] != "dpop+jwt" || t.alg() != algES256 || t.verify(key) != nil:
		return wrong("header or signature is wrong")
	case t.text("htm") != c.r.Method || t.text("htu") != p.base+c.path:
		return wrong("htm or htu is another's")
	case token != "" && t.text("ath") != hashOf(token), token == "" && t.claims["ath"] != nil:
		return wrong("ath is wrong")
	}
	iat, ok := t.time("iat")
	if age := p.cfg.Now().Sub(iat); !ok || age > proofLife || age < -proofLife {
		return wrong("iat is wrong")
	}
	if nonce := p.dpopNonce(); p.cfg.RequireDPoPNonce && t.text("nonce") != nonce {
		resp := oauthError(http.StatusBadRequest, "use_dpop_nonce", "the proof needs a nonce")
		resp.Header.Set("DPoP-Nonce", nonce)
		return "", resp
	}
	if !p.firstUse("dpop " + t.text("jti")) {
		return wrong("jti is missing or was used before")
	}
	return jkt, nil
}

// proofKey returns the public key in the header of a proof, and its thumbprint (RFC 7638).
func proofKey(header map[string]any) (*ecdsa.PublicKey, string, bool) {
	jwk, _ := header["jwk"].(map[string]any)
	x, _ := jwk["x"].(string)
	y, _ := jwk["y"].(string)
	point := []byte{4}
	for _, s := range []string{x, y} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		if err != nil || len(b) != 32 {
			return nil, "", false
		}
		point = append(point, b...)
	}
	if _, private := jwk["d"]; private || jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
		return nil, "", false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	return key, hashOf(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`), err == nil
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return encode(sum[:])
}

// bind binds the grant to the key of the first proof, and holds it to that one from then on, through refreshes too.
func (p *Provider) bind(g *grant, jkt string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.jkt == "" && !g.issued {
		g.jkt = jkt
	}
	g.issued = true
	return g.jkt == jkt
}

// boundProof answers a UserInfo request that does not show that it holds the token's key (RFC 9449, section 7).
func (p *Provider) boundProof(c *call, t *accessToken, value string) *Response {
	jkt, resp := p.proof(c, value)
	if resp == nil && jkt == t.grant.jkt {
		return nil
	}
	challenge := unauthorized(`DPoP realm="fakeop", error="invalid_token", algs="ES256"`)
	if resp != nil && resp.Header.Get("DPoP-Nonce") != "" {
		challenge = unauthorized(`DPoP realm="fakeop", error="use_dpop_nonce", algs="ES256"`)
		challenge.Header.Set("DPoP-Nonce", resp.Header.Get("DPoP-Nonce"))
	}
	return challenge
}
