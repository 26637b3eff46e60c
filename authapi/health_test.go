package authapi_test

import (
	"bytes"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
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

// TestOtherMigrations: tables of an older and of a newer version.
func TestOtherMigrations(t *testing.T) {
	file := t.TempDir() + "/a.db"
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	o := options(t, kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "file:"+file))
	o.HTTPClient = idp.Client()
	if err := authapi.Migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, step := range []struct{ statement, code string }{
		{"DELETE FROM auth_migrations WHERE version_id = (SELECT max(version_id) FROM auth_migrations)", "migrations_pending"},
		{"INSERT INTO auth_migrations (version_id, is_applied) VALUES (999, 1)", "database_ahead"},
	} {
		if _, err := db.ExecContext(t.Context(), step.statement); err != nil {
			t.Fatal(err)
		}
		code, a := health(t, newService(t, o))
		if c := a.Checks["migrations"]; code != 503 || c.Code != step.code || c.Fix == "" {
			t.Errorf("%d %+v, want %s", code, a, step.code)
		}
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
