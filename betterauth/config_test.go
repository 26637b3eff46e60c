package betterauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// TestConfigErrors names every mistake, and no secret.
func TestConfigErrors(t *testing.T) {
	db := openSQLite(t).DB
	for want, change := range map[string]func(*betterauth.Config){
		"DB is required":          func(c *betterauth.Config) { c.DB = nil },
		"DB is not open":          func(c *betterauth.Config) { c.DB = &gorm.DB{} },
		"BaseURL must be":         func(c *betterauth.Config) { c.BaseURL = "app.test" },
		"BaseURL is http":         func(c *betterauth.Config) { c.BaseURL = "http://app.test" },
		"Cookies.Security":        func(c *betterauth.Config) { c.Cookies.Security = 7 },
		"a name, Domain or Path":  func(c *betterauth.Config) { c.Cookies.Prefix = "a b" },
		"Cookies.Names":           func(c *betterauth.Config) { c.Cookies.Names = map[string]string{"session": "x"} },
		"need Secure":             func(c *betterauth.Config) { c.Cookies.Security, c.Cookies.Partitioned = betterauth.InsecureNever, true },
		"Session.Refresh":         func(c *betterauth.Config) { c.Session.Refresh = 9 },
		"Session.ExpiresIn":       func(c *betterauth.Config) { c.Session.ExpiresIn = time.Millisecond },
		"Cache.TTL":               func(c *betterauth.Config) { c.Cache.TTL = time.Hour },
		"Secondary.Storage":       func(c *betterauth.Config) { c.Secondary = &betterauth.Secondary{} },
		"CookieCache.Strategy":    func(c *betterauth.Config) { c.CookieCache = &betterauth.CookieCache{Strategy: 4} },
		"CookieCache.JWKS is for": func(c *betterauth.Config) { c.CookieCache = &betterauth.CookieCache{JWKS: true} },
		"Stateless excludes DB":   func(c *betterauth.Config) { c.CookieCache = &betterauth.CookieCache{Stateless: true} },
		"keys need the database": func(c *betterauth.Config) {
			c.DB, c.CookieCache, c.Plugins = nil, &betterauth.CookieCache{Stateless: true}, []betterauth.Plugin{betterauth.APIKey()}
		},
		"CookieCache.MaxAge": func(c *betterauth.Config) { c.CookieCache = &betterauth.CookieCache{MaxAge: time.Millisecond} },
		"CookieCache.Version": func(c *betterauth.Config) {
			c.CookieCache = &betterauth.CookieCache{Version: "2", VersionOf: func(_, _ map[string]any) string { return "" }}
		},
		"Plugins[0] is nil":                  func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{nil} },
		"Plugins[1]: bearer is listed twice": func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{betterauth.Bearer(), betterauth.Bearer()} },
		"more than one configuration": func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.Admin(betterauth.AdminConfig{}, betterauth.AdminConfig{})}
		},
		"Headers has a name": func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Headers: []string{"Cookie"}})}
		},
		"ConfigID is empty": func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{}, betterauth.APIKeyConfig{})}
		},
		"JWKSURL must be": func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.JWT(betterauth.JWTConfig{JWKSURL: "http://app.test/jwks"})}
		},
		"Issuer and Audiences":   func(c *betterauth.Config) { c.BaseURL, c.Plugins = "", []betterauth.Plugin{betterauth.JWT()} },
		"Schema.Naming":          func(c *betterauth.Config) { c.Schema.Naming = 8 },
		`Schema.Tables["users"]`: func(c *betterauth.Config) { c.Schema.Tables = map[string]betterauth.Table{"users": {}} },
		`Schema.Tables["user"].Name`: func(c *betterauth.Config) {
			c.Schema.Tables = map[string]betterauth.Table{"user": {Name: `u"; DROP TABLE x`}}
		},
		"names a field that is not read": func(c *betterauth.Config) {
			c.Schema.Tables = map[string]betterauth.Table{"user": {Columns: map[string]string{"password": "x"}}}
		},
		"the column of": func(c *betterauth.Config) {
			c.Schema.Tables = map[string]betterauth.Table{"user": {Columns: map[string]string{"id": "x?"}}}
		},
		`the column of "a@b"`: func(c *betterauth.Config) { c.UserFields = []string{"a@b"} },
		"DefaultReturnURL":    func(c *betterauth.Config) { c.DefaultReturnURL = "//evil.test" },
		"ReturnOrigins[0]":    func(c *betterauth.Config) { c.ReturnOrigins = []string{"http://x.test"} },
	} {
		c := betterauth.Config{DB: db, Secret: auth.NewSecret(testSecret), BaseURL: testBaseURL}
		change(&c)
		b, err := betterauth.New(c)
		if b != nil || auth.CodeOf(err) != auth.CodeConfigInvalid || !errors.Is(err, auth.ErrRejected) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	_, err := betterauth.New(betterauth.Config{Session: betterauth.Session{Refresh: 9}, Secret: auth.NewSecret("too-short-secret")})
	for _, want := range []string{"Secret has", "DB is required", "Session.Refresh"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "too-short") {
			t.Errorf("want all of what is wrong: %v", err)
		}
	}
}

// TestConfigIsCopied changes what was passed in.
func TestConfigIsCopied(t *testing.T) {
	roles := map[string]betterauth.Statements{"owner": {"project": {"read"}}}
	cache := &betterauth.CookieCache{Write: true}
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.Organization(betterauth.OrganizationConfig{Roles: roles})}
		c.CookieCache = cache
		c.Schema.Tables = map[string]betterauth.Table{"member": {Name: "member"}}
	})
	alice := r.user("alice")
	org, _ := r.organization(alice, "owner")
	request := cookied(r.session(alice, map[string]any{"activeOrganizationId": org}))
	roles["owner"] = betterauth.Statements{"everything": {"all"}}
	*cache = betterauth.CookieCache{Strategy: betterauth.JWEStrategy}
	r.config.Schema.Tables["member"] = betterauth.Table{Name: "other"}
	a := admitted(t, r.Backend, request)
	if !a.Principal.HasScopes("project:read") || len(a.Principal.Scopes) != 1 || len(a.Cookies) != 1 {
		t.Errorf("scopes %q, cookies %v", a.Principal.Scopes, a.Cookies)
	}
}

// TestCustomSchema renames tables and columns.
func TestCustomSchema(t *testing.T) {
	r := newRig(t, engines()[0], nil)
	request := r.signIn("alice")
	r.exec("ALTER TABLE [user] RENAME TO people")
	r.exec("ALTER TABLE [people] RENAME COLUMN [email] TO mail")
	r.exec("ALTER TABLE [session] RENAME COLUMN [userId] TO owner")
	c := r.config
	c.Schema.Tables = map[string]betterauth.Table{
		"user": {Name: "main.people", Columns: map[string]string{"email": "mail"}}, "session": {Columns: map[string]string{"userId": "owner"}},
	}
	if a := admitted(t, newBackend(t, c), request); a.Principal.Claim("email") != "alice@example.test" {
		t.Errorf("claims %v", a.Principal.Claims)
	}
}

func TestDeferredRefresh(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Session = betterauth.Session{Refresh: betterauth.RefreshWrite, DeferRefresh: true, UpdateAge: -1}
	})
	request := r.signIn("alice")
	if a := admitted(t, r.Backend, request); len(a.Cookies) > 0 || a.Session.Claims["needsRefresh"] != true {
		t.Error("a GET refreshes")
	}
	request.Method = http.MethodPost
	if a := admitted(t, r.Backend, request); len(a.Cookies) != 1 {
		t.Error("a POST does not")
	}
}
