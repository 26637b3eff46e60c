package betterauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/betterauth"
)

func names(cookies []*http.Cookie) []string {
	var list []string
	for _, c := range cookies {
		if c.MaxAge >= 0 || c.Value != "" {
			continue
		}
		list = append(list, strings.TrimPrefix(c.Name, "__Secure-better-auth."))
	}
	slices.Sort(list)
	return list
}

// TestSignOutCookies clears what the server clears, and ends the sessions of signed multi-session cookies alone.
func TestSignOutCookies(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.MultiSession()}
		c.Cookies.AccountData, c.Cookies.OAuthState = true, true
	})
	own, second, victim := r.session(r.user("alice"), nil), r.session(r.user("bob"), nil), r.session(r.user("carol"), nil)
	request := cookied(own)
	multi := func(token, value string) string {
		return "; " + cookieName + "_multi-" + strings.ToLower(token) + "=" + url.QueryEscape(value)
	}
	request.Header.Set("Cookie", request.Header.Get("Cookie")+multi(second, sign(second))+multi(victim, signWith("forged", victim))+multi(victim, victim)+
		"; __Secure-better-auth.session_data.0=x; __Secure-better-auth.session_data.1=y; __Secure-better-auth.session_data.x=z")
	d, err := r.SignOut(request, auth.SignOutParams{ReturnTo: "/bye"})
	if err != nil || d.Location != "/bye" {
		t.Fatal(d.Location, err)
	}
	want := []string{"account_data", "dont_remember", "oauth_state", "session_data", "session_data.0", "session_data.1", "session_token", "session_token_multi-" + strings.ToLower(second)}
	if got := names(d.Cookies); !slices.Equal(got, want) {
		t.Errorf("cleared %q\nwant    %q", got, want)
	}
	refused(t, r.Backend, cookied(own), auth.CodeSessionNotFound)
	refused(t, r.Backend, cookied(second), auth.CodeSessionNotFound)
	admitted(t, r.Backend, cookied(victim)) // GHSA-wmjr-v86c-m9jj
}

func TestSignOutReturnURL(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.ReturnOrigins = []string{"https://www.example.com"} })
	for to, want := range map[string]string{
		"": "/", "/a?b=c": "/a?b=c", "https://www.example.com/x": "https://www.example.com/x", "//evil.test": "/", "/\\evil.test": "/",
		"https://evil.test/": "/", "/..//evil.test": "/", "javascript:alert(1)": "/", "https://www.example.com@evil.test": "/",
	} {
		d, err := r.SignOut(r.signIn("alice"), auth.SignOutParams{ReturnTo: to})
		if err != nil || d.Location != want {
			t.Errorf("%q leads to %q, want %q (%v)", to, d.Location, want, err)
		}
	}
}

// TestHandler goes through the routes: no sign-in here, the caller's own sessions, sign-out.
func TestHandler(t *testing.T) {
	r := newRig(t, engines()[0], nil)
	h, err := auth.NewHandler(r.Backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string, credential *http.Request) *httptest.ResponseRecorder {
		q := httptest.NewRequest(method, "https://app.test/api/v1/auth"+path, nil)
		q.Header = credential.Header.Clone()
		q.Header.Set("Accept", "application/json")
		q.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w
	}
	here, there := r.signIn("alice"), r.signIn("alice")
	bob := r.signIn("bob")
	for _, path := range []string{"/signin", "/callback"} {
		if w := ask("POST", path, here); w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "AUTH_PROVIDER_ERROR") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := ask("GET", "/me", here); w.Code != 200 || !strings.Contains(w.Body.String(), "alice@example.test") || strings.Contains(w.Body.String(), "Tok00") {
		t.Errorf("/me: %d %s", w.Code, w.Body)
	}
	if w := ask("GET", "/sessions", here); w.Code != 200 || strings.Count(w.Body.String(), `"userId":"user-alice"`) != 2 || strings.Contains(w.Body.String(), "bob") {
		t.Errorf("/sessions: %d %s", w.Code, w.Body)
	}
	other, err := r.Session(there)
	if err != nil {
		t.Fatal(err)
	}
	if w := ask("DELETE", "/sessions/"+other.ID, bob); w.Code != http.StatusForbidden {
		t.Errorf("another user's session: %d", w.Code)
	}
	admitted(t, r.Backend, there)
	if w := ask("DELETE", "/sessions/"+other.ID, here); w.Code != 200 {
		t.Errorf("an own session: %d %s", w.Code, w.Body)
	}
	refused(t, r.Backend, there, auth.CodeSessionNotFound)
	w := ask("POST", "/signout", here)
	if w.Code != 200 || len(w.Result().Cookies()) != 3 {
		t.Errorf("/signout: %d, cookies %v", w.Code, w.Result().Cookies())
	}
	refused(t, r.Backend, here, auth.CodeSessionNotFound)
	if w := ask("GET", "/session", here); w.Code != 200 || !strings.Contains(w.Body.String(), `"authenticated":false`) || len(w.Result().Cookies()) != 3 {
		t.Errorf("/session: %d %s", w.Code, w.Body)
	}
}

func TestStoredSessions(t *testing.T) {
	for name, change := range map[string]func(*betterauth.Config){
		"storage alone":  nil,
		"and a database": func(c *betterauth.Config) { c.Session.Refresh = betterauth.RefreshWrite },
	} {
		t.Run(name, func(t *testing.T) {
			authtest.TestBackend(t, authtest.BackendSuite{New: func(t testing.TB) *authtest.BackendFixture {
				r, storage := newStoredRig(t, change)
				return &authtest.BackendFixture{
					Backend: r.Backend, SignIn: func(user string) *http.Request { return r.storedSession(storage, user) },
					SetStorageDown: func(down bool) {
						storage.down = map[bool]error{true: errors.New("storage down: secret-detail")}[down]
					},
					Secrets: []string{testSecret, "secret-detail"},
				}
			}})
		})
	}
}

// TestStoredByHand reads what the server gave to a storage that its owner wrote, which has no prefix.
func TestStoredByHand(t *testing.T) {
	text, err := os.ReadFile("testdata/secondary-raw.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Config vectorConfig
		Cases  []struct {
			NowMS int64 `json:"now_ms"`
			Calls [][]any
		}
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Cases) != 1 {
		t.Fatal(err)
	}
	storage := newMemoryStorage()
	for _, call := range file.Cases[0].Calls {
		storage.values[call[1].(string)] = stored{call[2].(string), int(call[3].(float64))}
	}
	const token = "W1GyCUHzZPEhEWHmH6tyLIag37GmipMy"
	b := newBackend(t, betterauth.Config{
		DB: openSQLite(t).DB, Secret: auth.NewSecret(testSecret), Now: func() time.Time { return time.UnixMilli(file.Cases[0].NowMS) },
		Secondary: &betterauth.Secondary{Storage: storage, InsecureSkipUserCheck: true},
	})
	a := admitted(t, b, cookied(token))
	if a.Session.ID != "t5QcgfbmlwRrcD6jBbdaJmTRaBTO7d38" || a.Principal.Claim("email") != "alice@example.com" {
		t.Errorf("session %+v", a.Session)
	}
	if list, err := b.ListSessions(t.Context(), a.Session.UserID); err != nil || len(list) != 1 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	storage.values["another"] = storage.values[token]
	refused(t, b, cookied("another"), auth.CodeSessionNotFound)
}

// A preserved row is kept for the record, and decides nothing.
func TestPreservedRows(t *testing.T) {
	storage := newMemoryStorage()
	r := newRig(t, engines()[0], func(c *betterauth.Config) {
		c.Secondary = &betterauth.Secondary{Storage: storage, StoreSessionInDatabase: true, PreserveSessionInDatabase: true}
	})
	request := r.storedSession(storage, "alice")
	s, err := r.Session(request)
	if err != nil {
		t.Fatal(err)
	}
	cookie, _ := request.Cookie(cookieName)
	token, _, _ := strings.Cut(cookie.Value, ".")
	r.session("user-alice", map[string]any{"token": token, "id": s.ID})
	if _, err := r.SignOut(request, auth.SignOutParams{}); err != nil {
		t.Fatal(err)
	}
	if n := r.number("SELECT COUNT(*) FROM [session] WHERE [expiresAt] <= ?", r.value(r.clock.now())); n != 1 {
		t.Errorf("%d rows are kept and ended, want 1", n)
	}
	refused(t, r.Backend, request, auth.CodeSessionNotFound)
	refused(t, r.Backend, cookied(r.session("user-alice", nil)), auth.CodeSessionNotFound)
}

// TestRefresh extends sessions by the server's rules, or only says that they are due.
func TestRefresh(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, func(c *betterauth.Config) { c.Session.Refresh = betterauth.RefreshWrite })
		request := r.signIn("alice")
		r.clock.advance(24*time.Hour - time.Millisecond)
		if a := admitted(t, r.Backend, request); len(a.Cookies) > 0 {
			t.Error("extended before it is due")
		}
		r.clock.advance(time.Millisecond)
		report := r.config
		report.Session.Refresh = betterauth.RefreshReport
		if a := admitted(t, newBackend(t, report), request); len(a.Cookies) > 0 || a.Session.Claims["needsRefresh"] != true || a.Principal.Claims["needsRefresh"] != nil {
			t.Errorf("reporting: %v %v", a.Cookies, a.Session.Claims)
		}
		a := admitted(t, r.Backend, request)
		until := r.clock.now().Add(7 * 24 * time.Hour)
		if !a.Session.ExpiresAt.Equal(until) || len(a.Cookies) != 1 || a.Cookies[0].MaxAge != 7*24*3600 {
			t.Errorf("expires %v, want %v; cookies %v", a.Session.ExpiresAt, until, a.Cookies)
		}
		if a := admitted(t, r.Backend, request); !a.Session.ExpiresAt.Equal(until) || len(a.Cookies) > 0 {
			t.Errorf("the row expires %v, want %v", a.Session.ExpiresAt, until)
		}
		r.clock.advance(7*24*time.Hour + time.Millisecond)
		refused(t, newBackend(t, report), request, auth.CodeSessionExpired)
		if n := r.number("SELECT COUNT(*) FROM [session]"); n != 1 {
			t.Error("a backend that only reports has deleted")
		}
		refused(t, r.Backend, request, auth.CodeSessionExpired)
		if n := r.number("SELECT COUNT(*) FROM [session]"); n != 0 {
			t.Error("the expired row stays")
		}
	})
}

// A session whose row has gone is refused when it is to be extended, and from then on.
func TestRefreshNeedsRow(t *testing.T) {
	for _, preserve := range []bool{false, true} {
		r, storage := newStoredRig(t, func(c *betterauth.Config) {
			c.Secondary.StoreSessionInDatabase, c.Secondary.PreserveSessionInDatabase = true, preserve
			c.Session.Refresh = betterauth.RefreshWrite
		})
		request := r.storedSession(storage, "alice")
		r.clock.advance(48 * time.Hour)
		refused(t, r.Backend, request, auth.CodeSessionNotFound)
		refused(t, r.Backend, request, auth.CodeSessionNotFound)
	}
}

// A session that ends while it is extended stays ended, at whichever step of the extension that is.
func TestRefreshRacesSignOut(t *testing.T) {
	for name, change := range map[string]func(*betterauth.Secondary){
		"storage alone": func(s *betterauth.Secondary) {
			s.Storage = replacingStorage{s.Storage.(*memoryStorage)} //nolint:forcetypeassert // it is
		},
		"with rows":      func(s *betterauth.Secondary) { s.StoreSessionInDatabase = true },
		"rows preserved": func(s *betterauth.Secondary) { s.StoreSessionInDatabase, s.PreserveSessionInDatabase = true, true },
	} {
		for reads := 1; reads <= 4; reads++ { // the session, what was revoked, the session to extend, the list
			t.Run(fmt.Sprintf("%s, read %d", name, reads), func(t *testing.T) {
				r, storage := newStoredRig(t, func(c *betterauth.Config) {
					c.Session.Refresh, c.Session.UpdateAge = betterauth.RefreshWrite, 24*time.Hour
					change(c.Secondary)
				})
				request := r.storedSession(storage, "alice")
				cookie, _ := request.Cookie(cookieName)
				token, _, _ := strings.Cut(cookie.Value, ".")
				if r.config.Secondary.StoreSessionInDatabase {
					r.session("user-alice", map[string]any{"token": token, "id": "session-1"})
				}
				r.clock.advance(48 * time.Hour)
				done := 0
				var hook func()
				hook = func() {
					if done++; done < reads {
						storage.read = hook
						return
					}
					if _, err := r.SignOut(request, auth.SignOutParams{}); err != nil {
						t.Error(err)
					}
				}
				storage.read = hook
				_, _ = r.Authenticate(request) // it was there when the request came
				if done != reads {
					t.Fatalf("%d reads, want %d or more", done, reads)
				}
				refused(t, r.Backend, request, auth.CodeSessionNotFound)
			})
		}
	}
}

// replacingStorage is a storage that knows whether there was a value.
type replacingStorage struct{ *memoryStorage }

func (s replacingStorage) Replace(ctx context.Context, key, value string, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	_, ok := s.values[key]
	s.mu.Unlock()
	if !ok || s.down != nil {
		return false, s.down
	}
	return true, s.Set(ctx, key, value, ttl)
}
