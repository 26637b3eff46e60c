package workos

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // G505: the format's key derivation; one round of it over a random password is sound
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/netscript/auth"
)

// The format "Fe26.2" of the iron family:
//
//	Fe26.2*id*encryptionSalt*iv*ciphertext*expiration*macSalt*mac
//
// The MAC covers the text of the first six fields. WorkOS' SDK writes the password id 1 and no expiration.
const (
	ironPrefix     = "Fe26.2"
	ironPasswordID = "1"
	ironFields     = 8
	ironSaltSize   = 32 // bytes, before they become hexadecimal text, which is the salt
	ironKeySize    = 32
	ironRounds     = 1
	ironSkew       = time.Minute // how long after its expiration a seal is still taken
)

var (
	errSealShape   = errors.New("not a seal of this format")
	errSealMAC     = errors.New("sealed with another password, or changed")
	errSealContent = errors.New("the seal is authentic and its content is not of this format")
	errSealExpired = errors.New("the seal has expired")
)

var (
	ironBase64 = base64.RawURLEncoding.Strict()
	jsMaxTime  = time.UnixMilli(8_640_000_000_000_000) // the last moment that JavaScript knows; year 275760
)

// ironSeal returns plaintext sealed under password. random gives the IV and then the two salts; ttl zero means forever.
func ironSeal(plaintext []byte, password string, random io.Reader, now time.Time, ttl time.Duration) (string, error) {
	var iv [aes.BlockSize]byte
	var salts [2 * ironSaltSize]byte
	for _, b := range [][]byte{iv[:], salts[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return "", errors.New("no random bytes")
		}
	}
	expiration := ""
	if ttl > 0 {
		expiration = strconv.FormatInt(now.Add(ttl).UnixMilli(), 10)
	}
	encSalt, macSalt := hex.EncodeToString(salts[:ironSaltSize]), hex.EncodeToString(salts[ironSaltSize:])
	block, err := ironCipher(password, encSalt)
	if err != nil {
		return "", err
	}
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	text := make([]byte, 0, len(plaintext)+padding)
	text = append(text, plaintext...)
	for range padding {
		text = append(text, byte(padding))
	}
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(text, text)
	base := strings.Join([]string{ironPrefix, ironPasswordID, encSalt, ironBase64.EncodeToString(iv[:]), ironBase64.EncodeToString(text), expiration}, "*")
	mac, err := ironMAC(password, macSalt, base)
	if err != nil {
		return "", err
	}
	return base + "*" + macSalt + "*" + mac, nil
}

// sealRandom is ironSeal with true randomness and no expiration, as the SDK seals.
func sealRandom(plaintext []byte, password string) (string, error) {
	return ironSeal(plaintext, password, rand.Reader, time.Time{}, 0)
}

// unsealed is the content of a seal.
type unsealed struct {
	plaintext []byte
	until     time.Time // when it is no longer taken
}

// ironUnseal opens a seal that one of passwords has made. The MAC is compared in constant time, and before anything is
// decoded or decrypted.
func ironUnseal(sealed string, passwords []auth.Secret, now time.Time) (*unsealed, error) {
	f, base, ok := splitSeal(sealed)
	if !ok || f[0] != ironPrefix || f[1] != ironPasswordID || f[6] == "" {
		return nil, errSealShape
	}
	password, ok := authentic(passwords, f[6], f[7], base)
	if !ok {
		return nil, errSealMAC
	}
	until, ok := ironExpiry(f[5])
	if !ok {
		return nil, errSealContent
	}
	if !now.Before(until) {
		return nil, errSealExpired
	}
	plaintext, err := ironDecrypt(password, f[2], f[3], f[4])
	return &unsealed{plaintext, until}, err
}

// splitSeal returns the fields of a seal, and what the MAC covers.
func splitSeal(sealed string) (f [ironFields]string, base string, ok bool) {
	rest, end := sealed, 0
	for i := range f[:ironFields-1] {
		var found bool
		if f[i], rest, found = strings.Cut(rest, "*"); !found {
			return f, "", false
		}
		if i < 6 {
			end += len(f[i]) + 1
		}
	}
	f[ironFields-1] = rest
	return f, sealed[:max(end-1, 0)], strings.IndexByte(rest, '*') < 0
}

// authentic returns the password under which mac is the MAC of base. The text of the MAC is compared, not what it
// decodes to: it has one spelling.
func authentic(passwords []auth.Secret, salt, mac, base string) (password string, ok bool) {
	for _, p := range passwords {
		want, err := ironMAC(p.Reveal(), salt, base)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(mac)) == 1 {
			password, ok = p.Reveal(), true
		}
	}
	return password, ok
}

func ironMAC(password, salt, base string) (string, error) {
	key, err := ironKey(password, salt)
	if err != nil {
		return "", err
	}
	m := hmac.New(sha256.New, key)
	_, _ = io.WriteString(m, base)
	return ironBase64.EncodeToString(m.Sum(make([]byte, 0, sha256.Size))), nil
}

func ironKey(password, salt string) ([]byte, error) {
	return pbkdf2.Key(sha1.New, password, []byte(salt), ironRounds, ironKeySize)
}

func ironCipher(password, salt string) (cipher.Block, error) {
	key, err := ironKey(password, salt)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(key)
}

// ironExpiry returns when a seal with this expiration, in Unix milliseconds, is no longer taken. A number beyond what a
// clock can show never comes.
func ironExpiry(s string) (time.Time, bool) {
	if s == "" {
		return jsMaxTime, true
	}
	if s[0] < '1' || s[0] > '9' || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms >= jsMaxTime.UnixMilli() {
		return jsMaxTime, true
	}
	return time.UnixMilli(ms).Add(ironSkew), true
}

// ironDecrypt undoes AES-256-CBC with PKCS #7 padding. Only what the MAC has authenticated gets here.
func ironDecrypt(password, salt, iv, ciphertext string) ([]byte, error) {
	nonce, err := decodeBase64(iv)
	if err != nil || len(nonce) != aes.BlockSize {
		return nil, errSealContent
	}
	text, err := decodeBase64(ciphertext)
	if err != nil || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, errSealContent
	}
	block, err := ironCipher(password, salt)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, nonce).CryptBlocks(text, text)
	padding := int(text[len(text)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, errSealContent
	}
	for _, b := range text[len(text)-padding:] {
		if int(b) != padding {
			return nil, errSealContent
		}
	}
	return text[:len(text)-padding], nil
}

// decodeBase64 decodes base64url in its one canonical spelling (RFC 4648, section 3.5). The decoder alone would skip line
// breaks.
func decodeBase64(s string) ([]byte, error) {
	if broken(s) {
		return nil, errSealContent
	}
	return ironBase64.DecodeString(s)
}

// broken reports whether s has a line break. It is faster than strings.ContainsAny.
func broken(s string) bool { return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 }
