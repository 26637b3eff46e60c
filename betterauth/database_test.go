package betterauth_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// testDB is a database with better-auth's tables.
type testDB struct{ *gorm.DB }

func openSQLite(t testing.TB) *testDB {
	t.Helper()
	db, err := gorm.Open(sqlite.Open("file:"+filepath.Join(t.TempDir(), "auth.db")+"?_busy_timeout=5000&_journal_mode=MEMORY&_sync=0"), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return &testDB{db}
}

var (
	notTables   = regexp.MustCompile(`(?is)^(--[^\n]*\n)*(CREATE SCHEMA|ALTER TABLE)`)
	precision   = regexp.MustCompile(`(?i)(timestamp|CURRENT_TIMESTAMP)\(3\)`)
	withoutZone = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[\d:.]+$`)
)

// create makes the tables that the server's own migrator, or Prisma, made on another database.
func (d *testDB) create(t testing.TB, ddl []string) {
	t.Helper()
	for _, statement := range ddl {
		if notTables.MatchString(statement) {
			continue
		}
		statement = precision.ReplaceAllString(statement, "$1")
		statement = strings.ReplaceAll(statement, "timestamptz", "date")
		if err := d.Exec(statement).Error; err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// fill replaces the rows of the tables.
func (d *testDB) fill(t testing.TB, table func(string) string, models map[string][]map[string]any) {
	t.Helper()
	var names []string
	d.Raw("SELECT name FROM sqlite_master WHERE type = 'table'").Scan(&names)
	d.Exec("PRAGMA foreign_keys = OFF")
	for _, name := range names {
		d.Exec(`DELETE FROM "` + name + `"`)
	}
	for model, rows := range models {
		for _, row := range rows {
			d.insert(t, table(model), row)
		}
	}
}

func (d *testDB) insert(t testing.TB, table string, row map[string]any) {
	t.Helper()
	columns := slices.Sorted(maps.Keys(row))
	values := make([]any, len(columns))
	for i, c := range columns {
		values[i] = sqliteValue(row[c])
	}
	statement := fmt.Sprintf(`INSERT INTO "%s" ("%s") VALUES (%s)`, table, strings.Join(columns, `", "`), strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", "))
	if err := d.Exec(statement, values...).Error; err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// sqliteValue is a recorded value as better-auth's adapters write it to SQLite.
func sqliteValue(v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return int64(v)
	case string:
		if withoutZone.MatchString(v) { // as Prisma writes it
			return v + "+00:00"
		}
	}
	return v
}

// compare checks that the table has those rows, and no others.
func (d *testDB) compare(t testing.TB, table string, want []map[string]any) {
	t.Helper()
	var n int64
	if err := d.Raw(`SELECT COUNT(*) FROM "` + table + `"`).Scan(&n).Error; err != nil || n != int64(len(want)) {
		t.Errorf("%s has %d rows, want %d (%v)", table, n, len(want), err)
		return
	}
	for _, row := range want {
		columns := slices.Sorted(maps.Keys(row))
		texts := make([]string, len(columns))
		for i, c := range columns {
			texts[i] = `COALESCE(CAST("` + c + `" AS TEXT), 'NULL')`
		}
		var got string
		d.Raw(`SELECT `+strings.Join(texts, " || '|' || ")+` FROM "`+table+`" WHERE "id" = ?`, row["id"]).Scan(&got)
		for i, c := range columns {
			texts[i] = "NULL"
			if row[c] != nil {
				texts[i] = fmt.Sprint(sqliteValue(row[c]))
			}
		}
		if wanted := strings.Join(texts, "|"); got != wanted {
			t.Errorf("%s: row %q\nwant    %q", table, got, wanted)
		}
	}
}

// Where ids are UUIDs or numbers, another text is the id of nothing, not an outage.
func TestMalformedIDs(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		for kind, id := range map[string]string{"uuid": "0c7e2bbd-2b8a-4a6d-9d4c-3f1a0b8f5e11", "integer": "12", "bigint": "12"} {
			if kind == "uuid" && e.name != "postgres" {
				continue // better-auth keeps them as text
			}
			t.Run(kind, func(t *testing.T) { testMalformedIDs(t, e, kind, id) })
		}
	})
}

func testMalformedIDs(t *testing.T, e engine, kind, id string) {
	e.types = maps.Clone(e.types)
	e.types["id"] = kind
	r := newRig(t, e, func(c *betterauth.Config) {
		c.Plugins = []betterauth.Plugin{betterauth.APIKey(betterauth.APIKeyConfig{Session: true})}
	})
	now := r.clock.now()
	r.insert("user", map[string]any{"id": id, "name": "Ada", "email": "ada@example.test", "emailVerified": true, "createdAt": now, "updatedAt": now})
	r.session(id, map[string]any{"id": id})
	for _, other := range []string{"nope", id + "x", " " + id, "1e3", "-", "99999999999", strings.Repeat("9", 40)} {
		for name, ask := range map[string]func() error{
			"one": func() error {
				if _, err := r.SessionByID(t.Context(), other); auth.CodeOf(err) != auth.CodeSessionNotFound {
					return fmt.Errorf("got %w", err)
				}
				return nil
			},
			"revoke":     func() error { return r.RevokeSession(t.Context(), other) },
			"list":       func() error { list, err := r.ListSessions(t.Context(), other); return got(len(list), err) },
			"revoke all": func() error { n, err := r.RevokeSessions(t.Context(), other); return got(n, err) },
		} {
			if err := ask(); err != nil {
				t.Errorf("%s %q: %v", name, other, err)
			}
		}
	}
	r.neverDelete(func() error { n, err := r.RevokeSessions(t.Context(), "nope"); return got(n, err) })
	if kind != "uuid" { // a key of an organization whose id is a text
		refused(t, r.Backend, withHeader("X-Api-Key", r.apiKey("org-1", map[string]any{"id": 7})), auth.CodeTokenInvalid)
	}
	if list, err := r.ListSessions(t.Context(), id); err != nil || len(list) != 1 {
		t.Errorf("%d sessions are left, %v", len(list), err)
	}
	if _, err := r.SessionByID(t.Context(), id); err != nil {
		t.Error(err)
	}
	if n, err := r.RevokeSessions(t.Context(), id); n != 1 || err != nil {
		t.Errorf("%d sessions ended, %v", n, err)
	}
}

// neverDelete lets every DELETE fail on MySQL, as one of its versions does for a text where ids are numbers.
func (r *rig) neverDelete(ask func() error) {
	failing := true
	_ = r.db.Callback().Raw().Before("gorm:raw").Register("test:delete", func(tx *gorm.DB) {
		if failing && r.engine.name == "mariadb" && strings.HasPrefix(tx.Statement.SQL.String(), "DELETE") {
			_ = tx.AddError(errors.New("truncated incorrect value"))
		}
	})
	if err := ask(); err != nil {
		r.t.Error(err)
	}
	failing = false
}

// The errors of a database that say that there can be no such id, and those that must not be taken for them.
func TestNoSuchID(t *testing.T) {
	for want, list := range map[bool][]error{
		true: {&pgconn.PgError{Code: "22P02"}, fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "22003"}), mssql.Error{Number: 245}, mssql.Error{Number: 248},
			mssql.Error{Number: 8114}, mssql.Error{Number: 8115}, mssql.Error{Number: 8169}},
		false: {nil, errors.New("22P02"), &pgconn.PgError{Code: "57P01"}, &pgconn.PgError{Code: "42P01"}, mssql.Error{Number: 208}, mssql.Error{Number: 1205}},
	} {
		for _, err := range list {
			if betterauth.NoSuchID(err) != want {
				t.Errorf("%v: %v", err, !want)
			}
		}
	}
}

func got(n int, err error) error {
	if n != 0 {
		return errors.Join(fmt.Errorf("got %d", n), err)
	}
	return err
}

// A transaction of the caller's is what is read: what it has written counts, and nothing is after it was undone. A dry run
// says nothing of a session.
func TestCallersDB(t *testing.T) {
	forEachEngine(t, func(t *testing.T, e engine) {
		r := newRig(t, e, nil)
		alice := r.user("alice")
		undone := errors.New("undone")
		for _, unprepared := range []bool{false, true} {
			var request *http.Request
			err := r.db.Transaction(func(tx *gorm.DB) error {
				inside := &rig{t: t, engine: e, db: tx, config: r.config, clock: r.clock}
				inside.config.DB, inside.config.DisablePreparedStatements = tx, unprepared
				request = cookied(inside.session(alice, nil))
				admitted(t, newBackend(t, inside.config), request)
				return undone
			})
			if !errors.Is(err, undone) {
				t.Fatal(err)
			}
			refused(t, r.Backend, request, auth.CodeSessionNotFound)
		}
		dry := r.config
		dry.DB = r.db.Session(&gorm.Session{DryRun: true})
		refused(t, newBackend(t, dry), r.signIn("alice"), auth.CodeStoreUnavailable)
	})
}
