package workos

import (
	"context"
	"crypto/rsa"
	"io"
	"time"

	"github.com/netscript/auth"
)

// IronSeal and IronUnseal are the format itself, for its own tests.
func IronSeal(plaintext []byte, password string, random io.Reader, now time.Time, ttl time.Duration) (string, error) {
	return ironSeal(plaintext, password, random, now, ttl)
}

func IronUnseal(sealed string, passwords []auth.Secret, now time.Time) ([]byte, error) {
	u, err := ironUnseal(sealed, passwords, now)
	if err != nil {
		return nil, err
	}
	return u.plaintext, nil
}

// ParsedKey is a key of a JWK set as it is kept.
type ParsedKey struct {
	ID                  string
	Named, Fits, Secret bool
	Public              *rsa.PublicKey
}

// ParseKeys is the parser of JWK sets.
func ParseKeys(body []byte) (list []ParsedKey, err error) {
	keys, err := parseKeys(body)
	for _, k := range keys {
		list = append(list, ParsedKey{k.id, k.named, k.fits, k.secret, k.public})
	}
	return list, err
}

// TokenVerifier verifies access tokens with the keys of a JWK set.
func TokenVerifier(set []byte, now func() time.Time) (func(raw string) error, error) {
	list, err := parseKeys(set)
	if err != nil {
		return nil, err
	}
	s := newKeySet("", "", nil, now)
	s.current.Store(&keys{list, now()})
	v := &verifier{keys: s, sessions: true, now: now}
	return func(raw string) error {
		_, err := v.verify(context.Background(), raw, fromClient)
		return err
	}, nil
}
