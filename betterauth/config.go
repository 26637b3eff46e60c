package betterauth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/returnurl"
)

// The defaults of [Config].
const (
	DefaultExpiresIn    = 7 * 24 * time.Hour
	DefaultUpdateAge    = 24 * time.Hour
	DefaultFreshAge     = 24 * time.Hour
	DefaultQueryTimeout = 5 * time.Second
	DefaultCacheSize    = 10000
	defaultReturnURL    = "/"
	maxCookieAge        = 400 * 24 * time.Hour // the longest that browsers keep a cookie (RFC 6265bis, section 5.5)
	maxCacheTTL         = 5 * time.Minute
)

// Config is the configuration of a [Backend]: what the better-auth server is configured with. It is validated and copied
// by [New].
type Config struct {
	// DB is the database that the server uses: PostgreSQL, MySQL or MariaDB, SQL Server, or SQLite. Required, unless
	// CookieCache.Stateless is set. The caller opens and closes it. Its logger is not used: it would print tokens.
	DB *gorm.DB

	// Secret is BETTER_AUTH_SECRET. Required unless Secrets is set. With Secrets, it is the secret of before, which opens
	// what names no version.
	Secret auth.Secret
	// Secrets is better-auth's secrets option: the first is current. If nil, Secret is. Versions matter only for what is
	// encrypted: a cookie is signed with the current secret, so that replacing it signs everybody out.
	Secrets []VersionedSecret
	// InsecureAcceptRetiredSecrets also accepts cookies and tokens that are signed with one of the other secrets, which
	// the server does not, and an encrypted session_data of one, which it does: who has learned a secret that was replaced
	// for it can still forge sessions.
	InsecureAcceptRetiredSecrets bool

	// BaseURL is the server's baseURL. If empty, cookies are Secure, and a JWT plugin needs an issuer and audience.
	BaseURL string
	// Cookies mirrors the server's cookie options. The zero value is its default.
	Cookies Cookies
	// Schema names the tables and columns. The zero value is better-auth's default.
	Schema Schema
	// UserFields and SessionFields are additional columns, by better-auth's names of the fields, that become claims. If
	// nil, none. Fields of this name that plugins of this package read need not be listed.
	UserFields, SessionFields []string
	// Location is the time zone of the Node process, for MySQL alone: its driver there writes wall-clock time. If nil, UTC.
	Location *time.Location

	// Session mirrors the server's session options. The zero value is its default, and writes nothing.
	Session Session
	// CookieCache mirrors session.cookieCache. If nil, session_data is not honoured.
	CookieCache *CookieCache
	// Secondary mirrors secondaryStorage. If nil, there is none.
	Secondary *Secondary
	// Plugins are the server's plugins that are honoured. If nil, none.
	Plugins []Plugin

	// Cache remembers sessions in this process for a short time. The zero value remembers none.
	Cache Cache
	// QueryTimeout bounds each statement. If zero, 5 seconds.
	QueryTimeout time.Duration
	// DisablePreparedStatements is for poolers that do not keep them, such as PgBouncer in transaction mode.
	DisablePreparedStatements bool

	// DefaultReturnURL is where the browser goes after a sign-out that named no return URL. If empty, "/".
	DefaultReturnURL string
	// ReturnOrigins are origins ("https://www.example.com") that absolute return URLs may have. If nil, only paths are
	// allowed.
	ReturnOrigins []string

	// Observer is told of renewed and ended sessions. If nil, nobody is.
	Observer auth.Observer
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
}

// RefreshMode says who extends sessions that are in use.
type RefreshMode int

const (
	// RefreshReport writes nothing: a session that is due has the claim needsRefresh, and the server extends it when it
	// next sees it. A person whom the server never sees is signed out when the session ends.
	RefreshReport RefreshMode = iota
	// RefreshWrite extends the session in the database as the server does, and sets the cookie with its new age. It also
	// deletes expired sessions that are presented.
	RefreshWrite
)

// Session mirrors the server's session options.
type Session struct {
	// ExpiresIn is session.expiresIn. If zero, 7 days.
	ExpiresIn time.Duration
	// UpdateAge is session.updateAge: how old an expiry gets before it is renewed. If zero, 24 hours. A negative one
	// stands for updateAge: 0, a renewal at every request.
	UpdateAge time.Duration
	// FreshAge is session.freshAge, for [Backend.Fresh]. If zero, 24 hours. A negative one stands for freshAge: 0, with
	// which every session is fresh.
	FreshAge time.Duration
	// Refresh says whether this backend writes. If zero, [RefreshReport].
	Refresh RefreshMode
	// DisableRefresh is session.disableSessionRefresh.
	DisableRefresh bool
	// DeferRefresh is session.deferSessionRefresh: only a POST writes.
	DeferRefresh bool
	// SkipRefresh, if not nil, says which requests do not extend a session, as the query disableRefresh does at the
	// server. Its answer can only prevent a write.
	SkipRefresh func(*http.Request) bool
}

// Cache configures the memory of one process. While a session is remembered, its end, a ban, a changed role or a removed
// membership is not seen, except for sessions that this backend itself ended.
type Cache struct {
	// TTL is how stale an answer may be. If zero, nothing is remembered. At most five minutes.
	TTL time.Duration
	// Size is how many sessions are remembered. If zero, 10,000.
	Size int
}

// settings is a Config with its defaults filled in and its parts parsed.
type settings struct {
	Config
	secrets *secrets
	jar     *jar
	origin  string // of BaseURL; empty if there is none
	origins returnurl.Origins
	dialect dialect
	tables  map[string]table
	needs   []need

	sessionColumns, userColumns []string
	userFlags                   map[string]bool // columns of plugins that are claims

	bearer       *BearerConfig
	organization *OrganizationConfig
	admin        *AdminConfig
	apiKey       *apiKeySettings
	jwt          *JWTConfig
	multiSession bool
}

func (c Config) validate() (*settings, error) {
	s := &settings{Config: c, userFlags: map[string]bool{}}
	var errs problems
	var err error
	s.secrets, err = c.parseSecrets()
	errs.add(err, s.checkDB(), s.parseBaseURL(), s.parseSession(), s.checkStores())
	errs.add(s.parseCookies())
	s.UserFields, s.SessionFields = slices.Clone(c.UserFields), slices.Clone(c.SessionFields)
	s.sessionColumns = slices.Concat(sessionCore, s.SessionFields)
	s.userColumns = slices.Concat(userCore, s.UserFields)
	if s.CookieCache != nil && s.CookieCache.Write {
		s.userColumns = append(s.userColumns, userTimes...)
	}
	s.addNeed("better-auth", modelSession, s.sessionColumns...)
	s.addNeed("better-auth", modelUser, s.userColumns...)
	errs.add(s.configurePlugins()...)
	s.tables, err = c.Schema.resolve(c.extraFields())
	errs.add(err, s.parseReturnURLs())
	if len(errs) > 0 {
		return nil, fail(auth.CodeConfigInvalid, "configure", errors.Join(errs...))
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

func (s *settings) checkDB() error {
	if s.Location == nil {
		s.Location = time.UTC
	}
	if s.DB == nil {
		if s.CookieCache == nil || !s.CookieCache.Stateless {
			return errors.New("DB is required")
		}
		return nil
	}
	if s.DB.Config == nil || s.DB.Dialector == nil || s.DB.Statement == nil { // as after an error of gorm.Open
		return errors.New("DB is not open")
	}
	s.dialect = dialect{s.DB.Name(), s.Location}
	if !knownDialect(s.dialect.name) {
		return errors.New("DB is of none of the supported databases: postgres, mysql, sqlserver, sqlite")
	}
	return nil
}

func (s *settings) parseBaseURL() error {
	if s.BaseURL == "" {
		return nil
	}
	u, err := url.Parse(s.BaseURL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("BaseURL must be an absolute URL without query, as https://app.example.com")
	}
	s.origin = returnurl.Origin(u)
	return nil
}

func (s *settings) parseSession() error {
	o := &s.Session
	switch {
	case o.Refresh != RefreshReport && o.Refresh != RefreshWrite:
		return errors.New("Session.Refresh is no RefreshMode")
	case o.ExpiresIn < 0 || o.ExpiresIn%time.Second != 0 || o.ExpiresIn > maxCookieAge:
		return errors.New("Session.ExpiresIn must be whole seconds, up to 400 days")
	}
	if o.ExpiresIn == 0 {
		o.ExpiresIn = DefaultExpiresIn
	}
	if o.FreshAge == 0 {
		o.FreshAge = DefaultFreshAge
	}
	switch {
	case o.UpdateAge == 0:
		o.UpdateAge = DefaultUpdateAge
	case o.UpdateAge < 0:
		o.UpdateAge = 0
	}
	return nil
}

func (s *settings) checkStores() error {
	if s.QueryTimeout < 0 || s.Cache.TTL < 0 || s.Cache.TTL > maxCacheTTL || s.Cache.Size < 0 {
		return errors.New("QueryTimeout, Cache.TTL or Cache.Size is negative, or Cache.TTL over five minutes")
	}
	if s.QueryTimeout == 0 {
		s.QueryTimeout = DefaultQueryTimeout
	}
	if s.Cache.Size == 0 {
		s.Cache.Size = DefaultCacheSize
	}
	if s.Secondary != nil {
		secondary := *s.Secondary
		s.Secondary = &secondary
		if secondary.Storage == nil {
			return errors.New("Secondary.Storage is required")
		}
	}
	if s.CookieCache == nil {
		return nil
	}
	cache := *s.CookieCache
	s.CookieCache = &cache
	return cache.check(s)
}

type nobody struct{}
