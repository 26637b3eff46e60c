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
	"strconv"
	"sync"
)

const (
	algRS256 = "RS256"
	algES256 = "ES256"
)

// keyRing holds the signing keys of a provider.
type keyRing struct {
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
}

// get returns the key for an algorithm, and makes keys when there are none: an RSA key takes a while.
func (k *keyRing) get(alg string) (*signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fill(); err != nil {
		return nil, err
	}
	key, ok := k.current[alg]
	if !ok {
		return nil, fmt.Errorf("fakeop: no key for %q", alg)
	}
	return key, nil
}

// published returns the current keys, RS256 first.
func (k *keyRing) published() ([]*signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fill(); err != nil {
		return nil, err
	}
	return []*signingKey{k.current[algRS256], k.current[algES256]}, nil
}

// known returns all keys there have ever been.
func (k *keyRing) known() []*signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all[:len(k.all):len(k.all)]
}

func (k *keyRing) fill() error {
	if k.current != nil {
		return nil
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	k.generation++
	n := strconv.Itoa(k.generation)
	k.current = map[string]*signingKey{
		algRS256: {kid: "rs256-" + n, alg: algRS256, key: rsaKey},
		algES256: {kid: "es256-" + n, alg: algES256, key: ecKey},
	}
	k.all = append(k.all, k.current[algRS256], k.current[algES256])
	return nil
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
