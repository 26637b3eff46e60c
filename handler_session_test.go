package auth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

const aliceSession = `{"id":"s-alice","userId":"alice","providerId":"one","state":"active","subject":"alice","scopes":["openid"],"roles":[],"claims":{},"issuedAt":"2026-03-01T11:00:00Z","expiresAt":"2026-03-01T12:00:00Z"}`

func TestSessionAndMe(t *testing.T) {
	aliceUser := `{"id":"alice","displayName":"Alice","email":"a@example.com","emailVerified":true,"imageUrl":"https://img.example/a.png","claims":{"name":"Alice","email":"a@example.com","email_verified":true,"picture":"https://img.example/a.png"}}`
	apiKey := func(*http.Request) (*auth.Authentication, error) {
		return &auth.Authentication{Principal: auth.Principal{Subject: "robot", Scheme: auth.SchemeAPIKey}}, nil
	}
	tests := []struct {
		name         string
		authenticate func(*http.Request) (*auth.Authentication, error)
		session, me  string
		cookies      []*http.Cookie
	}{
		{"authenticated", renewedAlice, `{"authenticated":true,"session":` + aliceSession + `}`,
			`{"authenticated":true,"user":` + aliceUser + `,"session":` + aliceSession + `}`, []*http.Cookie{setting("renewed")}},
		{"without a session", apiKey, `{"authenticated":true}`,
			`{"authenticated":true,"user":{"id":"robot"}}`, nil},
		{"nobody", nobody, `{"authenticated":false}`, `{"authenticated":false}`, nil},
		{"dead", deadSession, `{"authenticated":false}`, `{"authenticated":false}`, []*http.Cookie{clearing()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHandler(t, &fakeCore{authenticate: tt.authenticate}, auth.HandlerConfig{})
			for path, want := range map[string]string{"/session": tt.session, "/me": tt.me} {
				w := do(h, request("GET", base+path, ""))
				wantStatus(t, w, 200)
				wantJSON(t, w, want)
				wantCookies(t, w, tt.cookies...)
			}
		})
	}
}

// No parameter names a session or carries a credential: the answer is about whoever asks (NS-06, ADV-86).
func TestSessionIgnoresTheQuery(t *testing.T) {
	const query = "?sessionId=s-bob&id=s-bob&token=credential&session=credential&access_token=credential&__Host-ns_session=credential&userId=bob"
	for name, who := range map[string]func(*http.Request) (*auth.Authentication, error){"nobody": nobody, "alice": alice} {
		b := working()
		b.authenticate = func(r *http.Request) (*auth.Authentication, error) {
			if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
				t.Errorf("%s: a parameter became a header: %v", name, r.Header)
			}
			return who(r)
		}
		h := newHandler(t, b, auth.HandlerConfig{})
		for _, path := range []string{"/session", "/me", "/sessions"} {
			with, without := do(h, request("GET", base+path+query, "")), do(h, request("GET", base+path, ""))
			if with.Code != without.Code || with.Body.String() != without.Body.String() || strings.Contains(with.Body.String(), "bob") {
				t.Errorf("%s, %s: %d %s, without the query %d", name, path, with.Code, with.Body, without.Code)
			}
		}
	}
}

// "Could not tell" is not "nobody", and leaves the cookie alone.
func TestSessionCouldNotTell(t *testing.T) {
	for _, tt := range []struct {
		err    error
		reason auth.Code
	}{
		{&auth.Error{Code: auth.CodeStoreUnavailable, Cookies: []*http.Cookie{clearing()}}, auth.CodeStoreUnavailable},
		{&auth.Error{Code: auth.CodeStoreUnavailable, Err: &auth.Error{Code: auth.CodeSessionNotFound, Cookies: []*http.Cookie{clearing()}}}, auth.CodeStoreUnavailable},
		{&auth.Error{Code: auth.CodeProviderUnavailable}, auth.CodeProviderUnavailable},
		{&auth.Error{Code: auth.CodeForbidden}, auth.CodeForbidden},
		{&auth.Error{Code: auth.CodeUnsupported}, auth.CodeUnsupported},
		{errors.New("boom"), auth.CodeInternal},
	} {
		b := working()
		b.authenticate = func(*http.Request) (*auth.Authentication, error) { return nil, tt.err }
		h := newHandler(t, b, auth.HandlerConfig{})
		for _, r := range []*http.Request{
			request("GET", base+"/me", ""), request("GET", base+"/session", ""), request("GET", base+"/sessions", ""),
			request("DELETE", base+"/sessions/s-phone", ""), request("GET", base+"/me", "", "Accept", asHTML),
		} {
			w := do(h, r)
			wantError(t, w, 503, "AUTH_UNAVAILABLE", tt.reason)
			wantCookies(t, w)
			if b.asked() != 0 {
				t.Error("something happened")
			}
		}
	}
}

func TestMeUser(t *testing.T) {
	tests := []struct {
		name   string
		claims map[string]any
		userID string
		want   string
	}{
		{"nothing", nil, "", `{"id":"sub"}`},
		{"the application's own user", nil, "u1", `{"id":"u1"}`},
		{"unverified", map[string]any{"email": "e", "email_verified": false}, "", `{"id":"sub","email":"e","emailVerified":false,"claims":{"email":"e","email_verified":false}}`},
		{"a text is not a verification", map[string]any{"email": "e", "email_verified": "true"}, "", `{"id":"sub","email":"e","claims":{"email":"e","email_verified":"true"}}`},
		{"verification of nothing", map[string]any{"email_verified": true}, "", `{"id":"sub","claims":{"email_verified":true}}`},
		{"plain image", map[string]any{"picture": "http://img.example/a.png"}, "", `{"id":"sub","claims":{"picture":"http://img.example/a.png"}}`},
		{"script image", map[string]any{"picture": "javascript:alert(1)"}, "", `{"id":"sub","claims":{"picture":"javascript:alert(1)"}}`},
		{"name of another type", map[string]any{"name": 7}, "", `{"id":"sub","claims":{"name":7}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &auth.Authentication{Principal: auth.Principal{Subject: "sub", Claims: tt.claims}}
			tail := `}`
			if tt.userID != "" {
				a.Session = session("s", tt.userID)
				tail = `,"session":{"id":"s","userId":"u1","providerId":"one","state":"active","subject":"u1","scopes":["openid"],"roles":[],"claims":{},"issuedAt":"2026-03-01T11:00:00Z","expiresAt":"2026-03-01T12:00:00Z"}}`
			}
			h := newHandler(t, &fakeCore{authenticate: func(*http.Request) (*auth.Authentication, error) { return a, nil }}, auth.HandlerConfig{})
			wantJSON(t, do(h, request("GET", base+"/me", "")), `{"authenticated":true,"user":`+tt.want+tail)
		})
	}
}

// unencodable is a claim whose encoding fails with an error that quotes it.
type unencodable struct{}

func (unencodable) MarshalJSON() ([]byte, error) { return nil, errors.New(canary) }

func TestAnswerThatJSONCannotHold(t *testing.T) {
	var out bytes.Buffer
	h := newHandler(t, &fakeCore{authenticate: func(r *http.Request) (*auth.Authentication, error) {
		a, err := alice(r)
		a.Principal.Claims["x"] = unencodable{}
		return a, err
	}}, auth.HandlerConfig{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	wantError(t, do(h, request("GET", base+"/me", "")), 503, "AUTH_UNAVAILABLE", auth.CodeInternal)
	if line := out.String(); !strings.Contains(line, "level=ERROR") || strings.Contains(line, canary) {
		t.Errorf("log %q", line)
	}
}

func TestSessions(t *testing.T) {
	b := working()
	h := newHandler(t, b, auth.HandlerConfig{})
	list := `{"sessions":[` + aliceSession[:len(aliceSession)-1] + `,"current":true},
		{"id":"s-phone","userId":"alice","providerId":"one","state":"active","subject":"alice","scopes":["openid"],"roles":[],"claims":{},"issuedAt":"2026-03-01T11:00:00Z","expiresAt":"2026-03-01T12:00:00Z","current":false}],"total":2}`
	w := do(h, request("GET", base+"/sessions?userId=bob", ""))
	wantStatus(t, w, 200)
	wantJSON(t, w, list)

	b.authenticate = renewedAlice
	wantCookies(t, do(h, request("GET", base+"/sessions", "")), setting("renewed"))
	b.sessions = nil
	wantJSON(t, do(h, request("GET", base+"/sessions", "")), `{"sessions":[],"total":0}`)

	b.adminError = &auth.Error{Code: auth.CodeStoreUnavailable}
	wantError(t, do(h, request("GET", base+"/sessions", "")), 503, "AUTH_UNAVAILABLE", auth.CodeStoreUnavailable)
	b.adminError = auth.Unsupported("fake", "list", "no")
	wantError(t, do(h, request("GET", base+"/sessions", "")), 502, "AUTH_PROVIDER_ERROR", auth.CodeUnsupported)
	b.adminError = &auth.Error{Code: auth.CodeSessionNotFound} // of the backend's own making; the caller is authenticated
	wantError(t, do(h, request("GET", base+"/sessions", "")), 503, "AUTH_UNAVAILABLE", auth.CodeSessionNotFound)
}

func TestSessionsNeedASession(t *testing.T) {
	for _, tt := range []struct {
		authenticate func(*http.Request) (*auth.Authentication, error)
		status       int
		code         string
		reason       auth.Code
	}{
		{nobody, 401, "UNAUTHORIZED", auth.CodeNoCredential},
		{deadSession, 401, "UNAUTHORIZED", auth.CodeSessionExpired},
		{func(*http.Request) (*auth.Authentication, error) {
			return &auth.Authentication{Principal: auth.Principal{Subject: "alice", Scheme: auth.SchemeAPIKey}}, nil
		}, 403, "FORBIDDEN", auth.CodeForbidden},
	} {
		b := working()
		b.authenticate = tt.authenticate
		h := newHandler(t, b, auth.HandlerConfig{})
		for _, r := range []*http.Request{request("GET", base+"/sessions", ""), request("DELETE", base+"/sessions/s-phone", "")} {
			wantError(t, do(h, r), tt.status, tt.code, tt.reason)
		}
		if b.asked() != 0 {
			t.Error("something happened")
		}
	}
}

func TestDeleteSession(t *testing.T) {
	b := working()
	b.authenticate = renewedAlice
	h := newHandler(t, b, auth.HandlerConfig{})
	w := do(h, request("DELETE", base+"/sessions/s-phone", ""))
	wantStatus(t, w, 200)
	wantJSON(t, w, `{"revoked":true,"sessionId":"s-phone"}`)
	wantCookies(t, w, setting("renewed"))
	if len(b.revoked) != 1 || b.revoked[0] != "s-phone" || len(b.signOuts) != 0 {
		t.Errorf("revoked %v, signed out %v", b.revoked, b.signOuts)
	}
}

// TestDeleteSessionOfAList: a backend that knows sessions by their users only.
func TestDeleteSessionOfAList(t *testing.T) {
	b := working()
	b.sessionByID = func(string) (*auth.Session, error) {
		return nil, auth.Unsupported("fake", "read session", "by user only")
	}
	h := newHandler(t, b, auth.HandlerConfig{})
	wantStatus(t, do(h, request("DELETE", base+"/sessions/s-phone", "")), 200)
	wantError(t, do(h, request("DELETE", base+"/sessions/s-bob", "")), 403, "FORBIDDEN", auth.CodeForbidden)
	if len(b.revoked) != 1 || b.revoked[0] != "s-phone" {
		t.Errorf("revoked %v", b.revoked)
	}
}

func TestDeleteCurrentSession(t *testing.T) {
	b := working()
	b.authenticate = renewedAlice // whose cookie must not survive the sign-out
	h := newHandler(t, b, auth.HandlerConfig{})
	w := do(h, request("DELETE", base+"/sessions/s-alice", ""))
	wantStatus(t, w, 200)
	wantJSON(t, w, `{"revoked":true,"sessionId":"s-alice"}`)
	wantCookies(t, w, clearing())
	if len(b.signOuts) != 1 || b.signOuts[0] != (auth.SignOutParams{SessionID: "s-alice", Local: true}) {
		t.Errorf("signed out %v", b.signOuts)
	}
	b.signOut = func(auth.SignOutParams) (*auth.Redirect, error) {
		return &auth.Redirect{Cookies: []*http.Cookie{clearing()}}, &auth.Error{Code: auth.CodeStoreUnavailable}
	}
	w = do(h, request("DELETE", base+"/sessions/s-alice", ""))
	if data := wantError(t, w, 503, "AUTH_UNAVAILABLE", auth.CodeStoreUnavailable); data["revoked"] != false {
		t.Errorf("data %v", data)
	}
	wantCookies(t, w, clearing())
}

func TestDeleteForeignSession(t *testing.T) {
	b := working()
	h := newHandler(t, b, auth.HandlerConfig{})
	foreign := do(h, request("DELETE", base+"/sessions/s-bob", ""))
	unknown := do(h, request("DELETE", base+"/sessions/s-none", ""))
	wantError(t, foreign, 403, "FORBIDDEN", auth.CodeForbidden)
	if foreign.Body.String() != unknown.Body.String() || unknown.Code != 403 {
		t.Errorf("foreign %d %s, unknown %d %s", foreign.Code, foreign.Body, unknown.Code, unknown.Body)
	}
	if len(b.revoked) != 0 || len(b.signOuts) != 0 {
		t.Error("something happened")
	}
	for _, s := range []*auth.Session{nil, session("s-other", "alice")} {
		b.sessionByID = func(string) (*auth.Session, error) { return s, nil }
		wantError(t, do(h, request("DELETE", base+"/sessions/s-phone", "")), 403, "FORBIDDEN", auth.CodeForbidden)
	}
	if len(b.revoked) != 0 {
		t.Error("something happened")
	}
	b.adminError = &auth.Error{Code: auth.CodeStoreUnavailable}
	wantError(t, do(h, request("DELETE", base+"/sessions/s-phone", "")), 503, "AUTH_UNAVAILABLE", auth.CodeStoreUnavailable)
}

// TestManySessions: the list is bounded, and has the session that asks in any case.
func TestManySessions(t *testing.T) {
	b := working()
	b.sessions = map[string]*auth.Session{}
	for i := range 150 {
		id := fmt.Sprint("s-", i)
		b.sessions[id] = &auth.Session{ID: id, UserID: "alice", Claims: map[string]any{"name": "Alice"}}
	}
	var answer struct {
		Sessions []struct {
			ID      string
			Claims  map[string]any
			Current bool
		}
		Total int
	}
	b.sessions["s-alice"] = &auth.Session{ID: "s-alice", UserID: "alice"}
	w := do(newHandler(t, b, auth.HandlerConfig{}), request("GET", base+"/sessions", ""))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	current := 0
	for _, s := range answer.Sessions {
		if len(s.Claims) != 0 {
			t.Errorf("claims of %s", s.ID)
		}
		if s.Current {
			current++
		}
	}
	if n := len(answer.Sessions); n < 100 || n > 101 || answer.Total != 151 || current != 1 {
		t.Errorf("%d of %d sessions, %d current", n, answer.Total, current)
	}
}
