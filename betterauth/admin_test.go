package betterauth_test

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// The roles of the admin plugin give scopes of their own, which no organization and no key can hand out.
func TestAdminScopes(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.Admin(betterauth.AdminConfig{UserIDs: []string{"user-root"}}),
			betterauth.Organization(betterauth.OrganizationConfig{DynamicAccessControl: true}), betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
	})
	alice := r.user("alice")
	org, _ := r.organization(alice, "boss")
	r.insert("organizationRole", map[string]any{"id": "role-1", "organizationId": org, "role": "boss", "createdAt": r.clock.now(),
		"permission": `{"admin":["user:ban","x"],"project":["create"],"user":["ban"]}`})
	request := cookied(r.session(alice, map[string]any{"activeOrganizationId": org}))
	ban, both := betterauth.Statements{"user": {"ban"}}, betterauth.Statements{"user": {"ban"}, "session": {"revoke"}}
	a := admitted(t, r.Backend, request)
	if want := []string{"project:create", "user:ban"}; !slices.Equal(a.Principal.Scopes, want) || r.UserHasPermission(a, ban) {
		t.Errorf("a user's scopes are %q", a.Principal.Scopes)
	}
	key := withHeader("X-Api-Key", r.apiKey(alice, map[string]any{"permissions": `{"admin":["user:ban"],"files":["read"]}`}))
	if a := admitted(t, r.Backend, key); !slices.Equal(a.Principal.Scopes, []string{"files:read"}) {
		t.Errorf("a key's scopes are %q", a.Principal.Scopes)
	}
	r.exec("UPDATE [user] SET [role] = 'user,admin'")
	a = admitted(t, r.Backend, request)
	if !a.Principal.HasScopes("admin:user:ban", "admin:session:revoke", "project:create") || a.Principal.HasScopes("admin:user:impersonate-admins") || !r.UserHasPermission(a, both) {
		t.Errorf("an administrator's scopes are %q", a.Principal.Scopes)
	}
	if a := admitted(t, r.Backend, key); !slices.Equal(a.Principal.Scopes, []string{"files:read"}) {
		t.Errorf("an administrator's key has the scopes %q", a.Principal.Scopes)
	}
	root := admitted(t, r.Backend, r.signIn("root"))
	if !r.UserHasPermission(root, both) || root.Principal.HasScopes("admin:user:ban") || r.UserHasPermission(nil, ban) {
		t.Error("adminUserIds grants scopes, or no permissions")
	}
	own := r.config
	own.Plugins = []betterauth.Plugin{betterauth.Admin(betterauth.AdminConfig{Roles: map[string]betterauth.Statements{"user": {"admin": {"x"}}, "admin": {"user": {"ban"}}}})}
	b := newBackend(t, own)
	a = admitted(t, b, request)
	if want := []string{"admin:admin:x", "admin:user:ban"}; !slices.Equal(a.Principal.Scopes, want) || b.UserHasPermission(a, betterauth.Statements{"user": {"ban"}, "admin": {"x"}}) {
		t.Errorf("scopes %q, want %q", a.Principal.Scopes, want)
	}
}

func TestFresh(t *testing.T) {
	r := newRig(t, engines()[0], nil)
	s, err := r.Session(r.signIn("alice"))
	if err != nil {
		t.Fatal(err)
	}
	always := r.config
	always.Session.FreshAge = -1
	for _, step := range []struct {
		wait time.Duration
		want bool
	}{{0, true}, {24*time.Hour - time.Millisecond, true}, {time.Millisecond, false}} {
		if r.clock.advance(step.wait); r.Fresh(s) != step.want || !newBackend(t, always).Fresh(s) || r.Fresh(nil) {
			t.Errorf("after %v: fresh is %v", step.wait, !step.want)
		}
	}
}

// A row that the storage has lost, of a user all of whose sessions were revoked since, is no session. The server looks at
// the mark for stored sessions only.
func TestStricterMarkCountsForRows(t *testing.T) {
	r, storage := newStoredRig(t, func(c *betterauth.Config) { c.Secondary.StoreSessionInDatabase = true })
	request := r.signIn("alice")
	id := admitted(t, r.Backend, request).Session.ID
	mark := func(at time.Time) {
		storage.values["revoked-sessions-before-user-alice"] = stored{strconv.FormatInt(at.UnixMilli(), 10), 3600}
	}
	mark(r.clock.now())
	admitted(t, r.Backend, request) // made at that very moment
	if list, err := r.ListSessions(t.Context(), "user-alice"); err != nil || len(list) != 1 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	mark(r.clock.now().Add(time.Millisecond))
	refused(t, r.Backend, request, auth.CodeSessionNotFound)
	if list, err := r.ListSessions(t.Context(), "user-alice"); err != nil || len(list) != 0 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	if _, err := r.SessionByID(t.Context(), id); auth.CodeOf(err) != auth.CodeSessionNotFound {
		t.Errorf("got %v", err)
	}
	if err := r.RevokeSession(t.Context(), id); err != nil || r.number("SELECT COUNT(*) FROM [session]") != 0 {
		t.Errorf("the row cannot be ended: %v", err)
	}
}

// Without an index of ids a person can still end another of their own sessions.
func TestDeleteStoredSession(t *testing.T) {
	r, storage := newStoredRig(t, nil)
	mine, other, foreign := r.storedSession(storage, "alice"), r.storedSession(storage, "alice"), r.storedSession(storage, "bob")
	h, err := auth.NewHandler(r.Backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(target *http.Request) int {
		id := admitted(t, r.Backend, target).Session.ID
		q := httptest.NewRequestWithContext(context.Background(), http.MethodDelete, "https://app.test/api/v1/auth/sessions/"+id, nil)
		q.Header = mine.Header.Clone()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w.Code
	}
	if code := ask(foreign); code != http.StatusForbidden {
		t.Errorf("another's session: %d", code)
	}
	if code := ask(other); code != http.StatusOK {
		t.Errorf("an own session: %d", code)
	}
	refused(t, r.Backend, other, auth.CodeSessionNotFound)
	admitted(t, r.Backend, mine)
	admitted(t, r.Backend, foreign)
}

// sessionDataKey is the key of encrypted session_data.
func sessionDataKey(t *testing.T) []byte {
	t.Helper()
	key, err := hkdf.Key(sha256.New, []byte(testSecret), []byte("better-auth-session"), "BetterAuth.js Generated Encryption Key", 64)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The server names A256GCM among what it opens, and has no key for it: the derived one is of 64 bytes.
func TestGCMSessionData(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.CookieCache = &betterauth.CookieCache{Strategy: betterauth.JWEStrategy, Write: true}
	})
	request := r.signIn("alice")
	data := admitted(t, r.Backend, request).Cookies[0]
	key := sessionDataKey(t)
	object, err := jose.ParseEncryptedCompact(data.Value, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256CBC_HS512})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := object.Decrypt(key)
	if err != nil {
		t.Fatal(err)
	}
	r.exec("DELETE FROM [session]")
	for name, c := range map[string]struct {
		enc  jose.ContentEncryption
		key  []byte
		good bool
	}{"as the server": {jose.A256CBC_HS512, key, true}, "GCM, first half": {jose.A256GCM, key[:32], false}, "GCM, second half": {jose.A256GCM, key[32:], false},
		"A128CBC": {jose.A128CBC_HS256, key[:32], false}} {
		e, err := jose.NewEncrypter(c.enc, jose.Recipient{Algorithm: jose.DIRECT, Key: c.key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := e.Encrypt(plain)
		if err != nil {
			t.Fatal(err)
		}
		value, err := sealed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Authenticate(keep(request, []*http.Cookie{{Name: data.Name, Value: value}})); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
