package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SessionToken is what a session token says.
type SessionToken struct {
	SessionID string    `json:"sid"`
	Subject   string    `json:"sub"`
	Purpose   string    `json:"pur"` // what the token is good for; one made for another purpose is refused
	ExpiresAt time.Time `json:"exp"` // required
}

// SessionTokens seals session tokens with HMAC-SHA-256. A token can be read by who holds it and changed by nobody.
// It is good until it expires: ending the session does not end it, so keep it short-lived or look the session up.
// A SessionTokens is immutable and safe for concurrent use.
type SessionTokens struct {
	keys [][]byte // derived for this use alone; the first seals, all open
	now  func() time.Time
}

var _ SessionTokenPort = (*SessionTokens)(nil)

const (
	tokenPrefix  = "nst1."
	maxTokenSize = 4096
)

// NewSessionTokens returns a sealer for a ring of keys: the first seals and all open, so that a key is replaced by
// putting the new one in front. If now is nil, time.Now.
func NewSessionTokens(keys []Key, now func() time.Time) (*SessionTokens, error) {
	if len(keys) == 0 {
		return nil, configError("session tokens", errors.New("no key"))
	}
	t := &SessionTokens{now: now}
	if now == nil {
		t.now = time.Now
	}
	for i, k := range keys {
		if k.IsZero() {
			return nil, configError("session tokens", fmt.Errorf("key %d is zero", i))
		}
		// A key of its own, so that a token is never mistaken for something else sealed under the same key.
		derived, err := hkdf.Key(sha256.New, k.Bytes(), nil, "netscript auth session token v1", KeySize)
		if err != nil {
			return nil, configError("session tokens", err)
		}
		t.keys = append(t.keys, derived)
	}
	return t, nil
}

// SealSessionToken implements [SessionTokenPort].
func (t *SessionTokens) SealSessionToken(s SessionToken) (string, error) {
	if s.SessionID == "" || s.Purpose == "" || s.ExpiresAt.IsZero() {
		return "", &Error{Code: CodeValidation, Op: "seal session token", Err: errors.New("session id, purpose and expiry are required")}
	}
	s.ExpiresAt = s.ExpiresAt.UTC()
	payload, err := json.Marshal(s)
	if err != nil {
		return "", &Error{Code: CodeValidation, Op: "seal session token", Err: errors.New("the expiry is outside RFC 3339")}
	}
	body := tokenPrefix + base64.RawURLEncoding.EncodeToString(payload)
	if len(body) > maxTokenSize-64 {
		return "", &Error{Code: CodeValidation, Op: "seal session token", Err: errors.New("token too large")}
	}
	return body + "." + base64.RawURLEncoding.EncodeToString(tokenMAC(t.keys[0], body)), nil
}

// OpenSessionToken implements [SessionTokenPort]. The MAC is checked before anything is parsed.
func (t *SessionTokens) OpenSessionToken(token, purpose string) (SessionToken, error) {
	s, err := t.open(token)
	if err != nil {
		return SessionToken{}, &Error{Code: CodeTokenInvalid, Op: "open session token", Err: err}
	}
	if purpose == "" || s.Purpose != purpose {
		return SessionToken{}, &Error{Code: CodeTokenInvalid, Op: "open session token", Err: errors.New("made for another purpose")}
	}
	if !t.now().Before(s.ExpiresAt) {
		return SessionToken{}, &Error{Code: CodeTokenExpired, Op: "open session token"}
	}
	return s, nil
}

func (t *SessionTokens) open(token string) (SessionToken, error) {
	dot := strings.LastIndexByte(token, '.')
	if len(token) > maxTokenSize || !strings.HasPrefix(token, tokenPrefix) || dot < len(tokenPrefix) ||
		strings.ContainsAny(token, "\r\n") { // which encoding/base64 passes over: one token has one spelling
		return SessionToken{}, errors.New("malformed")
	}
	body := token[:dot]
	mac, err := base64.RawURLEncoding.Strict().DecodeString(token[dot+1:])
	if err != nil || !t.authentic(body, mac) {
		return SessionToken{}, errors.New("not authentic")
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(body[len(tokenPrefix):])
	if err != nil {
		return SessionToken{}, errors.New("malformed")
	}
	var s SessionToken
	if json.Unmarshal(payload, &s) != nil {
		return SessionToken{}, errors.New("malformed")
	}
	return s, nil
}

func (t *SessionTokens) authentic(body string, mac []byte) bool {
	ok := false
	for _, key := range t.keys {
		ok = hmac.Equal(mac, tokenMAC(key, body)) || ok
	}
	return ok
}

func tokenMAC(key []byte, body string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(body))
	return m.Sum(nil)
}

func configError(op string, err error) error {
	return &Error{Code: CodeConfigInvalid, Op: op, Err: err}
}
