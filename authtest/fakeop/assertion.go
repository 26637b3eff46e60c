package fakeop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"
)

const (
	algHS256 = "HS256"
	algPS256 = "PS256"
	algEdDSA = "EdDSA"

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// Apple takes client secrets that are good for half a year.
	longestAssertion    = 5 * time.Minute
	longestSignedSecret = 15777000 * time.Second
)

// token is a JWT of a client, decoded.
type token struct {
	header, claims map[string]any
	input, sig     []byte
}

func parseToken(raw string) (*token, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT")
	}
	t := &token{input: []byte(parts[0] + "." + parts[1])}
	for i, target := range []*map[string]any{&t.header, &t.claims} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, target) != nil || *target == nil {
			return nil, errors.New("not a JWT")
		}
	}
	var err error
	if t.sig, err = base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		return nil, errors.New("not a JWT")
	}
	return t, nil
}

func (t *token) text(name string) string {
	s, _ := t.claims[name].(string)
	return s
}

func (t *token) time(name string) (time.Time, bool) {
	f, ok := t.claims[name].(float64)
	return time.Unix(int64(f), 0), ok
}

func (t *token) alg() string {
	s, _ := t.header["alg"].(string)
	return s
}

// verify checks the signature with key, which must be of the kind that the algorithm is for (RFC 7518, section 3.1).
func (t *token) verify(key crypto.PublicKey) error {
	digest := sha256.Sum256(t.input)
	ok := false
	switch key := key.(type) {
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write(t.input)
		ok = t.alg() == algHS256 && hmac.Equal(mac.Sum(nil), t.sig)
	case *rsa.PublicKey:
		ok = t.alg() == algRS256 && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], t.sig) == nil ||
			t.alg() == algPS256 && rsa.VerifyPSS(key, crypto.SHA256, digest[:], t.sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		ok = t.alg() == algES256 && len(t.sig) == 64 &&
			ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(t.sig[:32]), new(big.Int).SetBytes(t.sig[32:]))
	case ed25519.PublicKey:
		ok = t.alg() == algEdDSA && ed25519.Verify(key, t.input, t.sig)
	}
	if !ok {
		return errors.New("wrong signature")
	}
	return nil
}

// checkAssertion verifies a client assertion (RFC 7523, section 3), which is good once.
func (p *Provider) checkAssertion(client *Client, raw string) error {
	t, err := parseToken(raw)
	if err != nil {
		return err
	}
	if err := t.verify(client.key(t)); err != nil {
		return err
	}
	audiences := []string{p.cfg.Issuer, p.base + pathToken, p.base + pathPAR} // RFC 9126, section 2
	if client.AssertionAudience != "" {
		audiences = []string{client.AssertionAudience}
	}
	if t.text("iss") != client.ID || t.text("sub") != client.ID || !slices.Contains(audiences, t.text("aud")) {
		return errors.New("iss, sub or aud is wrong")
	}
	if err := p.checkLife(t, longestAssertion); err != nil {
		return err
	}
	if !p.firstUse(client.ID + " " + t.text("jti")) {
		return errors.New("jti is missing or was used before")
	}
	return nil
}

// checkSignedSecret verifies a client secret in the form that Apple defines.
func (p *Provider) checkSignedSecret(client *Client, raw string) error {
	t, err := parseToken(raw)
	if err != nil {
		return err
	}
	if err := t.verify(client.key(t)); err != nil {
		return err
	}
	if t.alg() != algES256 || t.text("iss") != client.SecretIssuer || t.text("sub") != client.ID || t.text("aud") != p.cfg.Issuer {
		return errors.New("alg, iss, sub or aud is wrong")
	}
	return p.checkLife(t, longestSignedSecret)
}

func (p *Provider) checkLife(t *token, longest time.Duration) error {
	now := p.cfg.Now()
	exp, okExp := t.time("exp")
	iat, okIat := t.time("iat")
	if !okExp || !okIat || !now.Before(exp) || exp.After(now.Add(longest)) || iat.After(now.Add(time.Minute)) {
		return errors.New("exp or iat is wrong")
	}
	return nil
}

// key returns what verifies a token of the client, or nil.
func (c *Client) key(t *token) crypto.PublicKey {
	if c.AuthMethod == AuthSecretJWT {
		return []byte(c.Secret)
	}
	kid, _ := t.header["kid"].(string)
	return c.Keys[kid]
}

// firstUse is false for an identifier that is empty or that came before.
func (p *Provider) firstUse(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.grants.seen[id] || strings.HasSuffix(id, " ") {
		return false
	}
	p.grants.seen[id] = true
	return true
}
