package workos

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxCookie    = 32 << 10 // of a cookie that is read; a browser's are at most 4 KiB
	maxSetCookie = 4096     // name and value of a cookie that is set; browsers drop a longer one (RFC 6265bis, section 5.6)
)

// presented is what a request carries under the cookie's name.
type presented int

const (
	absent    presented = iota
	malformed           // more than once, or too long
	present
)

// readCookie returns the value of the cookie, without copying it. A cookie that comes twice is nobody's: one of the two
// may have been planted from a sibling domain, and which of them a server sees first is up to the browser.
func readCookie(h http.Header, name string) (string, presented) {
	value, found := "", absent
	for _, line := range h["Cookie"] {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			n, v, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if !ok || n != name {
				continue
			}
			if found != absent {
				return "", malformed
			}
			value, found = unquote(v), present
		}
	}
	switch {
	case value == "":
		return "", absent
	case len(value) > maxCookie:
		return "", malformed
	}
	return value, found
}

// unquote removes the quotation marks that RFC 6265 section 4.1.1 allows around a value.
func unquote(v string) string {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		return v[1 : len(v)-1]
	}
	return v
}

// decodeCookie undoes the percent-encoding that some servers apply to cookies. The SDK never emits a character that
// needs it.
func decodeCookie(value string) string {
	if strings.IndexByte(value, '%') < 0 {
		return value
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		return decoded
	}
	return value
}

// sessionCookie carries a sealed session, with the attributes that WorkOS' own front ends set.
func (s *settings) sessionCookie(sealed string) *http.Cookie {
	return &http.Cookie{
		Name: s.CookieName, Value: sealed, Path: "/", Domain: s.CookieDomain, MaxAge: int(s.CookieMaxAge / time.Second),
		HttpOnly: true, Secure: !s.InsecureAllowHTTP, SameSite: http.SameSiteLaxMode,
	}
}

// clearSessionCookie has the attributes of sessionCookie, without which browsers keep the old one.
func (s *settings) clearSessionCookie() *http.Cookie {
	c := s.sessionCookie("")
	c.MaxAge = -1
	return c
}
