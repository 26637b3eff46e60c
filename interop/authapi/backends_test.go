package authapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/internal/sqltest"
	"github.com/netscript/auth/interop/internal/testenv"
	"github.com/netscript/auth/workos/workostest"
)

const (
	workosClient   = "client_interop"
	workosKey      = "sk_test_interop"
	sharedPassword = "an-interop-password-of-many-characters-4f1b9c07"
)

// script runs a server or client of another implementation: node with a script of this module and one argument. It ends
// with the test.
func script(t testing.TB, pkg string, argument any, path ...string) (io.Writer, *bufio.Reader) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		testenv.Missing(t, "node")
	}
	dir := testenv.Interop(t)
	if _, err := os.Stat(filepath.Join(append([]string{dir, "node_modules"}, strings.Split(pkg, "/")...)...)); err != nil {
		testenv.Missing(t, "the npm package "+pkg)
	}
	text, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, filepath.Join(append([]string{dir}, path...)...), string(text))
	log := new(lockedBuffer)
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil && t.Failed() {
			t.Logf("%s: %v\n%s", pkg, err, log)
		}
	})
	return in, bufio.NewReaderSize(out, 1<<20)
}

// toAPI sends requests for WorkOS to a fake.
type toAPI struct{ fake *workostest.Server }

func (a toAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "api.workos.com" || r.URL.Scheme != "https" {
		return nil, fmt.Errorf("unexpected request to %s", r.URL.Host)
	}
	w := httptest.NewRecorder()
	a.fake.ServeHTTP(w, r)
	return w.Result(), nil
}

func workosService(t *testing.T) (*authapi.Service, *workostest.Server) {
	t.Helper()
	fake, err := workostest.NewServer(workostest.Config{ClientID: workosClient, APIKey: workosKey})
	if err != nil {
		t.Fatal(err)
	}
	e := env{"NETSCRIPT_AUTH_BACKEND": "workos", "WORKOS_API_KEY": workosKey, "WORKOS_CLIENT_ID": workosClient, "WORKOS_COOKIE_PASSWORD": sharedPassword}
	return newService(t, e, func(o *authapi.Options) { o.HTTPClient = &http.Client{Transport: toAPI{fake}} }), fake
}

// TestWorkOS: a cookie that WorkOS' own SDK has sealed is a session here.
func TestWorkOS(t *testing.T) {
	s, fake := workosService(t)
	site := httptest.NewServer(s)
	defer site.Close()
	in, out := script(t, "@workos-inc/node", map[string]any{"apiKey": workosKey, "clientId": workosClient, "port": 1, "cookiePassword": sharedPassword}, "workos", "sdk.mjs")
	signedIn, err := fake.SignIn(workostest.Person{ID: "user_1", Email: "erin@example.com", FirstName: "Erin", Role: "admin", Permissions: []string{"orders:read"}})
	if err != nil {
		t.Fatal(err)
	}
	session := map[string]any{"accessToken": signedIn.AccessToken.Reveal(), "refreshToken": "r1", "user": map[string]any{
		"object": "user", "id": "user_1", "email": "erin@example.com", "emailVerified": true, "firstName": "Erin", "lastName": nil, "metadata": map[string]any{},
	}}
	line, _ := json.Marshal(map[string]any{"command": "seal", "session": session})
	if _, err := fmt.Fprintf(in, "%s\n", line); err != nil {
		t.Fatal(err)
	}
	text, err := out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var sealed struct{ Result, Error string }
	if err := json.Unmarshal(text, &sealed); err != nil || sealed.Error != "" {
		t.Fatalf("%s: %v", text, err)
	}
	v := visit(t, site.URL)
	cookie := []string{"Cookie", "wos-session=" + sealed.Result}
	me := v.get(base+"/me", cookie...).json(t)
	user, _ := me["user"].(map[string]any)
	got, _ := me["session"].(map[string]any)
	if me["authenticated"] != true || user["id"] != "user_1" || user["email"] != "erin@example.com" || fmt.Sprint(got["roles"]) != "[admin]" || fmt.Sprint(got["scopes"]) != "[orders:read]" {
		t.Errorf("me %v", me)
	}
	if a := v.get(base+"/session", cookie...).json(t); a["authenticated"] != true {
		t.Errorf("session %v", a)
	}
	if a := v.get(base+"/me", "Authorization", "Bearer "+signedIn.AccessToken.Reveal()).json(t); a["authenticated"] != true {
		t.Errorf("me, by bearer token: %v", a)
	}
	// A bad token is not made up for by a good cookie.
	if a := v.get(base+"/me", append(cookie, "Authorization", "Bearer "+signedIn.AccessToken.Reveal()+"x")...).json(t); a["authenticated"] != false {
		t.Errorf("me, by a bad token and a good cookie: %v", a)
	}
	if a := v.get(base+"/me", "Cookie", "wos-session="+sealed.Result[:len(sealed.Result)-4]).json(t); a["authenticated"] != false {
		t.Errorf("a cookie cut short: %v", a)
	}
	if a := v.get(base+"/signin", cookie...); a.status != http.StatusBadGateway {
		t.Errorf("signin: %d %s", a.status, a.body)
	}
	if a := v.postJSON(base+"/signout", map[string]any{}, cookie...); a.status != 200 || !strings.Contains(a.header.Get("Set-Cookie"), "wos-session=;") {
		t.Errorf("signout: %d %v", a.status, a.header)
	}
	if a := v.get(base+"/me", cookie...).json(t); a["authenticated"] != false {
		t.Errorf("after the sign-out: %v", a)
	}
}

// TestBetterAuth: a session that the real better-auth server has made is one here, for the program with its environment.
func TestBetterAuth(t *testing.T) {
	databases := map[string]func(t *testing.T, e environment) (engine, dsn string){
		"postgres": func(t *testing.T, e environment) (string, string) {
			s := sqltest.StartPostgres(t)
			dsn := s.DSN(s.Database(t), "")
			e["DATABASE_URL"], e["DB_PROVIDER"] = dsn, "postgres"
			return "postgres", dsn
		},
		"mariadb": func(t *testing.T, e environment) (string, string) {
			s := sqltest.StartMariaDB(t)
			user, rest, _ := strings.Cut(s.DSN(s.Database(t), ""), "@tcp(")
			address, rest, _ := strings.Cut(rest, ")/")
			name, _, _ := strings.Cut(rest, "?")
			dsn := "mysql://" + user + "@" + address + "/" + name // the same variable for both sides
			e["DATABASE_URL"], e["DB_PROVIDER"] = dsn, "mysql"
			return "mariadb", dsn
		},
		"sqlite": func(t *testing.T, e environment) (string, string) {
			file := filepath.Join(t.TempDir(), "better.db")
			e["DATABASE_URL"], e["DB_PROVIDER"] = "file:"+file, "sqlite"
			return "sqlite", file
		},
	}
	for name, configure := range databases {
		t.Run(name, func(t *testing.T) {
			e := environment{"PORT": freePort(t), "NETSCRIPT_AUTH_BACKEND": "better-auth", "BETTER_AUTH_SECRET": sharedPassword,
				"NETSCRIPT_AUTH_BETTER_AUTH_PLUGINS":     "bearer,admin,organization,username,two-factor,anonymous,multi-session",
				"NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS": "true"}
			engine, dsn := configure(t, e)
			_, out := script(t, "better-auth", map[string]any{"engine": engine, "dsn": dsn, "secret": sharedPassword}, "betterauth", "server.mjs")
			var ready struct{ Port int }
			line, err := out.ReadBytes('\n')
			if err != nil || json.Unmarshal(line, &ready) != nil || ready.Port == 0 {
				t.Fatalf("better-auth did not start: %q, %v", line, err)
			}
			theirs := fmt.Sprintf("http://127.0.0.1:%d", ready.Port)
			e["BETTER_AUTH_URL"] = theirs
			p := start(t, e)
			betterAuthSession(t, p, theirs)
			if out, status := command(t, e, "doctor"); status != 0 {
				t.Errorf("doctor: %d\n%s", status, out)
			}
		})
	}
}

func betterAuthSession(t *testing.T, p *program, theirs string) {
	t.Helper()
	v := visit(t, p.url)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.http.Jar = jar // cookies know no ports: it sends to both sides
	if ready := v.get("/health/ready"); ready.status != 200 {
		t.Fatalf("not ready: %s", ready.body)
	}
	if who := v.who(); who != "" {
		t.Errorf("before the sign-in it is %q", who)
	}
	signed := v.postJSON(theirs+"/api/auth/sign-up/email", map[string]any{"email": "erin@example.com", "name": "Erin", "password": "a-long-password"}, "Origin", theirs)
	if signed.status != 200 {
		t.Fatalf("sign-up at better-auth: %d %s", signed.status, signed.body)
	}
	user, _ := signed.json(t)["user"].(map[string]any)
	id, _ := user["id"].(string)
	if who := v.who(); who != id || id == "" {
		t.Fatalf("it is %q, want %q", who, id)
	}
	me, _ := v.get(base + "/me").json(t)["user"].(map[string]any)
	if me["email"] != "erin@example.com" || me["displayName"] != "Erin" {
		t.Errorf("me %v", me)
	}
	p.restart()
	if who := v.who(); who != id {
		t.Errorf("after a restart it is %q", who)
	}
	bearer := visit(t, p.url)
	if a := bearer.get(base+"/me", "Authorization", "Bearer "+signed.header.Get("Set-Auth-Token")).json(t); a["authenticated"] != true {
		t.Errorf("by bearer token: %v", a)
	}
	for _, r := range []answer{v.get(base + "/signin"), v.postJSON(base+"/callback", map[string]any{})} {
		if r.status != 502 || r.json(t)["code"] != "AUTH_PROVIDER_ERROR" {
			t.Errorf("not interactive: %d %s", r.status, r.body)
		}
	}
	if a := v.postJSON(base+"/signout", map[string]any{}); a.status != 200 {
		t.Errorf("signout: %d %s", a.status, a.body)
	}
	if who := v.who(); who != "" {
		t.Errorf("signed out, and still %q", who)
	}
	if there := v.get(theirs + "/api/auth/get-session"); strings.Contains(string(there.body), id) {
		t.Errorf("better-auth still knows the session: %s", there.body)
	}
}
