package kvoauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/go-jose/go-jose/v4/jwt"
)

// maxKeyID bounds a key id, in bytes.
const maxKeyID = 255

// SigningKey is a private key with which the application proves to a provider who it is ([Client.SigningKeys]). No fmt
// verb, slog handler or encoder prints it. The zero value is no key, and everything that takes a SigningKey refuses it.
type SigningKey struct{ material func() signingKey }

type signingKey struct {
	signer  crypto.Signer
	id      string
	derived bool // the id is a thumbprint, and not one that somebody else gave
	alg     jose.SignatureAlgorithm
}

// NewSigningKey returns a key that signs with key: RSA of at least 2048 bits, ECDSA over P-256, or Ed25519. key may keep
// its secret elsewhere, as one of a hardware module does; it must be safe for concurrent use.
//
// id is the key id (kid) under which the provider knows the public half. If empty, it is the key's thumbprint (RFC 7638).
// algorithm is RS256 or PS256, ES256, or EdDSA, and must fit the key. If empty, RS256, ES256 or EdDSA.
func NewSigningKey(key crypto.Signer, id, algorithm string) (SigningKey, error) {
	if key == nil {
		return SigningKey{}, errors.New("the signing key is missing")
	}
	algs, err := algorithmsOf(key.Public())
	if err != nil {
		return SigningKey{}, err
	}
	k := signingKey{signer: key, id: id, alg: algs[0]}
	if algorithm != "" {
		if k.alg = jose.SignatureAlgorithm(algorithm); k.alg != algs[0] && k.alg != algs[len(algs)-1] {
			return SigningKey{}, errors.New("the signing key does not fit its algorithm: RSA is for RS256 and PS256, P-256 for ES256, Ed25519 for EdDSA")
		}
	}
	if len(id) > maxKeyID {
		return SigningKey{}, errors.New("the signing key's id is too long")
	}
	if id == "" {
		sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
		if err != nil {
			return SigningKey{}, errors.New("the signing key has no thumbprint")
		}
		k.id, k.derived = base64.RawURLEncoding.EncodeToString(sum), true
	}
	return SigningKey{func() signingKey { return k }}, nil
}

// algorithmsOf returns what a key of this kind may sign, the default first.
func algorithmsOf(public crypto.PublicKey) ([]jose.SignatureAlgorithm, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("the signing key has fewer than %d bits (RFC 7518, section 3.3)", minRSABits)
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.PS256}, nil
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return []jose.SignatureAlgorithm{jose.ES256}, nil
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}, nil
	}
	return nil, errors.New("the signing key must be RSA, ECDSA over P-256, or Ed25519")
}

// ID returns the key id, and "" for the zero SigningKey.
func (k SigningKey) ID() string {
	if k.IsZero() {
		return ""
	}
	return k.material().id
}

// Algorithm returns the name of the signature algorithm (RFC 7518, section 3.1), and "" for the zero SigningKey.
func (k SigningKey) Algorithm() string {
	if k.IsZero() {
		return ""
	}
	return string(k.material().alg)
}

// IsZero reports whether k is no key.
func (k SigningKey) IsZero() bool { return k.material == nil }

// String returns a fixed text.
func (k SigningKey) String() string { return redactedKey }

// Format implements fmt.Formatter for every verb.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedKey) }

// LogValue implements slog.LogValuer.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(redactedKey) }

// MarshalText implements encoding.TextMarshaler, which encoding/json uses too.
func (k SigningKey) MarshalText() ([]byte, error) { return []byte(redactedKey), nil }

const redactedKey = "[redacted]"

// public returns the public half as a JWK (RFC 7517, section 4).
func (k signingKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"}
}

// sign returns claims as a JWT (RFC 7519, section 7.1). What a signer says of its failure is not repeated.
func (k signingKey) sign(claims map[string]any) (string, error) {
	return signJWT(jose.SigningKey{Algorithm: k.alg, Key: cryptosigner.Opaque(saltedSigner{k.signer})}, claims,
		(&jose.SignerOptions{}).WithType("JWT").WithHeader(jose.HeaderKey("kid"), k.id))
}

// saltedSigner gives RSASSA-PSS signatures the salt of RFC 7518, section 3.5, as long as the hash. go-jose's own has the
// longest that fits, which providers refuse.
type saltedSigner struct{ crypto.Signer }

func (s saltedSigner) Sign(rnd io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if pss, ok := o.(*rsa.PSSOptions); ok {
		o = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: pss.Hash}
	}
	return s.Signer.Sign(rnd, digest, o)
}

func signJWT(key jose.SigningKey, claims map[string]any, o *jose.SignerOptions) (string, error) {
	signer, err := jose.NewSigner(key, o)
	if err != nil {
		return "", errSigning
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", errSigning
	}
	return token, nil
}

var errSigning = errors.New("the key could not sign")
