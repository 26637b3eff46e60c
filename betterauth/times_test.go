package betterauth_test

import (
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/netscript/auth/betterauth"
)

// extended asks about a session that is due, and returns what its column holds then, as text.
func (r *rig) extended(expires any) string {
	r.t.Helper()
	token := r.session(r.user("alice"), nil)
	r.exec("UPDATE [session] SET [expiresAt] = ? WHERE [token] = ?", expires, token)
	a, err := r.Authenticate(cookied(token))
	if err != nil {
		r.t.Fatal(err)
	}
	if want := r.clock.now().Add(7 * 24 * time.Hour); !a.Session.ExpiresAt.Equal(want) {
		r.t.Errorf("expires %v, want %v", a.Session.ExpiresAt, want)
	}
	if a, err := r.Authenticate(cookied(token)); err != nil || !a.Session.ExpiresAt.Equal(r.clock.now().Add(7*24*time.Hour)) {
		r.t.Errorf("what was written is read as %v, %v", a, err)
	}
	var text string
	cast := map[string]string{"mariadb": "CHAR"}[r.engine.name]
	if cast == "" {
		cast = "TEXT"
	}
	quote := r.engine.quote
	r.db.Raw("SELECT CAST("+quote[:1]+"expiresAt"+quote[1:]+" AS "+cast+") FROM "+quote[:1]+"session"+quote[1:]+" WHERE token = ?", token).Scan(&text)
	return text
}

// TestSQLiteLayouts writes times as the column has them: better-auth compares them as texts.
func TestSQLiteLayouts(t *testing.T) {
	r := newRig(t, engines()[0], func(c *betterauth.Config) { c.Session.Refresh = betterauth.RefreshWrite })
	r.clock.at.Store(time.Date(2026, 12, 3, 12, 0, 0, 5e6, time.UTC).UnixMilli())
	for expires, want := range map[any]string{
		"2026-12-04T12:00:00.000Z": "2026-12-10T12:00:00.005Z", "2026-12-04T12:00:00.000+00:00": "2026-12-10T12:00:00.005+00:00",
		time.Date(2026, 12, 4, 0, 0, 0, 0, time.UTC).UnixMilli(): "1796904000005",
	} {
		if got := r.extended(expires); got != want {
			t.Errorf("%v is extended to %q, want %q", expires, got, want)
		}
	}
}

// TestMySQLLocation reads and writes the wall clock of a Node process that is not in UTC.
func TestMySQLLocation(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, engines()[2], func(c *betterauth.Config) {
		c.Location, c.Session.Refresh = newYork, betterauth.RefreshWrite
	})
	r.clock.at.Store(time.Date(2026, 12, 3, 12, 0, 0, 5e6, time.UTC).UnixMilli())
	if got, want := r.extended("2026-12-03 07:00:00.005"), "2026-12-10 07:00:00.005"; got != want { // this very millisecond
		t.Errorf("extended to %q, want %q", got, want)
	}
	expired := r.session(r.user("alice"), nil)
	r.exec("UPDATE [session] SET [expiresAt] = '2026-12-03 07:00:00.004' WHERE [token] = ?", expired)
	refused(t, r.Backend, cookied(expired), "session_expired")
}

// TestPostgresZones reads and writes both types of column as UTC, whatever time zone the connection has.
func TestPostgresZones(t *testing.T) {
	for _, kind := range []string{"timestamp(3)", "timestamptz", "timestamp"} {
		for _, zone := range []string{"", "&TimeZone=America/New_York"} {
			t.Run(kind+zone, func(t *testing.T) {
				e := engines()[1]
				e.types["time"] = kind
				e.open = func(t testing.TB) *gorm.DB {
					s := servers.Postgres(t)
					return openWith(t, postgres.Open(s.DSN(s.Database(t), "")+zone))
				}
				r := newRig(t, e, func(c *betterauth.Config) { c.Session.Refresh = betterauth.RefreshWrite })
				r.clock.at.Store(time.Date(2026, 12, 3, 12, 0, 0, 5e6, time.UTC).UnixMilli())
				moment := func(text string) any {
					if kind == "timestamptz" {
						return gorm.Expr("TIMESTAMPTZ '" + text + "Z'")
					}
					return gorm.Expr("TIMESTAMP '" + text + "'")
				}
				r.extended(moment("2026-12-03 12:00:00.005")) // this very millisecond
				expired := r.session(r.user("alice"), nil)
				r.exec("UPDATE [session] SET [expiresAt] = ? WHERE [token] = ?", moment("2026-12-03 12:00:00.004"), expired)
				refused(t, r.Backend, cookied(expired), "session_expired")
			})
		}
	}
}

// TestIndexed looks at how the databases find a session among many.
func TestIndexed(t *testing.T) {
	r := newRig(t, engines()[1], func(c *betterauth.Config) { c.Plugins = allPlugins() })
	alice := r.user("alice")
	org, _ := r.organization(alice, "owner")
	r.exec(`INSERT INTO [session] ([id], [expiresAt], [token], [createdAt], [updatedAt], [userId], [activeOrganizationId])
		SELECT 'filler-' || n, now(), 'filler-' || n, now(), now(), ?, ? FROM generate_series(1, 5000) n`, alice, org)
	r.exec("ANALYZE")
	var plan []string
	if err := r.db.Raw("EXPLAIN "+r.Statements()["session by token"], "filler-7").Scan(&plan).Error; err != nil {
		t.Fatal(err)
	}
	for _, line := range plan {
		if contains(line, "Seq Scan on session") {
			t.Errorf("the sessions are gone through one by one:\n%q", plan)
		}
	}
}
