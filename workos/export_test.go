package workos

import (
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

// ParseToken and ParsePayload are the parsers of outside text, for fuzzing.
func ParseToken(raw string) (claims map[string]any, err error) {
	t, err := parseToken(raw)
	if err != nil {
		return nil, err
	}
	return t.claims, nil
}
