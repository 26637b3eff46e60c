package betterauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// allPlugins are all that read tables or columns.
func allPlugins() []betterauth.Plugin {
	return []betterauth.Plugin{
		betterauth.Organization(betterauth.OrganizationConfig{Teams: true}), betterauth.APIKey(betterauth.APIKeyConfig{Session: true}),
		betterauth.Bearer(), betterauth.Admin(), betterauth.TwoFactor(), betterauth.MultiSession(), betterauth.Username(), betterauth.Anonymous(), betterauth.JWT(),
	}
}

func (r *rig) organization(userID, role string) (organizationID, teamID string) {
	now := r.clock.now()
	r.insert("organization", map[string]any{"id": "org-1", "name": "Acme", "slug": "acme", "createdAt": now})
	r.insert("member", map[string]any{"id": "member-1", "organizationId": "org-1", "userId": userID, "role": role, "createdAt": now})
	r.insert("team", map[string]any{"id": "team-1", "name": "Core", "organizationId": "org-1", "createdAt": now})
	r.insert("teamMember", map[string]any{"id": "tm-1", "teamId": "team-1", "userId": userID, "createdAt": now})
	return "org-1", "team-1"
}

func TestOrganization(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.Admin(), betterauth.Organization(betterauth.OrganizationConfig{
				Teams: true, DynamicAccessControl: true,
				Roles: map[string]betterauth.Statements{"admin": {"project": {"create", "update"}}, "reader": {"project": {"read"}}},
			})}
		})
		alice := r.user("alice")
		org, team := r.organization(alice, " admin, reader ,auditor")
		request := cookied(r.session(alice, map[string]any{"activeOrganizationId": org, "activeTeamId": team}))
		a := admitted(t, r.Backend, request)
		p := a.Principal
		if p.Claims["organizationId"] != org || p.Claims["teamId"] != team || p.Claims["memberId"] != "member-1" {
			t.Errorf("claims %v", p.Claims)
		}
		if want := []string{"user", "organization:admin", "organization:reader", "organization:auditor"}; !slices.Equal(p.Roles, want) {
			t.Errorf("roles %q, want %q", p.Roles, want)
		}
		if want := []string{"project:create", "project:read", "project:update"}; !slices.Equal(p.Scopes, want) {
			t.Errorf("scopes %q, want %q", p.Scopes, want)
		}
		// Single permissions may come from different roles; a request for both must be one role's, as at the server.
		both := betterauth.Statements{"project": {"create", "read"}}
		if !p.HasScopes("project:create", "project:read") || r.HasPermission(a, both) {
			t.Error("roles are merged for a permission, or not for scopes")
		}
		r.insert("organizationRole", map[string]any{"id": "role-1", "organizationId": org, "role": "reader", "permission": `{"project":["create"]}`, "createdAt": r.clock.now()})
		if !r.HasPermission(admitted(t, r.Backend, request), both) {
			t.Error("a stored role does not add to a configured one")
		}
		r.exec("UPDATE [organizationRole] SET [permission] = '{\"project\":\"all\"}'")
		refused(t, r.Backend, request, auth.CodeInternal)
		r.exec("DELETE FROM [organizationRole]")

		r.exec("DELETE FROM [teamMember]")
		if a := admitted(t, r.Backend, request); a.Principal.Claims["teamId"] != nil || a.Principal.Claims["organizationId"] != org {
			t.Error("a team is active whose member the user is not")
		}
		r.exec("UPDATE [member] SET [organizationId] = 'ORG-1'")
		if a := admitted(t, r.Backend, request); a.Principal.Claims["organizationId"] != nil {
			t.Error("an organization is active whose id differs in case")
		}
		r.exec("DELETE FROM [member]")
		a = admitted(t, r.Backend, request)
		if a.Principal.Claims["organizationId"] != nil || len(a.Principal.Scopes) > 0 || !slices.Equal(a.Principal.Roles, []string{"user"}) {
			t.Errorf("a removed member still has %v %v %v", a.Principal.Roles, a.Principal.Scopes, a.Principal.Claims)
		}
	})
}

func TestAllows(t *testing.T) {
	role := betterauth.Statements{"project": {"create", "read"}, "team": {}}
	for want, requests := range map[bool][]betterauth.Statements{
		true:  {{"project": {"read"}}, {"project": {"read", "create"}}},
		false: {nil, {}, {"project": nil}, {"project": {}}, {"team": {"read"}}, {"other": {"read"}}, {"project": {"delete"}}, {"project": {"read"}, "team": {}}},
	} {
		for _, request := range requests {
			if role.Allows(request) != want {
				t.Errorf("%v: %v", request, !want)
			}
		}
	}
}

// No organization can hand out a role of the application, and no text in user.role a membership.
func TestRolesDoNotMix(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.Admin(), betterauth.Organization()}
	})
	alice := r.user("alice")
	r.exec("UPDATE [user] SET [role] = 'user, admin,organization:owner,user,'")
	a := admitted(t, r.Backend, cookied(r.session(alice, nil)))
	if want := []string{"user", " admin"}; !slices.Equal(a.Principal.Roles, want) { // not trimmed, as at the server
		t.Errorf("roles %q, want %q", a.Principal.Roles, want)
	}
}

// TestOneStatement counts what a request costs.
func TestOneStatement(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Plugins = allPlugins() })
	alice := r.user("alice")
	org, team := r.organization(alice, "owner")
	request := cookied(r.session(alice, map[string]any{"activeOrganizationId": org, "activeTeamId": team}))
	for name, request := range map[string]*http.Request{"session": request, "unknown": cookied("nobody"), "bad signature": withCookie(cookieName, "x.y"), "none": withHeader("A", "b")} {
		want := map[string]int64{"session": 1, "unknown": 1}[name]
		before := r.count.Load()
		_, _ = r.Authenticate(request)
		if got := r.count.Load() - before; got != want {
			t.Errorf("%s: %d statements, want %d", name, got, want)
		}
	}
}

// A plugin that is not enabled is not honoured.
func TestPluginsThatAreOff(t *testing.T) {
	keys := newTestKeys(t)
	r := newRig(t, engines()[0], nil)
	alice := r.user("alice")
	token := r.session(alice, map[string]any{"activeOrganizationId": "org-1", "impersonatedBy": "root"})
	r.organization(alice, "owner")
	r.insert("jwks", keys.row(r.clock.now()))
	jwt := keys.sign(t, "", map[string]any{"sub": alice, "iss": testBaseURL, "aud": testBaseURL, "exp": r.clock.now().Unix() + 60})
	for _, request := range []*http.Request{
		withHeader("Authorization", "Bearer "+sign(token)), withHeader("Authorization", "Bearer "+jwt), withHeader("X-Api-Key", r.apiKey(alice, nil)),
		withCookie(cookieName+"_multi-"+strings.ToLower(token), sign(token)),
	} {
		refused(t, r.Backend, request, auth.CodeNoCredential)
	}
	p := admitted(t, r.Backend, cookied(token)).Principal
	if len(p.Roles)+len(p.Scopes) > 0 || p.Claims["organizationId"] != nil || p.Claims["impersonatedBy"] != nil {
		t.Errorf("principal %+v", p)
	}
	if _, err := r.VerifyAPIKey(context.Background(), "x", nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("VerifyAPIKey: %v", err)
	}
	if _, err := r.VerifyJWT(context.Background(), jwt); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("VerifyJWT: %v", err)
	}
}

// What is missing is named, together with who needs it, and nothing that the request sent.
func TestMissingTables(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		for statement, want := range map[string]string{
			"DROP TABLE [member]":                        `plugin organization: the table "member" is missing`,
			"DROP TABLE [teamMember]":                    `plugin organization (teams): the table "teamMember" is missing`,
			"ALTER TABLE [user] DROP COLUMN [banned]":    `plugin admin: the table "user" has no column "banned"`,
			"ALTER TABLE [session] DROP COLUMN [userId]": `better-auth: the table "session" has no column "userId"`,
		} {
			r := newRig(t, e, func(c *betterauth.Config) { c.Plugins = allPlugins() })
			request := r.signIn("alice")
			if err := r.Check(context.Background()); err != nil {
				t.Fatal(err)
			}
			r.exec(statement) // which the first request after it must tell
			a, err := r.Authenticate(request)
			if a != nil || auth.CodeOf(err) != auth.CodeStoreUnavailable || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v", statement, err)
			}
			if err := r.Check(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Check: %v", statement, err)
			}
		}
		r := newRig(t, e, func(c *betterauth.Config) { c.Plugins = allPlugins() })
		key := r.apiKey(r.user("alice"), nil)
		r.exec("DROP TABLE [apikey]")
		if _, err := r.Authenticate(withHeader("X-Api-Key", key)); err == nil || !strings.Contains(err.Error(), `plugin api-key: the table "apikey" is missing`) {
			t.Errorf("apikey: %v", err)
		}
	})
}

// TestAPIKeyCounts lets many uses at once compete for what is left.
func TestAPIKeyCounts(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
		})
		alice := r.user("alice")
		for name, change := range map[string]map[string]any{
			"remaining":  {"remaining": 7},
			"rate limit": {"rateLimitEnabled": true, "rateLimitTimeWindow": 60000, "rateLimitMax": 7},
			"refill":     {"remaining": 0, "refillInterval": 1000, "refillAmount": 7, "createdAt": r.clock.now().Add(-time.Hour)},
		} {
			request := withHeader("X-Api-Key", r.apiKey(alice, change))
			var good atomic.Int64
			var wg sync.WaitGroup
			for range 24 {
				wg.Go(func() {
					switch _, err := r.Authenticate(request.Clone(context.Background())); {
					case err == nil:
						good.Add(1)
					case !errors.Is(err, auth.ErrUnauthenticated):
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wg.Wait()
			if good.Load() != 7 {
				t.Errorf("%s: %d uses were admitted, want 7", name, good.Load())
			}
		}
	})
}

func TestAPIKeyRefills(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
		})
		request := withHeader("X-Api-Key", r.apiKey(r.user("alice"), map[string]any{"remaining": 1, "refillInterval": 1000, "refillAmount": 2, "permissions": `{"files":["read"]}`}))
		use := func(want string) {
			t.Helper()
			_, err := r.Authenticate(request)
			code := ""
			if e, ok := errors.AsType[*betterauth.APIKeyError](err); ok {
				code = e.Code
			} else if err != nil {
				t.Fatal(err)
			}
			if code != want {
				t.Errorf("got %q, want %q", code, want)
			}
		}
		use("")
		use(betterauth.KeyUsedUp)
		r.clock.advance(time.Second)
		use(betterauth.KeyUsedUp) // not before more than the interval
		r.clock.advance(time.Millisecond)
		use("")
		use("")
		use(betterauth.KeyUsedUp)
		r.clock.advance(1001 * time.Millisecond)
		if a := admitted(t, r.Backend, request); !slices.Equal(a.Principal.Scopes, []string{"files:read"}) {
			t.Errorf("scopes %q", a.Principal.Scopes)
		}
	})
}

// A sign-in whose second factor is missing has a cookie, which is none of a session.
func TestTwoFactorPending(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{betterauth.TwoFactor()} })
	pending := "2fa-AbCdEfGhIjKlMnOpQrSt"
	refused(t, r.Backend, withCookie("__Secure-better-auth.two_factor", url.QueryEscape(sign(pending))), auth.CodeNoCredential)
	refused(t, r.Backend, cookied(pending), auth.CodeSessionNotFound)
	request := r.signIn("alice")
	r.exec("UPDATE [user] SET [twoFactorEnabled] = ?", true)
	if a := admitted(t, r.Backend, request); a.Principal.Claims["twoFactorEnabled"] != true {
		t.Errorf("claims %v", a.Principal.Claims)
	}
}

// A list has the sessions of that very user, without those in which an administrator acts as the user.
func TestListSessions(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{betterauth.Admin()} })
		alice := r.user("alice")
		own := admitted(t, r.Backend, cookied(r.session(alice, nil))).Session
		r.session(alice, map[string]any{"impersonatedBy": "user-root"})
		r.session(alice, map[string]any{"expiresAt": r.clock.now().Add(-time.Millisecond)})
		if list, err := r.ListSessions(context.Background(), alice); err != nil || len(list) != 1 || list[0].ID != own.ID {
			t.Errorf("%d sessions, %v", len(list), err)
		}
		for _, other := range []string{"USER-ALICE", alice + " ", ""} {
			if list, err := r.ListSessions(context.Background(), other); err != nil || len(list) != 0 {
				t.Errorf("%q has %d sessions, %v", other, len(list), err)
			}
		}
		a := admitted(t, r.Backend, cookied(r.session(alice, map[string]any{"impersonatedBy": "user-root"})))
		if a.Principal.Claim("impersonatedBy") != "user-root" {
			t.Errorf("claims %v", a.Principal.Claims)
		}
	})
}

func TestBearer(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{betterauth.Bearer()} })
	alice, bob := r.session(r.user("alice"), nil), r.session(r.user("bob"), nil)
	request := cookied(alice)
	request.Header.Set("Authorization", "Bearer "+url.QueryEscape(sign(bob)))
	if a := admitted(t, r.Backend, request); a.Principal.Subject != "user-bob" {
		t.Error("the cookie beats a good token")
	}
	request.Header.Set("Authorization", "Bearer "+signWith(testSecret+"x", bob))
	if a := admitted(t, r.Backend, request); a.Principal.Subject != "user-alice" {
		t.Error("a bad token beats the cookie")
	}
	refused(t, r.Backend, withHeader("Authorization", "Bearer "+bob), auth.CodeNoCredential) // stricter: better-auth takes it
}

func TestJWTKeys(t *testing.T) {
	keys, other := newTestKeys(t), newTestKeys(t)
	other.id = "key-2"
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{betterauth.JWT(), betterauth.Admin()} })
	claims := map[string]any{"sub": "user-alice", "id": "user-alice", "iss": testBaseURL, "aud": []string{"x", testBaseURL}, "exp": r.clock.now().Unix() + 1e6, "role": "admin",
		"email": "alice@example.test", "name": "Alice", "emailVerified": true, "token": "secret", "organizationId": "org-1", "plan": "pro"}
	request := withHeader("Authorization", "bearer "+keys.sign(t, "", claims))
	refused(t, r.Backend, request, auth.CodeTokenInvalid)
	r.insert("jwks", keys.row(r.clock.now()))
	refused(t, r.Backend, request, auth.CodeTokenInvalid) // not looked for again at once
	r.clock.advance(11 * time.Second)
	p := admitted(t, r.Backend, request).Principal
	if p.Subject != "user-alice" || p.Scheme != auth.SchemeBearer || !slices.Equal(p.Roles, []string{"admin"}) || p.Claim("email") != "alice@example.test" || p.Claims["email_verified"] != true || p.Claim("plan") != "pro" {
		t.Errorf("principal %+v", p)
	}
	for _, name := range []string{"token", "organizationId", "exp", "iss"} {
		if p.Claims[name] != nil {
			t.Errorf("the claim %s is passed on", name)
		}
	}
	forged := *other
	forged.id = keys.id
	refused(t, r.Backend, withHeader("Authorization", "Bearer "+forged.sign(t, "", claims)), auth.CodeTokenInvalid)

	r.exec("UPDATE [jwks] SET [alg] = 'ES256'") // a key is good for its own algorithm alone
	r.clock.advance(6 * time.Minute)
	eventually(t, r.Backend, request, auth.CodeTokenInvalid)
	r.exec("UPDATE [jwks] SET [alg] = NULL")
	r.clock.advance(6 * time.Minute)
	eventually(t, r.Backend, request, "")

	before := r.count.Load()
	for range 50 {
		refused(t, r.Backend, withHeader("Authorization", "Bearer "+other.sign(t, "", claims)), auth.CodeTokenInvalid)
	}
	if n := r.count.Load() - before; n > 1 {
		t.Errorf("tokens with an unknown key caused %d statements", n)
	}
	r.exec("UPDATE [jwks] SET [expiresAt] = ?", r.clock.now().Add(-31*24*time.Hour))
	r.clock.advance(6 * time.Minute)
	eventually(t, r.Backend, request, auth.CodeTokenInvalid) // replaced, and its grace is over
	r.down.Store(true)
	r.clock.advance(25 * time.Hour)
	refused(t, r.Backend, request, auth.CodeStoreUnavailable)
}
