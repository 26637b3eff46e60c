package sqlstore_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/DATA-DOG/go-sqlmock"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/jackc/pgx/v5/pgconn"

	mysqldriver "github.com/go-sql-driver/mysql"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/netscript/auth/store/sqlstore"
)

var update = flag.Bool("update", false, "rewrite the files under testdata")

// TestGolden compares every statement that is sent to an engine with a file under testdata, types of the arguments
// included. No argument is ever a time that decides something: expiry is the database's business.
func TestGolden(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			var out strings.Builder
			out.WriteString("-- What package sqlstore sends to " + engine + ". Written by its tests, with -update.\n")
			for _, part := range []struct {
				title      string
				statements []string
			}{
				{"Store", storeStatements(t, engine)},
				{"Users", usersStatements(t, engine)},
				{"Migrate, up to the first version, and ReadStatus", migrateStatements(t, engine)},
			} {
				out.WriteString("\n-- " + part.title + "\n")
				for _, s := range part.statements {
					out.WriteString("\n" + s + "\n")
				}
			}
			compareFile(t, filepath.Join("testdata", engine+".sql"), out.String())
		})
	}
}

func compareFile(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
			t.Fatalf("%s differs from line %d on:\n got %q\nwant %q", file, i+1, gotLines[min(i, len(gotLines)):min(i+3, len(gotLines))],
				wantLines[min(i, len(wantLines)):min(i+3, len(wantLines))])
		}
	}
}

func storeStatements(t *testing.T, engine string) []string {
	t.Helper()
	r := mocked(t, engine)
	s, err := sqlstore.New(r.db, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	one := sqlmock.NewResult(0, 1)
	record := func() *sqlmock.Rows { return sqlmock.NewRows([]string{"id", "value"}).AddRow("k", []byte("v")) }
	versioned := func() *sqlmock.Rows {
		return sqlmock.NewRows([]string{"id", "version", "value"}).AddRow("k", int64(7), []byte("v"))
	}

	r.query(engine).WillReturnRows(versioned())
	if value, version, found, err := s.GetIfChanged(t.Context(), "k", 1); string(value) != "v" || version != 7 || !found || err != nil {
		t.Errorf("GetIfChanged: %q, %d, %t, %v", value, version, found, err)
	}
	r.exec(engine).WillReturnResult(one)
	if err := s.Set(t.Context(), "k", nil, time.Minute); err != nil {
		t.Error(err)
	}
	if engine == "mysql" {
		r.mock.ExpectQuery("").WillReturnRows(versioned()) // the one that Get has prepared
		r.exec(engine).WillReturnResult(one)
	} else {
		r.query(engine).WillReturnRows(record())
	}
	if value, found, err := s.Take(t.Context(), "k"); string(value) != "v" || !found || err != nil {
		t.Errorf("Take: %q, %t, %v", value, found, err)
	}
	if engine == "mysql" {
		r.exec(engine).WillReturnResult(sqlmock.NewResult(0, 0))
	}
	for _, prev := range [][]byte{nil, []byte("v")} {
		r.exec(engine).WillReturnResult(one)
		if ok, err := s.CompareAndSwap(t.Context(), "k", prev, []byte("w"), time.Minute); !ok || err != nil {
			t.Errorf("CompareAndSwap: %t, %v", ok, err)
		}
	}
	r.exec(engine).WillReturnResult(one)
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	r.exec(engine).WillReturnResult(one)
	if n, err := s.Sweep(t.Context(), 1000); n != 1 || err != nil {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	return onlyNew(r.sent())
}

// onlyNew drops what is listed before: preparing and executing, and statements used twice.
func onlyNew(texts []string) []string {
	var list []string
	for i, text := range texts {
		preparing := i+1 < len(texts) && strings.HasPrefix(texts[i+1], text+"\n-- with ")
		if !preparing && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// duplicate is what a driver returns when a unique key is taken.
func duplicate(engine string) error {
	switch engine {
	case "postgres":
		return &pgconn.PgError{Code: "23505", Message: "hunter2"}
	case "mysql":
		return &mysqldriver.MySQLError{Number: 1062, Message: "hunter2"}
	case "sqlserver":
		return mssql.Error{Number: 2601, Message: "hunter2"}
	default:
		return sqlite3.Error{Code: sqlite3.ErrConstraint, ExtendedCode: sqlite3.ErrConstraintUnique}
	}
}

func usersStatements(t *testing.T, engine string) []string {
	t.Helper()
	r := mocked(t, engine)
	u := newUsers(t, r.db)
	one := sqlmock.NewResult(0, 1)
	known := []string{"account_row", "account_id", "provider_id", "user_id", "name", "email", "email_verified", "image"}
	user := []string{"id", "name", "email", "email_verified", "image"}
	a := account("acme", "1")
	a.Email, a.EmailVerified = "ada@example.com", true

	// A first sign-in, with an address that somebody has.
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(known))
	r.mock.ExpectBegin()
	r.mock.ExpectExec("").WillReturnResult(one)
	r.mock.ExpectExec("").WillReturnResult(one)
	r.mock.ExpectCommit()
	r.mock.ExpectExec("").WillReturnError(duplicate(engine))
	r.mock.ExpectExec("").WillReturnResult(one)
	r.mock.ExpectExec("").WillReturnResult(one)
	if id, err := u.SignIn(t.Context(), a); id == "" || err != nil {
		t.Errorf("SignIn: %q, %v", id, err)
	}
	// A later one, with a new name and picture, and once more without a refresh token.
	for _, refresh := range []string{"sealed", ""} {
		a.RefreshToken = refresh
		r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(known).AddRow("row", "1", "acme", "user", "Name", "ada@example.com", true, nil))
		r.mock.ExpectExec("").WillReturnResult(one)
		r.mock.ExpectExec("").WillReturnResult(one)
		if id, err := u.SignIn(t.Context(), a); id != "user" || err != nil {
			t.Errorf("SignIn: %q, %v", id, err)
		}
	}
	// Linking.
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(known))
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(user).AddRow("user", "Ada", "ada@example.com", true, "https://example.com"))
	r.mock.ExpectExec("").WillReturnResult(one)
	if linked, err := u.Link(t.Context(), "user", a); !linked || err != nil {
		t.Errorf("Link: %t, %v", linked, err)
	}
	// Linking to a user of whom nothing is known, with an address that nobody vouches for.
	a.EmailVerified = false
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(known))
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(user).AddRow("user", "", nil, false, nil))
	for range 3 {
		r.mock.ExpectExec("").WillReturnResult(one)
	}
	if linked, err := u.Link(t.Context(), "user", a); !linked || err != nil {
		t.Errorf("Link: %t, %v", linked, err)
	}
	// An account whose user is gone.
	for range 10 {
		r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(known))
		r.mock.ExpectBegin()
		r.mock.ExpectExec("").WillReturnResult(one)
		r.mock.ExpectExec("").WillReturnError(duplicate(engine))
		r.mock.ExpectRollback()
	}
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows([]string{"n"}).AddRow(1))
	if _, err := u.SignIn(t.Context(), a); err == nil {
		t.Error("an orphan signs in")
	}
	return onlyNew(r.sent())
}

// migrateStatements returns what one version takes; the versions themselves are in files.
func migrateStatements(t *testing.T, engine string) []string {
	t.Helper()
	r := mocked(t, engine)
	number := func(n int64) *sqlmock.Rows { return sqlmock.NewRows([]string{"n"}).AddRow(n) }
	r.mock.ExpectQuery("").WillReturnRows(number(0)) // no table of versions
	if engine != "sqlite" {
		r.mock.ExpectQuery("").WillReturnRows(number(1)) // the lock
	}
	r.mock.ExpectQuery("").WillReturnRows(number(0))
	r.mock.ExpectBegin()
	r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 0))
	r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
	r.mock.ExpectCommit()
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows([]string{"tstamp", "is_applied"}))
	r.mock.ExpectBegin()
	statements := 1
	if engine == "sqlserver" {
		statements = 2
	}
	for range statements {
		r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 0))
	}
	r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
	r.mock.ExpectCommit()
	if engine != "sqlite" {
		r.mock.ExpectQuery("").WillReturnRows(number(1))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_ = sqlstore.Migrate(ctx, r.db) // fails when it comes to the second version
	r.mock.ExpectQuery("").WillReturnRows(number(1))
	r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows([]string{"version_id", "is_applied"}).AddRow(0, true).AddRow(1, true))
	if status := readStatus(t, r.db); status.Version != 1 || len(status.Pending) != 4 {
		t.Errorf("status %+v", status)
	}
	return onlyNew(r.sent())
}
