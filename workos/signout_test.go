package workos_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

const revokePath = "/user_management/sessions/revoke"

func TestSignOutEndsTheSession(t *testing.T) {
	for name, after := range map[string]time.Duration{"live": 0, "expired": tokenLife + time.Hour} {
		f := newFixture(t, nil)
		r := f.signIn(t, "alice")
		f.clock.advance(after)
		d, err := f.SignOut(r, auth.SignOutParams{ReturnTo: "/bye"})
		if err != nil || d.Location != "/bye" || len(d.Cookies) != 1 || d.Cookies[0].MaxAge != -1 {
			t.Fatalf("%s: %v %+v", name, err, d)
		}
		if n := f.server.Requests(revokePath); n != 1 {
			t.Errorf("%s: %d revocations", name, n)
		}
		if got := f.events.names(); !slices.Equal(got, []auth.EventName{auth.EventSessionRevoked, auth.EventSignedOut}) {
			t.Errorf("%s: events %v", name, got)
		}
		if list, err := f.ListSessions(t.Context(), "user_alice"); err != nil || len(list) != 0 {
			t.Errorf("%s: %v, %d sessions", name, err, len(list))
		}
		_, err = f.Authenticate(r)
		wantCode(t, err, auth.CodeSessionRevoked, true)
	}
}

// The cookie goes also when WorkOS cannot be told.
func TestSignOutWhileWorkOSIsDown(t *testing.T) {
	f := newFixture(t, nil)
	r := f.signIn(t, "alice")
	f.server.SetDown(true)
	d, err := f.SignOut(r, auth.SignOutParams{})
	if auth.CodeOf(err) != auth.CodeProviderUnavailable || len(d.Cookies) != 1 || d.Cookies[0].MaxAge != -1 {
		t.Errorf("%v %+v", err, d)
	}
	f.server.SetDown(false)
	_, err = f.Authenticate(r)
	wantCode(t, err, auth.CodeSessionRevoked, true)
}

// Without an API key the browser goes to WorkOS, and the session ends there.
func TestSignOutWithoutAPIKey(t *testing.T) {
	f := newFixture(t, func(c *workos.Config) { c.APIKey, c.ReturnOrigins = auth.Secret{}, []string{"https://www.example.com"} })
	r := f.signIn(t, "alice")
	s, err := f.Session(r)
	if err != nil {
		t.Fatal(err)
	}
	logout := "https://api.workos.com/user_management/sessions/logout?session_id=" + s.ID
	for to, want := range map[string]string{
		"": logout, "/bye": logout, "https://evil.test/": logout,
		"https://www.example.com/a?b=c d": logout, "https://www.example.com/a?b=c": logout + "&return_to=https%3A%2F%2Fwww.example.com%2Fa%3Fb%3Dc",
	} {
		d, err := f.SignOut(r, auth.SignOutParams{ReturnTo: to})
		if err != nil || d.Location != want || len(d.Cookies) != 1 {
			t.Errorf("%q: %v %q, want %q", to, err, d.Location, want)
		}
	}
	if n := f.server.Requests(revokePath); n != 0 {
		t.Errorf("%d revocations", n)
	}
	d, err := f.SignOut(r, auth.SignOutParams{Everywhere: true})
	if !errors.Is(err, errors.ErrUnsupported) || len(d.Cookies) != 1 {
		t.Errorf("everywhere: %v %+v", err, d)
	}
}

func TestSignOutOfOthers(t *testing.T) {
	f := newFixture(t, nil)
	here, there, bob := f.signIn(t, "alice"), f.signIn(t, "alice"), f.signIn(t, "bob")
	own, _ := f.Session(there)
	foreign, _ := f.Session(bob)
	for _, id := range []string{foreign.ID, "session_none", "../x"} {
		d, err := f.SignOut(here, auth.SignOutParams{SessionID: id})
		wantCode(t, err, auth.CodeForbidden, false)
		if len(d.Cookies) != 0 || f.server.Requests(revokePath) != 0 {
			t.Errorf("%s: something happened", id)
		}
	}
	d, err := f.SignOut(here, auth.SignOutParams{SessionID: own.ID})
	if err != nil || len(d.Cookies) != 0 || f.server.Requests(revokePath) != 1 {
		t.Errorf("%v %+v", err, d)
	}
	if _, err := f.Authenticate(here); err != nil {
		t.Error(err)
	}
	for _, p := range []auth.SignOutParams{{SessionID: own.ID}, {Everywhere: true}} {
		d, err := f.SignOut(httptest.NewRequest("POST", "/", nil), p)
		wantCode(t, err, auth.CodeNoCredential, false)
		if len(d.Cookies) != 1 {
			t.Errorf("cookies %v", d.Cookies)
		}
	}
	// An old cookie proves the session it names, and nothing about others.
	f.clock.advance(tokenLife)
	for range 2 {
		f.signIn(t, "alice")
	}
	if _, err := f.SignOut(here, auth.SignOutParams{Everywhere: true}); auth.CodeOf(err) != auth.CodeTokenExpired {
		t.Errorf("everywhere, with an expired token: %v", err)
	}
	if list, err := f.ListSessions(t.Context(), "user_alice"); err != nil || len(list) != 2 {
		t.Errorf("%v, %d sessions", err, len(list))
	}
}

// A refresh whose outcome is kept does not bring a session back.
func TestSignOutAfterRefresh(t *testing.T) {
	f := newFixture(t, refreshing)
	r := f.signIn(t, "alice")
	f.expire()
	a, err := f.Authenticate(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.SignOut(withCookie(a.Cookies[0]), auth.SignOutParams{}); err != nil {
		t.Fatal(err)
	}
	for name, late := range map[string]*http.Request{"old cookie": r, "new cookie": withCookie(a.Cookies[0])} {
		_, err := f.Authenticate(late)
		if auth.CodeOf(err) != auth.CodeSessionRevoked {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := f.server.Requests(authenticatePath); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// What WorkOS means by refusing a revocation is not documented; the list of the user's sessions decides.
func TestRevocationRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		list string
		code auth.Code
	}{
		"not on the list": {`{"data":[],"list_metadata":{}}`, ""},
		"still active":    {`{"data":[{"id":"` + testSession + `","user_id":"` + testUser + `","status":"active"}],"list_metadata":{}}`, auth.CodeProviderInvalid},
		"no list":         {`x`, auth.CodeProviderInvalid},
	} {
		b := mustNew(t, workos.Config{
			ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey), Now: func() time.Time { return testNow },
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost {
					return answer(400, `{"message":"no"}`), nil
				}
				return answer(200, tt.list), nil
			})},
		})
		d, err := b.SignOut(tokenCookie(t, newTestKeys(t)["main"], nil), auth.SignOutParams{})
		if auth.CodeOf(err) != tt.code || len(d.Cookies) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReturnURLs(t *testing.T) {
	f := newFixture(t, func(c *workos.Config) {
		c.DefaultReturnURL, c.ReturnOrigins = "/home", []string{"https://www.example.com", "https://other.example.com:8443/"}
	})
	for raw, allowed := range map[string]bool{
		"/": true, "/a?b=c#d": true, "/a//b": true, "/...": true, "/a%2e": true, "https://www.example.com/x": true, "https://www.example.com:443": true,
		"https://WWW.example.com": true, "https://other.example.com:8443/": true,
		"": false, "//evil.test": false, `/\evil.test`: false, "/..//evil.test": false, "/%2e%2e//evil.test": false, "a": false, "/%2fevil.test": false, "/%5cevil.test": false,
		"https://www.example.com.evil.test": false, "https://www.example.com@evil.test": false, "http://www.example.com": false,
		"https:www.example.com": false, "https:///www.example.com": false, "javascript:alert(1)": false, "/a\n": false, "/ä": false,
		"/" + strings.Repeat("a", 2048): false, "https://other.example.com": false,
	} {
		d, err := f.SignOut(httptest.NewRequest("POST", "/", nil), auth.SignOutParams{ReturnTo: raw})
		want := "/home"
		if allowed {
			want = raw
		}
		if err != nil || d.Location != want {
			t.Errorf("%.60q: %q, %v", raw, d.Location, err)
		}
	}
}

func TestHandler(t *testing.T) {
	f := newFixture(t, nil)
	h, err := auth.NewHandler(f, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	signedIn := f.signIn(t, "alice")
	ask := func(method, route string) (*httptest.ResponseRecorder, map[string]any) {
		r := httptest.NewRequest(method, "https://app.test/api/v1/auth"+route, nil)
		r.Header.Set("Cookie", signedIn.Header.Get("Cookie"))
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var body map[string]any
		_ = json.Unmarshal(w.Body.Bytes(), &body)
		return w, body
	}
	for _, route := range []string{"GET /signin", "POST /signin", "GET /callback", "POST /callback"} {
		method, path, _ := strings.Cut(route, " ")
		if w, body := ask(method, path); w.Code != 502 || body["code"] != "AUTH_PROVIDER_ERROR" {
			t.Errorf("%s: %d %v", route, w.Code, body)
		}
	}
	_, me := ask("GET", "/me")
	user, _ := me["user"].(map[string]any)
	if user["displayName"] != "alice Example" || user["email"] != "alice@example.com" || user["imageUrl"] != "https://img.example.com/alice" || user["emailVerified"] != true {
		t.Errorf("/me: %v", me)
	}
	if w, body := ask("GET", "/sessions"); w.Code != 200 || len(body["sessions"].([]any)) != 1 {
		t.Errorf("/sessions: %d %v", w.Code, body)
	}
	w, body := ask("POST", "/signout")
	if c := w.Result().Cookies(); w.Code != 200 || body["signedOut"] != true || len(c) != 1 || c[0].MaxAge != -1 {
		t.Errorf("/signout: %d %v %v", w.Code, body, c)
	}
	if _, body := ask("GET", "/session"); body["authenticated"] != false {
		t.Errorf("/session after sign-out: %v", body)
	}
	f.server.SetDown(true)
	f.clock.advance(11 * time.Minute)
	signedIn = f.signIn(t, "bob")
	if w, _ := ask("GET", "/me"); w.Code != 503 || len(w.Result().Cookies()) != 0 {
		t.Errorf("/me while WorkOS is down: %d", w.Code)
	}
}

// Ending another session spends nothing: the refresh token stays good, and so does the cookie that the browser has.
func TestSignOutOfOthersSpendsNothing(t *testing.T) {
	f := newFixture(t, refreshing)
	there, here := f.signIn(t, "alice"), f.signIn(t, "alice")
	other, err := f.Session(there)
	if err != nil {
		t.Fatal(err)
	}
	f.expire()
	for id, code := range map[string]auth.Code{"session_none": auth.CodeForbidden, other.ID: ""} {
		_, err := f.SignOut(here, auth.SignOutParams{SessionID: id})
		wantCode(t, err, code, false)
	}
	if n := f.server.Requests(authenticatePath); n != 0 {
		t.Errorf("%d refreshes", n)
	}
	if a, err := f.Authenticate(here); err != nil || len(a.Cookies) != 1 {
		t.Errorf("the cookie afterwards: %v", err)
	}
}

// A cookie whose own session has ended at WorkOS ends no other.
func TestSignOutOfOthersByEndedSession(t *testing.T) {
	f := newFixture(t, refreshing)
	there, here := f.signIn(t, "alice"), f.signIn(t, "alice")
	other, _ := f.Session(there)
	own, _ := f.Session(here)
	f.server.End(own.ID)
	_, err := f.SignOut(here, auth.SignOutParams{SessionID: other.ID})
	wantCode(t, err, auth.CodeSessionRevoked, true)
	if n := f.server.Requests(revokePath); n != 0 {
		t.Errorf("%d revocations", n)
	}
}

// Without refreshing, an expired token proves nothing about other sessions.
func TestSignOutOfOthersWithExpiredToken(t *testing.T) {
	f := newFixture(t, nil)
	there, here := f.signIn(t, "alice"), f.signIn(t, "alice")
	other, _ := f.Session(there)
	f.expire()
	_, err := f.SignOut(here, auth.SignOutParams{SessionID: other.ID})
	wantCode(t, err, auth.CodeTokenExpired, false)
}

// When not all sessions can be ended, the cookie's own is: the seal proves it.
func TestSignOutEverywhereThatFails(t *testing.T) {
	f := newFixture(t, nil)
	r := f.signIn(t, "alice")
	own, err := f.Session(r)
	if err != nil {
		t.Fatal(err)
	}
	f.signIn(t, "alice")
	f.expire()
	d, err := f.SignOut(r, auth.SignOutParams{Everywhere: true})
	if auth.CodeOf(err) != auth.CodeTokenExpired || len(d.Cookies) != 1 {
		t.Errorf("%v %+v", err, d)
	}
	list, err := f.ListSessions(t.Context(), "user_alice")
	if err != nil || len(list) != 1 || list[0].ID == own.ID {
		t.Errorf("%v, left are %v", err, list)
	}
}

// A session whose id is no text cannot be ended: that is said, and the cookie goes.
func TestSignOutOfUnnamedSession(t *testing.T) {
	for _, sid := range []any{5, []string{testSession}, "", nil} {
		w := newRotating(t)
		r := cookieRequest(sealTest(t, sessionJSON(w.keys["main"].sign(t, nil, with(baseClaims(w.clock.Now()), map[string]any{"sid": sid})))))
		b := w.backend()
		d, err := b.SignOut(r, auth.SignOutParams{})
		if auth.CodeOf(err) != auth.CodeSessionInvalid || len(d.Cookies) != 1 || d.Cookies[0].MaxAge != -1 {
			t.Errorf("%v: %v %+v", sid, err, d)
		}
		if _, err := b.LogoutURL(r, ""); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%v: %v", sid, err)
		}
	}
}

// An id that is a dot segment would lead to another path.
func TestListOfDotSegments(t *testing.T) {
	b := mustNew(t, workos.Config{
		ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey),
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			t.Errorf("asked %s", r.URL.Path)
			return answer(404, ""), nil
		})},
	})
	for _, id := range []string{".", ".."} {
		if list, err := b.ListSessions(t.Context(), id); err != nil || len(list) != 0 {
			t.Errorf("%s: %v, %v", id, list, err)
		}
	}
}
