package kvoauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"strings"
)

// A credential is 256 random bits in base64url. It is what the session cookie carries and what nothing else may hold:
// the store and every API know a session only by the SHA-256 of it, its handle.
const credentialLength = 43

// newCredential never fails: crypto/rand ends the program rather than return fewer random bits.
func newCredential() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// digest is the SHA-256 of a credential. Encoded, it is the session's handle.
type digest [sha256.Size]byte

func digestOf(credential string) digest {
	var b [credentialLength]byte // keeps the credential's bytes on the stack
	return sha256.Sum256(b[:copy(b[:], credential)])
}

// handle returns the text form of d.
func (d digest) handle() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// key returns d's key in the store: prefix and handle.
func (d digest) key(prefix string) string {
	var b [64]byte
	n := copy(b[:], prefix)
	base64.RawURLEncoding.Encode(b[n:], d[:])
	return string(b[:n+credentialLength])
}

// parseHandle accepts exactly what handle returns.
func parseHandle(s string) (digest, bool) {
	var d digest
	if len(s) != credentialLength {
		return d, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(d) { // the decoder skips line breaks
		return d, false
	}
	return digest(b), true
}

// wellFormed reports whether s could be a credential: base64url characters of the right number. Whether it is one, only
// the store knows.
func wellFormed(s string) bool {
	if len(s) != credentialLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c-'a' > 'z'-'a' && c-'A' > 'Z'-'A' && c-'0' > '9'-'0' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// presented is what a request carries under a cookie name.
type presented int

const (
	absent presented = iota
	malformed
	present
)

// readCookie returns the one credential that r carries in the cookie called name. Two cookies of one name are refused:
// a sibling subdomain may have planted one, and which comes first is up to the browser (RFC 6265bis, section 5.7.3). One
// whose value net/http passes over counts too: another server would read it.
func readCookie(r *http.Request, name string) (string, presented) {
	cookies := r.CookiesNamed(name)
	switch {
	case len(cookies) == 0:
		return "", absent
	case len(cookies) > 1 || pairsNamed(r.Header, name) > 1 || cookies[0].Quoted || len(cookies[0].Value) != credentialLength: // its hash says the rest
		return "", malformed
	}
	return cookies[0].Value, present
}

// pairsNamed counts the pairs of that name in the Cookie header, whatever their values are.
func pairsNamed(h http.Header, name string) (n int) {
	lines := h["Cookie"]
	if len(lines) == 1 && strings.Count(lines[0], name) == 1 { // nearly always
		return 1
	}
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if own, _, _ := strings.Cut(pair, "="); textproto.TrimString(own) == name {
				n++
			}
		}
	}
	return n
}
