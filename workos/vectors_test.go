package workos_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

// vector is a case of authenticate.json, refresh.json or bearer.json, as far as the tests use it.
type vector struct {
	ID             string
	Description    string
	NowMS          int64  `json:"now_ms"`
	ClientID       string `json:"client_id"`
	CookiePassword string `json:"cookie_password"`
	Cookie         string
	Authorization  *string
	IssuerOption   json.RawMessage `json:"issuer_option"`
	Unreachable    bool            `json:"jwks_unreachable"`
	SDK            struct {
		Kind, Reason string
		Result       map[string]any
	}
	NetScript struct {
		OK        bool
		Reason    string
		Principal struct {
			Subject       any
			Scopes, Roles []any
			Claims        map[string]any
		}
	}
	Recommended struct {
		Outcome, Reason, Basis, Why string
		Lenient                     bool
	}
}

func load[T any](t testing.TB, name string) T {
	t.Helper()
	var v T
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func loadVectors(t testing.TB, name string) []vector {
	return load[struct{ Vectors []vector }](t, name).Vectors
}

// keyServer answers for the JWKS of every client in jwks.json.
type keyServer struct {
	answers map[string]struct {
		Status         int
		JSON           json.RawMessage
		Text, Location string
		Hang           bool
	}
	fetches atomic.Int64
	down    atomic.Bool
}

func newKeyServer(t testing.TB) *keyServer {
	s := &keyServer{}
	s.answers = load[map[string]struct {
		Status         int
		JSON           json.RawMessage
		Text, Location string
		Hang           bool
	}](t, "jwks.json")
	return s
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.fetches.Add(1)
	client, ok := strings.CutPrefix(r.URL.Path, "/sso/jwks/")
	a, known := s.answers[client]
	w := httptest.NewRecorder()
	switch {
	case s.down.Load():
		return nil, errors.New("connection refused: " + r.URL.String())
	case a.Hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case !ok || !known:
		w.WriteHeader(http.StatusNotFound)
	default:
		if a.Location != "" {
			w.Header().Set("Location", a.Location)
		}
		w.WriteHeader(a.Status)
		_, _ = io.WriteString(w, string(a.JSON)+a.Text)
	}
	return w.Result(), nil
}

func (v *vector) issuers() []string {
	var one string
	var list []string
	if json.Unmarshal(v.IssuerOption, &one) == nil && one != "" {
		return []string{one}
	}
	_ = json.Unmarshal(v.IssuerOption, &list)
	return list
}

func (v *vector) config(keys *keyServer) workos.Config {
	return workos.Config{
		ClientID: v.ClientID, CookiePasswords: []auth.Secret{auth.NewSecret(v.CookiePassword)}, Issuers: v.issuers(),
		HTTPClient: &http.Client{Transport: keys}, Now: func() time.Time { return time.UnixMilli(v.NowMS) },
	}
}

func cookieRequest(cookie string) *http.Request {
	r := httptest.NewRequest("GET", "https://app.test/", nil)
	r.Header.Set("Cookie", "other=1; wos-session="+cookie+"; last=2")
	return r
}

// outcomeOf says what an error is in the words of the vectors.
func outcomeOf(err error) (outcome, reason string) {
	switch code := auth.CodeOf(err); {
	case err == nil:
		return "authenticated", ""
	case !errors.Is(err, auth.ErrUnauthenticated):
		return "error", ""
	case code == auth.CodeNoCredential:
		return "unauthenticated", "no_session_cookie_provided"
	case code == auth.CodeTokenInvalid || code == auth.CodeTokenExpired:
		return "unauthenticated", "invalid_jwt"
	default:
		return "unauthenticated", "invalid_session_cookie"
	}
}

// differs names the vectors in which this library does not do what they recommend, and why.
var differs = map[string]struct{ outcome, reason, why string }{
	"pw-short-garbage":   {"config_error", "", "a short password is refused before any cookie is seen"},
	"issuer-empty-array": {"config_error", "", "an empty list, which nothing matches, is a mistake"},
	"suffix-url-encoded": {"authenticated", "", "the SDK was given the value undecoded; here the cookie is decoded, as its frameworks do"},
	"input-space":        {"unauthenticated", "no_session_cookie_provided", "spaces around a cookie's value are not part of it"},
	// The vectors say of these that either answer is right.
	"tamper-hmac-padded":              {"unauthenticated", "invalid_session_cookie", "a MAC has one spelling"},
	"tamper-hmac-std-alphabet":        {"unauthenticated", "invalid_session_cookie", "a MAC has one spelling"},
	"tamper-hmac-trailing-bits":       {"unauthenticated", "invalid_session_cookie", "a MAC has one spelling"},
	"input-trailing-newline-nosuffix": {"unauthenticated", "invalid_session_cookie", "a MAC has one spelling"},
	"jwt-sig-padded":                  {"unauthenticated", "invalid_jwt", "a signature has one spelling"},
	"jwt-sig-trailing-bits":           {"unauthenticated", "invalid_jwt", "a signature has one spelling"},
	"jwt-sig-whitespace":              {"unauthenticated", "invalid_jwt", "a signature has one spelling"},
	"good-64k":                        {"unauthenticated", "invalid_session_cookie", "longer than any cookie that a browser sends"},
}

func TestAuthenticateVectors(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range loadVectors(t, "authenticate.json") {
		seen[v.ID] = true
		t.Run(v.ID, func(t *testing.T) { v.check(t) })
	}
	for id, d := range differs {
		if !seen[id] || d.why == "" {
			t.Errorf("%s is not among the vectors, or differs without a reason", id)
		}
	}
}

func (v *vector) check(t *testing.T) {
	keys := newKeyServer(t)
	keys.down.Store(v.Unreachable)
	want := v.Recommended
	if d, ok := differs[v.ID]; ok {
		if d.outcome == want.Outcome && d.reason == want.Reason {
			t.Fatal("it does not differ")
		}
		want.Outcome, want.Reason = d.outcome, d.reason
	}
	b, err := workos.New(v.config(keys))
	if want.Outcome == "config_error" {
		if auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Fatalf("New: %v, want %s", err, auth.CodeConfigInvalid)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the cache, if anything is kept
		a, err := b.Authenticate(cookieRequest(v.Cookie))
		if outcome, reason := outcomeOf(err); outcome != want.Outcome || reason != want.Reason {
			t.Fatalf("%s %s (%v), want %s %s: %s", outcome, reason, err, want.Outcome, want.Reason, v.Description)
		}
		if err == nil && v.SDK.Result != nil {
			v.checkResult(t, a)
		}
	}
}

// checkResult compares with the SDK's result and, where the original maps it correctly, with its principal.
func (v *vector) checkResult(t *testing.T, a *auth.Authentication) {
	t.Helper()
	sdk, s, p := v.SDK.Result, a.Session, a.Principal
	if p.Subject == "" || p.Subject != s.Subject || s.ID != sdk["sessionId"] || s.State != auth.SessionActive || p.Scheme != auth.SchemeCustom {
		t.Errorf("principal %+v, session %+v", p, s)
	}
	want := v.NetScript.Principal
	if v.NetScript.OK && (p.Subject != want.Subject || !equalTexts(p.Scopes, want.Scopes) || !equalTexts(p.Roles, want.Roles)) {
		t.Errorf("principal %+v, want %+v", p, want)
	}
	claims := maps.Clone(p.Claims)
	for _, name := range []string{"name", "email", "email_verified", "picture", "given_name", "family_name", "locale"} {
		delete(claims, name)
	}
	for name, value := range want.Claims {
		if value == nil {
			delete(want.Claims, name) // an organization of null is none
		}
	}
	if v.NetScript.OK && !reflect.DeepEqual(claims, want.Claims) {
		t.Errorf("claims %v, want %v", claims, want.Claims)
	}
	user, _ := sdk["user"].(map[string]any)
	if !reflect.DeepEqual(p.Claims["workosUser"], user) || p.Claims["email"] != user["email"] || p.Claims["picture"] != user["profilePictureUrl"] {
		t.Errorf("user %v, want %v", p.Claims, user)
	}
	if !reflect.DeepEqual(p, mapped(v, s)) {
		t.Error("MapPrincipal makes another principal of the session")
	}
}

func mapped(v *vector, s *auth.Session) auth.Principal {
	b, _ := workos.New(v.config(&keyServer{}))
	return b.MapPrincipal(s)
}

func equalTexts(got []string, want []any) bool {
	return slices.EqualFunc(got, want, func(g string, w any) bool { return g == w })
}

// bearerOutcomes is what this library makes of bearer.json, which records the original. It demands aud, takes machines
// for users, lets claims of the token overwrite its own, and needs no exp.
var bearerOutcomes = map[string]string{
	"bearer-aud-other":       "ok: aud is not checked unless Audiences are configured",
	"bearer-aud-empty-array": "ok: aud is not checked unless Audiences are configured",
	"bearer-issuer-ok":       "ok",
	"bearer-sub-missing":     "token_invalid",
	"bearer-sub-number":      "token_invalid",
	"bearer-org-id-number":   "ok",
	"bearer-claim-overrides": "ok",
	"bearer-no-exp":          "token_invalid: exp is required",
	"bearer-wrong-key":       "token_invalid",
	"bearer-alg-none":        "token_invalid",
	"bearer-hs256":           "token_invalid",
	"bearer-missing":         "no_credential",
	"bearer-empty":           "no_credential",
	"bearer-basic":           "no_credential",
	"bearer-lowercase":       "ok",
	"bearer-no-token":        "credential_malformed",
	"bearer-trailing-space":  "credential_malformed",
	"bearer-double-space":    "ok",
	"bearer-tab":             "no_credential: RFC 9110 has spaces only",
	"bearer-leading-space":   "no_credential",
	"bearer-workos-prefix":   "credential_malformed",
}

func TestBearerVectors(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range loadVectors(t, "bearer.json") {
		seen[v.ID] = true
		t.Run(v.ID, func(t *testing.T) {
			c := v.config(newKeyServer(t))
			b, err := workos.NewBearer(workos.BearerConfig{ClientID: c.ClientID, Issuers: c.Issuers, HTTPClient: c.HTTPClient, Now: c.Now})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "https://api.test/", nil)
			if v.Authorization != nil {
				r.Header["Authorization"] = []string{*v.Authorization}
			}
			a, err := b.Authenticate(r)
			want, _, _ := strings.Cut(bearerOutcomes[v.ID], ":")
			got := "ok"
			if err != nil {
				got = string(auth.CodeOf(err))
			}
			if got != want {
				t.Fatalf("%s (%v), want %q: %s", got, err, want, v.Description)
			}
			if err == nil {
				v.checkBearer(t, a)
			}
		})
	}
	for id := range bearerOutcomes {
		if !seen[id] {
			t.Errorf("%s is not among the vectors", id)
		}
	}
}

func (v *vector) checkBearer(t *testing.T, a *auth.Authentication) {
	t.Helper()
	p := a.Principal
	if p.Scheme != auth.SchemeBearer || p.Claims["sessionId"] != "session_01HQSXZGF8FHF7A9ZZFCW4387R" || a.Session.ID != p.Claims["sessionId"] {
		t.Errorf("%+v", p)
	}
	if org := p.Claims["organizationId"]; v.ID != "bearer-org-id-number" && org != "org_01HRDMC6CM357W30QMHMQ96Q0S" || v.ID == "bearer-org-id-number" && org != nil {
		t.Errorf("organizationId %v", org)
	}
	for name, want := range v.NetScript.Principal.Claims {
		if name != "organizationId" && name != "sessionId" && !reflect.DeepEqual(p.Claims[name], want) {
			t.Errorf("claim %s is %v, want %v", name, p.Claims[name], want)
		}
	}
}

// The times at which the SDK asks for the keys again.
func TestJWKSCacheVectors(t *testing.T) {
	steps := load[struct {
		Steps []struct {
			AtS           int `json:"at_s"`
			What, Outcome string
			Fetches       int64 `json:"jwks_fetches"`
		}
	}](t, "jwks-cache.json").Steps
	keys := newTestKeys(t)
	start := time.UnixMilli(1772366400000)
	now := start
	served := keys["main"].jwk
	var mu sync.Mutex
	fetches := int64(0)
	transport := roundTrip(func(*http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		fetches++
		return answer(200, fmt.Sprintf(`{"keys":[%s]}`, served)), nil
	})
	b := mustNew(t, workos.Config{ClientID: testClient, CookiePasswords: testPasswords, HTTPClient: &http.Client{Transport: transport}, Now: func() time.Time { return now }})
	cookie := map[string]string{}
	for name, key := range map[string]string{"A": "main", "B": "second"} {
		c := baseClaims(start)
		c["exp"] = start.Unix() + 86400
		cookie[name] = sealTest(t, sessionJSON(keys[key].sign(t, nil, c)))
	}
	for _, s := range steps {
		now = start.Add(time.Duration(s.AtS) * time.Second)
		key := "A"
		if strings.Contains(s.What, "key B") || strings.Contains(s.What, "B asked") {
			key = "B"
		}
		mu.Lock()
		if strings.HasPrefix(s.What, "server rotated to B") {
			served = keys["second"].jwk
		}
		fetches = 0
		mu.Unlock()
		_, err := b.Authenticate(cookieRequest(cookie[key]))
		outcome, _ := outcomeOf(err)
		want := "authenticated"
		if strings.HasPrefix(s.Outcome, "throws") {
			want = "unauthenticated" // an unknown key is a bad token, not an exception
		}
		if outcome != want || fetches != s.Fetches {
			t.Errorf("at %d s (%s): %s with %d fetches, want %s with %d", s.AtS, s.What, outcome, fetches, want, s.Fetches)
		}
	}
}

func TestLogoutVectors(t *testing.T) {
	v := load[struct {
		JWKSURL       struct{ Default, Custom string } `json:"jwks_url"`
		SessionLogout map[string]struct {
			Cookie  string
			Options *struct{ ReturnTo string }
			Result  any
		} `json:"session_logout"`
	}](t, "urls-and-http.json")
	b := mustNew(t, workos.Config{ClientID: testClient, CookiePasswords: testPasswords, Now: func() time.Time { return time.UnixMilli(1772366400000) }})
	// The SDK throws for an expired token; the seal is proof enough to end the session.
	const expired = "BASE/user_management/sessions/logout?session_id=session_01HQSXZGF8FHF7A9ZZFCW4387R"
	for name, c := range v.SessionLogout {
		returnTo := ""
		if c.Options != nil {
			returnTo = c.Options.ReturnTo
		}
		want, ok := c.Result.(string)
		if name == "expired_jwt" {
			want, ok = expired, true
		}
		got, err := b.LogoutURL(cookieRequest(c.Cookie), returnTo)
		if (err == nil) != ok || got != strings.Replace(want, "BASE", workos.DefaultBaseURL, 1) {
			t.Errorf("%s: %q (%v), want %q", name, got, err, want)
		}
		if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for base, want := range map[string]string{"": v.JWKSURL.Default, "https://auth.example.com": v.JWKSURL.Custom, "https://auth.example.com/": v.JWKSURL.Custom} {
		var got string
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return answer(200, `{"keys":[]}`), nil
		})
		b := mustNew(t, workos.Config{ClientID: testClient, BaseURL: base, CookiePasswords: testPasswords, HTTPClient: &http.Client{Transport: transport}})
		keys := newTestKeys(t)
		_, _ = b.Authenticate(cookieRequest(sealTest(t, sessionJSON(keys["main"].sign(t, nil, baseClaims(time.Now()))))))
		if got != want {
			t.Errorf("keys are fetched from %q, want %q", got, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string, header ...string) *http.Response {
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(body)))}
	for i := 0; i+1 < len(header); i += 2 {
		res.Header.Set(header[i], header[i+1])
	}
	return res
}
