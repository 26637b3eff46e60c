package authapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

func TestSignIn(t *testing.T) {
	_, alice := signedIn(t, kvOAuthEnv(), nil)
	var me struct {
		Authenticated bool
		User          struct{ ID, Email string }
	}
	alice.GetJSON(base+"/me", &me)
	if !me.Authenticated || me.User.ID != "alice" || me.User.Email == "" {
		t.Errorf("me %+v", me)
	}
	if c := alice.Cookie("__Host-ns_session"); c == nil || !c.HttpOnly || !c.Secure {
		t.Errorf("cookie %+v", c)
	}
	if p := alice.PostJSON(base+"/signout", map[string]any{}); p.Status != 200 || alice.Cookie("__Host-ns_session") != nil {
		t.Errorf("sign-out %d %s", p.Status, p.Body)
	}
}

// TestNotInteractive: the two backends that do not sign in answer 502 there, and nobody elsewhere.
func TestNotInteractive(t *testing.T) {
	for name, e := range map[string]env{"workos": workosEnv(), "better-auth": betterAuthEnv()} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, options(t, e))
			for _, r := range [][2]string{{"GET", "/signin"}, {"POST", "/signin"}, {"GET", "/callback?code=x&state=y"}, {"POST", "/callback"}} {
				w := do(s, r[0], base+r[1], "{}", "Content-Type", "application/json")
				if w.Code != 502 || !strings.Contains(w.Body.String(), `"AUTH_PROVIDER_ERROR"`) {
					t.Errorf("%s %s: %d %s", r[0], r[1], w.Code, w.Body)
				}
			}
			for _, path := range []string{"/session", "/me"} {
				if w := do(s, "GET", base+path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"authenticated":false`) {
					t.Errorf("%s: %d %s", path, w.Code, w.Body)
				}
			}
			if w := do(s, "POST", base+"/signout", "{}", "Content-Type", "application/json"); w.Code != 200 {
				t.Errorf("signout: %d %s", w.Code, w.Body)
			}
			if s.Backend().Name() != name {
				t.Errorf("backend %s", s.Backend().Name())
			}
		})
	}
}

func TestUnknownRoutes(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv()))
	for _, r := range [][2]string{{"GET", "/"}, {"GET", "/api"}, {"GET", "/health/x"}, {"GET", "/api/docs/x"}, {"GET", base + "/x"}, {"GET", base + "/verify"}} {
		w := do(s, r[0], r[1], "")
		if w.Code != 404 || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"NOT_FOUND"`) {
			t.Errorf("%v: %d %s", r, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/health", "/health/live", "/api/openapi.json", "/api/docs"} {
		if w := do(s, "POST", path, ""); w.Code != 405 || w.Header().Get("Allow") == "" {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
}

// TestWiring: what variables turn on.
func TestWiring(t *testing.T) {
	key := auth.GenerateKey()
	e := kvOAuthEnv().with("NETSCRIPT_AUTH_CORS_ORIGINS", "https://other.test", "NETSCRIPT_AUTH_VERIFY_KEY", key.Encode(), "NETSCRIPT_AUTH_VERIFY_AUDIENCE", "shop",
		"NETSCRIPT_AUTH_VERIFY_CLAIMS", "name", "NETSCRIPT_AUTH_ERROR_URL", "/login", "NETSCRIPT_AUTH_DEFAULT_RETURN_URL", "/home", "NETSCRIPT_AUTH_RETURN_ORIGINS", "https://www.test")
	s, alice := signedIn(t, e, func(o *authapi.Options) { o.Version = "1.2.3" })
	page := alice.Get(base + "/verify")
	r, _ := http.NewRequest("GET", "/", nil)
	r.Header, r.RemoteAddr = page.Header, proxyPeer
	trusted, err := auth.NewTrustedHeaders(auth.TrustedHeadersConfig{Keys: []auth.Key{key}, Audience: "shop", Proxies: loopback})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := trusted.Authenticate(r); err != nil || got.Principal.Subject != "alice" || got.Principal.Claim("name") == "" {
		t.Errorf("verify: %d, %+v, %v", page.Status, got, err)
	}
	w := do(s, "POST", base+"/signout", "{}", "Content-Type", "application/json", "Origin", "https://other.test", "Sec-Fetch-Site", "cross-site")
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://other.test" {
		t.Errorf("CORS: %d %v", w.Code, w.Header())
	}
	w = do(s, "POST", base+"/signout", "{}", "Content-Type", "application/json", "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS of another: %d %v", w.Code, w.Header())
	}
	if w := do(s, "GET", base+"/callback?error=access_denied&state=x", "", "Accept", "text/html"); w.Code != 302 || !strings.HasPrefix(w.Header().Get("Location"), "/login?error=") {
		t.Errorf("error URL: %d %v", w.Code, w.Header())
	}
	for target, want := range map[string]int{"https://www.test/x": 200, "https://evil.test/x": 422} {
		if p := alice.PostJSON(base+"/signin", map[string]any{"redirectTo": target}); p.Status != want {
			t.Errorf("return to %s: %d %s", target, p.Status, p.Body)
		}
	}
	if w := do(s, "GET", base+"/describe", ""); !strings.Contains(w.Body.String(), `"version":"1.2.3"`) {
		t.Errorf("describe %s", w.Body)
	}
	if w := do(s, "GET", "/api/openapi.json", ""); !strings.Contains(w.Body.String(), `"version":"1.2.3"`) {
		t.Errorf("openapi.json lacks the version")
	}
}

type healthAnswer struct {
	Status string
	Checks map[string]struct{ Status, Code, Fix string }
}

func health(t testing.TB, h http.Handler) (int, healthAnswer) {
	t.Helper()
	w := do(h, "GET", "/health/ready", "")
	var a healthAnswer
	decode(t, w.Body.Bytes(), &a)
	return w.Code, a
}

// TestHealth walks through a store and a provider that fail and recover, and through shutting down.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, err := store.NewMemory(store.MemoryConfig{})
		if err != nil {
			t.Fatal(err)
		}
		down := false
		writes := 0
		kv := &storetest.Faulty{KV: memory, Fault: func(op storetest.Op, _ string) storetest.Fault {
			if op == storetest.OpSet {
				writes++
			}
			if down {
				return storetest.Fail
			}
			return storetest.None
		}}
		idp := authtest.NewProvider(t, authtest.ProviderConfig{})
		idpDown := true
		asked := 0
		var log bytes.Buffer
		o := options(t, kvOAuthEnv())
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.KV = kv
		o.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			if idpDown {
				return nil, errors.New("canary-address refused")
			}
			return idp.Client().Transport.RoundTrip(r)
		})}
		s := newService(t, o)
		want := func(status int, word, store, provider string) {
			t.Helper()
			code, a := health(t, s)
			if code != status || a.Status != word || a.Checks["store"].Status != store || a.Checks["provider default"].Status != provider {
				t.Fatalf("%d %+v, want %d %s, store %s, provider %s", code, a, status, word, store, provider)
			}
			for name, c := range a.Checks {
				if c.Status != "up" && (c.Code == "" || c.Fix == "") {
					t.Errorf("%s does not say what to do: %+v", name, c)
				}
			}
			if w := do(s, "GET", "/health/live", ""); w.Code != 200 {
				t.Errorf("live: %d", w.Code)
			}
		}
		want(503, "not_ready", "up", "down") // it starts while the provider is down
		idpDown = false
		want(503, "not_ready", "up", "down") // kept for a second
		time.Sleep(time.Second)
		want(200, "ready", "up", "up")

		before, beforeAsked := writes, asked
		for range 100 {
			want(200, "ready", "up", "up")
		}
		if writes != before || asked != beforeAsked {
			t.Errorf("100 probes made %d writes and %d requests", writes-before, asked-beforeAsked)
		}
		idpDown, down = true, true
		time.Sleep(time.Second)
		want(503, "not_ready", "down", "up") // the provider's answer is kept for longer
		down = false
		time.Sleep(30 * time.Second)
		want(200, "ready", "up", "degraded") // sessions are served without it
		s.Drain()
		want(503, "shutting_down", "up", "degraded")
		if strings.Contains(log.String(), "canary") || strings.Contains(do(s, "GET", "/health/ready", "").Body.String(), "canary") {
			t.Errorf("an address is in the log or the answer: %s", &log)
		}
		if n := strings.Count(log.String(), "dependency is"); n != 6 {
			t.Errorf("%d changes are logged:\n%s", n, &log)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSlowDependency: a probe gets its answer in time, whatever a dependency does.
func TestSlowDependency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, kvOAuthEnv())
		o.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		s := newService(t, o)
		start := time.Now()
		if code, a := health(t, s); code != 503 || time.Since(start) > 2*time.Second {
			t.Errorf("%d %+v after %v", code, a, time.Since(start))
		}
	})
}

// TestNotMigrated: a database without tables says so.
func TestNotMigrated(t *testing.T) {
	e := kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "file:"+t.TempDir()+"/a.db")
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	o := options(t, e)
	o.HTTPClient = idp.Client()
	s := newService(t, o)
	code, a := health(t, s)
	if code != 503 || a.Checks["migrations"].Code != "not_migrated" || a.Checks["store"].Code != "not_migrated" || !strings.Contains(a.Checks["store"].Fix, "migrate") {
		t.Errorf("%d %+v", code, a)
	}
	if w := do(s, "GET", base+"/me", "", "Cookie", "__Host-ns_session="+strings.Repeat("A", 43)); w.Code != 503 {
		t.Errorf("me: %d %s", w.Code, w.Body)
	}
	if err := authapi.Migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	status, err := authapi.MigrationStatus(t.Context(), o)
	if err != nil || status.Version != status.Latest || len(status.Pending) != 0 {
		t.Errorf("status %+v, %v", status, err)
	}
	if code, a := health(t, newService(t, o)); code != 200 {
		t.Errorf("after the migration: %d %+v", code, a)
	}
}

func TestNoMigrations(t *testing.T) {
	for name, e := range map[string]env{"memory": kvOAuthEnv(), "workos": workosEnv(), "better-auth": betterAuthEnv()} {
		if err := authapi.Migrate(t.Context(), options(t, e)); !errors.Is(err, authapi.ErrNoMigrations) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := authapi.Migrate(t.Context(), options(t, env{})); auth.CodeOf(err) != auth.CodeConfigInvalid {
		t.Errorf("no database: %v", err)
	}
}

// TestDatabaseDown: the service starts, and is not ready.
func TestDatabaseDown(t *testing.T) {
	for _, address := range []string{"postgres://u:canary-password@127.0.0.1:1/d", "mysql://u:canary-password@127.0.0.1:1/d", "sqlserver://u:canary-password@127.0.0.1:1?database=d"} {
		var log bytes.Buffer
		o := options(t, kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "", "DATABASE_URL", address))
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		s := newService(t, o)
		if code, a := health(t, s); code != 503 || a.Checks["store"].Status != "down" {
			t.Errorf("%s: %d %+v", address, code, a)
		}
		w := do(s, "GET", base+"/session", "", "Cookie", "__Host-ns_session="+strings.Repeat("A", 43))
		if w.Code != 503 || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("session: %d %v", w.Code, w.Header())
		}
		if strings.Contains(log.String()+w.Body.String(), "canary") {
			t.Errorf("the password shows: %s", &log)
		}
	}
}

// TestGracefulShutdown: the request in flight is finished, and then nothing answers any more.
func TestGracefulShutdown(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, kvOAuthEnv())
	o.KV = &storetest.Faulty{KV: memory, Fault: func(op storetest.Op, _ string) storetest.Fault {
		if op != storetest.OpSet && op != storetest.OpTake {
			close(entered)
			<-release
		}
		return storetest.None
	}}
	s := newService(t, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	answered := make(chan string, 1)
	go func() {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+base+"/me", nil)
		r.Header.Set("Cookie", "__Host-ns_session="+strings.Repeat("A", 43))
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		answered <- strconv.Itoa(res.StatusCode) + " " + string(body)
	}()
	<-entered
	cancel()
	for { // it says that it is not ready while it finishes
		if w := do(s, "GET", "/health/live", ""); w.Code != 200 {
			t.Error("not live")
		}
		if s.Draining() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("ended with a request in flight: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	if got := <-answered; !strings.HasPrefix(got, "200 ") {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still listens")
	}
}

// TestShutdownTimeout: a request that never ends does not keep the service up.
func TestShutdownTimeout(t *testing.T) {
	o := options(t, kvOAuthEnv())
	o.ShutdownTimeout = 10 * time.Millisecond
	s := newService(t, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "POST "+base+"/signout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 12)); err != nil { // it reads the body now
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("Serve said nothing of a request that did not end")
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	s, err := authapi.New(t.Context(), options(t, kvOAuthEnv().with("PORT", port)))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context())
	if config, ok := errors.AsType[*authapi.ConfigError](err); !ok || config.Problems[0].Variable != "PORT" || !strings.Contains(err.Error(), port) {
		t.Errorf("Run: %v", err)
	}
}

// TestBodies sends what a client should not.
func TestBodies(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv()))
	tests := []struct {
		name, media, body string
		status            int
	}{
		{"malformed", "application/json", "{", 422},
		{"wrong type", "application/json", `{"everywhere":"yes"}`, 422},
		{"trailing data", "application/json", "{}{}", 422},
		{"deep", "application/json", `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", 422},
		{"too long", "application/json", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, 413},
		{"unknown type", "text/plain", "{}", 415},
		{"XML", "application/xml", "<a/>", 415},
	}
	for _, tt := range tests {
		for path, form := range map[string]string{base + "/signout": "%s", "/api/rpc/v1/auth/signout": `{"json":%s,"meta":[]}`} {
			body := strings.Replace(form, "%s", tt.body, 1)
			w := do(s, "POST", path, body, "Content-Type", tt.media)
			if w.Code != tt.status {
				t.Errorf("%s to %s: %d %s", tt.name, path, w.Code, w.Body)
			}
		}
	}
}
