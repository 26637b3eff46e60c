package workos_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

func TestCookieInput(t *testing.T) {
	f := newFixture(t, nil)
	good, _ := f.signIn(t, "alice").Cookie("wos-session")
	v := good.Value
	tests := []struct {
		name    string
		headers []string
		code    auth.Code
	}{
		{"alone", []string{"wos-session=" + v}, ""},
		{"among others", []string{"a=b;wos-session=" + v + ";c"}, ""},
		{"in the second header", []string{"a=b", "wos-session=" + v}, ""},
		{"quoted", []string{`wos-session="` + v + `"`}, ""},
		{"percent-encoded", []string{"wos-session=" + strings.NewReplacer("*", "%2A", "~", "%7e").Replace(v)}, ""},
		{"all percent-encoded", []string{"wos-session=" + percent(v)}, ""},
		{"percent-encoded twice", []string{"wos-session=" + strings.ReplaceAll(v, "*", "%252A")}, auth.CodeCredentialMalformed},
		{"broken percent-encoding", []string{"wos-session=%zz" + v}, auth.CodeCredentialMalformed},
		{"none", nil, auth.CodeNoCredential},
		{"empty", []string{"wos-session="}, auth.CodeNoCredential},
		{"empty quotes", []string{`wos-session=""`}, auth.CodeNoCredential},
		{"no value", []string{"wos-session"}, auth.CodeNoCredential},
		{"another name", []string{"xwos-session=" + v, "Wos-Session=" + v}, auth.CodeNoCredential},
		{"chunked", []string{"wos-session.0=" + v[:1000] + "; wos-session.1=" + v[1000:]}, auth.CodeNoCredential},
		{"twice", []string{"wos-session=" + v + "; wos-session=" + v}, auth.CodeCredentialMalformed},
		{"twice, once empty", []string{"wos-session=", "wos-session=" + v}, auth.CodeCredentialMalformed},
		{"in two headers", []string{"wos-session=x", "wos-session=" + v}, auth.CodeCredentialMalformed},
		{"twice in one: what follows the version is ignored", []string{"wos-session=" + v + v}, ""},
		{"1 MiB", []string{"wos-session=" + strings.Repeat("A", 1<<20)}, auth.CodeCredentialMalformed},
		{"1 MiB of a seal", []string{"wos-session=" + v + strings.Repeat("~", 1<<20)}, auth.CodeCredentialMalformed},
		{"10,000 separators", []string{"wos-session=" + strings.Repeat("*", 10_000)}, auth.CodeCredentialMalformed},
		{"10,000 tildes", []string{"wos-session=" + strings.Repeat("~", 10_000)}, auth.CodeCredentialMalformed},
		{"10,000 percents", []string{"wos-session=" + strings.Repeat("%", 10_000)}, auth.CodeCredentialMalformed},
		{"plain JSON", []string{`wos-session={"accessToken":"x"}`}, auth.CodeCredentialMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "https://app.test/", nil)
			r.Header["Cookie"] = tt.headers
			_, err := f.Authenticate(r)
			wantCode(t, err, tt.code, false)
		})
	}
}

// Who renews cookies also removes those that nobody can open; who only reads them leaves them to the front end.
func TestForeignCookies(t *testing.T) {
	for mode, clears := range map[workos.RefreshMode]bool{workos.Never: false, workos.OnExpiry: true} {
		f := newFixture(t, func(c *workos.Config) { c.Refresh = mode })
		_, err := f.Authenticate(cookieRequest("Fe26.2*nothing"))
		wantCode(t, err, auth.CodeCredentialMalformed, clears)
		if got := f.events.names(); !slices.Equal(got, []auth.EventName{auth.EventSessionRejected}) {
			t.Errorf("events %v", got)
		}
		_, err = f.Authenticate(cookieRequest(sealTest(t, `{}`)))
		wantCode(t, err, auth.CodeSessionInvalid, clears)
		d, _ := f.server.SignIn(person("alice"))
		d.AccessToken = auth.NewSecret("x.y.z") // a token that is not good may become so: its key may be new
		_, err = f.Authenticate(f.request(t, d))
		wantCode(t, err, auth.CodeTokenInvalid, false)
	}
}

func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString("%" + string("0123456789ABCDEF"[s[i]>>4]) + string("0123456789abcdef"[s[i]&15]))
	}
	return b.String()
}

func TestPayloads(t *testing.T) {
	key := newTestKeys(t)["main"]
	token := key.sign(t, nil, baseClaims(testNow))
	user := `{"id":"` + testUser + `"}`
	tests := []struct {
		name, plaintext string
		code            auth.Code
	}{
		{"least", `{"accessToken":"` + token + `","user":` + user + `}`, ""},
		{"byte order mark", "\ufeff" + `{"accessToken":"` + token + `","user":` + user + `}`, ""},
		{"last member counts", `{"accessToken":"x","accessToken":"` + token + `","user":5,"user":` + user + `}`, ""},
		{"names in another case", `{"AccessToken":"` + token + `","user":` + user + `}`, auth.CodeSessionInvalid},
		{"user in another case", `{"accessToken":"` + token + `","User":` + user + `}`, auth.CodeSessionInvalid},
		{"id in another case", `{"accessToken":"` + token + `","user":{"Id":"` + testUser + `"}}`, auth.CodeSessionInvalid},
		{"no user", `{"accessToken":"` + token + `"}`, auth.CodeSessionInvalid},
		{"another user", `{"accessToken":"` + token + `","user":{"id":"user_2"}}`, auth.CodeSessionInvalid},
		{"user longer", `{"accessToken":"` + token + `","user":{"id":"` + testUser + `1"}}`, auth.CodeSessionInvalid},
		{"user a list", `{"accessToken":"` + token + `","user":["` + testUser + `"]}`, auth.CodeSessionInvalid},
		{"no token", `{"user":` + user + `}`, auth.CodeSessionInvalid},
		{"token null", `{"accessToken":null,"user":` + user + `}`, auth.CodeSessionInvalid},
		{"token 0", `{"accessToken":0,"user":` + user + `}`, auth.CodeSessionInvalid},
		{"token 1", `{"accessToken":1,"user":` + user + `}`, auth.CodeTokenInvalid},
		{"token true", `{"accessToken":true,"user":` + user + `}`, auth.CodeTokenInvalid},
		{"token an object", `{"accessToken":{},"user":` + user + `}`, auth.CodeTokenInvalid},
		{"snake case", `{"access_token":"` + token + `","user":` + user + `}`, auth.CodeSessionInvalid},
		{"empty", ``, auth.CodeSessionInvalid},
		{"a list", `[]`, auth.CodeSessionInvalid},
		{"nested deep", strings.Repeat("[", 20_000), auth.CodeSessionInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := tokenBackend(t, nil)
			_, err := b.Authenticate(cookieRequest(sealTest(t, tt.plaintext)))
			wantCode(t, err, tt.code, false)
		})
	}
}

// The version decides whether the content may be wrapped, by the rules of JavaScript's parseInt.
func TestVersions(t *testing.T) {
	key := newTestKeys(t)["main"]
	flat := sessionJSON(key.sign(t, nil, baseClaims(testNow)))
	wrapped := `{"persistent":` + flat + `}`
	b, _ := tokenBackend(t, nil)
	for suffix, unwraps := range map[string]bool{
		"": false, "~2": false, "~02": false, "~+2": false, "~2x": false, "~2~1": false, "~ 2": false, "~2.9": false,
		"~": true, "~1": true, "~3": true, "~22": true, "~-2": true, "~x2": true, "~0x2": true, "~~2": true,
	} {
		for content, ok := range map[string]bool{flat: true, wrapped: unwraps} {
			sealed := strings.TrimSuffix(sealTest(t, content), "~2") + suffix
			if _, err := b.Authenticate(cookieRequest(sealed)); (err == nil) != ok {
				t.Errorf("%q, wrapped %v: %v", suffix, content == wrapped, err)
			}
		}
	}
	for content, ok := range map[string]bool{
		`{"persistent":null,` + flat[1:]: true, `{"persistent":[],` + flat[1:]: false, `{"persistent":0,` + flat[1:]: false,
	} {
		sealed := strings.TrimSuffix(sealTest(t, content), "~2") + "~1"
		if _, err := b.Authenticate(cookieRequest(sealed)); (err == nil) != ok {
			t.Errorf("%.20s: %v", content, err)
		}
	}
}

func TestPrincipal(t *testing.T) {
	f := newFixture(t, nil)
	a, err := f.Authenticate(f.signIn(t, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	s := a.Session
	if s.ProviderID != "workos" || s.AccountID != "user_alice" || !s.IssuedAt.Equal(f.clock.Now()) || !s.ExpiresAt.Equal(f.clock.Now().Add(tokenLife)) {
		t.Errorf("session %+v", s)
	}
	want := map[string]any{"name": "alice Example", "email": "alice@example.com", "email_verified": true, "picture": "https://img.example.com/alice",
		"organizationId": "org_1", "authenticationMethod": "Password", "sessionId": s.ID}
	for name, v := range want {
		if a.Principal.Claims[name] != v {
			t.Errorf("claim %s is %v, want %v", name, a.Principal.Claims[name], v)
		}
	}
	if !slices.Equal(a.Principal.Roles, []string{"member"}) || !slices.Equal(a.Principal.Scopes, []string{"posts:read"}) {
		t.Errorf("principal %+v", a.Principal)
	}
}

// Somebody who acts for the user is never left out.
func TestImpersonator(t *testing.T) {
	key := newTestKeys(t)["main"]
	b, _ := tokenBackend(t, nil)
	for _, tt := range []struct {
		sealed, act, want string
	}{
		{`null`, `null`, `null`},
		{`{"email":"a@x","reason":"r"}`, `null`, `{"email":"a@x","reason":"r"}`},
		{`null`, `{"sub":"b@x"}`, `{"email":"b@x","reason":null}`},
		{`{"email":"a@x","reason":null}`, `{"sub":"b@x"}`, `{"email":"a@x","reason":null}`},
		{`"odd"`, `null`, `"odd"`},
	} {
		token := key.sign(t, nil, with(baseClaims(testNow), map[string]any{"act": json.RawMessage(tt.act)}))
		plaintext := `{"impersonator":` + tt.sealed + `,` + sessionJSON(token)[1:]
		a, err := b.Authenticate(cookieRequest(sealTest(t, plaintext)))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := json.Marshal(a.Principal.Claims["impersonator"])
		if string(got) != tt.want {
			t.Errorf("sealed %s, act %s: %s, want %s", tt.sealed, tt.act, got, tt.want)
		}
	}
}

// The cache changes nothing but the time it takes.
func TestCache(t *testing.T) {
	for _, cached := range []int{0, -1, 1} {
		f := newFixture(t, func(c *workos.Config) { c.CachedSessions = cached })
		r := f.signIn(t, "alice")
		first, err := f.Authenticate(r)
		if err != nil {
			t.Fatal(err)
		}
		second, err := f.Authenticate(r)
		if err != nil || !reflect.DeepEqual(first, second) || (first == second) != (cached >= 0) {
			t.Errorf("%d cached: %v, the same answer: %v", cached, err, first == second)
		}
		f.clock.advance(tokenLife - time.Second)
		if _, err := f.Authenticate(r); err != nil {
			t.Error(err)
		}
		f.clock.advance(time.Second)
		_, err = f.Authenticate(r)
		wantCode(t, err, auth.CodeTokenExpired, false)
	}
}

func TestCacheEndsWithTheSeal(t *testing.T) {
	key := newTestKeys(t)["main"]
	clock := newClock()
	b, _ := tokenBackend(t, func(c *workos.Config) { c.Now = clock.Now })
	token := key.sign(t, nil, with(baseClaims(clock.Now()), map[string]any{"exp": clock.Now().Unix() + 10_000}))
	sealed, err := workos.IronSeal([]byte(sessionJSON(token)), testPassword, endless{}, clock.Now(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := b.Authenticate(cookieRequest(sealed)); err != nil {
			t.Fatal(err)
		}
	}
	clock.advance(70 * time.Second)
	_, err = b.Authenticate(cookieRequest(sealed))
	wantCode(t, err, auth.CodeSessionExpired, false)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// With many more sessions than it holds, the cache mixes nothing up.
func TestCacheUnderPressure(t *testing.T) {
	f := newFixture(t, func(c *workos.Config) { c.CachedSessions = 8 })
	requests := map[string]*http.Request{}
	for i := range 60 {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26))
		requests[name] = f.signIn(t, name)
	}
	var wg sync.WaitGroup
	for name, r := range requests {
		wg.Go(func() {
			for range 5 {
				if a, err := f.Authenticate(r); err != nil || a.Principal.Subject != "user_"+name {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSessionCookie(t *testing.T) {
	f := newFixture(t, func(c *workos.Config) {
		c.CookieDomain, c.CookieMaxAge, c.CookieName = "example.com", time.Hour, "__Secure-s"
	})
	d, err := f.server.SignIn(person("alice"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.SessionCookie(d)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.Value, "Fe26.2*1*") || !strings.HasSuffix(c.Value, "~2") {
		t.Errorf("value %.20s", c.Value)
	}
	c.Value = "x"
	if got, want := c.String(), "__Secure-s=x; Path=/; Domain=example.com; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for name, bad := range map[string]workos.SessionData{
		"no token": {User: d.User},
		"no user":  {AccessToken: d.AccessToken},
		"no id":    {AccessToken: d.AccessToken, User: map[string]any{"id": ""}},
		"not JSON": {AccessToken: d.AccessToken, User: map[string]any{"id": "u", "x": func() {}}},
		"too long": {AccessToken: d.AccessToken, User: map[string]any{"id": "u", "x": strings.Repeat("x", 3000)}},
	} {
		c, err := f.SessionCookie(bad)
		wantCode(t, err, auth.CodeValidation, false)
		if c != nil {
			t.Errorf("%s: a cookie", name)
		}
	}
}

// FuzzSession is F-WOS: whatever is sealed, the subject is the user of the verified token, and is the sealed user, or nobody.
func FuzzSession(f *testing.F) {
	key := newTestKeys(f)["main"]
	b, _ := tokenBackend(f, func(c *workos.Config) { c.CachedSessions = -1 })
	const mark = "TOKEN"
	token := key.sign(f, nil, baseClaims(testNow))
	f.Add([]byte(sessionJSON(mark)), "2")
	f.Add([]byte(`{"persistent":`+sessionJSON(mark)+`}`), "1")
	f.Add([]byte(`{"accessToken":"TOKEN","user":{"id":"user_2"},"impersonator":[],"user":{"id":7}}`), "")
	f.Add([]byte("\ufeff{\"accessToken\":\"TOKEN\",\"user\":{\"id\":\"\xff\"}}"), "x")
	f.Fuzz(func(t *testing.T, content []byte, version string) {
		plaintext := strings.Replace(string(content), mark, token, 1)
		sealed := strings.TrimSuffix(sealTest(t, plaintext), "2") + url.QueryEscape(version)
		a, err := b.Authenticate(cookieRequest(sealed))
		if err != nil {
			if a != nil || !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%v", err)
			}
			return
		}
		user, _ := a.Principal.Claims["workosUser"].(map[string]any)
		if a.Principal.Subject != testUser || user["id"] != testUser || a.Session.ID != testSession {
			t.Errorf("%+v", a.Principal)
		}
		if _, err := json.Marshal(a.Session); err != nil {
			t.Error(err)
		}
	})
}

// A token that says it is another client's is not this one's session, from the front end's cookie or from a refresh.
func TestTokenOfAnotherClient(t *testing.T) {
	for name, tt := range map[string]struct {
		client any
		code   auth.Code
	}{
		"ours": {testClient, ""}, "none": {nil, ""}, "another": {"client_other", auth.CodeTokenInvalid},
		"empty": {"", auth.CodeTokenInvalid}, "no text": {7, auth.CodeTokenInvalid}, "a list": {[]string{testClient}, auth.CodeTokenInvalid},
	} {
		b, _, _ := jwksBackend(t, func() (*http.Response, error) { return answer(200, `{"keys":[`+newTestKeys(t)["main"].jwk+`]}`), nil })
		_, err := b.Authenticate(tokenCookie(t, newTestKeys(t)["main"], map[string]any{"client_id": tt.client}))
		if auth.CodeOf(err) != tt.code {
			t.Errorf("%s: %v, want %q", name, err, tt.code)
		}
	}
	w := newRotating(t)
	w.claims = map[string]any{"client_id": "client_other"}
	_, err := w.backend().Refresh(w.cookie("main", "rt_1"), workos.RefreshParams{})
	wantCode(t, err, auth.CodeProviderInvalid, false)
}
