// Package returnurl decides where a browser may be sent after a sign-in or sign-out: one decision for all backends.
package returnurl

import (
	"fmt"
	"net/url"
	"strings"
)

// MaxLength is that of an accepted URL, in bytes.
const MaxLength = 2048

// Origins are the origins, as [Origin] writes them, that a return URL may have.
type Origins map[string]bool

// ParseOrigins reads a list of origins as https://www.example.com. http ones are accepted only with allowHTTP. The errors
// name elements of field, which is the list's name in the configuration.
func ParseOrigins(field string, list []string, allowHTTP bool) (Origins, []error) {
	origins, errs := Origins{}, []error(nil)
	for i, o := range list {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" ||
			u.Scheme != "https" && (u.Scheme != "http" || !allowHTTP) {
			errs = append(errs, fmt.Errorf("%s[%d] must be an https origin, as https://www.example.com", field, i))
			continue
		}
		origins[Origin(u)] = true
	}
	return origins, errs
}

// Accept parses raw and reports whether a browser may be sent there. The rules are narrower than the URL standard, so
// that no browser can resolve an accepted URL to another origin: visible ASCII without backslashes, and either a path
// with one leading slash or an http(s) URL whose origin is one of o exactly. Of a path, u.Host is empty.
func (o Origins) Accept(raw string) (u *url.URL, ok bool) {
	if len(raw) > MaxLength || strings.ContainsFunc(raw, unsafe) {
		return nil, false
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return nil, false
	}
	if u.Scheme == "" && u.Host == "" {
		return u, staysPath(raw, u)
	}
	return u, u.Host != "" && o[Origin(u)] && strings.HasPrefix(raw, u.Scheme+"://")
}

func unsafe(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

// staysPath reports whether raw is a path and stays one: also decoded, and with its dot segments removed, it must not
// start with two slashes, which would name another host ("/..//evil.example").
func staysPath(raw string, u *url.URL) bool {
	if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return false
	}
	dots := strings.NewReplacer("%2e", ".", "%2E", ".") // they are dots to a browser (URL Standard, double-dot segments)
	for _, p := range []string{dots.Replace(u.EscapedPath()), strings.ReplaceAll(u.Path, `\`, "/")} {
		if strings.HasPrefix(removeDotSegments(p), "//") {
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

// Origin returns the serialized origin of u with its default port left out (RFC 6454, section 6.2).
func Origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}
