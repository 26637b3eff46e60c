package workos

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/returnurl"
)

// The defaults of [Config].
const (
	DefaultBaseURL        = "https://api.workos.com"
	DefaultCookieName     = "wos-session"
	DefaultRefreshMargin  = time.Minute
	DefaultAPITimeout     = 10 * time.Second
	DefaultCachedSessions = 4096
	defaultReturnURL      = "/"
	maxCookieAge          = 400 * 24 * time.Hour // the longest that browsers keep a cookie (RFC 6265bis, section 5.5)
	minPassword           = 32                   // UTF-16 code units, as the SDK counts
)

// RefreshMode says who renews a session whose access token expires.
type RefreshMode int

const (
	// Never leaves it to the front end: an expired token is unauthenticated, and the cookie is left alone.
	Never RefreshMode = iota
	// OnExpiry renews the session with its refresh token when the access token has expired or soon will, and sets the
	// new cookie. The API key is required. A refresh token is good for one use: what renews the same cookie elsewhere,
	// such as a front end, competes with it.
	OnExpiry
)

// Config is the configuration of a [Backend]. It is validated and copied by [New].
type Config struct {
	// ClientID is the WorkOS client, "client_...". Required. A token whose client_id is another is refused; one that has none
	// is not.
	ClientID string

	// CookiePasswords open and seal the cookie. At least one is required, each of at least 32 characters, and random: the
	// format derives the keys from it without any stretching. The first seals and all open: to replace a password put the
	// new one in front, and drop the old one when its cookies are gone.
	CookiePasswords []auth.Secret

	// APIKey is WorkOS' API key, "sk_...". It is needed to refresh, list and revoke sessions. If zero, those operations are
	// unsupported, and a sign-out sends the browser to WorkOS to end the session there.
	APIKey auth.Secret

	// BaseURL is where WorkOS' API answers, such as a custom authentication domain. If empty, "https://api.workos.com".
	BaseURL string

	// Issuers are the acceptable values of the token's iss, compared exactly. If nil, iss is not checked: WorkOS uses several
	// forms, and the keys belong to the client. An empty list is an error.
	Issuers []string
	// Audiences are the acceptable values of aud, one of which the token must then have. If nil, aud is not checked: by
	// default WorkOS' session tokens have none. An empty list is an error.
	Audiences []string

	// Refresh says whether this backend renews sessions. If zero, [Never].
	Refresh RefreshMode
	// RefreshMargin is how long before its expiry a token is refreshed with [OnExpiry]; while that fails, the token serves
	// until it expires. If zero, one minute, but at most a fifth of the token's lifetime. At most ten minutes; what is more than
	// half of the lifetime counts as half, if the token says when it was issued.
	RefreshMargin time.Duration

	// CookieName is the name of the cookie. If empty, "wos-session".
	CookieName string
	// CookieDomain is the Domain of cookies that are set. If empty, none: only this host gets them. It must be the front
	// end's, or browsers keep two cookies.
	CookieDomain string
	// CookieMaxAge is the Max-Age of cookies that are set. If zero, none: the browser keeps the cookie until it is closed.
	// authkit-nextjs sets 400 days, which is also the longest.
	CookieMaxAge time.Duration

	// DefaultReturnURL is where the browser goes after a sign-out that named no return URL. If empty, "/".
	DefaultReturnURL string
	// ReturnOrigins are origins ("https://www.example.com") that absolute return URLs may have. If nil, only paths are
	// allowed.
	ReturnOrigins []string

	// CachedSessions is how many verified cookies are remembered in memory, by their SHA-256. A remembered cookie is
	// accepted as long as it would be if it were verified again, so nothing is stale: not past the token's expiry, and
	// not when the keys are due to be fetched again. If zero, 4096; negative remembers none.
	CachedSessions int

	// HTTPClient reaches WorkOS: its Transport and Timeout are used. If nil, http.DefaultTransport. Redirects are never
	// followed and answers over 1 MiB are refused, whatever it says. If its Timeout is zero, 10 seconds; keys are waited
	// for at most 5 seconds.
	HTTPClient *http.Client
	// Observer is told of refreshed and ended sessions. If nil, nobody is.
	Observer auth.Observer
	// Now is the clock. If nil, time.Now.
	Now func() time.Time

	// InsecureAllowHTTP permits an http BaseURL on a loopback address, and sets cookies without Secure, so that browsers
	// send them over http: whoever can read the traffic takes over sessions. For loopback development only.
	InsecureAllowHTTP bool
}

// settings is a Config with its defaults filled in and its parts parsed.
type settings struct {
	Config
	passwords []auth.Secret
	origins   returnurl.Origins
}

func (c Config) validate() (*settings, error) {
	s := &settings{Config: c}
	var errs problems
	errs.add(checkClientID(c.ClientID))
	errs.add(s.parsePasswords())
	errs.add(parseBaseURL(&s.BaseURL, c.InsecureAllowHTTP))
	errs.add(checkList("Issuers", c.Issuers), checkList("Audiences", c.Audiences))
	errs.add(s.checkRefresh(), s.checkCookie(), s.parseReturnURLs())
	if len(errs) > 0 {
		return nil, configError(errs)
	}
	s.Issuers, s.Audiences = slices.Clone(c.Issuers), slices.Clone(c.Audiences)
	if s.CachedSessions == 0 {
		s.CachedSessions = DefaultCachedSessions
	}
	if s.Observer == nil {
		s.Observer = nobody{}
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s, nil
}

// problems are all that is wrong with a configuration.
type problems []error

func (p *problems) add(errs ...error) {
	for _, err := range errs {
		if err != nil {
			*p = append(*p, err)
		}
	}
}

func configError(errs problems) error {
	return fail(auth.CodeConfigInvalid, "configure", errors.Join(errs...))
}

// checkClientID keeps the id a single segment of a path.
func checkClientID(id string) error {
	if id == "" {
		return errors.New("ClientID is required")
	}
	if len(id) > 255 || strings.Trim(id, ".") == "" || strings.ContainsFunc(id, func(r rune) bool { return !plainIDRune(r) }) {
		return errors.New("ClientID must be letters, digits, '_', '-' and '.', as client_01ABC")
	}
	return nil
}

func plainIDRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.'
}

func (s *settings) parsePasswords() error {
	if len(s.CookiePasswords) == 0 {
		return errors.New("CookiePasswords needs at least one")
	}
	s.passwords = slices.Clone(s.CookiePasswords)
	for i, p := range s.passwords {
		if len(utf16.Encode([]rune(p.Reveal()))) < minPassword {
			return fmt.Errorf("CookiePasswords[%d] has fewer than 32 characters: make a random one", i)
		}
	}
	return nil
}

func parseBaseURL(base *string, insecure bool) error {
	if *base == "" {
		*base = DefaultBaseURL
	}
	u, err := url.Parse(*base)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return errors.New("BaseURL must be an absolute URL without query, as https://api.workos.com")
	case u.Scheme == "https":
	case u.Scheme != "http" || !insecure:
		return errors.New("BaseURL must be https (InsecureAllowHTTP permits http for loopback development)")
	case !loopback(u.Hostname()):
		return errors.New("BaseURL: http is only for loopback addresses")
	}
	*base = strings.TrimRight(*base, "/")
	return nil
}

// checkList refuses a list that was meant to check something and checks nothing.
func checkList(field string, list []string) error {
	if list != nil && len(list) == 0 {
		return fmt.Errorf("%s is empty: leave it nil to check nothing", field)
	}
	if slices.Contains(list, "") {
		return fmt.Errorf("%s has an empty entry", field)
	}
	return nil
}

func (s *settings) checkRefresh() error {
	switch {
	case s.Refresh != Never && s.Refresh != OnExpiry:
		return errors.New("Refresh is no RefreshMode")
	case s.Refresh == OnExpiry && s.APIKey.IsZero():
		return errors.New("Refresh: OnExpiry needs the APIKey")
	case s.RefreshMargin < 0 || s.RefreshMargin > 10*time.Minute:
		return errors.New("RefreshMargin must be between 0 and ten minutes")
	}
	return nil
}

func (s *settings) checkCookie() error {
	if s.CookieName == "" {
		s.CookieName = DefaultCookieName
	}
	probe := s.sessionCookie("x")
	if probe.Valid() != nil {
		return errors.New("CookieName or CookieDomain is not usable (RFC 6265, section 4.1.1)")
	}
	lower := strings.ToLower(s.CookieName)
	if strings.HasPrefix(lower, "__host-") && (s.CookieDomain != "" || s.InsecureAllowHTTP) ||
		strings.HasPrefix(lower, "__secure-") && s.InsecureAllowHTTP {
		return errors.New("CookieName has a prefix that its other attributes do not allow (RFC 6265bis, section 4.1.3)")
	}
	if s.CookieMaxAge < 0 || s.CookieMaxAge > maxCookieAge || s.CookieMaxAge > 0 && s.CookieMaxAge < time.Second {
		return errors.New("CookieMaxAge must be zero, or between a second and 400 days")
	}
	return nil
}

func loopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
