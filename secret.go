package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const redacted = "[redacted]"

// Secret is a text that no fmt verb, slog handler or encoder prints: a client secret, a password. The zero value is the
// empty secret. The text is held by a closure, because fmt prints the fields of a struct also where it cannot call the
// methods of their types.
type Secret struct{ text func() string }

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{func() string { return s }}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return s.text()
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.text == nil }

// String returns a fixed text.
func (s Secret) String() string { return redacted }

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which encoding/json uses too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// KeySize is the length of a [Key] in bytes.
const KeySize = 32

// Key is a 256-bit symmetric key that cannot be printed. The zero value is no key, and everything that takes a Key
// refuses it.
type Key struct{ material func() [KeySize]byte }

var errKey = errors.New("key must be 32 bytes, base64url without padding: make one with GenerateKey")

// NewKey returns a key of the bytes b, which it copies. Keys that are plainly not random (all bytes the same) are refused.
func NewKey(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, errKey
	}
	var k [KeySize]byte
	copy(k[:], b)
	same := true
	for _, c := range k {
		same = same && c == k[0]
	}
	if same {
		return Key{}, errors.New("key is not random: make one with GenerateKey")
	}
	return Key{func() [KeySize]byte { return k }}, nil
}

// ParseKey reads a key as [Key.Encode] writes it: base64url, with or without padding.
func ParseKey(s string) (Key, error) {
	enc := base64.RawURLEncoding
	if len(s) > 0 && s[len(s)-1] == '=' {
		enc = base64.URLEncoding
	}
	b, err := enc.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") { // which encoding/base64 passes over
		return Key{}, errKey
	}
	return NewKey(b)
}

// GenerateKey returns a new random key.
func GenerateKey() Key {
	var k [KeySize]byte
	_, _ = rand.Read(k[:]) // never fails: crypto/rand aborts the program instead
	return Key{func() [KeySize]byte { return k }}
}

// Encode returns the key as text for a secret manager or an environment variable.
func (k Key) Encode() string {
	if k.IsZero() {
		return ""
	}
	b := k.material()
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Bytes returns a copy of the key's bytes, or nil for the zero Key.
func (k Key) Bytes() []byte {
	if k.IsZero() {
		return nil
	}
	b := k.material()
	return b[:]
}

// IsZero reports whether k is no key.
func (k Key) IsZero() bool { return k.material == nil }

// Equal compares in constant time. The zero Key equals nothing.
func (k Key) Equal(o Key) bool {
	return !k.IsZero() && !o.IsZero() && subtle.ConstantTimeCompare(k.Bytes(), o.Bytes()) == 1
}

// String returns a fixed text.
func (k Key) String() string { return redacted }

// Format implements fmt.Formatter for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which encoding/json uses too.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
