package workos_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

func TestUnsupported(t *testing.T) {
	f := newFixture(t, nil)
	without := newFixture(t, func(c *workos.Config) { c.APIKey = auth.Secret{} })
	ctx := t.Context()
	_, create := f.CreateSession(ctx, auth.CreateSessionParams{Subject: "x"})
	_, byID := f.SessionByID(ctx, "x")
	_, refresh := f.RefreshSession(ctx, "x")
	_, list := without.ListSessions(ctx, "x")
	_, all := without.RevokeSessions(ctx, "x")
	for name, err := range map[string]error{
		"create": create, "by id": byID, "refresh": refresh, "list": list, "revoke": without.RevokeSession(ctx, "x"), "revoke all": all,
	} {
		e, ok := errors.AsType[*auth.Error](err)
		if !errors.Is(err, errors.ErrUnsupported) || !ok || e.Backend != "workos" || e.Op == "" || e.Err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := without.server.Requests(revokePath); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestListSessions(t *testing.T) {
	f := newFixture(t, nil)
	for range 250 {
		f.signIn(t, "alice")
	}
	f.signIn(t, "bob")
	list, err := f.ListSessions(t.Context(), "user_alice")
	if err != nil || len(list) != 250 {
		t.Fatalf("%v, %d sessions", err, len(list))
	}
	s := list[0]
	if s.UserID != "user_alice" || s.State != auth.SessionActive || s.UserAgent != "workostest" || !s.IssuedAt.Equal(f.clock.Now()) || !s.ExpiresAt.After(s.IssuedAt) {
		t.Errorf("%+v", s)
	}
	n, err := f.RevokeSessions(t.Context(), "user_alice")
	if err != nil || n != 250 {
		t.Errorf("%v, %d revoked", err, n)
	}
	for _, user := range []string{"user_none", "", "a\nb"} {
		if list, err := f.ListSessions(t.Context(), user); err != nil || list == nil || len(list) != 0 {
			t.Errorf("%q: %v, %v", user, list, err)
		}
	}
}

func TestListRequest(t *testing.T) {
	var got *http.Request
	b := apiBackend(t, func(r *http.Request) *http.Response {
		got = r
		return answer(200, `{"data":[],"list_metadata":{"after":null}}`)
	})
	if _, err := b.ListSessions(t.Context(), "user/../1?x"); err != nil {
		t.Fatal(err)
	}
	if want := "https://api.workos.com/user_management/users/user%2F..%2F1%3Fx/sessions?limit=100&order=desc"; got.URL.String() != want || got.Header.Get("Authorization") != "Bearer "+fakeKey {
		t.Errorf("%s", got.URL)
	}
}

func apiBackend(t *testing.T, respond func(*http.Request) *http.Response) *workos.Backend {
	return mustNew(t, workos.Config{
		ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey), Now: func() time.Time { return testNow },
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return respond(r), nil })},
	})
}

func TestListAnswers(t *testing.T) {
	entry := func(id, user, status string) string {
		return fmt.Sprintf(`{"id":%q,"user_id":%q,"status":%q,"created_at":"2026-01-01T00:00:00Z","user_agent":%q}`, id, user, status, strings.Repeat("é", 200))
	}
	tests := map[string]struct {
		status int
		body   string
		n      int
		code   auth.Code
	}{
		"one":            {200, `{"data":[` + entry("s", "u", "active") + `],"list_metadata":{}}`, 1, ""},
		"another user's": {200, `{"data":[` + entry("s", "u2", "active") + `]}`, 0, ""},
		"ended":          {200, `{"data":[` + entry("s", "u", "revoked") + `,` + entry("s", "u", "expired") + `,` + entry("s", "u", "") + `]}`, 0, ""},
		"nonsense in it": {200, `{"data":[1,null,{}]}`, 0, ""},
		"no data":        {200, `{}`, 0, auth.CodeProviderInvalid},
		"not JSON":       {200, `x`, 0, auth.CodeProviderInvalid},
		"no such user":   {404, `{}`, 0, ""},
		"key refused":    {401, `{}`, 0, auth.CodeClientRejected},
		"forbidden":      {403, `{}`, 0, auth.CodeClientRejected},
		"too many":       {429, `{}`, 0, auth.CodeProviderUnavailable},
		"down":           {503, `{}`, 0, auth.CodeProviderUnavailable},
		"redirect":       {307, `{}`, 0, auth.CodeProviderInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := apiBackend(t, func(*http.Request) *http.Response {
				return answer(tt.status, tt.body, "Location", "https://evil.test/")
			})
			list, err := b.ListSessions(t.Context(), "u")
			wantCode(t, err, tt.code, false)
			if len(list) != tt.n {
				t.Errorf("%d sessions", len(list))
			}
			for _, s := range list {
				if len(s.UserAgent) > 256 || strings.ToValidUTF8(s.UserAgent, "") != s.UserAgent {
					t.Errorf("user agent %q", s.UserAgent)
				}
			}
		})
	}
}

// A list that never ends is given up.
func TestListThatDoesNotEnd(t *testing.T) {
	n := 0
	b := apiBackend(t, func(*http.Request) *http.Response {
		n++
		return answer(200, fmt.Sprintf(`{"data":[],"list_metadata":{"after":"s%d"}}`, n))
	})
	_, err := b.ListSessions(t.Context(), "u")
	wantCode(t, err, auth.CodeProviderInvalid, false)
	if n > 50 {
		t.Errorf("%d requests", n)
	}
}

func TestRevokeAnswers(t *testing.T) {
	for status, code := range map[int]auth.Code{
		200: "", 204: "", 404: "", 400: auth.CodeProviderInvalid, 401: auth.CodeClientRejected, 500: auth.CodeProviderUnavailable, 302: auth.CodeProviderInvalid,
	} {
		b := apiBackend(t, func(*http.Request) *http.Response { return answer(status, `{}`) })
		wantCode(t, b.RevokeSession(t.Context(), "session_1"), code, false)
	}
}

func TestRevokeSessionsInPart(t *testing.T) {
	n := 0
	b := apiBackend(t, func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet {
			return answer(200, `{"data":[{"id":"a","user_id":"u","status":"active"},{"id":"b","user_id":"u","status":"active"}]}`)
		}
		if n++; n == 1 {
			return answer(500, `{}`)
		}
		return answer(200, `{}`)
	})
	ended, err := b.RevokeSessions(t.Context(), "u")
	if ended != 1 || auth.CodeOf(err) != auth.CodeProviderUnavailable {
		t.Errorf("%d ended, %v", ended, err)
	}
}
