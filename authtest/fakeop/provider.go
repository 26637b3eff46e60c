package fakeop

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config configures a [Provider].
type Config struct {
	// Issuer is the issuer identifier: an https URL whose host is loopback, localhost, or under .localhost or .test; http
	// is accepted for loopback and localhost names only. It may have a path. Required.
	Issuer string
	// Name is what the provider's pages call it. If empty, "Test provider".
	Name string
	// Clients are the registered clients. At least one is required.
	Clients []Client
	// Users can sign in, and are shown in this order. At least one is required.
	Users []User
	// Scopes are what the provider grants; it leaves out others that are asked for (OpenID Connect Core 1.0, section
	// 3.1.2.1). If nil, openid, profile, email and offline_access.
	Scopes []string
	// ACRValues are the authentication context classes in which people can sign in here. Who is asked for some of them signs in
	// under the first that is here, and the ID token says so as its acr; otherwise it has no acr (OpenID Connect Core 1.0,
	// section 5.5.1.1: acr_values are voluntary). If nil, none.
	ACRValues []string
	// CodeLife is how long an authorization code is good for. If zero, one minute.
	CodeLife time.Duration
	// AccessTokenLife is the life of access tokens. If zero, one hour.
	AccessTokenLife time.Duration
	// RefreshTokenLife is the life of refresh tokens. If zero, they do not expire.
	RefreshTokenLife time.Duration
	// IDTokenLife is the life of ID tokens. If zero, one hour.
	IDTokenLife time.Duration
	// SingleSignOn lets a browser that has signed in here through without the login page. If false, everybody sees the
	// page every time, which lets a test sign in as several users, unless the request says prompt=none.
	SingleSignOn bool
	// RequirePushedAuthorization refuses authorization requests that were not pushed (RFC 9126). If false, both are served.
	RequirePushedAuthorization bool
	// RequireDPoPNonce refuses DPoP proofs without the current nonce, and says which it is (RFC 9449, section 8). If false,
	// proofs need none.
	RequireDPoPNonce bool
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
}

// User is a person who can sign in at the provider.
type User struct {
	// Subject is the sub claim, unique among the users. Required.
	Subject string
	// Name is the name claim. If empty, there is none.
	Name string
	// Email is the email claim. If empty, there is none.
	Email string
	// EmailVerified is the email_verified claim, sent when there is an Email.
	EmailVerified bool
	// Picture is the picture claim, a data: or https: URL. If empty, an avatar that the provider draws and serves.
	Picture string
	// Claims are further claims of the ID token and of UserInfo, whatever the scope. If nil, none.
	Claims map[string]any
}

// Provider is an OpenID provider. All methods are safe for concurrent use.
type Provider struct {
	cfg    Config
	base   string // the issuer without a trailing slash: where the endpoints are
	path   string // the path of base
	host   string // the host of base, as a Host header has it
	secure bool
	keys   keyRing

	mu       sync.Mutex
	grants   grants
	nonce    string // of DPoP proofs
	faults   Faults
	requests []Request
	counts   map[Endpoint]int
}

var _ http.Handler = (*Provider)(nil)

// New returns a provider. It copies cfg, and makes its signing keys when they are first needed.
func New(cfg Config) (*Provider, error) {
	base, err := parseIssuer(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	if err := validate(cfg); err != nil {
		return nil, err
	}
	cfg.Clients = cloneClients(cfg.Clients)
	cfg.Users = slices.Clone(cfg.Users)
	cfg.Scopes = slices.Clone(cfg.Scopes)
	cfg.ACRValues = slices.Clone(cfg.ACRValues)
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"openid", "profile", "email", "offline_access"}
	}
	cfg.Name = cmp.Or(cfg.Name, "Test provider")
	cfg.CodeLife = lifeOr(cfg.CodeLife, time.Minute)
	cfg.AccessTokenLife = lifeOr(cfg.AccessTokenLife, time.Hour)
	cfg.IDTokenLife = lifeOr(cfg.IDTokenLife, time.Hour)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Provider{cfg: cfg, secure: base.Scheme == "https", host: base.Host, path: strings.TrimSuffix(base.EscapedPath(), "/")}
	p.base = strings.TrimSuffix(cfg.Issuer, "/")
	p.keys.offered = offeredAlgs(cfg.Clients)
	p.grants = newGrants()
	p.counts = make(map[Endpoint]int)
	return p, nil
}

// Issuer returns the issuer identifier.
func (p *Provider) Issuer() string { return p.cfg.Issuer }

// Users returns the users, in order.
func (p *Provider) Users() []User { return slices.Clone(p.cfg.Users) }

// parseIssuer accepts only issuers that cannot be reached from the internet: anyone may sign in here as anyone.
func parseIssuer(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#") {
		return nil, errors.New("fakeop: Issuer must be an absolute URL without user, query and fragment")
	}
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	local := host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
	if !local && !strings.HasSuffix(host, ".test") {
		return nil, fmt.Errorf("fakeop: Issuer %q is not loopback, .localhost or .test: this provider is for tests and demonstrations", issuer)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, errors.New("fakeop: Issuer must be an https URL; http is for loopback and localhost only")
	}
	return u, nil
}

func validate(cfg Config) error {
	if len(cfg.Clients) == 0 || len(cfg.Users) == 0 {
		return errors.New("fakeop: at least one client and one user are required")
	}
	for _, d := range []time.Duration{cfg.CodeLife, cfg.AccessTokenLife, cfg.RefreshTokenLife, cfg.IDTokenLife} {
		if d < 0 {
			return errors.New("fakeop: a lifetime is negative")
		}
	}
	clients := make(map[string]bool)
	for i, c := range cfg.Clients {
		if err := c.validate(); err != nil {
			return fmt.Errorf("fakeop: client %d: %w", i, err)
		}
		if clients[c.ID] {
			return fmt.Errorf("fakeop: two clients %q", c.ID)
		}
		clients[c.ID] = true
	}
	users := make(map[string]bool)
	for i, u := range cfg.Users {
		if u.Subject == "" || users[u.Subject] {
			return fmt.Errorf("fakeop: user %d: the subject is empty or not unique", i)
		}
		users[u.Subject] = true
	}
	return nil
}

func (p *Provider) client(id string) (*Client, bool) {
	for i := range p.cfg.Clients {
		if p.cfg.Clients[i].ID == id {
			return &p.cfg.Clients[i], true
		}
	}
	return nil, false
}

func (p *Provider) user(subject string) (*User, bool) {
	for i := range p.cfg.Users {
		if p.cfg.Users[i].Subject == subject {
			return &p.cfg.Users[i], true
		}
	}
	return nil, false
}

func lifeOr(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// newToken returns 130 random bits or more as text that needs no escaping.
func newToken() string { return rand.Text() }
