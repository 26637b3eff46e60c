package auth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/netscript/auth"
)

func TestSessionJSON(t *testing.T) {
	full := session("s1", "u1")
	full.Subject, full.AccountID = "sub1", "account-is-not-shown"
	full.Roles = []string{"admin"}
	full.Claims = map[string]any{"name": "A <b>"}
	full.LastUsedAt, full.RefreshedAt, full.RevokedAt = issued.Add(time.Second), issued.Add(2*time.Second), issued.Add(1500*time.Millisecond)
	full.State, full.UserAgent = auth.SessionRevoked, "Browser/1"
	full.IPAddress, full.AuthTime, full.ACR, full.AMR = "2001:db8::1", issued.Add(-time.Minute), "gold", []string{"pwd", "otp"}
	for _, tt := range []struct {
		s    *auth.Session
		want string
	}{
		{full, `{"id":"s1","userId":"u1","providerId":"one","state":"revoked","subject":"sub1","scopes":["openid"],"roles":["admin"],"claims":{"name":"A \u003cb\u003e"},"issuedAt":"2026-03-01T11:00:00Z","expiresAt":"2026-03-01T12:00:00Z","lastUsedAt":"2026-03-01T11:00:01Z","refreshedAt":"2026-03-01T11:00:02Z","revokedAt":"2026-03-01T11:00:01.5Z","userAgent":"Browser/1","ipAddress":"2001:db8::1","authTime":"2026-03-01T10:59:00Z","acr":"gold","amr":["pwd","otp"]}`},
		{&auth.Session{}, `{"id":"","userId":"","providerId":"","state":"","subject":"","scopes":[],"roles":[],"claims":{},"issuedAt":"0001-01-01T00:00:00Z","expiresAt":"0001-01-01T00:00:00Z"}`},
		{nil, "null"},
	} {
		if got, err := json.Marshal(tt.s); err != nil || string(got) != tt.want {
			t.Errorf("%v\n%s\nwant\n%s", err, got, tt.want)
		}
	}
}

func TestPrincipalHas(t *testing.T) {
	p := &auth.Principal{Scopes: []string{"a", "b"}, Roles: []string{"r"}, Claims: map[string]any{"s": "text", "n": 1}}
	for _, tt := range []struct {
		name string
		got  bool
		want bool
	}{
		{"none", p.HasScopes(), true}, {"both", p.HasScopes("b", "a"), true}, {"one too many", p.HasScopes("a", "c"), false},
		{"role", p.HasRoles("r"), true}, {"scope as role", p.HasRoles("a"), false}, {"empty", p.HasRoles(""), false},
		{"nobody", (&auth.Principal{}).HasScopes("a"), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v", tt.name, tt.got)
		}
	}
	if p.Claim("s") != "text" || p.Claim("n") != "" || p.Claim("x") != "" || (&auth.Principal{}).Claim("s") != "" {
		t.Error("Claim")
	}
}

func TestFromContext(t *testing.T) {
	if _, ok := auth.FromContext(t.Context()); ok {
		t.Error("somebody in an empty context")
	}
	if _, ok := auth.FromContext(auth.NewContext(t.Context(), nil)); ok {
		t.Error("nil is somebody")
	}
	a := &auth.Authentication{Principal: auth.Principal{Subject: "alice"}}
	if got, ok := auth.FromContext(auth.NewContext(t.Context(), a)); !ok || got != a {
		t.Error("lost")
	}
}

func TestRedirect(t *testing.T) {
	for method, status := range map[string]int{"GET": 302, "HEAD": 302, "POST": 303} {
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Cookie")
		d := &auth.Redirect{Location: "https://app.example/x?a=b", Cookies: []*http.Cookie{setting("v"), clearing()}}
		d.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		wantStatus(t, w, status)
		wantCookies(t, w, setting("v"), clearing())
		if w.Header().Get("Location") != d.Location || w.Body.Len() != 0 {
			t.Errorf("Location %q, body %q", w.Header().Get("Location"), w.Body)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "Vary": "Cookie", "Referrer-Policy": "no-referrer"} {
			if got := w.Header().Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}
