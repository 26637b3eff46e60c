package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

func itoa(port uint16) string { return strconv.Itoa(int(port)) }

// newTestApplication returns the application without its providers, which nothing asks before a sign-in.
func newTestApplication(t *testing.T) http.Handler {
	t.Helper()
	const issuer = "http://127.0.0.1:9001"
	sessions, err := storeFlags{}.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sessions.close)
	backend, err := newBackend("http://localhost:8094", sessions, kvoauth.Client{
		Provider: providers.Provider{ID: "acme", DisplayName: "Acme <ID>", Issuer: issuer}, ClientID: "quickstart",
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := newApplication(backend, map[string]string{"acme": issuer})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://localhost:8094"+path, nil)
	r.Header.Set("Accept", "text/html")
	h.ServeHTTP(w, r)
	return w
}

func TestSignedOut(t *testing.T) {
	w := get(newTestApplication(t), `/?returnTo=%2Fprivate%22%3E%3Cscript%3E&error=%3Cscript%3E`)
	body := w.Body.String()
	for _, want := range []string{"Continue with Acme &lt;ID&gt;", `href="/api/v1/auth/signin?providerId=acme&amp;returnTo=%2Fprivate%22%3E%3Cscript%3E"`, "That did not work"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<script") {
		t.Error("the page shows what the address says")
	}
	header := map[string]string{
		"Cache-Control":           "no-store",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' http://127.0.0.1:9001; form-action 'self' http://127.0.0.1:9001; base-uri 'none'; frame-ancestors 'none'",
		"Vary":                    "Cookie",
		"X-Content-Type-Options":  "nosniff",
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if got := w.Header().Get(name); got != header[name] {
			t.Errorf("%s: %q, want %q", name, got, header[name])
		}
	}
}

func TestRoutes(t *testing.T) {
	h := newTestApplication(t)
	tests := []struct {
		path     string
		status   int
		location string
		media    string
	}{
		{"/", http.StatusOK, "", "text/html; charset=utf-8"},
		{"/private", http.StatusFound, "/?returnTo=%2Fprivate", ""},
		{"/api/v1/auth/me", http.StatusOK, "", "application/json"},
		{"/static/page.css", http.StatusOK, "", "text/css; charset=utf-8"},
		{"/static/icon.svg", http.StatusOK, "", "image/svg+xml"},
		{"/nowhere", http.StatusNotFound, "", "text/plain; charset=utf-8"},
		{"/api/v1/auth/callback?error=access_denied", http.StatusFound, "/?error=callback_invalid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			w := get(h, tt.path)
			if w.Code != tt.status || w.Header().Get("Location") != tt.location || w.Header().Get("Content-Type") != tt.media {
				t.Errorf("%d to %q, %q", w.Code, w.Header().Get("Location"), w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestWelcome(t *testing.T) {
	person := func(subject string) *auth.Principal { return &auth.Principal{Subject: subject} }
	ada := person("ada")
	if err := welcome(nil, ada); err != nil || !ada.HasRoles("admin", "member") {
		t.Errorf("ada: %v, roles %v", err, ada.Roles)
	}
	other := person("urn:netscript:globex:ada")
	if err := welcome(nil, other); err != nil || !slices.Equal(other.Roles, []string{"member"}) {
		t.Errorf("another provider's ada: %v, roles %v", err, other.Roles)
	}
	if err := welcome(nil, person("mallory")); err == nil {
		t.Error("mallory was let in")
	}
	if !slices.ContainsFunc(acmePeople, func(u fakeop.User) bool { return u.Subject == "mallory" }) {
		t.Error("nobody shows what a refused sign-in looks like")
	}
}

func TestPicture(t *testing.T) {
	p := &pages{providerURLs: map[string]string{"acme": "http://127.0.0.1:9001"}}
	a := &auth.Authentication{
		Principal: auth.Principal{Subject: "urn:x", Claims: map[string]any{"sub": "a/b", "iss": "http://127.0.0.1:1"}},
		Session:   &auth.Session{ProviderID: "acme"},
	}
	if got := p.picture(a); got != "http://127.0.0.1:9001/avatar/a%2Fb.svg" {
		t.Errorf("picture %s", got)
	}
	a.Session.ProviderID = "of-yesterday"
	if got := p.picture(a); got != "" {
		t.Errorf("picture %s of a provider that is not there", got)
	}
}

func TestInitial(t *testing.T) {
	for name, want := range map[string]string{"ada": "A", "(Ada) L": "A", "": "", "...": "", "3M": "3", "élise": "É"} {
		if got := initial(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestNotice(t *testing.T) {
	tests := []struct {
		query    string
		signedIn bool
		title    string // empty: none
		code     auth.Code
	}{
		{"", false, "", ""},
		{"error=access_denied", false, "The sign-in was cancelled", auth.CodeAccessDenied},
		{"error=sign_in_denied", true, "You cannot sign in here", auth.CodeSignInDenied},
		{"error=made-up", false, "That did not work", ""},
		{"error=id_token_invalid", false, "That did not work", ""},
		{"done=signed-out", false, "You are signed out", ""},
		{"done=signed-out", true, "", ""}, // an old address
		{"done=signed-out-everywhere", false, "You are signed out everywhere", ""},
		{"done=session-ended", true, "The session has ended", ""},
		{"done=session-ended", false, "", ""},
		{"done=made-up", false, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			query, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			n := noticeOf(query, tt.signedIn)
			if n == nil {
				n = &notice{}
			}
			if n.Title != tt.title || n.Code != tt.code || n.Bad != query.Has("error") {
				t.Errorf("%+v", *n)
			}
		})
	}
}

func TestMomentWords(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "just now"},
		{-59 * time.Second, "just now"},
		{-time.Minute, "1 minute ago"},
		{59*time.Minute + 40*time.Second, "in 1 hour"},
		{90 * time.Minute, "in 2 hours"},
		{24*time.Hour - time.Second, "in 24 hours"},
		{-72 * time.Hour, "3 days ago"},
	}
	for _, tt := range tests {
		if got := (moment{now.Add(tt.d), now}).Words(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.d, got, tt.want)
		}
	}
	if got := (moment{time.Time{}, now}).Words(); got != "not known" {
		t.Errorf("no time: %q", got)
	}
	east := now.In(time.FixedZone("east", 3600))
	if got := (moment{east, now}).Exact(); got != "2 Jan 2026, 03:04:05 UTC" {
		t.Errorf("exact: %q", got)
	}
}

func TestDevice(t *testing.T) {
	const mozilla = "Mozilla/5.0 "
	tests := []struct{ userAgent, want string }{
		{"", "Unknown browser"},
		{mozilla + "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15", "Safari on macOS"},
		{mozilla + "(iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1", "Safari on iPhone"},
		{mozilla + "(Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36", "Chrome on Android"},
		{mozilla + "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0", "Edge on Windows"},
		{mozilla + "(X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0", "Firefox on Linux"},
		{"curl/8.5.0", "curl"},
	}
	for _, tt := range tests {
		if got := device(tt.userAgent); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.userAgent, got, tt.want)
		}
	}
}
