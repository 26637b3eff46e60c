package workos

import (
	"crypto/rsa"
	"encoding/json"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeys    = 100
	minRSABits = 2048
)

// key is an RSA entry of a JWK set (RFC 7517, section 4), as far as it decides which tokens it fits.
type key struct {
	id     string
	named  bool
	fits   bool           // by alg, use and key_ops
	public *rsa.PublicKey // nil: broken
	secret bool           // the private key is shown
}

// fitting counts the keys that a token with this header may be signed with, and returns the last.
func fitting(list []key, h header) (n int, found *key) {
	for i := range list {
		c := &list[i]
		if c.fits && (h.anyKey || c.named && c.id == h.keyID) {
			n, found = n+1, c
		}
	}
	return n, found
}

// parseKeys returns the RSA keys of a JWK set; others cannot have signed an RS256 token. Keys that are broken are kept, so
// that a token that names one of them is not mistaken for a forgery.
func parseKeys(body []byte) ([]key, error) {
	var set map[string]any
	if json.Unmarshal(body, &set) != nil {
		return nil, errNotKeys
	}
	raw, ok := set["keys"].([]any)
	if !ok || len(raw) > maxKeys {
		return nil, errNotKeys
	}
	var list []key
	for _, v := range raw {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, errNotKeys
		}
		if m["kty"] == "RSA" {
			list = append(list, parseKey(m))
		}
	}
	return list, nil
}

// parseKey reads one entry. A member of another type than RFC 7517 gives it is taken for absent, as the SDK does.
func parseKey(m claims) key {
	k := key{fits: true, public: publicKey(m["n"], m["e"])}
	k.id, k.named = m["kid"].(string)
	if alg, ok := m["alg"].(string); ok && alg != tokenAlg {
		k.fits = false
	}
	if use, ok := m["use"].(string); ok && use != "sig" {
		k.fits = false
	}
	if ops, ok := m["key_ops"].([]any); ok && !slices.Contains(ops, any("verify")) {
		k.fits = false
	}
	_, k.secret = m["d"]
	return k
}

// publicKey returns the key with this modulus and exponent (RFC 7518, section 6.3.1), or nil; go-jose takes a modulus of at
// most 4096 bits. What crypto/rsa would refuse only when it verifies is refused here, where it is WorkOS' fault. The rest
// of the entry is not shown to go-jose: it would refuse the key for a certificate that nothing here asks for.
func publicKey(n, e any) *rsa.PublicKey {
	entry, err := json.Marshal(map[string]any{"kty": "RSA", "n": n, "e": e})
	if err != nil {
		return nil
	}
	var k jose.JSONWebKey
	if k.UnmarshalJSON(entry) != nil {
		return nil
	}
	public, ok := k.Key.(*rsa.PublicKey)
	if !ok || public.N.Sign() == 0 || public.E%2 == 0 || public.E > 1<<31-1 {
		return nil
	}
	return public
}
