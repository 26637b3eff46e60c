package betterauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/betterauth"
)

func TestBackend(t *testing.T) {
	all := func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{
			betterauth.Organization(betterauth.OrganizationConfig{Teams: true, DynamicAccessControl: true}), betterauth.APIKey(betterauth.APIKeyConfig{Session: true}),
			betterauth.Bearer(), betterauth.Admin(), betterauth.TwoFactor(), betterauth.MultiSession(), betterauth.Username(), betterauth.Anonymous(), betterauth.JWT(),
		}
		c.UserFields = []string{"bio"}
	}
	forEachEngine(t, func(t *testing.T, e engine) {
		for name, change := range map[string]func(*betterauth.Config){
			"default":   nil,
			"netscript": func(c *betterauth.Config) { c.Schema.Naming = betterauth.NetScriptNaming },
			"plugins":   all,
			"writing":   func(c *betterauth.Config) { all(c); c.Session.Refresh = betterauth.RefreshWrite },
			"cookie cache": func(c *betterauth.Config) {
				all(c)
				c.CookieCache = &betterauth.CookieCache{Strategy: betterauth.JWEStrategy, Write: true}
			},
			"local cache": func(c *betterauth.Config) { c.Cache.TTL = time.Minute },
			"unprepared":  func(c *betterauth.Config) { c.DisablePreparedStatements = true },
		} {
			if e.name != "sqlite" && name != "writing" && name != "netscript" {
				continue // the databases differ in the statements, of which these two have all
			}
			t.Run(name, func(t *testing.T) {
				authtest.TestBackend(t, authtest.BackendSuite{New: func(t testing.TB) *authtest.BackendFixture { return newFixture(t, e, change) }})
			})
		}
	})
}

func newFixture(t testing.TB, e engine, change func(*betterauth.Config)) *authtest.BackendFixture {
	r := newRig(t, e, change)
	past := r.clock.now().Add(-time.Millisecond)
	expired := r.session(r.user("carol"), map[string]any{"expiresAt": past})
	revoked := r.session(r.user("carol"), nil)
	r.exec("DELETE FROM ["+tableName(r.config.Schema.Naming, "session")+"] WHERE [token] = ?", revoked)
	orphan := r.session("user-nobody", nil)
	local := r.config.Cache.TTL > 0
	return &authtest.BackendFixture{
		Backend: r.Backend,
		SignIn:  r.signIn,
		Dead: map[string]*http.Request{
			"expired": cookied(expired), "revoked": cookied(revoked), "of a deleted user": cookied(orphan),
		},
		Garbage: map[string]*http.Request{
			"unsigned":        withCookie(cookieName, r.session(r.user("dave"), nil)),
			"other secret":    withCookie(cookieName, signWith(testSecret+"x", r.session(r.user("dave"), nil))),
			"unprefixed":      withCookie("better-auth.session_token", sign(r.session(r.user("dave"), nil))),
			"bearer unsigned": withHeader("Authorization", "Bearer "+r.session(r.user("dave"), nil)),
			"session_data":    withCookie("__Secure-better-auth.session_data", "e30"),
		},
		SetStorageDown: func(down bool) {
			r.down.Store(down)
			if local {
				r.clock.advance(2 * time.Minute) // what is remembered is good without the database
			}
		},
		Secrets: []string{testSecret},
	}
}
