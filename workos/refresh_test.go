package workos_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

// refreshVector is a case of refresh.json.
type refreshVector struct {
	ID          string
	Description string
	NowMS       int64  `json:"now_ms"`
	ClientID    string `json:"client_id"`
	Password    string `json:"cookie_password"`
	Cookie      string
	Options     struct {
		OrganizationID *string
		CookiePassword string
	}
	Outcome struct {
		Kind          string
		Result        map[string]any
		SealedPayload map[string]any `json:"sealed_payload"`
		Keys          []string       `json:"sealed_payload_keys"`
	}
	Requests int `json:"http_requests"`
	Request  *struct {
		Method, Path string
		Headers      map[string]string
		Body         map[string]any
	} `json:"http_request"`
}

// refused is what this library makes of the refreshes that fail in refresh.json. The SDK throws for some, and believes a
// new token without verifying it.
var refused = map[string]auth.Code{
	"refresh-new-token-bad-signature": auth.CodeProviderInvalid, // the SDK accepts it
	"refresh-new-token-malformed":     auth.CodeProviderInvalid,
	"refresh-missing-refresh-token":   auth.CodeSessionInvalid,
	"refresh-missing-user":            auth.CodeSessionInvalid,
	"refresh-missing-access-token":    auth.CodeSessionInvalid,
	"refresh-malformed-access-token":  auth.CodeTokenInvalid,
	"refresh-empty-cookie":            auth.CodeNoCredential,
	"refresh-wrong-password":          auth.CodeCredentialMalformed,
	"refresh-invalid-grant":           auth.CodeSessionRevoked,
	"refresh-invalid-grant-401":       auth.CodeClientRejected,
	"refresh-invalid-client":          auth.CodeClientRejected,
	"refresh-sso-required":            auth.CodeLoginRequired,
	"refresh-mfa-enrollment":          auth.CodeLoginRequired,
	"refresh-422":                     auth.CodeProviderInvalid,
	"refresh-404":                     auth.CodeProviderInvalid,
	"refresh-429":                     auth.CodeProviderUnavailable,
	"refresh-500":                     auth.CodeProviderUnavailable,
	"refresh-503":                     auth.CodeProviderUnavailable,
	"refresh-503-html":                auth.CodeProviderUnavailable,
	"refresh-408":                     auth.CodeProviderUnavailable,
}

func TestRefreshVectors(t *testing.T) {
	for _, v := range load[struct{ Vectors []refreshVector }](t, "refresh.json").Vectors {
		t.Run(v.ID, func(t *testing.T) { synctest.Test(t, v.check) })
	}
}

func (v *refreshVector) check(t *testing.T) {
	keys := newKeyServer(t)
	var requests []*http.Request
	var bodies []map[string]any
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			return keys.RoundTrip(r)
		}
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		requests, bodies = append(requests, r), append(bodies, body)
		return v.answer(len(requests)), nil
	})
	passwords := []auth.Secret{auth.NewSecret(v.Password)}
	if p := v.Options.CookiePassword; p != "" { // the option of the SDK is here the first of several passwords
		passwords = append([]auth.Secret{auth.NewSecret(p)}, passwords...)
	}
	b := mustNew(t, workos.Config{
		ClientID: v.ClientID, CookiePasswords: passwords, APIKey: auth.NewSecret("sk_test_vectors"), CookieMaxAge: time.Hour,
		HTTPClient: &http.Client{Transport: transport}, Now: func() time.Time { return time.UnixMilli(v.NowMS) },
	})
	organization := ""
	if v.Options.OrganizationID != nil {
		organization = *v.Options.OrganizationID
	}
	a, err := b.Refresh(cookieRequest(v.Cookie), workos.RefreshParams{OrganizationID: organization})
	want, failing := refused[v.ID]
	if auth.CodeOf(err) != want {
		t.Fatalf("%v, want %q: %s", err, want, v.Description)
	}
	if v.Outcome.Kind != "authenticated" && !failing {
		t.Fatal("the SDK does not accept this")
	}
	v.checkRequests(t, requests, bodies, want == auth.CodeProviderUnavailable)
	if err == nil {
		v.checkAnswer(t, a, passwords[0])
	}
}

// answer is what the fake API said when the vectors were recorded, for the n-th request.
func (v *refreshVector) answer(n int) *http.Response {
	switch v.ID {
	case "refresh-new-token-malformed":
		return answer(200, `{"access_token":"x","refresh_token":"y","user":{"id":"`+testUser+`"}}`)
	case "refresh-invalid-grant":
		return answer(400, `{"error":"invalid_grant"}`)
	case "refresh-invalid-grant-401":
		return answer(401, `{"error":"invalid_grant"}`)
	case "refresh-invalid-client":
		return answer(400, `{"error":"invalid_client"}`)
	case "refresh-sso-required":
		return answer(403, `{"error":"sso_required"}`)
	case "refresh-mfa-enrollment":
		return answer(403, `{"code":"mfa_enrollment"}`)
	case "refresh-422":
		return answer(422, `{}`)
	case "refresh-404":
		return answer(404, `{}`)
	case "refresh-429":
		return answer(429, `{}`, "Retry-After", "7")
	case "refresh-500":
		return answer(500, `{}`)
	case "refresh-503":
		return answer(503, `{}`)
	case "refresh-503-html":
		return answer(503, `<html>`)
	case "refresh-408":
		return answer(408, `{}`)
	case "refresh-retries":
		if n < 3 {
			return answer(503, `{}`, "Retry-After", "0")
		}
	}
	p := v.Outcome.SealedPayload
	body := map[string]any{"access_token": p["accessToken"], "refresh_token": p["refreshToken"], "user": snakeUser(p["user"]), "oauth_tokens": map[string]any{"access_token": "secret"}}
	for name, from := range map[string]string{"authentication_method": "authenticationMethod", "impersonator": "impersonator"} {
		if p[from] != nil {
			body[name] = p[from]
		}
	}
	text, _ := json.Marshal(body)
	return answer(200, string(text))
}

func snakeUser(user any) map[string]any {
	out := map[string]any{}
	m, _ := user.(map[string]any)
	for name, v := range m {
		var b strings.Builder
		for _, c := range name {
			if c >= 'A' && c <= 'Z' {
				b.WriteByte('_')
			}
			b.WriteRune(c)
		}
		out[strings.ToLower(b.String())] = v
	}
	return out
}

func (v *refreshVector) checkRequests(t *testing.T, requests []*http.Request, bodies []map[string]any, repeated bool) {
	want := v.Requests
	if repeated {
		want = 4 // recorded without retries
		if v.ID == "refresh-429" {
			want = 2 // seven seconds are waited for once
		}
	}
	if len(requests) != want {
		t.Errorf("%d requests, want %d", len(requests), want)
	}
	for i, r := range requests {
		body := v.Request.Body
		if body["organization_id"] == "" {
			body["organization_id"] = "org_01HRDMC6CM357W30QMHMQ96Q0S" // here the empty one is the current one
		}
		if r.Method != v.Request.Method || r.URL.Path != v.Request.Path || r.Header.Get("Authorization") != v.Request.Headers["authorization"] ||
			r.Header.Get("Content-Type") != "application/json" || !reflect.DeepEqual(bodies[i], body) {
			t.Errorf("sent %s %s %v, want %v", r.Method, r.URL.Path, bodies[i], body)
		}
		if key := r.Header.Get("Idempotency-Key"); key == "" || key != requests[0].Header.Get("Idempotency-Key") {
			t.Errorf("attempt %d has the key %q", i, key)
		}
	}
}

// checkAnswer opens the new cookie as the SDK sealed it, member for member and in its order.
func (v *refreshVector) checkAnswer(t *testing.T, a *auth.Authentication, password auth.Secret) {
	if a.Session.ID != v.Outcome.Result["sessionId"] || a.Principal.Claims["organizationId"] != v.Outcome.Result["organizationId"] {
		t.Errorf("%+v, want %v", a.Principal, v.Outcome.Result)
	}
	if len(a.Cookies) != 1 || a.Cookies[0].MaxAge != 3600 || !a.Cookies[0].Secure || !a.Cookies[0].HttpOnly {
		t.Fatalf("cookies %v", a.Cookies)
	}
	sealed, ok := strings.CutSuffix(a.Cookies[0].Value, "~2")
	plaintext, err := workos.IronUnseal(sealed, []auth.Secret{password}, time.UnixMilli(v.NowMS))
	if err != nil || !ok {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(plaintext, &got); err != nil || !reflect.DeepEqual(got, v.Outcome.SealedPayload) {
		t.Errorf("sealed %s, want %v", plaintext, v.Outcome.SealedPayload)
	}
	at := 0
	for _, name := range v.Outcome.Keys {
		i := strings.Index(string(plaintext[at:]), `"`+name+`":`)
		if i < 0 {
			t.Fatalf("%s is missing, or not in its place", name)
		}
		at += i
	}
}

// expireSoon moves the clock into the margin before the token's expiry, or behind it.
func (f *fixture) expireSoon() { f.clock.advance(tokenLife - 30*time.Second) }
func (f *fixture) expire()     { f.clock.advance(tokenLife) }

const authenticatePath = "/user_management/authenticate"

func TestRefreshOnExpiry(t *testing.T) {
	f := newFixture(t, refreshing)
	old := f.signIn(t, "alice")
	before, err := f.Authenticate(old)
	if err != nil || before.Cookies != nil {
		t.Fatal(err, before)
	}
	f.expire()
	f.events.names()
	a, err := f.Authenticate(old)
	if err != nil || len(a.Cookies) != 1 {
		t.Fatal(err, a)
	}
	if a.Session.ID != before.Session.ID || a.Principal.Subject != "user_alice" || !a.Session.RefreshedAt.Equal(f.clock.Now()) {
		t.Errorf("%+v", a.Session)
	}
	if got := f.events.names(); !slices.Equal(got, []auth.EventName{auth.EventTokenRefreshed}) {
		t.Errorf("events %v", got)
	}
	again, err := f.Authenticate(withCookie(a.Cookies[0]))
	if err != nil || again.Cookies != nil || again.Principal.Subject != "user_alice" {
		t.Error(err, again)
	}
	if n := f.server.Requests(authenticatePath); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// Without the mode nothing is spent, and the cookie is left for the front end to renew.
func TestNeverRefreshes(t *testing.T) {
	f := newFixture(t, nil)
	r := f.signIn(t, "alice")
	f.expire()
	f.events.names()
	_, err := f.Authenticate(r)
	wantCode(t, err, auth.CodeTokenExpired, false)
	if got := f.events.names(); !slices.Equal(got, []auth.EventName{auth.EventSessionExpired}) {
		t.Errorf("events %v", got)
	}
	if n := f.server.Requests(authenticatePath); n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

func TestRefreshInTheMargin(t *testing.T) {
	for _, tt := range []struct {
		margin, before time.Duration
		refreshes      int
	}{
		{0, 61 * time.Second, 0}, {0, 60 * time.Second, 1}, {5 * time.Minute, 301 * time.Second, 0}, {5 * time.Minute, 5 * time.Minute, 1},
	} {
		f := newFixture(t, func(c *workos.Config) { c.Refresh, c.RefreshMargin = workos.OnExpiry, tt.margin })
		r := f.signIn(t, "alice")
		if _, err := f.Authenticate(r); err != nil { // now it is cached
			t.Fatal(err)
		}
		f.clock.advance(tokenLife - tt.before)
		a, err := f.Authenticate(r)
		if err != nil || len(a.Cookies) != tt.refreshes || f.server.Requests(authenticatePath) != tt.refreshes {
			t.Errorf("margin %s, %s before the end: %v, %d refreshes", tt.margin, tt.before, err, f.server.Requests(authenticatePath))
		}
	}
}

// A fifth of a short life is the margin: otherwise a token of a minute would be refreshed at every request.
func TestMarginOfAShortLife(t *testing.T) {
	f := newFixture(t, refreshing)
	d, err := f.server.SignIn(person("alice"))
	if err != nil {
		t.Fatal(err)
	}
	now := f.clock.Now().Unix()
	token, err := f.server.Sign(map[string]any{"sub": "user_alice", "sid": "session_1", "iat": now, "exp": now + 50})
	if err != nil {
		t.Fatal(err)
	}
	d.AccessToken = auth.NewSecret(token)
	r := f.request(t, d)
	f.clock.advance(39 * time.Second)
	if a, err := f.Authenticate(r); err != nil || a.Cookies != nil {
		t.Errorf("eleven seconds before the end: %v", err)
	}
	f.clock.advance(time.Second)
	if a, err := f.Authenticate(r); err != nil || len(a.Cookies) != 1 {
		t.Errorf("ten seconds before the end: %v", err)
	}
}

// A hundred requests of one browser are one refresh, and all get the same cookie, also those that come a little later.
func TestRefreshIsSingleFlight(t *testing.T) {
	f := newFixture(t, refreshing)
	r, other := f.signIn(t, "alice"), f.signIn(t, "bob")
	f.expire()
	var wg sync.WaitGroup
	var cookies sync.Map
	for range 100 {
		wg.Go(func() {
			a, err := f.Authenticate(r)
			if err != nil || a.Principal.Subject != "user_alice" {
				t.Error(err)
				return
			}
			cookies.Store(a.Cookies[0].Value, true)
		})
		wg.Go(func() {
			if a, err := f.Authenticate(other); err != nil || a.Principal.Subject != "user_bob" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.clock.advance(9 * time.Second)
	if a, err := f.Authenticate(r); err != nil || len(a.Cookies) != 1 {
		t.Error(err)
	}
	n := 0
	cookies.Range(func(any, any) bool { n++; return true })
	if got := f.server.Requests(authenticatePath); got != 2 || n != 1 {
		t.Errorf("%d refreshes of two sessions, %d cookies of one", got, n)
	}
}

func TestRefreshRefused(t *testing.T) {
	for name, soon := range map[string]bool{"expired": false, "soon": true} {
		f := newFixture(t, refreshing)
		r := f.signIn(t, "alice")
		s, err := f.Session(r)
		if err != nil {
			t.Fatal(err)
		}
		f.server.End(s.ID)
		if f.expire(); soon {
			f.clock.advance(-30 * time.Second)
		}
		_, err = f.Authenticate(r)
		wantCode(t, err, auth.CodeSessionRevoked, true)
		if got := f.events.names(); !slices.Contains(got, auth.EventRefreshFailed) {
			t.Errorf("%s: events %v", name, got)
		}
	}
}

// While WorkOS is down a good token serves, an expired one could not be decided, and the cookie stays.
func TestRefreshWhileWorkOSIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, refreshing)
		r := f.signIn(t, "alice")
		f.expireSoon()
		if _, err := f.Session(f.signIn(t, "warm")); err != nil { // the keys are in hand
			t.Fatal(err)
		}
		f.server.SetDown(true)
		start := time.Now()
		a, err := f.Authenticate(r)
		if err != nil || a.Cookies != nil || a.Principal.Subject != "user_alice" {
			t.Fatalf("with a good token: %v", err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("it waited %s", d)
		}
		time.Sleep(20 * time.Second) // until the attempts are over
		f.clock.advance(30 * time.Second)
		start = time.Now()
		_, err = f.Authenticate(r)
		wantCode(t, err, auth.CodeProviderUnavailable, false)
		if errors.Is(err, auth.ErrUnauthenticated) {
			t.Error("an outage is no verdict")
		}
		if d := time.Since(start); d > 8*time.Second {
			t.Errorf("the attempts took %s", d)
		}
		n := f.server.Requests(authenticatePath)
		_, err = f.Authenticate(r)
		wantCode(t, err, auth.CodeProviderUnavailable, false)
		if f.server.Requests(authenticatePath) != n {
			t.Error("WorkOS was asked again at once")
		}
		f.server.SetDown(false)
		f.clock.advance(5 * time.Second)
		if a, err := f.Authenticate(r); err != nil || len(a.Cookies) != 1 {
			t.Errorf("WorkOS is back: %v", err)
		}
	})
}

// When the keys cannot be fetched, the refresh token is not spent.
func TestRefreshNeedsKeysFirst(t *testing.T) {
	f := newFixture(t, refreshing)
	r := f.signIn(t, "alice")
	f.expire()
	f.server.SetDown(true)
	_, err := f.Authenticate(r)
	wantCode(t, err, auth.CodeProviderUnavailable, false)
	if n := f.server.Requests(authenticatePath); n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

// A request that goes away neither stops the refresh nor loses its outcome.
func TestRefreshOutlivesItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		f := newFixture(t, func(c *workos.Config) {
			refreshing(c)
			next := c.HTTPClient.Transport
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if slow.Load() && r.Method == http.MethodPost {
					time.Sleep(2 * time.Second)
				}
				return next.RoundTrip(r)
			})}
		})
		r := f.signIn(t, "alice")
		f.expire()
		slow.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.Authenticate(r.WithContext(ctx))
		wantCode(t, err, auth.CodeProviderUnavailable, false)
		time.Sleep(2 * time.Second)
		a, err := f.Authenticate(r)
		if err != nil || len(a.Cookies) != 1 || f.server.Requests(authenticatePath) != 1 {
			t.Errorf("%v, %d refreshes", err, f.server.Requests(authenticatePath))
		}
	})
}

// slowAPI answers refreshes after a while, by respond.
func slowAPI(c *workos.Config, slow *atomic.Bool, respond func(*http.Request) (*http.Response, error)) {
	next := c.HTTPClient.Transport
	c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if slow.Load() && r.Method == http.MethodPost {
			return respond(r)
		}
		return next.RoundTrip(r)
	})}
}

// While the token is good, nobody waits long for a refresh.
func TestRefreshThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		f := newFixture(t, func(c *workos.Config) {
			refreshing(c)
			slowAPI(c, &slow, func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
		})
		r := f.signIn(t, "alice")
		slow.Store(true)
		f.expireSoon()
		start := time.Now()
		if a, err := f.Authenticate(r); err != nil || a.Cookies != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("it waited %s", d)
		}
		time.Sleep(time.Minute) // until the refresh has given up
	})
}

// When WorkOS names a time that is too late, nobody waits for it.
func TestRefreshRetryAfter(t *testing.T) {
	for after, want := range map[string]time.Duration{"60": 0, "8": 0, "Sat, 01 Jan 2000 00:01:00 GMT": 0} {
		synctest.Test(t, func(t *testing.T) {
			slow := atomic.Bool{}
			f := newFixture(t, func(c *workos.Config) {
				refreshing(c)
				slowAPI(c, &slow, func(*http.Request) (*http.Response, error) { return answer(429, `{}`, "Retry-After", after), nil })
			})
			r := f.signIn(t, "alice")
			slow.Store(true)
			f.expire()
			start := time.Now()
			_, err := f.Authenticate(r)
			wantCode(t, err, auth.CodeProviderUnavailable, false)
			if d := time.Since(start); d != want {
				t.Errorf("%s: it waited %s", after, d)
			}
		})
	}
}

// What WorkOS answers is not believed before it is verified.
func TestRefreshAnswers(t *testing.T) {
	keys := newTestKeys(t)
	good := keys["main"].sign(t, nil, baseClaims(testNow))
	body := func(token, user, more string) string {
		return `{"access_token":"` + token + `","refresh_token":"rt_2","user":{"id":"` + user + `"` + more + `}}`
	}
	tests := map[string]struct {
		body string
		code auth.Code
	}{
		"good":             {body(good, testUser, ""), ""},
		"another user":     {body(good, "user_2", ""), auth.CodeProviderInvalid},
		"token of another": {body(keys["main"].sign(t, nil, with(baseClaims(testNow), map[string]any{"sub": "user_2"})), testUser, ""), auth.CodeProviderInvalid},
		"both of another":  {body(keys["main"].sign(t, nil, with(baseClaims(testNow), map[string]any{"sub": "user_2"})), "user_2", ""), auth.CodeProviderInvalid},
		"another key":      {body(keys["rogue"].sign(t, map[string]any{"kid": "key_01MAIN"}, baseClaims(testNow)), testUser, ""), auth.CodeProviderInvalid},
		"expired":          {body(keys["main"].sign(t, nil, with(baseClaims(testNow), map[string]any{"exp": 1})), testUser, ""), auth.CodeProviderInvalid},
		"no refresh token": {`{"access_token":"` + good + `","user":{"id":"` + testUser + `"}}`, auth.CodeProviderInvalid},
		"no token":         {body("", testUser, ""), auth.CodeProviderInvalid},
		"no user":          {`{"access_token":"` + good + `","refresh_token":"rt_2"}`, auth.CodeProviderInvalid},
		"not JSON":         {`<html>`, auth.CodeProviderInvalid},
		"too big a cookie": {body(good, testUser, `,"first_name":"`+strings.Repeat("x", 3000)+`"`), auth.CodeProviderInvalid},
		"too big":          {strings.Repeat(" ", 2<<20), auth.CodeProviderInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := newKeyServer(t)
			b := mustNew(t, workos.Config{
				ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey), Refresh: workos.OnExpiry, Now: func() time.Time { return testNow },
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPost {
						return answer(200, tt.body), nil
					}
					return server.RoundTrip(r)
				})},
			})
			expired := keys["main"].sign(t, nil, with(baseClaims(testNow), map[string]any{"exp": testNow.Unix()}))
			a, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(expired))))
			wantCode(t, err, tt.code, false)
			if err == nil && (len(a.Cookies) != 1 || a.Principal.Subject != testUser) {
				t.Errorf("%+v", a)
			}
			if err != nil && (strings.Contains(err.Error(), "rt_2") || strings.Contains(err.Error(), "html")) {
				t.Error(err)
			}
		})
	}
}

func TestSwitchOrganization(t *testing.T) {
	f := newFixture(t, nil)
	r := f.signIn(t, "alice")
	a, err := f.Refresh(r, workos.RefreshParams{OrganizationID: "org_2"})
	if err != nil || a.Principal.Claims["organizationId"] != "org_2" || len(a.Cookies) != 1 {
		t.Fatal(err, a)
	}
	a, err = f.Refresh(withCookie(a.Cookies[0]), workos.RefreshParams{})
	if err != nil || a.Principal.Claims["organizationId"] != "org_2" {
		t.Fatal(err, a)
	}
	_, err = f.Refresh(httptest.NewRequest("GET", "/", nil), workos.RefreshParams{})
	wantCode(t, err, auth.CodeNoCredential, false)
	without := newFixture(t, func(c *workos.Config) { c.APIKey = auth.Secret{} })
	if _, err := without.Refresh(without.signIn(t, "alice"), workos.RefreshParams{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// The person must sign in again: unauthenticated once the token has expired, and the cookie stays for the sign-in.
func TestRefreshNeedsSignIn(t *testing.T) {
	var demand atomic.Bool
	f := newFixture(t, func(c *workos.Config) {
		refreshing(c)
		next := c.HTTPClient.Transport
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if demand.Load() && r.Method == http.MethodPost {
				_, _ = io.Copy(io.Discard, r.Body)
				return answer(403, `{"error":"sso_required"}`), nil
			}
			return next.RoundTrip(r)
		})}
	})
	r := f.signIn(t, "alice")
	demand.Store(true)
	f.expireSoon()
	if a, err := f.Authenticate(r); err != nil || a.Cookies != nil {
		t.Errorf("with a good token: %v", err)
	}
	f.clock.advance(30 * time.Second)
	_, err := f.Authenticate(r)
	wantCode(t, err, auth.CodeSessionExpired, false)
	_, err = f.Refresh(r, workos.RefreshParams{})
	wantCode(t, err, auth.CodeLoginRequired, false)
}

// A margin as long as the token's life does not mean a refresh at every request.
func TestMarginOfShortTokens(t *testing.T) {
	w := newRotating(t) // its tokens live five minutes, and are a minute old
	b := mustNew(t, workos.Config{
		ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey), Now: w.clock.Now,
		Refresh: workos.OnExpiry, RefreshMargin: 10 * time.Minute, HTTPClient: &http.Client{Transport: w},
	})
	r := w.cookie("main", "rt_1")
	for _, tt := range []struct {
		after   time.Duration
		cookies int
	}{{0, 0}, {89 * time.Second, 0}, {time.Second, 1}} {
		w.clock.advance(tt.after)
		a, err := b.Authenticate(r)
		if err != nil || len(a.Cookies) != tt.cookies {
			t.Fatalf("%s later: %v, want %d cookies", tt.after, err, tt.cookies)
		}
	}
}

// Only a step that WorkOS is known to ask for is taken for one; any other refusal could not be understood.
func TestForbiddenRefresh(t *testing.T) {
	for body, code := range map[string]auth.Code{
		`{"error":"sso_required"}`: auth.CodeLoginRequired, `{"code":"mfa_enrollment"}`: auth.CodeLoginRequired,
		`{"error":"mfa_challenge","code":"x"}`: auth.CodeLoginRequired, `{"code":"email_verification_required"}`: auth.CodeLoginRequired,
		`{"code":"organization_selection_required"}`: auth.CodeLoginRequired,
		`{"code":"forbidden"}`:                       auth.CodeProviderInvalid, `{"code":["sso_required"]}`: auth.CodeProviderInvalid,
		`{}`: auth.CodeProviderInvalid, `<h1>blocked by a firewall: sso_required</h1>`: auth.CodeProviderInvalid, ``: auth.CodeProviderInvalid,
	} {
		w := newRotating(t)
		b := mustNew(t, workos.Config{
			ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret(fakeKey), Now: w.clock.Now,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost {
					return answer(403, body), nil
				}
				return w.RoundTrip(r)
			})},
		})
		_, err := b.Refresh(w.cookie("main", "rt_1"), workos.RefreshParams{})
		if auth.CodeOf(err) != code || len(cookiesOf(err)) != 0 {
			t.Errorf("%s: %v, want %s", body, err, code)
		}
	}
}
