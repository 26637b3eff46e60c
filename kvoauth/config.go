package kvoauth

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/clientaddr"
	"github.com/netscript/auth/internal/returnurl"
	"github.com/netscript/auth/store"
)

// The defaults of [Config].
const (
	DefaultCookieName      = "__Host-ns_session"
	DefaultIdleTimeout     = 24 * time.Hour
	DefaultAbsoluteTimeout = 7 * 24 * time.Hour
	DefaultSignInTimeout   = 10 * time.Minute
	DefaultClockSkew       = time.Minute
	DefaultProviderTimeout = 10 * time.Second
	DefaultCachedSessions  = 16 << 10
	defaultReturnURL       = "/"
	maxLifetime            = 400 * 24 * time.Hour // the longest cookie a browser keeps (RFC 6265bis, section 5.5)
)

// Config is the configuration of a [Backend]. It is validated and copied by [NewKvOAuthBackend].
//
// A panic of what the application brings along (KV, MapPrincipal, Users, Observer) goes on to the caller, which for
// net/http ends the request and no more: it signs nobody in. In work that requests share or wait for it is an error.
type Config struct {
	// Clients are the providers a person can sign in with, in the order of a sign-in page. At least one is required.
	Clients []Client

	// RedirectURL is where providers send the browser back: the absolute URL of the handler's callback route, as it is
	// registered with the providers. Required. Its scheme decides whether cookies are Secure, and its origin is the
	// application's own: forwarded headers and the Host header are never asked.
	RedirectURL string

	// KV keeps the sessions. Required. store.NewMemory is good for one process and loses them with it.
	KV store.KV

	// SignInKV keeps sign-ins under way, of which anybody can start as many as the network carries. If nil, KV keeps them
	// too; in a store of their own, which may forget them at any time, they cannot fill the one of the sessions.
	SignInKV store.KV

	// Keys seal what is stored, with AES-256-GCM. At least one is required. The first seals and all open: to replace a
	// key add the new one at the end in every process, then move it to the front, and drop the old one when the absolute
	// timeout has passed. Sessions that began under a key end when it is dropped.
	Keys []auth.Key

	// PrimaryProvider is the id of the provider whose subjects are used as they are; the subjects of the others are
	// qualified with their provider's id, so that no two providers can name the same user. Required with several Clients:
	// set it to the one that came first, and never change it, also not when that one is no longer among Clients. If empty,
	// the only client's.
	PrimaryProvider string

	// CookieName is the name of the session cookie. If empty, "__Host-ns_session", without the prefix when the redirect
	// URL is http.
	CookieName string

	// SessionPolicy bounds the two timeouts that follow by an assurance level: [AAL1], [AAL2] or [AAL3]. Those that are zero
	// are then the level's, and longer ones are refused. If empty, there is no bound but the fields' own. Sessions that
	// began under longer timeouts are held to those of today, and those that began under shorter ones keep them.
	SessionPolicy SessionPolicy
	// IdleTimeout ends a session that is not used for so long. If zero, 24 hours. At most AbsoluteTimeout.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session so long after the sign-in, however it is used. If zero, 7 days.
	AbsoluteTimeout time.Duration
	// SignInTimeout is how long a person may take at the provider. If zero, 10 minutes.
	SignInTimeout time.Duration
	// ClockSkew is how far the provider's clock may be from ours. If zero, one minute; at most five.
	ClockSkew time.Duration

	// DefaultReturnURL is where the browser goes after a sign-in that named no return URL. If empty, "/".
	DefaultReturnURL string
	// ReturnOrigins are further origins ("https://www.example.com") that return URLs may have. If nil, only the redirect
	// URL's own.
	ReturnOrigins []string
	// AllowedScopes may be requested at a sign-in beside the configured ones. If nil, none.
	AllowedScopes []string

	// MapPrincipal is called once in every sign-in with the principal that the session will have. It may set Roles, add to
	// Scopes and Claims, and refuse the sign-in with an error; it must not change Subject. If nil, there are no roles.
	// The error's text is not shown to anyone.
	MapPrincipal func(r *http.Request, p *auth.Principal) error

	// Users keeps users and their provider accounts. If nil, they are not kept: the subject is the user.
	Users store.UserStore
	// LinkMaxAge is how long ago who links an account (auth.SignInParams.Link) may have proven who they are, by
	// auth.Session.AuthTime; later it is refused with [auth.CodeInsufficientAuthentication], and always where that is not
	// known, as with plain OAuth providers. If zero, any time is good: who gets hold of a session can then link an account
	// of their own, and from then on sign in and step up with it.
	LinkMaxAge time.Duration

	// HTTPClient reaches the providers: its Transport and Timeout are used. If nil, http.DefaultTransport. Redirects are
	// never followed and answers over 1 MiB are refused, whatever it says. If its Timeout is zero, 10 seconds.
	HTTPClient *http.Client
	// TrustedProxies are the addresses of the proxies whose ForwardedHeader is believed for [auth.Session.IPAddress], and for
	// nothing else. If nil, none: the address is the connection's own.
	TrustedProxies []netip.Prefix
	// ForwardedHeader is the one header in which all of TrustedProxies note whom they forward for, "X-Forwarded-For" or
	// "Forwarded" (RFC 7239). If empty, X-Forwarded-For. Clients can send the other one.
	ForwardedHeader string
	// Observer is told of sign-ins and sessions. If nil, nobody is.
	Observer auth.Observer
	// CachedSessions is how many decoded sessions are kept in memory beside their stored bytes, which are asked for all
	// the same: a changed or ended session is never served from here. If zero, 16384; negative keeps none.
	CachedSessions int
	// Now is the clock. If nil, time.Now.
	Now func() time.Time

	// InsecureCookieName permits a CookieName without the prefix __Host- on https. Any subdomain, and whoever can answer for
	// one in clear text, can then plant a session of their own in the browser (login CSRF).
	InsecureCookieName bool

	// InsecureAllowHTTP permits an http redirect URL and http providers. Cookies of an http redirect URL are neither
	// Secure nor __Host-: whoever can read or change the traffic takes over sessions. For loopback development only.
	InsecureAllowHTTP bool
}

// settings is a Config with its defaults filled in and its parts parsed.
type settings struct {
	Config
	redirect *url.URL
	secure   bool
	origins  returnurl.Origins
	// callbacks are the paths of the redirect URLs, where no return URL may lead.
	callbacks map[string]bool
	returns   map[string]bool // those of them that are for sign-outs
}

func (c Config) validate() (*settings, error) {
	s := &settings{Config: c, returns: map[string]bool{}}
	errs := s.applyPolicy()
	s.fillDefaults()
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.KV != nil, "KV is required")
	check(len(c.Clients) > 0, "Clients needs at least one")
	check(len(c.Keys) > 0, "Keys needs at least one: make one with auth.GenerateKey")
	for i, k := range c.Keys {
		check(!k.IsZero(), "Keys[%d] is the zero key", i)
	}
	check(s.IdleTimeout > 0 && s.IdleTimeout <= s.AbsoluteTimeout, "IdleTimeout must be positive and at most AbsoluteTimeout")
	check(s.AbsoluteTimeout <= maxLifetime, "AbsoluteTimeout is longer than a browser keeps a cookie (400 days)")
	check(s.SignInTimeout > 0 && s.SignInTimeout <= time.Hour, "SignInTimeout must be positive and at most an hour")
	check(s.LinkMaxAge == 0 || s.LinkMaxAge >= time.Second, "LinkMaxAge must be at least a second")
	check(s.ClockSkew > 0 && s.ClockSkew <= 5*time.Minute, "ClockSkew must be positive and at most five minutes")
	check(!slices.ContainsFunc(s.AllowedScopes, notScope), "AllowedScopes must have one scope in each element (RFC 6749, section 3.3)")
	check(!slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return !p.IsValid() }), "TrustedProxies has what is no address range")
	check(s.ForwardedHeader == clientaddr.XForwardedFor || s.ForwardedHeader == clientaddr.Forwarded, "ForwardedHeader must be X-Forwarded-For or Forwarded")
	errs = append(errs, s.parseURLs()...)
	errs = append(errs, s.checkCookie()...)
	errs = append(errs, s.checkClients()...)
	if err := errors.Join(errs...); err != nil {
		return nil, &auth.Error{Code: auth.CodeConfigInvalid, Backend: Name, Op: "configure", Err: err}
	}
	return s, nil
}

func (s *settings) fillDefaults() {
	defaultTo(&s.IdleTimeout, min(DefaultIdleTimeout, positive(s.AbsoluteTimeout, DefaultIdleTimeout)))
	defaultTo(&s.AbsoluteTimeout, max(DefaultAbsoluteTimeout, s.IdleTimeout))
	defaultTo(&s.SignInTimeout, DefaultSignInTimeout)
	defaultTo(&s.ClockSkew, DefaultClockSkew)
	defaultTo(&s.CachedSessions, DefaultCachedSessions)
	defaultTo(&s.DefaultReturnURL, defaultReturnURL)
	defaultTo(&s.ForwardedHeader, clientaddr.XForwardedFor)
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Observer == nil {
		s.Observer = nobody{}
	}
	s.Clients = slices.Clone(s.Clients)
	s.Keys = slices.Clone(s.Keys)
	s.TrustedProxies = slices.Clone(s.TrustedProxies)
	s.AllowedScopes = slices.Clone(s.AllowedScopes)
	if s.PrimaryProvider == "" && len(s.Clients) == 1 {
		s.PrimaryProvider = s.Clients[0].Provider.ID
	}
	if s.SignInKV == nil {
		s.SignInKV = s.KV
	}
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (s *settings) parseURLs() (errs []error) {
	s.origins, errs = returnurl.ParseOrigins("ReturnOrigins", s.ReturnOrigins, s.InsecureAllowHTTP)
	u, err := s.parseRedirect(s.RedirectURL)
	if err != nil {
		errs = append(errs, fmt.Errorf("RedirectURL: %w", err))
	} else {
		s.redirect, s.secure = u, u.Scheme == "https"
		s.origins[returnurl.Origin(u)] = true
		s.callbacks = map[string]bool{path.Clean(u.Path): true}
	}
	if s.redirect == nil {
		return errs // which return URLs are allowed depends on it
	}
	if _, err := s.returnURL(s.DefaultReturnURL); err != nil {
		errs = append(errs, errors.New("DefaultReturnURL must be a path on the redirect URL's origin or a URL of one of ReturnOrigins"))
	}
	return errs
}

func (s *settings) parseRedirect(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.Contains(raw, "#") || u.Opaque != "":
		return nil, errors.New("must be the absolute URL of the callback route, as https://app.example.com/api/v1/auth/callback")
	case u.Scheme == "http" && !s.InsecureAllowHTTP:
		return nil, errors.New("must be https (InsecureAllowHTTP permits http for loopback development)")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("http is only for loopback addresses")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must be https")
	}
	return u, nil
}

func (s *settings) checkCookie() (errs []error) {
	if s.redirect == nil {
		return nil
	}
	if s.CookieName == "" {
		s.CookieName = DefaultCookieName
		if !s.secure {
			s.CookieName = strings.TrimPrefix(DefaultCookieName, hostPrefix)
		}
	}
	lower := strings.ToLower(s.CookieName)
	if s.secure && !s.InsecureCookieName && !strings.HasPrefix(s.CookieName, hostPrefix) {
		errs = append(errs, errors.New("CookieName must start with __Host- (InsecureCookieName permits others)"))
	}
	if !s.secure && (strings.HasPrefix(lower, "__host-") || strings.HasPrefix(lower, "__secure-")) {
		errs = append(errs, errors.New("CookieName has a prefix that needs an https redirect URL (RFC 6265bis, section 4.1.3)"))
	}
	if (&http.Cookie{Name: s.CookieName, Value: "x"}).Valid() != nil || len(s.CookieName) > maxCookieName || strings.HasPrefix(s.CookieName, s.transactionPrefix()) || s.CookieName == s.signOutCookieName() {
		errs = append(errs, errors.New("CookieName is not a usable cookie name (RFC 6265, section 4.1.1)"))
	}
	return errs
}

func loopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
