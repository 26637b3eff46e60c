package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
)

// fakeCore is a backend without optional ports. A nil function is an error that nobody expects.
type fakeCore struct {
	authenticate func(*http.Request) (*auth.Authentication, error)
	providers    []auth.ProviderInfo
}

var _ auth.AuthBackendPort = (*fakeCore)(nil)

func (f *fakeCore) Name() string                   { return "fake" }
func (f *fakeCore) Providers() []auth.ProviderInfo { return f.providers }

func (f *fakeCore) Authenticate(r *http.Request) (*auth.Authentication, error) {
	if f.authenticate == nil {
		return nil, errors.New("unexpected Authenticate")
	}
	return f.authenticate(r)
}

func (f *fakeCore) Session(r *http.Request) (*auth.Session, error) {
	a, err := f.Authenticate(r)
	if err != nil {
		return nil, err
	}
	return a.Session, nil
}

// fakeSignOut adds the sign-out port alone.
type fakeSignOut struct {
	*fakeCore
	signOut func(*http.Request, auth.SignOutParams) (*auth.Redirect, error)
}

func (f *fakeSignOut) SignOut(r *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	return f.signOut(r, p)
}

// fakeBackend has every port, and remembers what it was asked.
type fakeBackend struct {
	fakeCore
	signIn     func(auth.SignInParams) (*auth.Redirect, error)
	callback   func(auth.CallbackParams) (*auth.CallbackResult, error)
	signOut    func(auth.SignOutParams) (*auth.Redirect, error)
	sessions   map[string]*auth.Session
	adminError error
	// sessionByID, if not nil, answers for the map.
	sessionByID func(id string) (*auth.Session, error)

	signIns   []auth.SignInParams
	callbacks []auth.CallbackParams
	signOuts  []auth.SignOutParams
	revoked   []string
}

var (
	_ auth.InteractiveFlowPort = (*fakeBackend)(nil)
	_ auth.SessionAdminPort    = (*fakeBackend)(nil)
)

func (f *fakeBackend) SignIn(_ *http.Request, p auth.SignInParams) (*auth.Redirect, error) {
	f.signIns = append(f.signIns, p)
	return f.signIn(p)
}

func (f *fakeBackend) HandleCallback(_ *http.Request, p auth.CallbackParams) (*auth.CallbackResult, error) {
	f.callbacks = append(f.callbacks, p)
	return f.callback(p)
}

func (f *fakeBackend) SessionID(*http.Request) (string, bool) { return "s-alice", true }

func (f *fakeBackend) SignOut(_ *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	f.signOuts = append(f.signOuts, p)
	return f.signOut(p)
}

func (f *fakeBackend) CreateSession(context.Context, auth.CreateSessionParams) (*auth.CreatedSession, error) {
	return nil, auth.Unsupported("fake", "create session", "not in this fake")
}

func (f *fakeBackend) SessionByID(_ context.Context, id string) (*auth.Session, error) {
	if f.adminError != nil {
		return nil, f.adminError
	}
	if f.sessionByID != nil {
		return f.sessionByID(id)
	}
	if s, ok := f.sessions[id]; ok {
		return s, nil
	}
	return nil, &auth.Error{Code: auth.CodeSessionNotFound}
}

func (f *fakeBackend) RefreshSession(context.Context, string) (*auth.Session, error) {
	return nil, auth.Unsupported("fake", "refresh session", "not in this fake")
}

func (f *fakeBackend) RevokeSession(_ context.Context, id string) error {
	f.revoked = append(f.revoked, id)
	return f.adminError
}

func (f *fakeBackend) ListSessions(_ context.Context, userID string) ([]*auth.Session, error) {
	var list []*auth.Session
	for _, s := range f.sessions {
		list = append(list, s) // also those of others: the handler must not rely on it
	}
	slices.SortFunc(list, func(a, b *auth.Session) int { return strings.Compare(a.ID, b.ID) })
	return list, f.adminError
}

func (f *fakeBackend) RevokeSessions(context.Context, string) (int, error) { return 0, f.adminError }

func (f *fakeBackend) asked() int {
	return len(f.signIns) + len(f.callbacks) + len(f.signOuts) + len(f.revoked)
}

// wrapped hides a backend as a tracing wrapper does.
type wrapped struct{ auth.AuthBackendPort }

func (w wrapped) Unwrap() auth.AuthBackendPort { return w.AuthBackendPort }

var issued = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CET", 3600))

func session(id, user string) *auth.Session {
	return &auth.Session{
		ID: id, UserID: user, AccountID: user, ProviderID: "one", Subject: user, State: auth.SessionActive,
		Scopes: []string{"openid"}, IssuedAt: issued, ExpiresAt: issued.Add(time.Hour),
	}
}

func alice(*http.Request) (*auth.Authentication, error) {
	return &auth.Authentication{
		Principal: auth.Principal{Subject: "alice", Scheme: auth.SchemeCustom, Scopes: []string{"orders:read"}, Roles: []string{"clerk"},
			Claims: map[string]any{"name": "Alice", "email": "a@example.com", "email_verified": true, "picture": "https://img.example/a.png"}},
		Session: session("s-alice", "alice"),
	}, nil
}

func nobody(*http.Request) (*auth.Authentication, error) {
	return nil, &auth.Error{Code: auth.CodeNoCredential}
}

func deadSession(*http.Request) (*auth.Authentication, error) {
	return nil, &auth.Error{Code: auth.CodeSessionExpired, Cookies: []*http.Cookie{clearing()}}
}

func storeDown(*http.Request) (*auth.Authentication, error) {
	return nil, &auth.Error{Code: auth.CodeStoreUnavailable, Cookies: []*http.Cookie{clearing()}, Err: &auth.Error{Code: auth.CodeSessionNotFound}}
}

func clearing() *http.Cookie {
	return &http.Cookie{Name: "__Host-ns_session", Path: "/", MaxAge: -1, Secure: true, HttpOnly: true}
}

func setting(value string) *http.Cookie {
	return &http.Cookie{Name: "__Host-ns_session", Value: value, Path: "/", Secure: true, HttpOnly: true}
}

// working returns a backend on which everything succeeds, as Alice.
func working() *fakeBackend {
	f := &fakeBackend{sessions: map[string]*auth.Session{
		"s-alice": session("s-alice", "alice"), "s-phone": session("s-phone", "alice"), "s-bob": session("s-bob", "bob"),
	}}
	f.authenticate = alice
	f.providers = []auth.ProviderInfo{{ID: "one", DisplayName: "One", Kind: "oidc"}, {ID: "two", DisplayName: "Two", Kind: "oauth"}}
	f.signIn = func(p auth.SignInParams) (*auth.Redirect, error) {
		return &auth.Redirect{Location: "https://op.example/authorize?state=xyz", ProviderID: "one", State: "xyz",
			Cookies: []*http.Cookie{{Name: "__Host-ns_txn", Value: "t1", Path: "/", Secure: true, HttpOnly: true}}}, nil
	}
	f.callback = func(p auth.CallbackParams) (*auth.CallbackResult, error) {
		return &auth.CallbackResult{Redirect: &auth.Redirect{Location: "/welcome", Cookies: []*http.Cookie{setting("credential")}},
			Session: session("s-new", "alice"), Principal: auth.Principal{Subject: "alice"}, State: "app-state"}, nil
	}
	f.signOut = func(auth.SignOutParams) (*auth.Redirect, error) {
		return &auth.Redirect{Location: "/bye", Cookies: []*http.Cookie{clearing()}}, nil
	}
	return f
}

func newHandler(t testing.TB, b auth.AuthBackendPort, c auth.HandlerConfig) *auth.Handler {
	t.Helper()
	h, err := auth.NewHandler(b, c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const base = "/api/v1/auth"

// request makes a request; headers are name, value, name, value.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func wantStatus(t testing.TB, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d; body %s", w.Code, status, w.Body)
	}
}

func wantJSON(t testing.TB, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Fatalf("Content-Type %q, body %s", got, w.Body)
	}
	var g, x any
	if err := json.Unmarshal(w.Body.Bytes(), &g); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if err := json.Unmarshal([]byte(want), &x); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, x) {
		t.Errorf("body\n%s\nwant\n%s", w.Body, want)
	}
}

// wireError decodes an error body and checks what every one has.
func wireError(t testing.TB, w *httptest.ResponseRecorder) (code string, data map[string]any) {
	t.Helper()
	var e struct {
		Defined bool
		Code    string
		Status  int
		Message string
		Data    map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if !e.Defined || e.Status != w.Code || e.Message == "" || e.Data == nil {
		t.Errorf("error body %s with status %d", w.Body, w.Code)
	}
	return e.Code, e.Data
}

// wantError checks an error answer; reason may be empty for those without.
func wantError(t testing.TB, w *httptest.ResponseRecorder, status int, code string, reason auth.Code) map[string]any {
	t.Helper()
	wantStatus(t, w, status)
	got, data := wireError(t, w)
	if got != code {
		t.Errorf("code %q, want %q", got, code)
	}
	if r, _ := data["reason"].(string); r != string(reason) {
		t.Errorf("reason %q, want %q", r, reason)
	}
	return data
}

func wantCookies(t testing.TB, w *httptest.ResponseRecorder, want ...*http.Cookie) {
	t.Helper()
	var list []string
	for _, c := range want {
		list = append(list, c.String())
	}
	if got := w.Header().Values("Set-Cookie"); !slices.Equal(got, list) {
		t.Errorf("Set-Cookie %q, want %q", got, list)
	}
}
