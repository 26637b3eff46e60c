package betterauth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// vectorFile is what the real server was asked, and answered, with one configuration. See testdata/README.md.
type vectorFile struct {
	Config vectorConfig      `json:"config"`
	DDL    []string          `json:"ddl"`
	Roles  map[string]statms `json:"roles"`
	Cases  []vectorCase      `json:"cases"`
}

type statms = betterauth.Statements

type vectorConfig struct {
	Name    string `json:"name"`
	Secret  string `json:"secret"`
	Secrets []struct {
		Version int    `json:"version"`
		Value   string `json:"value"`
	} `json:"secrets"`
	BaseURL string                  `json:"base_url"`
	Cookies map[string]vectorCookie `json:"cookies"`
	Session struct {
		ExpiresIn int  `json:"expires_in"`
		UpdateAge int  `json:"update_age"`
		Disable   bool `json:"disable_session_refresh"`
		Defer     bool `json:"defer_session_refresh"`
		InDB      bool `json:"store_session_in_database"`
		Cache     *struct {
			Enabled  bool   `json:"enabled"`
			Strategy string `json:"strategy"`
			MaxAge   int    `json:"maxAge"`
			Refresh  bool   `json:"refreshCache"`
			Version  any    `json:"version"`
		} `json:"cookie_cache"`
	} `json:"session"`
	Plugins []string                   `json:"plugins"`
	Options map[string]json.RawMessage `json:"plugin_options"`
	Prefix  string                     `json:"redis_key_prefix"`
	Tables  map[string]string          `json:"tables"`
}

type vectorCookie struct {
	Name       string `json:"name"`
	Attributes struct {
		Secure   bool   `json:"secure"`
		SameSite string `json:"sameSite"`
		Path     string `json:"path"`
		Domain   string `json:"domain"`
		MaxAge   int    `json:"maxAge"`
	} `json:"attributes"`
}

type vectorCase struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	NowMS   int64  `json:"now_ms"`
	Request *struct {
		Method  string         `json:"method"`
		Path    string         `json:"path"`
		Headers map[string]any `json:"headers"`
		Body    struct {
			Permissions    statms `json:"permissions"`
			OrganizationID string `json:"organizationId"`
		} `json:"body"`
	} `json:"request"`
	Before      map[string][]map[string]any `json:"db_before"`
	After       map[string][]map[string]any `json:"db_after"`
	RedisBefore map[string]*stored          `json:"redis_before"`
	RedisAfter  map[string]*stored          `json:"redis_after"`
	Response    struct {
		Status    int             `json:"status"`
		SetCookie []string        `json:"set_cookie"`
		Body      json.RawMessage `json:"body"`
	} `json:"response"`
	Expect struct {
		Valid     bool            `json:"valid"`
		SessionID string          `json:"session_id"`
		UserID    string          `json:"user_id"`
		ExpiresAt string          `json:"expires_at"`
		Status    int             `json:"status"`
		Code      string          `json:"code"`
		VerifyJWT json.RawMessage `json:"server_verifyJWT"`
	} `json:"expect"`
	Key         string          `json:"key"`
	Permissions statms          `json:"permissions"`
	Result      json.RawMessage `json:"result"`
	Token       string          `json:"token"`
	JWKS        json.RawMessage `json:"jwks"`
	Issuer      string          `json:"issuer"`
	Audience    string          `json:"audience"`
	Secret      string          `json:"secret"`
	Column      string          `json:"column"`
	Plaintext   string          `json:"plaintext"`
}

type stored struct {
	Value string `json:"value"`
	TTL   int    `json:"ttl"`
}

func readVectors(t testing.TB, name string) vectorFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// additionalFields are the columns of users that neither better-auth nor a plugin has.
func (f *vectorFile) additionalFields() []string {
	known := []string{"id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt", "role", "banned", "banReason",
		"banExpires", "twoFactorEnabled", "username", "displayUsername", "isAnonymous", "email_verified", "created_at", "updated_at"}
	var fields []string
	for _, c := range f.Cases {
		for _, row := range c.Before["user"] {
			for name := range row {
				if !slices.Contains(known, name) && !slices.Contains(fields, name) {
					fields = append(fields, name)
				}
			}
		}
	}
	return fields
}

// vectorNames lists the files that have cases of a server.
func vectorNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d vector files, %v", len(files), err)
	}
	var names []string
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		if name != "cookie-names" {
			names = append(names, name)
		}
	}
	return names
}

// differences are the cases in which this package deliberately answers otherwise than the server does, with all else
// configured as the server is.
var differences = map[string]string{
	"basic/post-not-allowed":                    "valid: a POST is an ordinary request to an application",
	"cache-compact/data-not-base64":             "valid: the server answers 500 to a session_data it cannot read; here the database decides",
	"secrets-rotated-jwtheader/get-session-500": "valid: the server answers 500 because it cannot sign its own set-auth-jwt",
}

// config is the configuration of the server, with nothing that is stricter here.
func (v *vectorConfig) config(t testing.TB, roles map[string]statms) betterauth.Config {
	c := betterauth.Config{
		Secret: auth.NewSecret(v.Secret), BaseURL: v.BaseURL, Cookies: v.cookies(),
		Session: betterauth.Session{
			ExpiresIn: time.Duration(v.Session.ExpiresIn) * time.Second, UpdateAge: time.Duration(v.Session.UpdateAge) * time.Second,
			Refresh: betterauth.RefreshWrite, DisableRefresh: v.Session.Disable, DeferRefresh: v.Session.Defer, SkipRefresh: hasQuery("disableRefresh"),
		},
		CookieCache: v.cookieCache(),
	}
	if v.Session.UpdateAge == 0 {
		c.Session.UpdateAge = -1
	}
	if len(v.Secrets) > 0 {
		c.Secret = auth.Secret{}
	}
	for _, s := range v.Secrets {
		c.Secrets = append(c.Secrets, betterauth.VersionedSecret{Version: s.Version, Secret: auth.NewSecret(s.Value)})
	}
	if v.Tables != nil {
		c.Schema.Naming = betterauth.NetScriptNaming
	}
	for _, name := range v.Plugins {
		if p := v.plugin(t, name, roles); p != nil {
			c.Plugins = append(c.Plugins, p)
		}
	}
	return c
}

func (v *vectorConfig) cookies() betterauth.Cookies {
	c := betterauth.Cookies{Security: betterauth.InsecureNever, Names: map[string]string{}}
	for key, field := range map[string]string{"session_token": "sessionToken", "session_data": "sessionData", "dont_remember": "dontRememberToken"} {
		cookie := v.Cookies[field]
		if cookie.Attributes.Secure {
			c.Security = betterauth.SecureAlways
		}
		c.Domain, c.Path = cookie.Attributes.Domain, cookie.Attributes.Path
		c.Names[key] = strings.TrimPrefix(cookie.Name, "__Secure-")
	}
	return c
}

func (v *vectorConfig) cookieCache() *betterauth.CookieCache {
	in := v.Session.Cache
	if in == nil || !in.Enabled {
		return nil
	}
	c := &betterauth.CookieCache{MaxAge: time.Duration(in.MaxAge) * time.Second, Write: true, Stateless: in.Refresh, Bypass: hasQuery("disableCookieCache")}
	c.Strategy = map[string]betterauth.CacheStrategy{"jwt": betterauth.JWTStrategy, "jwe": betterauth.JWEStrategy}[in.Strategy]
	if v.Name == "cache-jwt-jwks" {
		c.JWKS, c.Write = true, false
	}
	c.Version, _ = in.Version.(string)
	return c
}

func (v *vectorConfig) plugin(t testing.TB, name string, roles map[string]statms) betterauth.Plugin {
	option := func(into any) {
		if raw, ok := v.Options[name]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	switch name {
	case "bearer":
		var o struct{ RequireSignature bool }
		option(&o)
		return betterauth.Bearer(betterauth.BearerConfig{InsecureAcceptUnsigned: !o.RequireSignature})
	case "admin":
		return betterauth.Admin(betterauth.AdminConfig{InsecureAllowBanned: true})
	case "api-key":
		var o struct {
			EnableSessionForAPIKeys bool
			References              string
		}
		option(&o)
		return betterauth.APIKey(betterauth.APIKeyConfig{Session: o.EnableSessionForAPIKeys, OrganizationKeys: o.References == "organization"})
	case "organization":
		var o struct{ Teams, DynamicAccessControl bool }
		option(&o)
		return betterauth.Organization(betterauth.OrganizationConfig{Roles: roles, Teams: o.Teams, DynamicAccessControl: o.DynamicAccessControl})
	case "jwt":
		return betterauth.JWT()
	case "two-factor":
		return betterauth.TwoFactor()
	case "multi-session":
		return betterauth.MultiSession()
	case "username":
		return betterauth.Username()
	case "anonymous":
		return betterauth.Anonymous()
	case "magic-link", "passkey":
		return nil // their sessions are ordinary ones
	}
	t.Fatalf("vectors with the plugin %q, which is not known", name)
	return nil
}

// TestVectors asks the backend what the real server was asked: the same rows, secret, clock and request.
func TestVectors(t *testing.T) {
	asked := 0
	for _, name := range vectorNames(t) {
		t.Run(name, func(t *testing.T) {
			f := readVectors(t, name)
			env := newVectorEnv(t, f)
			for i := range f.Cases {
				c := &f.Cases[i]
				if c.Kind == "" && !c.asks("/get-session") && !c.asks("/organization/get-active-member-role") {
					continue // a record of how the rows came to be, or of an endpoint that has no counterpart here
				}
				t.Run(strings.TrimPrefix(c.ID, name+"/"), func(t *testing.T) { env.ask(t, c) })
				asked++
			}
		})
	}
	if want := 250; asked < want {
		t.Errorf("%d cases were asked, fewer than %d: vectors are missing", asked, want)
	}
}

func (c *vectorCase) asks(path string) bool {
	return c.Request != nil && strings.HasPrefix(c.Request.Path, "/api/auth"+path)
}

func (e *vectorEnv) ask(t *testing.T, c *vectorCase) {
	switch c.Kind {
	case "":
		if !c.asks("/get-session") {
			e.askMemberRole(t, c)
			return
		}
		e.askSession(t, c)
	case "org-has-permission":
		e.askPermission(t, c)
	case "apikey-verify":
		e.askKey(t, c)
	case "jwt-verify":
		e.askJWT(t, c)
	case "symmetric-decrypt":
		e.askDecrypt(t, c)
	default:
		t.Fatalf("a case of the kind %q, which is not known", c.Kind)
	}
}
