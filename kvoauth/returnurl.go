package kvoauth

import (
	"errors"
	"net/url"
	"path"
	"strings"

	"github.com/netscript/auth"
)

const maxReturnURL = 2048

var errReturnURL = errors.New("not a path on this origin and not a URL of an allowed origin")

// returnURL decides where a browser may be sent after a sign-in or sign-out, and returns the URL to send. The rules are
// narrower than the URL standard so that no browser can resolve the result to another origin: visible ASCII without
// backslashes, and either a path with one leading slash or an http(s) URL whose origin is allowed exactly.
func (s *settings) returnURL(raw string) (string, error) {
	if raw == "" {
		raw = s.DefaultReturnURL
	}
	if len(raw) > maxReturnURL || strings.ContainsFunc(raw, unsafeInURL) {
		return "", rejectReturnURL()
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return "", rejectReturnURL()
	}
	if u.Scheme == "" && u.Host == "" {
		if !ownPath(raw, u) || s.loops(u) {
			return "", rejectReturnURL()
		}
		return raw, nil
	}
	if u.Host == "" || !s.origins[originOf(u)] || !strings.HasPrefix(raw, u.Scheme+"://") {
		return "", rejectReturnURL()
	}
	if originOf(u) == originOf(s.redirect) && s.loops(u) {
		return "", rejectReturnURL()
	}
	return raw, nil
}

func rejectReturnURL() error {
	return &auth.Error{Code: auth.CodeReturnURLRejected, Backend: Name, Op: "check return URL", Err: errReturnURL,
		Fields: map[string]string{"redirectTo": "must be a path on this site or a URL of an allowed origin"}}
}

// ownPath reports whether raw is a path that stays one: also with its dot segments removed it must not start with two
// slashes, which would name another host ("/..//evil.example").
func ownPath(raw string, u *url.URL) bool {
	if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return false
	}
	dots := strings.NewReplacer("%2e", ".", "%2E", ".") // they are dots to a browser (URL Standard, double-dot segments)
	for _, p := range []string{dots.Replace(u.EscapedPath()), u.Path} {
		if strings.HasPrefix(removeDotSegments(p), "//") || strings.Contains(p, `\`) && strings.HasPrefix(strings.ReplaceAll(p, `\`, "/"), "//") {
			return false
		}
	}
	return true
}

// removeDotSegments is RFC 3986 section 5.2.4 for an absolute path. Unlike path.Clean and url.URL.ResolveReference it
// keeps empty segments, also in front.
func removeDotSegments(p string) string {
	var kept []string
	for segment := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// loops reports whether u is a callback itself, which would fail there.
func (s *settings) loops(u *url.URL) bool { return s.callbacks[path.Clean(u.Path)] }

func unsafeInURL(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

// originOf returns the serialized origin of u with its default port left out (RFC 6454, section 6.2).
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}
