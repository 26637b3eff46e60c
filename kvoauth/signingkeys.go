package kvoauth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"

	"github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth/internal/strictjson"
)

const maxKeyFile = 64 << 10

// ParseSigningKeys reads private keys for [Client.SigningKeys]: PEM blocks "PRIVATE KEY" (PKCS #8; Apple's .p8 files are
// such), a private JWK, or a set of them (RFC 7517, section 5). A JWK's kid and alg become the key's, its use must be sig
// or absent; keys in PEM have the default algorithm and, if id is empty, their thumbprint for an id. id is for a single
// key: it names the key where the text does not.
//
// The error repeats nothing of the text.
func ParseSigningKeys(text []byte, id string) ([]SigningKey, error) {
	parse := parsePEM
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		parse = parseJWKs
	}
	if len(text) > maxKeyFile {
		return nil, errors.New("the text of the signing keys is too long")
	}
	keys, err := parse(text, id)
	if err != nil {
		return nil, err
	}
	if id != "" && (len(keys) != 1 || keys[0].ID() != id) {
		return nil, errors.New("the key id must be for one signing key, and not contradict its own")
	}
	return keys, nil
}

func parsePEM(text []byte, id string) (keys []SigningKey, err error) {
	for len(bytes.TrimSpace(text)) > 0 {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != "PRIVATE KEY" {
			return nil, errors.New(`the signing keys must be PEM blocks "PRIVATE KEY" (PKCS #8) or JWKs`)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("a signing key is not in PKCS #8")
		}
		if keys, err = appendKey(keys, parsed, id, ""); err != nil {
			return nil, err
		}
		text = rest
	}
	if keys == nil {
		return nil, errors.New("there is no signing key")
	}
	return keys, nil
}

func parseJWKs(text []byte, id string) (keys []SigningKey, err error) {
	members, err := strictjson.Object(text, maxKeyFile)
	if err != nil {
		return nil, errors.New("the signing keys are not acceptable JSON")
	}
	list := []json.RawMessage{text}
	if members["keys"] != nil && (json.Unmarshal(members["keys"], &list) != nil || len(list) == 0) {
		return nil, errors.New("the signing keys are not a JWK set")
	}
	for _, raw := range list {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || !k.Valid() || k.IsPublic() || k.Use != "" && k.Use != "sig" {
			return nil, errors.New("a JWK is not a private signing key")
		}
		kid := k.KeyID
		if kid == "" {
			kid = id
		}
		if keys, err = appendKey(keys, k.Key, kid, k.Algorithm); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func appendKey(keys []SigningKey, parsed any, id, algorithm string) ([]SigningKey, error) {
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("a signing key must be RSA, ECDSA over P-256, or Ed25519")
	}
	k, err := NewSigningKey(signer, id, algorithm)
	return append(keys, k), err
}

// checkKeys reports zero keys and repeated key ids.
func checkKeys(keys []SigningKey) error {
	ids := map[string]bool{}
	for i, k := range keys {
		if k.IsZero() {
			return errors.New("SigningKeys[" + strconv.Itoa(i) + "] is the zero key")
		}
		if ids[k.ID()] {
			return errors.New("SigningKeys has two keys of one id: a provider could not tell which one signed")
		}
		ids[k.ID()] = true
	}
	return nil
}

// PublicJWKS returns the public halves of keys as a JWK set (RFC 7517, section 5): what a provider needs in order to
// verify what they sign. It refuses zero keys and repeated key ids.
func PublicJWKS(keys ...SigningKey) ([]byte, error) {
	if err := checkKeys(keys); err != nil {
		return nil, err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		public := k.material().public()
		if !public.IsPublic() || !public.Valid() {
			return nil, errors.New("a signing key has no public half")
		}
		set.Keys = append(set.Keys, public)
	}
	return json.Marshal(set)
}

// NewJWKSHandler returns a handler that serves [PublicJWKS] of keys: mount it at the jwks_uri that is registered with the
// provider. Whoever asks gets it; it holds nothing secret. Caches may keep it for five minutes.
//
// To replace a key without a gap, first add the new one at the end of the keys, here and in [Client.SigningKeys], in every
// process; when the provider has had time to fetch it, move it to the front, so that it signs; and when the old one no
// longer signs anywhere, drop it.
func NewJWKSHandler(keys ...SigningKey) (http.Handler, error) {
	set, err := PublicJWKS(keys...)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", "application/jwk-set+json") // RFC 7517, section 8.5.2
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(set)
	}), nil
}
