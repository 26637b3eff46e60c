package fakeop

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"
)

// SignJWT returns a token signed by the provider: with the key of header's alg, RS256 if it has none, and with that
// key's kid unless header has one. Both maps stay as they are.
func (p *Provider) SignJWT(header, claims map[string]any) (string, error) {
	header = maps.Clone(header)
	if header == nil {
		header = make(map[string]any)
	}
	alg, _ := header["alg"].(string)
	if alg == "" {
		alg = algRS256
	}
	key, err := p.keys.get(alg)
	if err != nil {
		return "", err
	}
	header["alg"] = alg
	if _, ok := header["kid"]; !ok {
		header["kid"] = key.kid
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return p.SignRaw(alg, h, c)
}

// SignRaw signs header and payload as they are, with the provider's key for alg: for tokens with duplicate members and
// other things that no encoder writes.
func (p *Provider) SignRaw(alg string, header, payload []byte) (string, error) {
	key, err := p.keys.get(alg)
	if err != nil {
		return "", err
	}
	input := encode(header) + "." + encode(payload)
	sig, err := key.sign([]byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + encode(sig), nil
}

// LogoutToken returns a logout token for the client about the user's sessions (OpenID Connect Back-Channel Logout 1.0,
// section 2.4). If sid is empty, all of them. The provider sends it to nobody: the test does, or the demonstration.
func (p *Provider) LogoutToken(clientID, subject, sid string) (string, error) {
	now := p.cfg.Now()
	claims := map[string]any{
		"iss": p.cfg.Issuer, "aud": clientID, "sub": subject, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"jti": newToken(), "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if sid != "" {
		claims["sid"] = sid
	}
	return p.SignJWT(map[string]any{"typ": "logout+jwt"}, claims)
}

// idToken makes the ID token of a grant (OpenID Connect Core 1.0, sections 2 and 12.2).
func (p *Provider) idToken(c *call, g *grant, accessToken, nonce string) (string, error) {
	alg := g.client.IDTokenAlg
	if alg == "" {
		alg = algRS256
	}
	key, err := p.keys.get(alg)
	if err != nil {
		return "", err
	}
	header := map[string]any{"alg": alg, "kid": key.kid, "typ": "JWT"}
	claims := p.idTokenClaims(g, accessToken, nonce)
	if c.faults.IDToken != nil {
		c.faults.IDToken(header, claims)
	}
	if c.faults.RawIDToken != nil {
		return c.faults.RawIDToken(header, claims), nil
	}
	return p.signIDToken(c, key, header, claims)
}

func (p *Provider) idTokenClaims(g *grant, accessToken, nonce string) map[string]any {
	now := p.cfg.Now()
	claims := maps.Clone(g.user.Claims)
	if claims == nil {
		claims = make(map[string]any)
	}
	hash := sha256.Sum256([]byte(accessToken))
	maps.Copy(claims, map[string]any{
		"iss": p.cfg.Issuer, "sub": g.user.Subject, "aud": g.client.ID, "exp": now.Add(p.cfg.IDTokenLife).Unix(), "iat": now.Unix(),
		"auth_time": g.authTime.Unix(), "at_hash": encode(hash[:len(hash)/2]), "sid": g.sid,
	})
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if g.acr != "" {
		claims["acr"] = g.acr
	}
	if g.client.AuthorizedParty {
		claims["azp"] = g.client.ID
	}
	return claims
}

// signIDToken signs what the faults have left of header and claims.
func (p *Provider) signIDToken(c *call, key *signingKey, header, claims map[string]any) (string, error) {
	alg, _ := header["alg"].(string)
	if other, err := p.keys.get(alg); err == nil && other != key {
		if header["kid"] == key.kid {
			header["kid"] = other.kid
		}
		key = other
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := encode(h) + "." + encode(payload)
	kid, _ := header["kid"].(string)
	if c.faults.SignIDToken != nil {
		return input + "." + encode(c.faults.SignIDToken([]byte(input), kid)), nil
	}
	if alg == "none" {
		return input + ".", nil
	}
	sig, err := key.sign([]byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + encode(sig), nil
}

// hint is what an id_token_hint says.
type hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	SID      string `json:"sid"`
}

// openHint verifies an ID token that comes back as a hint. It may have expired, and its key may be retired (OpenID
// Connect RP-Initiated Logout 1.0, section 4).
func (p *Provider) openHint(token string) (*hint, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("malformed")
	}
	var raw [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return nil, errors.New("malformed")
		}
		raw[i] = b
	}
	var header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	if json.Unmarshal(raw[0], &header) != nil {
		return nil, errors.New("malformed")
	}
	input := []byte(parts[0] + "." + parts[1])
	for _, k := range p.keys.known() {
		if k.alg != header.Alg || k.kid != header.Kid || k.verify(input, raw[2]) != nil {
			continue
		}
		h := new(hint)
		if json.Unmarshal(raw[1], h) != nil || h.Issuer != p.cfg.Issuer {
			return nil, errors.New("not an ID token of this provider")
		}
		return h, nil
	}
	return nil, errors.New("signature")
}
