package authapi_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/internal/sqltest"
)

// TestFlow is everything a person does, on each store that outlives the service, which is killed in the middle of it.
func TestFlow(t *testing.T) {
	stores := []struct {
		name      string
		configure func(t *testing.T, e environment)
	}{
		{"redis", func(t *testing.T, e environment) {
			e["REDIS_URL"] = "redis://" + redistest.Start(t, redistest.Options{}).Addr
		}},
		{"postgres", func(t *testing.T, e environment) {
			s := sqltest.StartPostgres(t)
			e["DATABASE_URL"], e["DB_PROVIDER"] = s.DSN(s.Database(t), ""), "postgres"
		}},
		{"mariadb", func(t *testing.T, e environment) {
			s := sqltest.StartMariaDB(t)
			e["DATABASE_URL"], e["DB_PROVIDER"] = s.DSN(s.Database(t), ""), "mysql"
		}},
		{"sqlite", func(t *testing.T, e environment) {
			e["DATABASE_URL"], e["DB_PROVIDER"] = "file:"+filepath.Join(t.TempDir(), "auth.db"), "sqlite"
		}},
	}
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			e, site := kvOAuth(t)
			op := provider(t, e, site)
			s.configure(t, e)
			if e["DATABASE_URL"] != "" {
				migrates(t, e)
			}
			p := start(t, e)
			if ready := visit(t, site).get("/health/ready"); ready.status != 200 {
				t.Fatalf("not ready: %s", ready.body)
			}
			if out, status := command(t, e, "doctor"); status != 0 || strings.Contains(out, "FAIL") {
				t.Errorf("doctor: %d\n%s", status, out)
			}
			v := visit(t, site)
			started := v.get(base + "/signin?returnTo=/welcome")
			if started.status != http.StatusFound {
				t.Fatalf("sign-in: %d %s", started.status, started.body)
			}
			p.restart() // kill -9, in the middle of a sign-in
			v.finish(op, started.location, "erin")
			p.restart() // and between two requests
			if who := v.who(); who != "erin" {
				t.Fatalf("after a restart the session is of %q", who)
			}
			secondBrowser(t, site, v)
			byScript(t, v, func(authorization string) { v.finish(op, authorization, "frank") })
			byForm(t, v, func(authorization string) { v.finish(op, authorization, "erin") })
			signsOut(t, v)
			p.stop()
		})
	}
}

// migrates: the service says that the tables are missing, and the commands make them.
func migrates(t *testing.T, e environment) {
	t.Helper()
	if out, status := command(t, e, "status"); status != 1 || !strings.Contains(out, "authapi migrate") {
		t.Errorf("status before: %d\n%s", status, out)
	}
	p := start(t, e)
	if ready := visit(t, p.url).get("/health/ready"); ready.status != 503 || !strings.Contains(string(ready.body), "authapi migrate") {
		t.Errorf("ready before: %d %s", ready.status, ready.body)
	}
	p.stop()
	for range 2 {
		if out, status := command(t, e, "migrate"); status != 0 || !strings.Contains(out, "up to date") {
			t.Fatalf("migrate: %d\n%s", status, out)
		}
	}
}

// secondBrowser: another browser is nobody, and ends nobody's session.
func secondBrowser(t *testing.T, site string, owner *visitor) {
	t.Helper()
	other := visit(t, site)
	if who := other.who(); who != "" {
		t.Errorf("another browser is %q", who)
	}
	session, _ := owner.get(base + "/session").json(t)["session"].(map[string]any)
	id, _ := session["id"].(string)
	if a := other.postJSON(base+"/signout", map[string]any{"sessionId": id}); a.status != 401 && a.status != 403 {
		t.Errorf("a foreign sessionId: %d %s", a.status, a.body)
	}
	if a := owner.postForm(base+"/signout", url.Values{}, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); a.status != 403 {
		t.Errorf("a cross-site POST: %d %s", a.status, a.body)
	}
	if who := owner.who(); who != "erin" {
		t.Errorf("after that the session is of %q", who)
	}
}

// byScript signs in with POST and JSON.
func byScript(t *testing.T, v *visitor, finish func(string)) {
	t.Helper()
	a := v.postJSON(base+"/signin", map[string]any{"redirectTo": "/welcome", "loginHint": "frank"})
	to, _ := a.json(t)["redirectUrl"].(string)
	if a.status != 200 || a.json(t)["started"] != true || to == "" || a.header.Get("Set-Cookie") == "" {
		t.Fatalf("POST /signin with JSON: %d %s", a.status, a.body)
	}
	finishAs(t, v, to, finish, "frank")
}

// byForm signs in with a form.
func byForm(t *testing.T, v *visitor, finish func(string)) {
	t.Helper()
	a := v.postForm(base+"/signin", url.Values{"redirectTo": {"/welcome"}}, "Accept", "text/html")
	if a.status != http.StatusSeeOther {
		t.Fatalf("POST /signin with a form: %d %s", a.status, a.body)
	}
	finishAs(t, v, a.location, finish, "erin")
}

// finishAs: the provider's own session would sign the same person in again, so it is left out.
func finishAs(t *testing.T, v *visitor, to string, finish func(string), want string) {
	t.Helper()
	for _, c := range v.http.Jar.Cookies(mustURL(t, to)) {
		if strings.HasPrefix(c.Name, "_session") || strings.HasPrefix(c.Name, "_interaction") {
			v.http.Jar.SetCookies(mustURL(t, to), []*http.Cookie{{Name: c.Name, MaxAge: -1, Path: "/"}})
		}
	}
	finish(to)
	if who := v.who(); who != want {
		t.Errorf("signed in as %q, want %q", who, want)
	}
}

// signsOut ends the session, and a copy of its cookie with it.
func signsOut(t *testing.T, v *visitor) {
	t.Helper()
	stolen := ""
	for _, c := range v.http.Jar.Cookies(mustURL(t, v.url)) {
		if c.Name == "ns_session" {
			stolen = c.Value
		}
	}
	if a := v.postJSON(base+"/signout", map[string]any{}); a.status != 200 || a.json(t)["signedOut"] != true {
		t.Errorf("signout: %d %s", a.status, a.body)
	}
	if who := v.who(); who != "" {
		t.Errorf("signed out, and still %q", who)
	}
	thief := visit(t, v.url)
	if a := thief.get(base+"/me", "Cookie", "ns_session="+stolen); stolen == "" || a.json(t)["authenticated"] != false {
		t.Errorf("a copy of the cookie %q: %s", stolen, a.body)
	}
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestBadEnvironment: the program says everything that is wrong and ends.
func TestBadEnvironment(t *testing.T) {
	out, status := command(t, environment{"NETSCRIPT_AUTH_KV_OAUTH_KEY": "canary-short", "PORT": "http"})
	if status != 1 {
		t.Errorf("exit status %d", status)
	}
	for _, name := range []string{"NETSCRIPT_AUTH_CLIENT_ID", "NETSCRIPT_AUTH_REDIRECT_URI", "NETSCRIPT_AUTH_ISSUER", "NETSCRIPT_AUTH_KV_OAUTH_KEY", "NETSCRIPT_AUTH_KV:", "PORT"} {
		if !strings.Contains(out, name) {
			t.Errorf("%s is not in\n%s", name, out)
		}
	}
	if strings.Contains(out, "canary") {
		t.Errorf("a value is in\n%s", out)
	}
	if out, status := command(t, environment{}, "doctor"); status != 1 || !strings.Contains(out, "FAIL NETSCRIPT_AUTH_CLIENT_ID") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	if out, status := command(t, environment{}, "what"); status != 1 || !strings.Contains(out, "usage") {
		t.Errorf("unknown command: %d\n%s", status, out)
	}
	one, _ := command(t, environment{}, "keygen")
	two, _ := command(t, environment{}, "keygen")
	if len(one) != 43 || one == two {
		t.Errorf("keygen: %q, %q", one, two)
	}
}
