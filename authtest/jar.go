package authtest

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// jar keeps cookies by the rules of RFC 6265bis: prefixes, Secure, SameSite and the host that may set them. The jar of
// net/http/cookiejar knows nothing of prefixes and SameSite, on which the security of a sign-in rests.
type jar struct {
	mu      sync.Mutex
	cookies []*storedCookie // in the order in which they were first set
}

type storedCookie struct {
	http.Cookie
	host     string
	hostOnly bool
	expires  time.Time // zero: with the browser
}

// sending says how a request came to be, as far as it matters for SameSite.
type sending struct {
	crossSite bool // another site's page caused it
	safe      bool // a top-level GET
}

// set keeps c as the answer of u set it, or says why a browser would not.
func (j *jar) set(u *url.URL, c *http.Cookie, now time.Time) error {
	s := &storedCookie{Cookie: *c, host: u.Hostname(), hostOnly: c.Domain == ""}
	if err := s.admit(u); err != nil {
		return err
	}
	if !s.hostOnly {
		s.host = strings.TrimPrefix(strings.ToLower(c.Domain), ".")
	}
	if !strings.HasPrefix(s.Path, "/") {
		s.Path = "/"
		if i := strings.LastIndexByte(u.Path, '/'); i > 0 {
			s.Path = u.Path[:i]
		}
	}
	switch {
	case c.MaxAge != 0:
		s.expires = now.Add(time.Duration(c.MaxAge) * time.Second)
	case !c.Expires.IsZero():
		s.expires = c.Expires
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cookies = slices.DeleteFunc(j.cookies, func(o *storedCookie) bool {
		return o.Name == s.Name && o.host == s.host && o.hostOnly == s.hostOnly && o.Path == s.Path
	})
	if s.live(now) {
		j.cookies = append(j.cookies, s)
	}
	return nil
}

// admit applies RFC 6265bis, section 5.7.
func (s *storedCookie) admit(u *url.URL) error {
	secure := u.Scheme == "https"
	name := strings.ToLower(s.Name)
	domain := strings.TrimPrefix(strings.ToLower(s.Domain), ".")
	switch {
	case s.Valid() != nil:
		return errors.New("malformed")
	case len(s.Name)+len(s.Value) > 4096:
		return errors.New("name and value are over 4096 bytes")
	case s.Secure && !secure:
		return errors.New("it is Secure and came over http")
	case s.SameSite == http.SameSiteNoneMode && !s.Secure:
		return errors.New("SameSite=None without Secure")
	case strings.HasPrefix(name, "__secure-") && !s.Secure:
		return errors.New("__Secure- without Secure")
	case strings.HasPrefix(name, "__host-") && (!s.Secure || s.Path != "/" || s.Domain != ""):
		return errors.New("__Host- needs Secure, Path=/ and no Domain")
	case domain != "" && !domainMatch(u.Hostname(), domain), domain != "" && !strings.Contains(domain, "."):
		return errors.New("the Domain is not the host's")
	}
	return nil
}

// get returns the cookies that a browser would send to u.
func (j *jar) get(u *url.URL, how sending, now time.Time) []*http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []*http.Cookie
	for _, s := range j.cookies {
		if s.live(now) && s.goesTo(u) && s.allows(how) {
			list = append(list, &http.Cookie{Name: s.Name, Value: s.Value, Quoted: s.Quoted})
		}
	}
	return list
}

// find returns a copy of the cookie as it was set, or nil.
func (j *jar) find(u *url.URL, name string, now time.Time) *http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.cookies {
		if s.Name == name && s.live(now) && s.goesTo(u) {
			c := s.Cookie
			return &c
		}
	}
	return nil
}

func (s *storedCookie) live(now time.Time) bool { return s.expires.IsZero() || now.Before(s.expires) }

func (s *storedCookie) goesTo(u *url.URL) bool {
	host := u.Hostname() == s.host || !s.hostOnly && domainMatch(u.Hostname(), s.host)
	path := u.Path == s.Path || strings.HasPrefix(u.Path, strings.TrimSuffix(s.Path, "/")+"/") || s.Path == "/"
	return host && path && (!s.Secure || u.Scheme == "https")
}

// allows applies SameSite; a cookie without it is Lax, as in today's browsers.
func (s *storedCookie) allows(how sending) bool {
	switch s.SameSite {
	case http.SameSiteNoneMode:
		return true
	case http.SameSiteStrictMode:
		return !how.crossSite
	}
	return !how.crossSite || how.safe
}

func domainMatch(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain) && net.ParseIP(host) == nil
}

// siteOf returns scheme and registrable domain. It knows no list of public suffixes: two labels make a site.
func siteOf(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if net.ParseIP(host) == nil {
		labels := strings.Split(host, ".")
		host = strings.Join(labels[max(0, len(labels)-2):], ".")
	}
	return u.Scheme + "://" + host
}
