package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/store"
)

// environment is what a process reads instead of its own.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// newEnvironment returns the least that is needed.
func newEnvironment(server *redistest.Server) environment {
	return environment{"REDIS_URL": "redis://" + server.Addr, keyVariable: auth.GenerateKey().Encode()}
}

// TestInstances signs in at one instance, goes on at another, and ends the session there.
func TestInstances(t *testing.T) {
	env := newEnvironment(redistest.Start(t, redistest.Options{}))
	one, two := start(t, env), start(t, env)
	v := newVisitor(t)
	v.signIn(one)
	for _, instance := range []string{one, two, one} {
		if status, page := v.get(instance); status != http.StatusOK || !strings.Contains(page, "Hello Ada Lindqvist") {
			t.Fatalf("%s answers %d %s", instance, status, page)
		}
	}
	copied := newVisitor(t)
	copied.client.Jar.SetCookies(mustParse(t, one), v.client.Jar.Cookies(mustParse(t, one)))
	if status, _ := v.post(two+auth.DefaultBasePath+"/signout", nil); status != http.StatusOK {
		t.Fatalf("the sign-out is answered %d", status)
	}
	// Redis tells the first instance, which takes a moment and never longer than redisstore.DefaultCacheTTL.
	copied.until(one, func(page string) bool { return strings.Contains(page, "<title>Sign in - Acme ID</title>") })
}

// TestOutage takes Redis away: nobody gets in, nobody is signed out, and when it is back all go on.
func TestOutage(t *testing.T) {
	server := redistest.Start(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	app := start(t, newEnvironment(server))
	v := newVisitor(t)
	v.signIn(app)
	before := v.client.Jar.Cookies(mustParse(t, app))
	server.Kill()
	v.until(app, func(page string) bool { return !strings.Contains(page, "Hello") })
	if status, page := v.get(app); status != http.StatusServiceUnavailable {
		t.Errorf("without Redis: %d %s", status, page)
	}
	if after := v.client.Jar.Cookies(mustParse(t, app)); len(before) != 1 || len(after) != 1 || after[0].Value != before[0].Value {
		t.Error("without Redis the browser lost its cookie")
	}
	server.Restart()
	v.until(app, func(page string) bool { return strings.Contains(page, "Hello Ada Lindqvist") })
}

// TestFakeGivesNoRefreshToken: the fake of another instance would refuse it, and so end the session.
func TestFakeGivesNoRefreshToken(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	defer server.Close()
	appURL := "http://localhost:" + strconv.Itoa(server.Listener.Addr().(*net.TCPAddr).Port)
	fake, err := startFake(t.Context(), appURL)
	if err != nil {
		t.Fatal(err)
	}
	defer fake.close()
	sessions, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if server.Config.Handler, err = newApplication(sessions, appURL, auth.GenerateKey(), fake.client); err != nil {
		t.Fatal(err)
	}
	server.Start()
	newVisitor(t).signIn(appURL)
	if n := fake.op.RefreshTokens("ada"); n != 0 {
		t.Errorf("the fake gave %d refresh tokens", n)
	}
}

func TestProviderOfTheEnvironment(t *testing.T) {
	var op http.Handler
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { op.ServeHTTP(w, r) }))
	defer idp.Close()
	env := newEnvironment(redistest.Start(t, redistest.Options{}))
	env["NETSCRIPT_AUTH_ISSUER"], env["NETSCRIPT_AUTH_CLIENT_ID"], env["NETSCRIPT_AUTH_CLIENT_SECRET"] = idp.URL, "app", "app-secret"
	app := start(t, env)
	op, err := fakeop.New(fakeop.Config{
		Issuer: idp.URL, Users: []fakeop.User{{Subject: "ada"}},
		Clients: []fakeop.Client{{ID: "app", Secret: "app-secret", RedirectURIs: []string{app + "/api/v1/auth/callback"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := newVisitor(t)
	v.signIn(app)
	if status, page := v.get(app); status != http.StatusOK || !strings.Contains(page, "Hello ada,") {
		t.Errorf("%d %s", status, page)
	}
}

func TestRunRefuses(t *testing.T) {
	key := auth.GenerateKey().Encode()
	tests := []struct {
		name string
		env  environment
		want string
	}{
		{"no Redis", environment{keyVariable: key}, "REDIS_URL is missing"},
		{"no URL", environment{"REDIS_URL": "localhost:canary", keyVariable: key}, "REDIS_URL: "},
		{"no key", environment{"REDIS_URL": "redis://localhost"}, keyVariable + ": "},
		{"a bad key", environment{"REDIS_URL": "redis://localhost", keyVariable: "canary"}, keyVariable + ": "},
		{"a client without issuer", environment{
			"REDIS_URL": "redis://localhost", keyVariable: key,
			"NETSCRIPT_AUTH_CLIENT_ID": "app", "NETSCRIPT_AUTH_CLIENT_SECRET": "canary",
		}, "set all or none"},
		{"an issuer without client", environment{
			"REDIS_URL": "redis://localhost", keyVariable: key, "NETSCRIPT_AUTH_ISSUER": "https://idp.test",
		}, "set all or none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			err := run(ctx, 0, tt.env.get, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// start runs the program until the test ends, and returns the address that it prints.
func start(t *testing.T, env environment) (appURL string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, 0, env.get, write)
		_ = write.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the program ends with %v", err)
		}
	})
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return address
		}
	}
	t.Fatalf("the program does not start: %v", lines.Err())
	return ""
}

// visitor is a browser with cookies, as far as these pages need one.
type visitor struct {
	t      *testing.T
	client *http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

// signIn signs in as Ada at the provider's page, which comes instead of the application's.
func (v *visitor) signIn(app string) {
	v.t.Helper()
	_, page := v.get(app)
	action := regexp.MustCompile(`<form method="post" action="([^"]*)">`).FindStringSubmatch(page)
	field := regexp.MustCompile(`name="interaction" value="([^"]*)"`).FindStringSubmatch(page)
	if action == nil || field == nil {
		v.t.Fatalf("no login page: %s", page)
	}
	if status, page := v.post(action[1], url.Values{"interaction": {field[1]}, "user": {"ada"}}); status != http.StatusOK {
		v.t.Fatalf("the sign-in ends with %d %s", status, page)
	}
}

// until asks for a page until it is as it should be, for at most ten seconds.
func (v *visitor) until(target string, good func(page string) bool) {
	v.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, page := v.get(target)
		if good(page) {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("%s still answers %s", target, page)
		}
	}
}

func (v *visitor) get(target string) (int, string) {
	v.t.Helper()
	return v.do(http.MethodGet, target, nil)
}

func (v *visitor) post(target string, form url.Values) (int, string) {
	v.t.Helper()
	return v.do(http.MethodPost, target, form)
}

// do sends a request as a browser that navigates, and returns the page that it ends on.
func (v *visitor) do(method, target string, form url.Values) (int, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func mustParse(t *testing.T, rawURL string) *url.URL {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
