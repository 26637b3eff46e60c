package betterauth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/netscript/auth"
)

// VersionedSecret is one entry of better-auth's secrets option, or of BETTER_AUTH_SECRETS.
type VersionedSecret struct {
	Version int
	Secret  auth.Secret
}

const (
	minSecret     = 32 // UTF-16 code units, as the server counts
	defaultSecret = "better-auth-secret-12345678901234567890"
	signatureSize = 44 // base64 of 32 bytes, padded
	maxSigned     = 4096
	jweSalt       = "better-auth-session"
	jweInfo       = "BetterAuth.js Generated Encryption Key"
	jweKeySize    = 64
)

// secrets are the server's secrets. HMACs are made with the current one; ciphertexts name theirs.
type secrets struct {
	current  auth.Secret
	signing  []auth.Secret // those that are accepted; the first is the current one
	versions map[int]auth.Secret
	legacy   auth.Secret // of ciphertexts that name no version; zero if none
	jwe      []jweKey
}

// jweKey is the key of a secret for the cookie cache, with its RFC 7638 thumbprint.
type jweKey struct {
	id  string
	key func() []byte // a closure: see auth.Secret
}

func (c *Config) parseSecrets() (*secrets, error) {
	s := &secrets{current: c.Secret, versions: map[int]auth.Secret{}, legacy: c.Secret}
	if len(c.Secrets) > 0 {
		s.current = c.Secrets[0].Secret
	}
	if s.current.IsZero() {
		return nil, errors.New("Secret or Secrets is required")
	}
	s.signing = []auth.Secret{s.current}
	ring := []auth.Secret{s.current}
	for i, v := range c.Secrets {
		if _, ok := s.versions[v.Version]; ok || v.Version < 0 {
			return nil, fmt.Errorf("Secrets[%d].Version is negative or there twice", i)
		}
		if err := checkSecret(fmt.Sprintf("Secrets[%d]", i), v.Secret); err != nil {
			return nil, err
		}
		s.versions[v.Version] = v.Secret
		if i > 0 {
			ring = append(ring, v.Secret)
		}
	}
	if !c.Secret.IsZero() {
		if err := checkSecret("Secret", c.Secret); err != nil {
			return nil, err
		}
		if len(c.Secrets) > 0 {
			ring = append(ring, c.Secret)
		}
	}
	if c.InsecureAcceptRetiredSecrets {
		s.signing = ring
	}
	return s, s.deriveKeys()
}

func checkSecret(field string, s auth.Secret) error {
	text := s.Reveal()
	switch {
	case text == defaultSecret:
		return fmt.Errorf("%s is better-auth's default, which everybody knows: set BETTER_AUTH_SECRET on both sides", field)
	case len(utf16.Encode([]rune(text))) < minSecret:
		return fmt.Errorf("%s has fewer than 32 characters: make a random one", field)
	}
	return nil
}

// deriveKeys makes the keys of session_data. Whoever has a key can also make one, so that only accepted secrets have them.
func (s *secrets) deriveKeys() error {
	for _, secret := range s.signing {
		key, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), []byte(jweSalt), jweInfo, jweKeySize)
		if err != nil {
			return errors.New("Secret: no key can be derived")
		}
		thumbprint := sha256.Sum256([]byte(`{"k":"` + base64.RawURLEncoding.EncodeToString(key) + `","kty":"oct"}`))
		s.jwe = append(s.jwe, jweKey{base64.RawURLEncoding.EncodeToString(thumbprint[:]), func() []byte { return key }})
	}
	return nil
}

func macOf(secret auth.Secret, message string) []byte {
	m := hmac.New(sha256.New, []byte(secret.Reveal()))
	m.Write([]byte(message))
	return m.Sum(nil)
}

// authentic reports whether mac is the HMAC-SHA-256 of message under an accepted secret.
func (s *secrets) authentic(message string, mac []byte) bool {
	ok := false
	for _, secret := range s.signing {
		ok = hmac.Equal(mac, macOf(secret, message)) || ok
	}
	return ok
}

// sign returns value with its signature, as a cookie's decoded value.
func (s *secrets) sign(value string) string {
	return value + "." + base64.StdEncoding.EncodeToString(macOf(s.current, value))
}

// openSigned returns the value of a signed cookie. The signature starts at the last dot, is padded base64, and may have
// any spare bits in its last character, as at the server.
func (s *secrets) openSigned(signed string) (string, bool) {
	i := strings.LastIndexByte(signed, '.')
	if i < 1 || len(signed) > maxSigned {
		return "", false
	}
	value, signature := signed[:i], signed[i+1:]
	if len(signature) != signatureSize || signature[signatureSize-1] != '=' {
		return "", false
	}
	mac, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(mac) != sha256.Size || strings.ContainsAny(signature, "\r\n") || !s.authentic(value, mac) {
		return "", false
	}
	return value, true
}

// signedLoosely is the bearer plugin's own look at a token: the parts before and after the first dot, in either alphabet
// of base64, with or without padding. What passes here must still pass openSigned.
func (s *secrets) signedLoosely(token string) bool {
	value, rest, ok := strings.Cut(token, ".")
	if !ok {
		return false
	}
	signature, _, _ := strings.Cut(rest, ".")
	mac, err := decodeBase64(signature)
	return err == nil && len(mac) == sha256.Size && s.authentic(value, mac)
}

// decodeBase64 reads either alphabet, with or without padding.
func decodeBase64(s string) ([]byte, error) {
	s, _, _ = strings.Cut(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

const envelopePrefix = "$ba$"

var errDecrypt = errors.New("cannot be decrypted with these secrets")

// Decrypt opens what better-auth has encrypted into a column: the private keys of the jwt plugin, the secrets and backup
// codes of two-factor. The column is hexadecimal, for private keys in a JSON string, with the version of its secret in
// front unless it was written before there were versions. The error holds nothing of the column.
func (b *Backend) Decrypt(column string) ([]byte, error) {
	plain, err := b.conf.secrets.decrypt(column)
	if err != nil {
		return nil, fail(auth.CodeInternal, "decrypt", err)
	}
	return plain, nil
}

func (s *secrets) decrypt(column string) ([]byte, error) {
	if strings.HasPrefix(column, `"`) && json.Unmarshal([]byte(column), &column) != nil {
		return nil, errDecrypt
	}
	secret := s.legacy
	if rest, ok := strings.CutPrefix(column, envelopePrefix); ok {
		version, sealed, ok := strings.Cut(rest, "$")
		n, err := strconv.Atoi(version)
		if !ok || err != nil {
			return nil, errDecrypt
		}
		secret, column = s.versions[n], sealed
	}
	sealed, err := hex.DecodeString(column)
	if err != nil || secret.IsZero() || len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, errDecrypt
	}
	key := sha256.Sum256([]byte(secret.Reveal()))
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, errDecrypt
	}
	plain, err := aead.Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], nil)
	if err != nil {
		return nil, errDecrypt
	}
	return plain, nil
}
