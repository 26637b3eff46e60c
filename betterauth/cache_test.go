package betterauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// keep puts the cookies of an answer into the next request, as a browser does.
func keep(r *http.Request, cookies []*http.Cookie) *http.Request {
	have := map[string]string{}
	var order []string
	for _, c := range r.Cookies() {
		have[c.Name] = c.Value
		order = append(order, c.Name)
	}
	for _, c := range cookies {
		if _, ok := have[c.Name]; !ok {
			order = append(order, c.Name)
		}
		if have[c.Name] = c.Value; c.MaxAge < 0 {
			delete(have, c.Name)
		}
	}
	next, _ := http.NewRequest(http.MethodGet, "https://app.test/", nil)
	for _, name := range order {
		if v, ok := have[name]; ok {
			next.AddCookie(&http.Cookie{Name: name, Value: v})
		}
	}
	return next
}

// TestCookieCache reads what it wrote, in every format and size, and for as long as was asked for.
func TestCookieCache(t *testing.T) {
	for _, strategy := range []betterauth.CacheStrategy{betterauth.CompactStrategy, betterauth.JWTStrategy, betterauth.JWEStrategy} {
		for _, size := range []int{1, 3000, 9000} {
			t.Run(fmt.Sprintf("strategy %d, %d bytes", strategy, size), func(t *testing.T) {
				r := newRig(t, engines()[0], func(c *betterauth.Config) {
					c.CookieCache = &betterauth.CookieCache{Strategy: strategy, Write: true, Bypass: hasQuery("now")}
					c.UserFields = []string{"bio"}
				})
				bio := strings.Repeat("<é\u2028\"\\\x01>", size/8+1)
				first := r.signIn("alice")
				r.exec("UPDATE [user] SET [bio] = ?", bio)
				a := admitted(t, r.Backend, first)
				for _, c := range a.Cookies {
					if len(c.String()) > 4050 {
						t.Errorf("a cookie of %d bytes", len(c.String()))
					}
				}
				next := keep(first, a.Cookies)
				r.exec("DELETE FROM [session]")
				before := r.count.Load()
				cached := admitted(t, r.Backend, next)
				if n := r.count.Load() - before; n != 0 {
					t.Errorf("%d statements with a fresh session_data", n)
				}
				if cached.Principal.Subject != "user-alice" || cached.Principal.Claim("bio") != bio || !cached.Session.ExpiresAt.Equal(a.Session.ExpiresAt) {
					t.Errorf("cached %+v", cached.Principal)
				}
				bypassed := next.Clone(t.Context())
				bypassed.URL.RawQuery = "now=1"
				refused(t, r.Backend, bypassed, auth.CodeSessionNotFound)
				r.clock.advance(5*time.Minute + time.Second)
				refused(t, r.Backend, next, auth.CodeSessionNotFound)
			})
		}
	}
}

// A session_data alone is nobody's, nor one of another session, another version, or with a bit flipped.
func TestCookieCacheBinding(t *testing.T) {
	for _, strategy := range []betterauth.CacheStrategy{betterauth.CompactStrategy, betterauth.JWTStrategy, betterauth.JWEStrategy} {
		r := newRig(t, engines()[0], func(c *betterauth.Config) { c.CookieCache = &betterauth.CookieCache{Strategy: strategy, Write: true} })
		alice, bob := r.signIn("alice"), r.signIn("bob")
		data := admitted(t, r.Backend, alice).Cookies[0]
		with := func(request *http.Request, value string) *http.Request {
			request = request.Clone(t.Context())
			request.Header.Set("Cookie", strings.TrimPrefix(request.Header.Get("Cookie")+"; "+data.Name+"="+value, "; "))
			return request
		}
		refused(t, r.Backend, with(withHeader("A", "b"), data.Value), auth.CodeNoCredential)
		if a := admitted(t, r.Backend, with(bob, data.Value)); a.Principal.Subject != "user-bob" {
			t.Error("another session's session_data is believed")
		}
		r.exec("DELETE FROM [session]")
		admitted(t, r.Backend, with(alice, data.Value))
		newer := r.config
		newer.CookieCache = &betterauth.CookieCache{Strategy: strategy, Version: "2"}
		refused(t, newBackend(t, newer), with(alice, data.Value), auth.CodeSessionNotFound)
		foreign := r.config
		foreign.Secret = auth.NewSecret(testSecret + "x")
		refused(t, newBackend(t, foreign), with(alice, data.Value), auth.CodeNoCredential)
		off := r.config
		off.CookieCache = nil
		refused(t, newBackend(t, off), with(alice, data.Value), auth.CodeSessionNotFound)
		for i := 0; i < len(data.Value); i += 7 {
			b := []byte(data.Value)
			if b[i] == '.' {
				continue
			}
			if b[i]++; b[i] == '=' || b[i] == data.Value[i] {
				continue
			}
			if _, err := r.Authenticate(with(alice, string(b))); err == nil && i < len(b)-2 {
				t.Errorf("strategy %d: accepted with byte %d changed", strategy, i)
			}
		}
	}
}

func TestSignedCache(t *testing.T) {
	keys := newTestKeys(t)
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.JWT()}
		c.CookieCache = &betterauth.CookieCache{Strategy: betterauth.JWTStrategy, JWKS: true}
	})
	r.insert("jwks", keys.row(r.clock.now()))
	iso := r.clock.now().UTC().Add(time.Hour).Format("2006-01-02T15:04:05.000Z")
	good := func() map[string]any {
		return map[string]any{
			"session": map[string]any{"id": "s", "token": "tok", "userId": "u", "expiresAt": iso, "createdAt": iso},
			"user":    map[string]any{"id": "u", "email": "U@example.test", "name": "U"}, "updatedAt": 1, "version": "1",
			"sid": "tok", "sub": "u", "iss": testBaseURL, "aud": "better-auth:session-cache", "exp": r.clock.now().Unix() + 60,
		}
	}
	const typ = "better-auth.session-cache+jwt"
	ask := func(typ string, change func(map[string]any)) error {
		claims := good()
		change(claims)
		request := cookied("tok")
		request.Header.Set("Cookie", request.Header.Get("Cookie")+"; __Secure-better-auth.session_data="+keys.sign(t, typ, claims))
		a, err := r.Authenticate(request)
		if err == nil && a.Principal.Claim("email") != "u@example.test" {
			t.Errorf("email %q", a.Principal.Claim("email"))
		}
		return err
	}
	if err := ask(typ, func(map[string]any) {}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"issuer": func(c map[string]any) { c["iss"] = "https://evil.test" }, "audience": func(c map[string]any) { c["aud"] = testBaseURL },
		"subject": func(c map[string]any) { c["sub"] = "v" }, "session": func(c map[string]any) { c["sid"] = "other" },
		"two users": func(c map[string]any) {
			c["sub"], c["user"] = "v", map[string]any{"id": "v", "email": "u@example.test", "name": "U"}
		},
		"expired": func(c map[string]any) { c["exp"] = r.clock.now().Unix() - 1 }, "no expiry": func(c map[string]any) { delete(c, "exp") },
	} {
		if ask(typ, change) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if ask("JWT", func(map[string]any) {}) == nil {
		t.Error("an access token is taken for session_data")
	}
}

// TestLocalCache shows how stale an answer may be, and that what this backend ends, ends at once.
func TestLocalCache(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Cache = betterauth.Cache{TTL: time.Minute, Size: 100} })
	request := r.signIn("alice")
	a := admitted(t, r.Backend, request)
	before := r.count.Load()
	admitted(t, r.Backend, request)
	if r.count.Load() != before {
		t.Error("the second request asks the database")
	}
	r.exec("DELETE FROM [session]")
	admitted(t, r.Backend, request)
	r.clock.advance(time.Minute)
	refused(t, r.Backend, request, auth.CodeSessionNotFound)

	for name, end := range map[string]func(*http.Request) error{
		"sign-out":   func(q *http.Request) error { _, err := r.SignOut(q, auth.SignOutParams{}); return err },
		"revocation": func(*http.Request) error { _, err := r.RevokeSessions(t.Context(), a.Session.UserID); return err },
	} {
		request := r.signIn("alice")
		admitted(t, r.Backend, request)
		if err := end(request); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Authenticate(request); err == nil {
			t.Errorf("a session is remembered after its %s", name)
		}
	}
	expiring := cookied(r.session("user-alice", map[string]any{"expiresAt": r.clock.now().Add(time.Second)}))
	admitted(t, r.Backend, expiring)
	r.clock.advance(time.Second + time.Millisecond)
	refused(t, r.Backend, expiring, auth.CodeSessionExpired)
	for range 1000 {
		admitted(t, r.Backend, r.signIn("alice")) // bounded
	}
}

// A session that ends while another request reads it is not remembered by that request.
func TestLocalCacheRace(t *testing.T) {
	r, storage := newStoredRig(t, func(c *betterauth.Config) { c.Cache.TTL = time.Minute })
	request := r.storedSession(storage, "alice")
	storage.read = func() {
		if _, err := r.SignOut(request, auth.SignOutParams{}); err != nil {
			t.Error(err)
		}
	}
	admitted(t, r.Backend, request) // it was read before it ended
	refused(t, r.Backend, request, auth.CodeSessionNotFound)
}

// A session that has expired in memory may have been extended by others: the database decides, and nothing is deleted.
func TestLocalCacheExtendedElsewhere(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Cache.TTL, c.Session.Refresh = 5*time.Minute, betterauth.RefreshWrite
		c.Session.SkipRefresh = func(*http.Request) bool { return true }
	})
	token := r.session(r.user("alice"), map[string]any{"expiresAt": r.clock.now().Add(time.Minute)})
	admitted(t, r.Backend, cookied(token))
	r.exec("UPDATE [session] SET [expiresAt] = ?", r.clock.now().Add(24*time.Hour))
	r.clock.advance(2 * time.Minute)
	admitted(t, r.Backend, cookied(token))
}

// An expired session is deleted only if it is still expired when it is.
func TestDropExpiredIsGuarded(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, func(c *betterauth.Config) { c.Session.Refresh = betterauth.RefreshWrite })
		token := r.session(r.user("alice"), map[string]any{"expiresAt": r.clock.now().Add(-time.Second)})
		extended := r.value(r.clock.now().Add(24 * time.Hour))
		once := true
		_ = r.db.Callback().Raw().Before("gorm:raw").Register("test:extend", func(tx *gorm.DB) {
			if once && strings.HasPrefix(tx.Statement.SQL.String(), "DELETE") {
				once = false
				r.exec("UPDATE [session] SET [expiresAt] = ?", extended)
			}
		})
		refused(t, r.Backend, cookied(token), auth.CodeSessionExpired)
		if once {
			t.Error("nothing was deleted")
		}
		admitted(t, r.Backend, cookied(token))
	})
}

// A ban counts although session_data does not know of it, where the user is read anyway.
func TestCookieCacheFreshBan(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.Admin(), betterauth.Organization()}
		c.CookieCache = &betterauth.CookieCache{Write: true}
	})
	alice := r.user("alice")
	organization, _ := r.organization(alice, "member")
	first := cookied(r.session(alice, map[string]any{"activeOrganizationId": organization}))
	request := keep(first, admitted(t, r.Backend, first).Cookies)
	admitted(t, r.Backend, request)
	r.exec("UPDATE [user] SET [banned] = ?", true)
	refused(t, r.Backend, request, auth.CodeSessionRevoked)
}
