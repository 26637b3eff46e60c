package betterauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

func admitted(t *testing.T, b *betterauth.Backend, r *http.Request) *auth.Authentication {
	t.Helper()
	a, err := b.Authenticate(r)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return a
}

func refused(t *testing.T, b *betterauth.Backend, r *http.Request, code auth.Code) {
	t.Helper()
	if a, err := b.Authenticate(r); a != nil || auth.CodeOf(err) != code {
		t.Errorf("got %v and %v, want %s", a != nil, err, code)
	}
}

// A banned user is refused while sessions exist, which better-auth does not do (vector admin/banned-flag-only).
func TestStricterBannedUserIsRefused(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.Admin(), betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
	})
	request := r.signIn("alice")
	key := r.apiKey("user-alice", nil)
	admitted(t, r.Backend, request)
	r.exec("UPDATE [user] SET [banned] = ? WHERE [id] = 'user-alice'", true)
	refused(t, r.Backend, request, auth.CodeSessionRevoked)
	refused(t, r.Backend, withHeader("X-Api-Key", key), auth.CodeSessionRevoked)
	r.exec("UPDATE [user] SET [banExpires] = ?", r.clock.now().Add(time.Hour))
	refused(t, r.Backend, request, auth.CodeSessionRevoked)
	r.clock.advance(time.Hour + time.Millisecond)
	admitted(t, r.Backend, request)
	admitted(t, r.Backend, withHeader("X-Api-Key", key))

	exact := r.config
	exact.Plugins = []betterauth.Plugin{betterauth.Admin(betterauth.AdminConfig{InsecureAllowBanned: true})}
	r.exec("UPDATE [user] SET [banExpires] = NULL")
	if a := admitted(t, newBackend(t, exact), request); a.Principal.Claims["banned"] != true {
		t.Error("a banned user who is let in is not marked")
	}
}

// The user of a session in secondary storage must exist (GHSA-2vg6-77g8-24mp), which the server does not check.
func TestStricterStoredUserMustExist(t *testing.T) {
	r, storage := newStoredRig(t, nil)
	request := r.storedSession(storage, "alice")
	admitted(t, r.Backend, request)
	r.exec("DELETE FROM [user]")
	refused(t, r.Backend, request, auth.CodeSessionNotFound)

	exact := r.config
	exact.Secondary = &betterauth.Secondary{Storage: storage, InsecureSkipUserCheck: true}
	admitted(t, newBackend(t, exact), request)
}

// A JWT without an expiry would be good for ever.
func TestStricterJWTNeedsExpiry(t *testing.T) {
	keys := newTestKeys(t)
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{betterauth.JWT()} })
	r.insert("jwks", keys.row(r.clock.now()))
	claims := map[string]any{"sub": "user-alice", "iss": testBaseURL, "aud": testBaseURL, "exp": r.clock.now().Unix() + 60}
	admitted(t, r.Backend, withHeader("Authorization", "Bearer "+keys.sign(t, "", claims)))
	claims["exp"] = r.clock.now().Unix() // has passed, without tolerance
	refused(t, r.Backend, withHeader("Authorization", "Bearer "+keys.sign(t, "", claims)), auth.CodeTokenExpired)
	delete(claims, "exp")
	refused(t, r.Backend, withHeader("Authorization", "Bearer "+keys.sign(t, "", claims)), auth.CodeTokenInvalid)
}

// An API key authenticates, and manages nobody's sessions; at the server it does.
func TestStricterAPIKeyHasNoSession(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
	})
	r.user("alice")
	request := withHeader("X-Api-Key", r.apiKey("user-alice", nil))
	a := admitted(t, r.Backend, request)
	if a.Session != nil || a.Principal.Scheme != auth.SchemeAPIKey {
		t.Errorf("session %v, scheme %q", a.Session, a.Principal.Scheme)
	}
	s, err := r.Session(request)
	if err != nil || s.UserID != "user-alice" || s.ID != a.Principal.Claims["apiKeyId"] {
		t.Errorf("session %+v, %v", s, err)
	}
}

// A key of an organization is nobody's, whatever its reference happens to name.
func TestOrganizationKeys(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Session: true, OrganizationKeys: true})}
	})
	_, err := r.Authenticate(withHeader("X-Api-Key", r.apiKey(r.user("alice"), nil)))
	if e, ok := errors.AsType[*betterauth.APIKeyError](err); !ok || e.Code != betterauth.KeyWrongOwner || e.Status != http.StatusUnauthorized {
		t.Errorf("got %v", err)
	}
}

// Rows that are no sessions never authenticate, on any database.
func TestStricterRows(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, nil)
		alice := r.user("alice")
		for name, change := range map[string]map[string]any{
			"expiry NULL":     {"expiresAt": nil},
			"user NULL":       {"userId": nil},
			"another user":    {"userId": "user-nobody"},
			"expired 1 ms":    {"expiresAt": r.clock.now().Add(-time.Millisecond)},
			"user id in caps": {"userId": strings.ToUpper(alice)},
			"user id padded":  {"userId": alice + " "},
		} {
			request := cookied(r.session(alice, change))
			if a, err := r.Authenticate(request); a != nil || !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%s: got %v and %v", name, a != nil, err)
			}
		}
		admitted(t, r.Backend, cookied(r.session(alice, map[string]any{"expiresAt": r.clock.now()}))) // this very millisecond
	})
}

// SQLite holds whatever is written. A time that nobody can place does not authenticate.
func TestStricterTimes(t *testing.T) {
	r := newRig(t, engines()[0], nil)
	alice := r.user("alice")
	for value, good := range map[any]bool{
		"2999-01-01T00:00:00.000Z": true, "2999-01-01T00:00:00Z": true, "2999-01-01T00:00:00.000+00:00": true,
		"2999-01-01 00:00:00.000+00:00": true, int64(32472144000000): true,
		"2999-01-01 00:00:00": false, "2999-01-01T00:00:00.000": false, "2999-01-01": false, "never": false, "": false,
		"275760-09-13T00:00:00.000Z": false, int64(1) << 60: false, int64(-1): false, "9999999999999999": false, "0000-00-00 00:00:00": false,
		"+002999-01-01T00:00:00.000Z": false, 1.5: false,
	} {
		token := r.session(alice, nil)
		r.exec("UPDATE [session] SET [expiresAt] = ? WHERE [token] = ?", value, token)
		if _, err := r.Authenticate(cookied(token)); (err == nil) != good {
			t.Errorf("%v: %v, want good: %v", value, err, good)
		}
	}
}

// PostgreSQL knows infinite times. One is no expiry, and a ban until then has no end; neither is an outage.
func TestStricterInfiniteTimes(t *testing.T) {
	r := newRig(t, engines()[1], func(c *betterauth.Config) { c.Plugins = []betterauth.Plugin{betterauth.Admin()} })
	token := r.session(r.user("alice"), nil)
	r.exec("UPDATE [user] SET [banned] = true, [banExpires] = 'infinity'")
	refused(t, r.Backend, cookied(token), auth.CodeSessionRevoked)
	r.exec("UPDATE [user] SET [banExpires] = '-infinity'")
	admitted(t, r.Backend, cookied(token))
	r.exec("UPDATE [session] SET [expiresAt] = 'infinity'")
	refused(t, r.Backend, cookied(token), auth.CodeSessionInvalid)
}

// Collations that ignore case, accents or trailing spaces find sessions that the token does not name.
func TestStricterTokens(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, nil)
		token := r.session(r.user("alice"), nil)
		admitted(t, r.Backend, cookied(token))
		for _, other := range []string{strings.ToLower(token), strings.ToUpper(token), token + " ", " " + token, token + "\x00", token + "\xff", token[:len(token)-1],
			strings.Replace(token, "o", "ö", 1), token + "%", strings.Repeat("x", 2000)} {
			if a, err := r.Authenticate(cookied(other)); a != nil || !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%q: got %v and %v", other, a != nil, err)
			}
		}
		// Nor does signing out such a token end the session, or a user id that is nearly another's.
		if _, err := r.SignOut(cookied(strings.ToLower(token)), auth.SignOutParams{}); err != nil {
			t.Error(err)
		}
		if _, err := r.RevokeSessions(context.Background(), "USER-ALICE"); err != nil {
			t.Error(err)
		}
		admitted(t, r.Backend, cookied(token))
	})
}

func TestStricterSecrets(t *testing.T) {
	for name, change := range map[string]func(*betterauth.Config){
		"none":    func(c *betterauth.Config) { c.Secret = auth.Secret{} },
		"default": func(c *betterauth.Config) { c.Secret = auth.NewSecret("better-auth-secret-12345678901234567890") },
		"short":   func(c *betterauth.Config) { c.Secret = auth.NewSecret(strings.Repeat("x", 31)) },
		"short old one": func(c *betterauth.Config) {
			c.Secrets = []betterauth.VersionedSecret{{Version: 2, Secret: c.Secret}, {Version: 1, Secret: auth.NewSecret("short")}}
		},
		"version twice": func(c *betterauth.Config) {
			c.Secrets = []betterauth.VersionedSecret{{Version: 1, Secret: c.Secret}, {Version: 1, Secret: c.Secret}}
		},
	} {
		c := betterauth.Config{DB: openSQLite(t).DB, Secret: auth.NewSecret(testSecret)}
		change(&c)
		_, err := betterauth.New(c)
		if auth.CodeOf(err) != auth.CodeConfigInvalid || !strings.Contains(err.Error(), "Secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A secret that was replaced signs nothing any more, as at the server, unless that is asked for.
func TestRetiredSecrets(t *testing.T) {
	const old = "retired-secret-0123456789abcdefghijklmnopq"
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Secrets = []betterauth.VersionedSecret{{Version: 2, Secret: auth.NewSecret(testSecret)}, {Version: 1, Secret: auth.NewSecret(old)}}
		c.Secret = auth.NewSecret(old + "-legacy")
	})
	token := r.session(r.user("alice"), nil)
	admitted(t, r.Backend, cookied(token))
	lenient := r.config
	lenient.InsecureAcceptRetiredSecrets = true
	for _, secret := range []string{old, old + "-legacy"} {
		request := withCookie(cookieName, url.QueryEscape(signWith(secret, token)))
		refused(t, r.Backend, request, auth.CodeNoCredential)
		admitted(t, newBackend(t, lenient), request)
	}
	refused(t, newBackend(t, lenient), withCookie(cookieName, url.QueryEscape(signWith(old+"x", token))), auth.CodeNoCredential)
}

// Who has learned a secret that was replaced, and has a session, makes no session_data of another user for it.
func TestStricterRetiredSecretOpensNoCache(t *testing.T) {
	const old = "retired-secret-0123456789abcdefghijklmnopq"
	cache := &betterauth.CookieCache{Strategy: betterauth.JWEStrategy, Write: true}
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.CookieCache = cache
		c.Secrets = []betterauth.VersionedSecret{{Version: 2, Secret: auth.NewSecret(testSecret)}, {Version: 1, Secret: auth.NewSecret(old)}}
	})
	token := r.session(r.user("mallory"), nil)
	forger := newRig(t, engines()[0], func(c *betterauth.Config) { c.CookieCache, c.Secret = cache, auth.NewSecret(old) })
	forger.session(forger.user("root"), map[string]any{"token": token})
	forged := admitted(t, forger.Backend, withCookie(cookieName, url.QueryEscape(signWith(old, token))))
	request := keep(cookied(token), forged.Cookies)
	if a := admitted(t, r.Backend, request); a.Principal.Subject != "user-mallory" {
		t.Errorf("a retired secret made a session of %s", a.Principal.Subject)
	}
	lenient := r.config
	lenient.InsecureAcceptRetiredSecrets = true
	if a := admitted(t, newBackend(t, lenient), request); a.Principal.Subject != "user-root" {
		t.Errorf("retired secrets are accepted, and the session is of %s", a.Principal.Subject)
	}
}

// Collations find the membership in a team of another user, too.
func TestStricterTeamMember(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.Organization(betterauth.OrganizationConfig{Teams: true})}
		})
		alice := r.user("alice")
		organization, team := r.organization(alice, "member")
		request := cookied(r.session(alice, map[string]any{"activeOrganizationId": organization, "activeTeamId": team}))
		if a := admitted(t, r.Backend, request); a.Principal.Claims["teamId"] != team {
			t.Errorf("team %v, want %s", a.Principal.Claims["teamId"], team)
		}
		r.exec("UPDATE [teamMember] SET [userId] = ?", strings.ToUpper(alice))
		if a := admitted(t, r.Backend, request); a.Principal.Claims["teamId"] != nil {
			t.Errorf("in the team %v of another user", a.Principal.Claims["teamId"])
		}
	})
}

// A key whose counters or limits cannot be read is refused, not unlimited.
func TestStricterCounters(t *testing.T) {
	for _, field := range []string{"remaining", "refillInterval", "refillAmount", "rateLimitTimeWindow", "rateLimitMax", "requestCount"} {
		r := newRig(t, engines()[0], func(c *betterauth.Config) {
			c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
		})
		alice := r.user("alice")
		admitted(t, r.Backend, withHeader("X-Api-Key", r.apiKey(alice, nil)))
		refused(t, r.Backend, withHeader("X-Api-Key", r.apiKey(alice, map[string]any{field: "1x"})), auth.CodeTokenInvalid)
	}
}

// Where keys of one configuration are stored as they are, the hash that the table has of another's key is no key.
func TestStricterHashIsNoKey(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.APIKey(
			betterauth.APIKeyConfig{ConfigID: "default", InsecurePlainKeys: true}, betterauth.APIKeyConfig{ConfigID: "hashed"})}
	})
	key := r.apiKey(r.user("alice"), map[string]any{"configId": "hashed"})
	if info, err := r.VerifyAPIKey(context.Background(), keyHash(key), nil); info != nil || !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("got %v and %v", info, err)
	}
}

// Every bit of the cookie counts, but for the spare ones at the end of base64.
func TestFlippedBits(t *testing.T) {
	r := newRig(t, engines()[0], nil)
	value := sign(r.session(r.user("alice"), nil))
	accepted := 0
	for i := range value {
		for bit := range 8 {
			b := []byte(value)
			b[i] ^= 1 << bit
			if _, err := r.Authenticate(withCookie(cookieName, string(b))); err == nil {
				accepted++
				if i != len(value)-2 {
					t.Errorf("accepted with bit %d of byte %d flipped", bit, i)
				}
			} else if !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
	if accepted == 0 {
		t.Error("the spare bits are refused, which the server accepts")
	}
}

// apiKey makes an API key of a user and returns it.
func (r *rig) apiKey(userID string, change map[string]any) string {
	r.t.Helper()
	r.next++
	key := fmt.Sprintf("Key%03d", r.next) + strings.Repeat("AbCdEfGh", 8)
	now := r.clock.now()
	row := map[string]any{
		"id": fmt.Sprintf("key-%04d", r.next), "configId": "default", "referenceId": userID, "key": keyHash(key), "enabled": true,
		"rateLimitEnabled": false, "requestCount": 0, "createdAt": now, "updatedAt": now,
	}
	for name, v := range change {
		row[name] = v
	}
	r.insert("apikey", row)
	return key
}
