package betterauth_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
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
