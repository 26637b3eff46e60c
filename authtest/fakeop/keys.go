package fakeop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	algRS256 = "RS256"
	algES256 = "ES256"
)

// keyRing holds the signing keys of a provider, which are made when they are first needed: an RSA key takes a while.
type keyRing struct {
	offered []string // the algorithms whose keys are always published

	mu         sync.Mutex
	generation int
	current    map[string]*signingKey // by algorithm
	all        []*signingKey          // with the retired ones, which still verify an id_token_hint
}

type signingKey struct {
	kid string
	alg string
	key crypto.Signer
}

// RotateKeys replaces the signing keys. The old ones are no longer in the key set.
func (p *Provider) RotateKeys() {
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	p.keys.current = nil
	p.keys.generation++
}

// offeredAlgs returns the algorithms of the clients' ID tokens, and ES256, whose keys cost little.
func offeredAlgs(clients []Client) []string {
	if slices.ContainsFunc(clients, func(c Client) bool { return c.IDTokenAlg != algES256 }) {
		return []string{algRS256, algES256}
	}
	return []string{algES256}
}

// get returns the key for an algorithm. One of an algorithm that is not offered is published once it has been got.
func (k *keyRing) get(alg string) (*signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.current[alg]; ok {
		return key, nil
	}
	var key crypto.Signer
	var err error
	switch alg {
	case algRS256:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case algES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		err = fmt.Errorf("fakeop: no key for %q", alg)
	}
	if err != nil {
		return nil, err
	}
	if k.current == nil {
		k.current = make(map[string]*signingKey)
	}
	k.current[alg] = &signingKey{kid: strings.ToLower(alg) + "-" + strconv.Itoa(k.generation+1), alg: alg, key: key}
	k.all = append(k.all, k.current[alg])
	return k.current[alg], nil
}

// published returns the current keys, RS256 first.
func (k *keyRing) published() (keys []*signingKey, err error) {
	for _, alg := range k.offered {
		if _, err := k.get(alg); err != nil {
			return nil, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, alg := range []string{algRS256, algES256} {
		if key := k.current[alg]; key != nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// known returns all keys there have ever been.
func (k *keyRing) known() []*signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all[:len(k.all):len(k.all)]
}

// sign returns the JWS signature of input (RFC 7518, sections 3.3 and 3.4).
func (k *signingKey) sign(input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	if ec, ok := k.key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, ec, digest[:])
		if err != nil {
			return nil, err
		}
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig, nil
	}
	return k.key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

func (k *signingKey) verify(input, sig []byte) error {
	digest := sha256.Sum256(input)
	switch pub := k.key.Public().(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig)
	case *ecdsa.PublicKey:
		if len(sig) == 64 && ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
			return nil
		}
	}
	return errors.New("fakeop: wrong signature")
}

// jwk returns the public key as RFC 7517 writes it.
func (k *signingKey) jwk() (map[string]any, error) {
	jwk := map[string]any{"kid": k.kid, "alg": k.alg, "use": "sig"}
	switch pub := k.key.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(pub.N.Bytes()), encode(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 0x04, x, y
		if err != nil {
			return nil, err
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	}
	return jwk, nil
}

func (p *Provider) jwks(c *call) *Response {
	keys, err := p.keys.published()
	if err != nil {
		return serverError(err)
	}
	list := make([]map[string]any, 0, len(keys))
	for _, k := range keys {
		jwk, err := k.jwk()
		if err != nil {
			return serverError(err)
		}
		list = append(list, jwk)
	}
	set := map[string]any{"keys": list}
	if c.faults.JWKS != nil {
		c.faults.JWKS(set)
	}
	resp := jsonResponse(http.StatusOK, set)
	resp.Header.Set("Cache-Control", "max-age=300")
	return resp
}

func serverError(err error) *Response {
	return oauthError(http.StatusInternalServerError, "server_error", err.Error())
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
