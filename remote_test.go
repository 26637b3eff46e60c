package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
)

// api is an auth-api in process: a handler, and what it was asked.
type api struct {
	handler http.Handler
	asked   atomic.Int64
	last    atomic.Pointer[http.Request]
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked.Add(1)
	a.last.Store(r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	res := do(a.handler, r).Result()
	res.Request = r
	return res, r.Context().Err() // which may be done by now
}

func newRemote(t testing.TB, a http.RoundTripper, change func(*auth.RemoteConfig)) *auth.Remote {
	t.Helper()
	c := auth.RemoteConfig{URL: "https://auth.example" + base, HTTPClient: &http.Client{Transport: a}}
	if change != nil {
		change(&c)
	}
	remote, err := auth.NewRemote(c)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

func withCookie(value string) *http.Request {
	return request("GET", "/orders", "", "Cookie", "theme=dark; __Host-ns_session="+value, "X-Forwarded-For", "192.0.2.7", "Accept", asHTML)
}

// live is Alice with a session that is live by the wall clock.
func live(*http.Request) (*auth.Authentication, error) {
	a, _ := alice(nil)
	a.Session.IssuedAt, a.Session.ExpiresAt = time.Now(), time.Now().Add(time.Hour)
	a.Session.Scopes, a.Session.Roles = a.Principal.Scopes, a.Principal.Roles
	return a, nil
}

func TestRemote(t *testing.T) {
	b := working()
	b.authenticate = func(r *http.Request) (*auth.Authentication, error) {
		a, _ := live(r)
		a.Cookies = []*http.Cookie{setting("renewed"), {Name: "tracking", Value: "1"}}
		a.Session.IPAddress, a.Session.AuthTime, a.Session.ACR, a.Session.AMR = "192.0.2.1", issued, "gold", []string{"pwd"}
		return a, nil
	}
	server := &api{handler: newHandler(t, b, auth.HandlerConfig{})}
	remote := newRemote(t, server, nil)
	got, err := remote.Authenticate(withCookie("v"))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := alice(nil)
	if !reflect.DeepEqual(got.Principal, want.Principal) {
		t.Errorf("principal %+v, want %+v", got.Principal, want.Principal)
	}
	if got.Session == nil || got.Session.ID != "s-alice" || got.Session.UserID != "alice" || got.Session.ExpiresAt.IsZero() {
		t.Errorf("session %+v", got.Session)
	}
	if s := got.Session; s.IPAddress != "192.0.2.1" || !s.AuthTime.Equal(issued) || s.ACR != "gold" || !reflect.DeepEqual(s.AMR, []string{"pwd"}) {
		t.Errorf("session %+v", s)
	}
	if len(got.Cookies) != 1 || got.Cookies[0].Value != "renewed" {
		t.Errorf("cookies %v, want the session's alone", got.Cookies)
	}
	asked := server.last.Load()
	if asked.URL.String() != "https://auth.example/api/v1/auth/me" || asked.Method != "GET" {
		t.Errorf("asked %s %s", asked.Method, asked.URL)
	}
	if h := asked.Header; len(h) != 2 || h.Get("Cookie") != "__Host-ns_session=v" || h.Get("Accept") != "application/json" {
		t.Errorf("sent %v", h)
	}
	again, err := remote.Authenticate(withCookie("v"))
	if err != nil || again.Cookies != nil || server.asked.Load() != 1 {
		t.Errorf("again: %v, cookies %v, asked %d times", err, again.Cookies, server.asked.Load())
	}
	if _, err := remote.Session(withCookie("v")); err != nil {
		t.Error(err)
	}
}

func TestRemoteBearer(t *testing.T) {
	b := working()
	b.authenticate = live
	server := &api{handler: newHandler(t, b, auth.HandlerConfig{})}
	remote := newRemote(t, server, func(c *auth.RemoteConfig) { c.Staleness = -1 })
	got, err := remote.Authenticate(request("GET", "/", "", "Authorization", "bearer abc.DEF-_~+/=="))
	if err != nil || got.Principal.Scheme != auth.SchemeBearer {
		t.Fatalf("%+v, %v", got, err)
	}
	if h := server.last.Load().Header; h.Get("Authorization") != "Bearer abc.DEF-_~+/==" {
		t.Errorf("sent %v", h)
	}
	for _, value := range []string{"Bearer", "Bearer ", "Bearer a b", "Bearer  a", "Bearer a\t", "Bearer a%20b", "Bearer =", "Bearer a=b", "Bearer a,b", "Bearer ä"} {
		asked := server.asked.Load()
		_, err := remote.Authenticate(request("GET", "/", "", "Authorization", value))
		if auth.CodeOf(err) != auth.CodeCredentialMalformed || server.asked.Load() != asked {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, r := range []*http.Request{
		request("GET", "/", "", "Authorization", "Bearer a", "Authorization", "Bearer b"), request("GET", "/", "", "Authorization", "Bearer a", "Authorization", "Basic b"),
	} {
		if _, err := remote.Authenticate(r); auth.CodeOf(err) != auth.CodeCredentialMalformed {
			t.Errorf("two headers: %v", err)
		}
	}
	for _, r := range []*http.Request{request("GET", "/", "", "Authorization", "Basic YTpi"), request("GET", "/?token=abc&sessionId=s", "", "Cookie", "other=1")} {
		if _, err := remote.Authenticate(r); auth.CodeOf(err) != auth.CodeNoCredential {
			t.Errorf("no credential: %v", err)
		}
	}
}

// TestRemoteFailsClosed: only a plain yes is yes, and only a plain no is no.
func TestRemoteFailsClosed(t *testing.T) {
	answer := func(status int, media, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	yes := `{"authenticated":true,"user":{"id":"alice"},"session":{"id":"s","userId":"alice","state":"active","subject":"alice","expiresAt":"2999-01-01T00:00:00Z"}}`
	tests := []struct {
		name string
		api  http.Handler
		code auth.Code
	}{
		{"no", answer(200, asJSON, `{"authenticated":false,"user":null,"session":null}`), auth.CodeSessionNotFound},
		{"no, as the original says it", answer(200, asJSON, `{"authenticated":false}`), auth.CodeSessionNotFound},
		{"401", answer(401, asJSON, `{"authenticated":true}`), auth.CodeProviderUnavailable},
		{"503", answer(503, asJSON, `{}`), auth.CodeProviderUnavailable},
		{"redirect", answer(302, asJSON, yes), auth.CodeProviderUnavailable},
		{"created", answer(201, asJSON, yes), auth.CodeProviderUnavailable},
		{"HTML", answer(200, asHTML, yes), auth.CodeProviderInvalid},
		{"empty", answer(200, asJSON, ``), auth.CodeProviderInvalid},
		{"no answer in it", answer(200, asJSON, `{}`), auth.CodeProviderInvalid},
		{"a string", answer(200, asJSON, `{"authenticated":"true"}`), auth.CodeProviderInvalid},
		{"null", answer(200, asJSON, `{"authenticated":null}`), auth.CodeProviderInvalid},
		{"nobody named", answer(200, asJSON, `{"authenticated":true,"user":null}`), auth.CodeProviderInvalid},
		{"cut", answer(200, asJSON, yes[:40]), auth.CodeProviderInvalid},
		{"trailing data", answer(200, asJSON, yes+yes), auth.CodeProviderInvalid},
		{"too long", answer(200, asJSON, yes+strings.Repeat(" ", 1<<20)), auth.CodeProviderInvalid},
		{"revoked", answer(200, asJSON, strings.Replace(yes, "active", "revoked", 1)), auth.CodeProviderInvalid},
		{"expired", answer(200, asJSON, strings.Replace(yes, "2999", "1999", 1)), auth.CodeProviderInvalid},
		{"session of nobody", answer(200, asJSON, strings.Replace(yes, `"subject":"alice"`, `"subject":""`, 1)), auth.CodeProviderInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			remote := newRemote(t, &api{handler: tt.api}, nil)
			for range 2 {
				got, err := remote.Authenticate(withCookie("v"))
				if got != nil || auth.CodeOf(err) != tt.code || errors.Is(err, auth.ErrUnauthenticated) != (tt.code == auth.CodeSessionNotFound) {
					t.Fatalf("%+v, %v; want %s", got, err, tt.code)
				}
				w := do(auth.Guard{Authenticator: remote}.OptionalAuth(http.NotFoundHandler()), withCookie("v"))
				if wantNobody := tt.code == auth.CodeSessionNotFound; wantNobody != (w.Code == 404) || !wantNobody && w.Code != 503 {
					t.Errorf("a guard answers %d", w.Code)
				}
			}
		})
	}
	hosts := map[string]http.Handler{"auth.example": answer(302, asJSON, ""), "evil.example": answer(200, asJSON, yes)}
	redirected := newRemote(t, roundTripper(func(r *http.Request) (*http.Response, error) { return (&api{handler: hosts[r.URL.Host]}).RoundTrip(r) }), nil)
	if got, err := redirected.Authenticate(withCookie("v")); got != nil || auth.CodeOf(err) != auth.CodeProviderUnavailable {
		t.Errorf("a redirect was followed: %+v, %v", got, err)
	}
	down := newRemote(t, roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection to canary refused") }), nil)
	_, err := down.Authenticate(withCookie("v"))
	if auth.CodeOf(err) != auth.CodeProviderUnavailable || strings.Contains(err.Error(), "canary") {
		t.Errorf("down: %v", err)
	}
	exact := strings.Replace(yes, `"id":"alice"`, `"id":"alice","claims":{"n":9007199254740993}`, 1)
	var got *auth.Authentication
	got, err = newRemote(t, &api{handler: answer(200, asJSON, exact)}, nil).Authenticate(withCookie("v"))
	if err != nil || fmt.Sprint(got.Principal.Claims["n"]) != "9007199254740993" {
		t.Errorf("yes: %+v, %v", got, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRemoteStaleness: how old a yes can be, and that a session's own end is kept.
func TestRemoteStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := working()
		b.authenticate = live
		server := &api{handler: newHandler(t, b, auth.HandlerConfig{})}
		remote := newRemote(t, server, func(c *auth.RemoteConfig) { c.MaxEntries = 2 })
		ask := func(cookie string, want int64) {
			t.Helper()
			if _, err := remote.Authenticate(withCookie(cookie)); err != nil || server.asked.Load() != want {
				t.Fatalf("asked %d times, want %d; %v", server.asked.Load(), want, err)
			}
		}
		ask("a", 1)
		time.Sleep(5*time.Second - 1)
		ask("a", 1)
		time.Sleep(time.Nanosecond)
		ask("a", 2)
		ask("b", 3)
		ask("b", 3)
		ask("c", 4) // makes room: a goes
		ask("b", 4)
		ask("a", 5)

		b.authenticate = nobody
		time.Sleep(5 * time.Second)
		for want := int64(6); want < 8; want++ { // a no is not kept
			if _, err := remote.Authenticate(withCookie("a")); !errors.Is(err, auth.ErrUnauthenticated) || server.asked.Load() != want {
				t.Fatalf("asked %d times, want %d; %v", server.asked.Load(), want, err)
			}
		}
		b.authenticate = func(r *http.Request) (*auth.Authentication, error) {
			a, _ := live(r)
			a.Session.ExpiresAt = time.Now().Add(time.Second)
			return a, nil
		}
		ask("d", 8)
		time.Sleep(time.Second)
		if _, err := remote.Authenticate(withCookie("d")); server.asked.Load() != 9 {
			t.Errorf("a session past its end was not asked about: %v", err)
		}
	})
}

func TestRemoteAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := working()
		b.authenticate = func(r *http.Request) (*auth.Authentication, error) { time.Sleep(time.Second); return live(r) }
		server := &api{handler: newHandler(t, b, auth.HandlerConfig{})}
		remote := newRemote(t, server, func(c *auth.RemoteConfig) { c.Staleness = -1 })
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { _, err := remote.Authenticate(withCookie("a").WithContext(ctx)); gone <- err }()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := remote.Authenticate(withCookie("a")); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel() // who began the question goes away; the others still get their answer
		if err := <-gone; errors.Is(err, auth.ErrUnauthenticated) || !errors.Is(err, context.Canceled) {
			t.Errorf("the one that went away: %v", err)
		}
		wg.Wait()
		if n := server.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		if _, err := remote.Authenticate(withCookie("a")); err != nil || server.asked.Load() != 2 {
			t.Errorf("kept an answer: %v", err)
		}
	})
}

func TestRemoteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := roundTripper(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		start := time.Now()
		_, err := newRemote(t, hang, nil).Authenticate(withCookie("a"))
		if auth.CodeOf(err) != auth.CodeProviderUnavailable || time.Since(start) != auth.DefaultRemoteTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestRemoteTLS: an auth-api whose certificate nobody vouches for is not asked.
func TestRemoteTLS(t *testing.T) {
	b := working()
	b.authenticate = live
	server := httptest.NewUnstartedServer(newHandler(t, b, auth.HandlerConfig{}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for _, tt := range []struct {
		name   string
		client *http.Client
		code   auth.Code
	}{{"unknown authority", nil, auth.CodeProviderUnavailable}, {"its own", server.Client(), ""}} {
		remote, err := auth.NewRemote(auth.RemoteConfig{URL: server.URL + base, HTTPClient: tt.client})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := remote.Authenticate(withCookie("v")); auth.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestRemoteConfig(t *testing.T) {
	for _, c := range []auth.RemoteConfig{
		{}, {URL: "/api"}, {URL: "http://auth.example/api"}, {URL: "ftp://auth.example", InsecureAllowHTTP: true}, {URL: "https://u:p@auth.example"},
		{URL: "https://auth.example?x=1"}, {URL: "https://auth.example#x"}, {URL: "https://auth.example", Staleness: time.Hour},
		{URL: "https://auth.example", MaxEntries: -1}, {URL: "https://auth.example", Timeout: -1},
	} {
		if _, err := auth.NewRemote(c); auth.CodeOf(err) != auth.CodeConfigInvalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := auth.NewRemote(auth.RemoteConfig{URL: "http://127.0.0.1/api/", InsecureAllowHTTP: true}); err != nil {
		t.Error(err)
	}
}

// FuzzRemoteAnswer is F-WWW and F-UI for what an auth-api answers: only a plain yes is somebody and only a plain no is
// nobody, and an error says nothing of the answer.
func FuzzRemoteAnswer(f *testing.F) {
	f.Add(uint16(200), asJSON, "", []byte(`{"authenticated":true,"user":{"id":"a"},"session":{"id":"s","state":"active","subject":"a","expiresAt":"2999-01-01T00:00:00Z"}}`))
	f.Add(uint16(200), asJSON, "", []byte(`{"authenticated":false}`))
	f.Add(uint16(200), asJSON, "", []byte(`{"authenticated":true,"user":{"id":"a","claims":{"n":1e400}}}`))
	f.Add(uint16(200), asJSON, "", []byte(strings.Repeat(`{"user":`, 100)))
	f.Add(uint16(401), asJSON, `Bearer error="invalid_token", error_description="`+strings.Repeat("x", 999), []byte(`{"authenticated":false}`))
	f.Add(uint16(302), asHTML, strings.Repeat(`Basic realm="`, 100), []byte("<html>"))
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, status uint16, media, challenge string, body []byte) {
		status = 200 + (status-200)%400
		header := http.Header{"Content-Type": {media}, "Www-Authenticate": {challenge}}
		var got *auth.Authentication
		var err error
		fuzzcheck.Bounded(t, len(body)+len(challenge), func() {
			server := roundTripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: int(status), Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
			})
			got, err = newRemote(t, server, nil).Authenticate(withCookie("v"))
		})
		fuzzcheck.Discreet(t, err, challenge+string(body))
		switch {
		case err == nil && (got.Principal.Subject == "" || !strings.Contains(string(body), "true") || status != 200):
			t.Errorf("%d %q is %+v", status, body, got)
		case errors.Is(err, auth.ErrUnauthenticated) && (!strings.Contains(string(body), "false") || status != 200):
			t.Errorf("%d %q is nobody", status, body)
		}
	})
}

// credentials is the grammar of RFC 9110, section 11.4, with the one space that RFC 6750, section 2.1, has.
var credentials = regexp.MustCompile(`^(?i:Bearer) [A-Za-z0-9._~+/-]+=*$`)

// FuzzAuthorization is F-AUTHZ: one header with the scheme, a space and one token68 (RFC 9110, section 11.2) is passed on,
// and nothing else.
func FuzzAuthorization(f *testing.F) {
	for _, v := range []string{"Bearer a", "Bearer a b", "bearer  a", "Bearer\ta", "Bearer a=", "Bearer a=b", "Bearer =", "Bearer %61", "Basic a", "Bearer", ""} {
		f.Add(v, false)
		f.Add(v, true)
	}
	server := &api{handler: newHandler(f, func() *fakeBackend { b := working(); b.authenticate = live; return b }(), auth.HandlerConfig{})}
	remote := newRemote(f, server, func(c *auth.RemoteConfig) { c.Staleness = -1 })
	f.Fuzz(func(t *testing.T, value string, twice bool) {
		r := request("GET", "/", "", "Authorization", value)
		if twice {
			r.Header.Add("Authorization", value)
		}
		asked := server.asked.Load()
		_, err := remote.Authenticate(r)
		fuzzcheck.Discreet(t, err, value)
		if want := !twice && credentials.MatchString(value); want != (err == nil) {
			t.Errorf("%q, twice %t: %v, want accepted: %t", value, twice, err, want)
		}
		if err != nil {
			if server.asked.Load() != asked || !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%q: %v", value, err)
			}
			return
		}
		sent := server.last.Load().Header.Get("Authorization")
		if twice || !strings.EqualFold(sent, value) || fmt.Sprint(strings.Fields(sent)) != "["+sent+"]" || len(strings.Fields(sent)) != 2 {
			t.Errorf("%q was sent as %q", value, sent)
		}
	})
}
