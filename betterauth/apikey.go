package betterauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"time"

	"github.com/netscript/auth"
)

// APIKeyConfig configures [APIKey]: one configuration of the api-key plugin.
type APIKeyConfig struct {
	// ConfigID is configId. If empty, keys of every id are accepted, as at the server, also those that were made under a
	// list of configurations; "default" refuses them. Required when there are several.
	ConfigID string
	// Storage says where the keys are. If zero, [KeysInDatabase].
	Storage KeyStorage
	// CustomStorage is customStorage, whose keys have no prefix. If nil, Config.Secondary has the keys that are not in the
	// database alone.
	CustomStorage SecondaryStorage
	// Headers are apiKeyHeaders: the first that is there is the key. If nil, x-api-key.
	Headers []string
	// Session is enableSessionForAPIKeys: a key authenticates its user. If false, keys only pass [Backend.VerifyAPIKey].
	Session bool
	// OrganizationKeys is references: "organization": keys belong to organizations, and so authenticate nobody.
	OrganizationKeys bool
	// InsecurePlainKeys is disableKeyHashing: the table holds keys as they are, and whoever reads it has them all.
	InsecurePlainKeys bool
	// KeyLength is defaultKeyLength: a shorter key is refused unseen. If zero, 64.
	KeyLength int
	// DisableRateLimit is rateLimit.enabled: false.
	DisableRateLimit bool
}

// KeyStorage is where API keys are.
type KeyStorage int

// Where keys can be.
const (
	// KeysInDatabase is storage: "database", better-auth's default.
	KeysInDatabase KeyStorage = iota
	// KeysInSecondary is storage: "secondary-storage". The storage must be a [SwappingStorage]. Uses that this package
	// counts never exceed a limit, however many there are at once. The server's own do, and it may overwrite a count that
	// was made while it made its own: what has limits that matter belongs in the database.
	KeysInSecondary
	// KeysInSecondaryAndDatabase is storage: "secondary-storage" with fallbackToDatabase. The row decides and counts; the
	// copies in the storage are removed when it changes, so that the server reads it anew.
	KeysInSecondaryAndDatabase
)

const defaultKeyLength = 64

// APIKey returns the plugin for API keys, @better-auth/api-key. Each use of a key writes, as at the server: it counts
// against the key's limit and what remains of it, and an expired or used-up key is deleted.
//
// The principal of a key has the scheme [auth.SchemeAPIKey], the user's claims and roles, and the key's permissions as
// scopes, "files:read". There is no session behind it. Without a configuration it is the server's default, in which keys
// authenticate nobody; more than one is the server's list of configurations.
func APIKey(configs ...APIKeyConfig) Plugin { return apiKeyPlugin{configs} }

type apiKeyPlugin struct{ configs []APIKeyConfig }

func (apiKeyPlugin) id() string { return "api-key" }

// apiKeySettings are the configurations, checked.
type apiKeySettings struct{ configs []APIKeyConfig }

func (p apiKeyPlugin) configure(s *settings) error {
	configs := slices.Clone(p.configs)
	if len(configs) == 0 {
		configs = []APIKeyConfig{{}}
	}
	seen := map[string]bool{}
	for i := range configs {
		c := &configs[i]
		if c.ConfigID == "" && len(configs) > 1 || seen[c.ConfigID] || c.KeyLength < 0 || c.KeyLength > maxKey {
			return fmt.Errorf("configuration %d: ConfigID is empty or there twice, or KeyLength is not usable", i)
		}
		seen[c.ConfigID] = true
		if err := c.checkStorage(s); err != nil {
			return fmt.Errorf("configuration %d: %w", i, err)
		}
		if c.KeyLength == 0 {
			c.KeyLength = defaultKeyLength
		}
		c.Headers = slices.Clone(c.Headers)
		if c.Headers == nil {
			c.Headers = []string{"x-api-key"}
		}
		for j, name := range c.Headers {
			c.Headers[j] = textproto.CanonicalMIMEHeaderKey(name)
			if !validHeader(name) || c.Headers[j] == "Cookie" || c.Headers[j] == "Authorization" {
				return fmt.Errorf("configuration %d: Headers has a name that is not usable", i)
			}
		}
	}
	s.apiKey = &apiKeySettings{configs}
	if slices.ContainsFunc(configs, func(c APIKeyConfig) bool { return c.Storage != KeysInSecondary }) {
		s.addNeed("plugin api-key", modelAPIKey, apiKeyFields...)
	}
	return nil
}

func (c *APIKeyConfig) checkStorage(s *settings) error {
	if c.Storage < KeysInDatabase || c.Storage > KeysInSecondaryAndDatabase {
		return errors.New("Storage is no KeyStorage")
	}
	if s.DB == nil {
		return errors.New("keys need the database, at least for their users, and there is none")
	}
	if c.Storage == KeysInDatabase {
		return nil
	}
	storage := c.CustomStorage
	if storage == nil && s.Secondary != nil {
		storage = s.Secondary.Storage
	}
	if storage == nil {
		return errors.New("Storage needs Config.Secondary or a CustomStorage")
	}
	if _, ok := storage.(SwappingStorage); !ok && c.Storage == KeysInSecondary {
		return errors.New("KeysInSecondary needs a SwappingStorage: without one, uses at the same moment would not be counted")
	}
	return nil
}

func validHeader(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return name != ""
}

// The codes of [APIKeyError], which are those of the server.
const (
	KeyInvalid      = "INVALID_API_KEY"
	KeyNotFound     = "KEY_NOT_FOUND" // also when it lacks a permission
	KeyDisabled     = "KEY_DISABLED"
	KeyExpired      = "KEY_EXPIRED"
	KeyUsedUp       = "USAGE_EXCEEDED"
	KeyRateLimited  = "RATE_LIMITED"
	KeyWrongOwner   = "INVALID_REFERENCE_ID_FROM_API_KEY" // an organization's, or of a user who does not exist
	statusForbidden = http.StatusForbidden
)

// APIKeyError says why a key was refused. It is found with errors.AsType in the error of class [auth.ErrUnauthenticated].
type APIKeyError struct {
	Code       string        // the server's, such as [KeyExpired]
	Status     int           // with which the server answers: 401, 403 or 429
	TryAgainIn time.Duration // for [KeyRateLimited]
}

// Error returns a message for logs.
func (e *APIKeyError) Error() string { return "api key: " + e.Code }

func refuseKey(code string, status int) error {
	return refusedKey(&APIKeyError{Code: code, Status: status})
}

func refusedKey(e *APIKeyError) error {
	code := auth.CodeTokenInvalid
	if e.Code == KeyExpired {
		code = auth.CodeTokenExpired
	}
	return fail(code, opAuthenticate, e)
}

// presentedKey returns the key in the first header that has one, of the configurations whose keys authenticate.
func (b *Backend) presentedKey(h http.Header) string {
	_, key := b.keyConfig(h)
	return key
}

func (b *Backend) keyConfig(h http.Header) (*APIKeyConfig, string) {
	if b.conf.apiKey == nil {
		return nil, ""
	}
	for i := range b.conf.apiKey.configs {
		c := &b.conf.apiKey.configs[i]
		if !c.Session {
			continue
		}
		for _, name := range c.Headers {
			if key := h.Get(name); key != "" {
				return c, key
			}
		}
	}
	return nil, ""
}

// authenticateKey decides about a request that presents a key. Its answer stands whatever else the request carries.
func (b *Backend) authenticateKey(r *http.Request, key string) (*auth.Authentication, error) {
	c, _ := b.keyConfig(r.Header)
	if len(key) < c.KeyLength {
		return nil, refuseKey(KeyInvalid, statusForbidden)
	}
	k, err := b.useKey(r.Context(), key, keyUse{config: c, own: true})
	if err != nil {
		return nil, err
	}
	if c.OrganizationKeys {
		return nil, refuseKey(KeyWrongOwner, http.StatusUnauthorized)
	}
	u, _, err := b.standing(r.Context(), k.ReferenceID, "", "")
	switch {
	case err != nil:
		return nil, err
	case u == nil:
		return nil, refuseKey(KeyWrongOwner, http.StatusUnauthorized)
	case b.barred(u, b.conf.Now()):
		return nil, fail(auth.CodeSessionRevoked, opAuthenticate, errBanned)
	}
	claims := b.claimsOf(u)
	claims[claimKeyID] = k.ID
	addText(claims, claimKeyName, k.Name)
	return &auth.Authentication{Principal: auth.Principal{
		Subject: u.id, Scheme: auth.SchemeAPIKey, Claims: claims, Roles: b.userRoles(u), Scopes: permissions{k.Permissions}.scopes(),
	}}, nil
}

// VerifyAPIKey is the server's auth.api.verifyApiKey: it checks a key that came by any way, and counts its use. The key
// must have the permissions, unless they are nil. A key that is refused: errors.Is(err, auth.ErrUnauthenticated), with an
// [*APIKeyError] inside.
func (b *Backend) VerifyAPIKey(ctx context.Context, key string, permissions Statements) (*APIKeyInfo, error) {
	if b.conf.apiKey == nil || b.db == nil {
		return nil, auth.Unsupported(Name, "verify API key", "the plugin is not enabled, or there is no database")
	}
	c := b.conf.apiKey.named("")
	if c == nil { // as at the server, whatever configuration the key is of
		return nil, fail(auth.CodeConfigInvalid, "verify API key", errors.New("there is no default configuration"))
	}
	return b.useKey(ctx, key, keyUse{config: c, permissions: permissions})
}

// named returns the configuration of that id, or else the default one, or nil.
func (s *apiKeySettings) named(id string) *APIKeyConfig {
	var fallback *APIKeyConfig
	for i := range s.configs {
		switch c := &s.configs[i]; {
		case id != "" && c.ConfigID == id:
			return c
		case defaultConfigID(c.ConfigID):
			fallback = c
		}
	}
	return fallback
}

func sameConfig(a, b string) bool { return a == b || defaultConfigID(a) && defaultConfigID(b) }

func defaultConfigID(id string) bool { return id == "" || id == "default" }

// stored returns the text that the table has for a key.
func (c *APIKeyConfig) stored(key string) string {
	if c.InsecurePlainKeys {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// credentialSession describes a credential behind which there is no session.
func credentialSession(a *auth.Authentication, now time.Time) *auth.Session {
	p := &a.Principal
	s := &auth.Session{
		UserID: p.Subject, AccountID: p.Subject, Subject: p.Subject, ProviderID: Name, State: auth.SessionActive,
		Scopes: p.Scopes, Roles: p.Roles, Claims: p.Claims, IssuedAt: now, ExpiresAt: now,
	}
	s.ID, _ = p.Claims[claimKeyID].(string)
	return s
}
