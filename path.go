package auth

import (
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// canonicalPath reports whether all routers read the path of u alike. Routers differ in whether they match the decoded
// or the encoded path, and proxies and file systems in what they make of "//", ".", "..", ";", a backslash and a
// trailing dot. A path with any of these, or with an encoded octet that needs no encoding (RFC 3986, section 2.3), is
// not canonical: what is decided on one reading could be served by another.
func canonicalPath(u *url.URL) bool {
	p := u.Path
	if !strings.HasPrefix(p, "/") || !utf8.ValidString(p) {
		return false
	}
	if clean := path.Clean(p); p != clean && (clean == "/" || p != clean+"/") {
		return false
	}
	for segment := range strings.SplitSeq(p, "/") {
		if strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " ") {
			return false
		}
	}
	return plainEscapes(u.EscapedPath())
}

// plainEscapes reports whether escaped holds no octet that is dangerous and encodes none that a router might compare
// with a literal.
func plainEscapes(escaped string) bool {
	for i := 0; i < len(escaped); i++ {
		c, encoded := escaped[i], false
		if c == '%' {
			if i+2 >= len(escaped) {
				return false
			}
			c, encoded = unhex(escaped[i+1])<<4|unhex(escaped[i+2]), true
			i += 2
		}
		switch {
		case c < 0x20, c == 0x7f, strings.IndexByte(`\;`, c) >= 0:
			return false
		case encoded && (unreserved(c) || strings.IndexByte("/%?#", c) >= 0):
			return false
		}
	}
	return true
}

// plainSegment reports whether s may stand in a route as a literal: it is never encoded in a canonical path.
func plainSegment(s string) bool {
	for i := range len(s) {
		if !unreserved(s[i]) {
			return false
		}
	}
	return s != "" && !strings.HasSuffix(s, ".")
}

// unreserved are the characters that are never encoded in a URL (RFC 3986, section 2.3).
func unreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~", c) >= 0
}

// unhex is only given digits that net/url has accepted.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
