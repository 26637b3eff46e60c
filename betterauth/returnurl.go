package betterauth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const maxReturnURL = 2048

func (s *settings) parseReturnURLs() error {
	s.origins = map[string]bool{}
	for i, o := range s.ReturnOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" ||
			u.Scheme != "https" && (u.Scheme != "http" || s.Cookies.Security != InsecureNever) {
			return fmt.Errorf("ReturnOrigins[%d] must be an https origin, as https://www.example.com", i)
		}
		s.origins[originOf(u)] = true
	}
	if s.DefaultReturnURL == "" {
		s.DefaultReturnURL = defaultReturnURL
	}
	if !s.allowedReturn(s.DefaultReturnURL) {
		return errors.New("DefaultReturnURL must be a path, or a URL of one of ReturnOrigins")
	}
	return nil
}

// returnURL returns raw, or the default when raw is not allowed.
func (s *settings) returnURL(raw string) string {
	if raw == "" || !s.allowedReturn(raw) {
		return s.DefaultReturnURL
	}
	return raw
}

// allowedReturn decides whether a browser may be sent to raw. The rules are narrower than the URL standard so that no
// browser can resolve it to another origin: visible ASCII without backslashes, and either a path that stays one or a URL
// whose origin is allowed exactly.
func (s *settings) allowedReturn(raw string) bool {
	if len(raw) > maxReturnURL || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return false
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	if u.Scheme == "" && u.Host == "" {
		return ownPath(raw, u)
	}
	return u.Host != "" && s.origins[originOf(u)] && strings.HasPrefix(raw, u.Scheme+"://")
}

// ownPath reports whether raw is a path that stays one, however often it is decoded and resolved: without dot segments
// (RFC 3986, section 5.2.4), and not with two slashes in front, which would name another host.
func ownPath(raw string, u *url.URL) bool {
	decoded := strings.ReplaceAll(u.Path, `\`, "/")
	if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") || strings.HasPrefix(decoded, "//") {
		return false
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

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
