package authtest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
)

func TestFakePrincipals(t *testing.T) {
	tests := []struct {
		name   string
		b      *authtest.Backend
		status int
		body   string
	}{
		{"somebody", authtest.As(auth.Principal{Subject: "alice"}), http.StatusOK, "hello alice"},
		{"nobody", authtest.Anonymous(), http.StatusUnauthorized, ""},
		{"could not tell", authtest.Unavailable(), http.StatusServiceUnavailable, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			auth.RequireAuth(tt.b)(http.HandlerFunc(hello)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != tt.status || tt.body != "" && w.Body.String() != tt.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			s, err := tt.b.Session(httptest.NewRequest("GET", "/", nil))
			if (s != nil) != (err == nil) || errors.Is(err, auth.ErrUnauthenticated) != (tt.status == http.StatusUnauthorized) {
				t.Errorf("Session: %v, %v", s, err)
			}
		})
	}
}

func TestWithPrincipal(t *testing.T) {
	r := authtest.WithPrincipal(httptest.NewRequest("GET", "/", nil), auth.Principal{Subject: "alice", Roles: []string{"clerk"}})
	a, ok := auth.FromContext(r.Context())
	if !ok || !a.Principal.HasRoles("clerk") || a.Principal.Scheme != auth.SchemeCustom || a.Session.UserID != "alice" {
		t.Errorf("got %+v", a)
	}
	w := httptest.NewRecorder()
	hello(w, r)
	if w.Body.String() != "hello alice" {
		t.Errorf("got %s", w.Body)
	}
}
