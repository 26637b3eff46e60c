package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/DATA-DOG/go-sqlmock"
	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "github.com/mattn/go-sqlite3"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/netscript/auth/store/sqlstore"
)

func pgError(code string) error {
	return &pgconn.PgError{Code: code, Message: "hunter2", Detail: "Key (id)=(hunter2) already exists."}
}

func myError(number uint16) error {
	return &mysqldriver.MySQLError{Number: number, Message: "Duplicate entry 'hunter2' for key 'PRIMARY'"}
}

func msError(number int32) error {
	return mssql.Error{Number: number, Message: "Violation of PRIMARY KEY constraint. The duplicate key value is (hunter2)."}
}

func liteError(code sqlite3.ErrNo, extended sqlite3.ErrNoExtended) error {
	return sqlite3.Error{Code: code, ExtendedCode: extended}
}

// TestServerErrors has every kind of failure that a server answers a write with: the code is told, the text is not.
func TestServerErrors(t *testing.T) {
	for _, test := range []struct {
		name, engine string
		err          error
		code         string
		missing      bool
	}{
		{"no table", "postgres", pgError("42P01"), "42P01", true},
		{"no table", "mysql", myError(1146), "1146", true},
		{"no table", "sqlserver", msError(208), "208", true},
		{"duplicate", "postgres", pgError("23505"), "23505", false},
		{"duplicate", "mysql", myError(1062), "1062", false},
		{"duplicate", "sqlserver", msError(2627), "2627", false},
		{"duplicate", "sqlserver", msError(2601), "2601", false},
		{"duplicate", "sqlite", liteError(sqlite3.ErrConstraint, sqlite3.ErrConstraintPrimaryKey), "1555", false},
		{"wrapped", "sqlserver", fmt.Errorf("hunter2: %w", msError(2627)), "2627", false},
		{"joined", "sqlserver", errors.Join(errors.New("hunter2"), msError(3903)), "3903", false},
		{"read-only", "postgres", pgError("25006"), "25006", false},
		{"read-only", "mysql", myError(1290), "1290", false},
		{"read-only", "sqlserver", msError(3906), "3906", false},
		{"read-only", "sqlite", liteError(sqlite3.ErrReadonly, 0), "8", false},
		{"full", "postgres", pgError("53100"), "53100", false},
		{"full", "mysql", myError(1114), "1114", false},
		{"full", "sqlserver", msError(1105), "1105", false},
		{"full", "sqlite", liteError(sqlite3.ErrFull, 0), "13", false},
		{"locked", "sqlite", liteError(sqlite3.ErrBusy, 0), "5", false},
		{"too many connections", "postgres", pgError("53300"), "53300", false},
		{"too many connections", "mysql", myError(1040), "1040", false},
		{"no permission", "sqlserver", msError(229), "229", false},
		{"lock timeout", "sqlserver", msError(1222), "1222", false},
	} {
		t.Run(test.engine+", "+test.name, func(t *testing.T) {
			r := mocked(t, test.engine)
			s := newStore(t, r.db, sqlstore.Config{})
			r.exec(test.engine).WillReturnError(test.err)
			err := s.Set(t.Context(), "hunter2", []byte("hunter2"), time.Hour)
			e, ok := errors.AsType[*sqlstore.Error](err)
			if !ok || e.Code != test.code || errors.Is(err, sqlstore.ErrMissingTable) != test.missing || e.Table != "auth_kv" || e.Op != "set" {
				t.Errorf("%v; want code %q", err, test.code)
			}
			if text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err); strings.Contains(text, "hunter2") || strings.Contains(text, "Key (") {
				t.Errorf("the error tells data: %s", text)
			}
			r.sent()
		})
	}
}

// TestOtherErrors has failures that are no answer of a server.
func TestOtherErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, test := range []struct {
		name string
		err  error
		is   error
		text string
	}{
		{"end of the stream", fmt.Errorf("hunter2: %w", io.ErrUnexpectedEOF), io.ErrUnexpectedEOF, "unexpected EOF"},
		{"refused", fmt.Errorf("hunter2: %w", refused), refused, "connection refused"},
		{"closed by the driver", mysqldriver.ErrInvalidConn, mysqldriver.ErrInvalidConn, "invalid connection"},
		{"arguments in the text", fmt.Errorf("failed to encode args[1]: %w", errors.New("unable to encode hunter2")), nil, "an error of type *errors.errorString"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := mocked(t, "postgres")
			s := newStore(t, r.db, sqlstore.Config{})
			r.mock.ExpectExec("").WillReturnError(test.err)
			err := s.Set(t.Context(), "hunter2", []byte("hunter2"), time.Hour)
			e, ok := errors.AsType[*sqlstore.Error](err)
			if !ok || e.Code != "" || !strings.Contains(err.Error(), test.text) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got %v, want %q", err, test.text)
			}
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "hunter2") {
				t.Errorf("the error tells data: %s", text)
			}
			r.sent()
		})
	}
}

// TestRolledBack repeats what the server says it has undone, and nothing else.
func TestRolledBack(t *testing.T) {
	for _, test := range []struct {
		name, engine string
		err          error
		again        bool
	}{
		{"deadlock", "postgres", pgError("40P01"), true},
		{"serialization", "postgres", pgError("40001"), true},
		{"deadlock", "mysql", myError(1213), true},
		{"snapshot", "mysql", myError(1020), true},
		{"deadlock", "sqlserver", msError(1205), true},
		{"snapshot", "sqlserver", msError(3960), true},
		{"connection lost", "postgres", pgError("08006"), false},
		{"shutdown", "postgres", pgError("57P01"), false},
		{"connection lost", "mysql", mysqldriver.ErrInvalidConn, false},
		{"end of the stream", "sqlserver", io.ErrUnexpectedEOF, false},
	} {
		t.Run(test.engine+", "+test.name, func(t *testing.T) {
			r := mocked(t, test.engine)
			s := newStore(t, r.db, sqlstore.Config{})
			r.exec(test.engine).WillReturnError(test.err)
			if test.again {
				r.mock.ExpectExec("").WillReturnError(test.err)
				r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
			}
			if err := s.Set(t.Context(), "k", nil, time.Hour); (err == nil) != test.again {
				t.Errorf("Set: %v", err)
			}
			r.sent()
		})
	}
}

// TestRolledBackOften repeats a call as often as it takes.
func TestRolledBackOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mocked(t, "postgres")
		s, u := newStore(t, r.db, sqlstore.Config{}), newUsers(t, r.db)
		for range 50 {
			r.mock.ExpectExec("").WillReturnError(pgError("40001"))
		}
		r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Errorf("Delete: %v", err)
		}
		for range 50 {
			r.mock.ExpectQuery("").WillReturnError(pgError("40001"))
		}
		columns := []string{"account_row", "account_id", "provider_id", "user_id", "name", "email", "email_verified", "image"}
		r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(columns).AddRow("row", "1", "acme", "user", "Ada", nil, false, "https://example.com/ada.png"))
		r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
		if id, err := u.SignIn(t.Context(), account("acme", "1")); id != "user" || err != nil {
			t.Errorf("SignIn: %q, %v", id, err)
		}
		r.sent()
	})
}

// TestDeadlocksForEver gives up when the time is over, and pauses until then.
func TestDeadlocksForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, call := range map[string]func(*sqlstore.Store, *sqlstore.Users) error{
			"Delete": func(s *sqlstore.Store, _ *sqlstore.Users) error { return s.Delete(t.Context(), "k") },
			"SignIn": func(_ *sqlstore.Store, u *sqlstore.Users) error {
				_, err := u.SignIn(t.Context(), account("acme", "1"))
				return err
			},
			"Link": func(_ *sqlstore.Store, u *sqlstore.Users) error {
				_, err := u.Link(t.Context(), "user", account("acme", "1"))
				return err
			},
		} {
			r := mocked(t, "sqlserver")
			r.mock.MatchExpectationsInOrder(false)
			for range 1010 {
				r.mock.ExpectExec("").WillReturnError(msError(1205))
				r.mock.ExpectQuery("").WillReturnError(msError(1205))
			}
			u, err := sqlstore.NewUsers(r.db, sqlstore.UsersConfig{Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			s := newStore(t, r.db, sqlstore.Config{Timeout: time.Second})
			start := time.Now()
			err = call(s, u)
			if e, ok := errors.AsType[*sqlstore.Error](err); !ok || e.Code != "1205" || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			if d, rounds := time.Since(start), len(r.texts); d != time.Second || rounds < 50 || rounds > 1003 {
				t.Errorf("%s: %d rounds in %v", name, rounds, d)
			}
		}
	})
}

// TestTTL rounds up to whole milliseconds: a record must not expire before its time.
func TestTTL(t *testing.T) {
	for ttl, want := range map[time.Duration]int64{
		1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 1500 * time.Microsecond: 2, time.Hour: 3_600_000, 1<<63 - 1: 9223372036855,
	} {
		r := mocked(t, "postgres")
		s := newStore(t, r.db, sqlstore.Config{})
		r.mock.ExpectExec("").WithArgs("k", []byte("v"), sqlmock.AnyArg(), want).WillReturnResult(sqlmock.NewResult(0, 1))
		if err := s.Set(t.Context(), "k", []byte("v"), ttl); err != nil {
			t.Errorf("%d: %v", ttl, err)
		}
		r.sent()
	}
}

// TestCreateMeetsARow is the other answer to an insertion on MySQL; elsewhere the statement itself knows.
func TestCreateMeetsARow(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			r := mocked(t, engine)
			s := newStore(t, r.db, sqlstore.Config{})
			if engine == "mysql" {
				r.exec(engine).WillReturnResult(sqlmock.NewResult(0, 0))
				r.exec(engine).WillReturnError(duplicate(engine))
			} else {
				r.exec(engine).WillReturnResult(sqlmock.NewResult(0, 0))
			}
			if ok, err := s.CompareAndSwap(t.Context(), "k", nil, nil, time.Hour); ok || err != nil {
				t.Errorf("CompareAndSwap: %t, %v; want false", ok, err)
			}
			r.sent()
		})
	}
}

// TestTakeLost has a record that somebody else removes between the two statements that MySQL needs.
func TestTakeLost(t *testing.T) {
	r := mocked(t, "mysql")
	s := newStore(t, r.db, sqlstore.Config{})
	row := func() *sqlmock.Rows { return sqlmock.NewRows([]string{"id", "version", "value"}) }
	get := r.mock.ExpectPrepare("")
	get.ExpectQuery().WillReturnRows(row().AddRow("k", 7, []byte("first")))
	r.exec("mysql").WillReturnResult(sqlmock.NewResult(0, 0))
	r.mock.ExpectQuery("").WillReturnRows(row().AddRow("k", 8, []byte("second")))
	r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
	if value, found, err := s.Take(t.Context(), "k"); string(value) != "second" || !found || err != nil {
		t.Errorf("Take: %q, %t, %v", value, found, err)
	}
	r.mock.ExpectQuery("").WillReturnRows(row().AddRow("k", 9, []byte("third")))
	r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 0))
	r.mock.ExpectQuery("").WillReturnRows(row())
	if value, found, err := s.Take(t.Context(), "k"); value != nil || found || err != nil {
		t.Errorf("Take: %q, %t, %v; want none", value, found, err)
	}
	r.sent()
}

// TestWrongAnswers has rows that are not the ones that were asked for, or break off.
func TestWrongAnswers(t *testing.T) {
	for _, engine := range []string{"postgres", "sqlserver"} {
		r := mocked(t, engine)
		s := newStore(t, r.db, sqlstore.Config{})
		records := func() *sqlmock.Rows { return sqlmock.NewRows([]string{"id", "version", "value"}) }
		taken := func() *sqlmock.Rows { return sqlmock.NewRows([]string{"id", "value"}) }
		for name, rows := range map[string]*sqlmock.Rows{
			"another's":   records().AddRow("K", 7, []byte("v")),
			"broken off":  records().AddRow("k", 7, []byte("v")).AddRow("k", 7, []byte("v")).RowError(1, io.ErrUnexpectedEOF),
			"no value":    records().AddRow("k", 7, nil),
			"text":        records().AddRow("k", 7, "v"),
			"no version":  records().AddRow("k", nil, []byte("v")),
			"two columns": taken().AddRow("k", []byte("v")),
			"bad end":     records().AddRow("k", 7, []byte("v")).CloseError(io.ErrUnexpectedEOF),
		} {
			r.mock.ExpectQuery("").WillReturnRows(rows)
			if value, found, err := s.Get(t.Context(), "k"); value != nil || found || err == nil {
				t.Errorf("%s, %s: Get: %q, %t, %v", engine, name, value, found, err)
			}
		}
		for name, rows := range map[string]*sqlmock.Rows{
			"another's":  taken().AddRow("K", []byte("v")),
			"broken off": taken().AddRow("k", []byte("v")).AddRow("k", []byte("v")).RowError(1, io.ErrUnexpectedEOF),
			"no value":   taken().AddRow("k", nil),
			"bad end":    taken().AddRow("k", []byte("v")).CloseError(io.ErrUnexpectedEOF),
		} {
			r.mock.ExpectQuery("").WillReturnRows(rows)
			if value, found, err := s.Take(t.Context(), "k"); value != nil || found || err == nil {
				t.Errorf("%s, %s: Take: %q, %t, %v", engine, name, value, found, err)
			}
		}
		r.sent()
	}
}

// TestSignInErrors has failures in each step of a sign-in, with the errors of SQL Server's driver.
func TestSignInErrors(t *testing.T) {
	columns := []string{"account_row", "account_id", "provider_id", "user_id", "name", "email", "email_verified", "image"}
	none := func() *sqlmock.Rows { return sqlmock.NewRows(columns) }
	known := func() *sqlmock.Rows {
		return none().AddRow("row", "1", "acme", "winner", "Ada", nil, false, "https://example.com/ada.png")
	}
	one := sqlmock.NewResult(0, 1)
	broken := errors.New("hunter2")
	for _, test := range []struct {
		name   string
		expect func(sqlmock.Sqlmock)
		want   string // the user; empty for an error
	}{
		{"somebody else was first", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(none())
			m.ExpectBegin()
			m.ExpectExec("").WillReturnResult(one)
			m.ExpectExec("").WillReturnError(msError(2627))
			m.ExpectRollback()
			m.ExpectQuery("").WillReturnRows(known())
			m.ExpectExec("").WillReturnResult(one)
		}, "winner"},
		{"somebody else was first, and the transaction is gone", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(none())
			m.ExpectBegin()
			m.ExpectExec("").WillReturnResult(one)
			m.ExpectExec("").WillReturnError(msError(2601))
			m.ExpectRollback().WillReturnError(msError(3903))
			m.ExpectQuery("").WillReturnRows(known())
			m.ExpectExec("").WillReturnResult(one)
		}, "winner"},
		{"deadlock", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(none())
			m.ExpectBegin()
			m.ExpectExec("").WillReturnError(msError(1205))
			m.ExpectRollback().WillReturnError(msError(3903))
			m.ExpectQuery("").WillReturnRows(known())
			m.ExpectExec("").WillReturnResult(one)
		}, "winner"},
		{"deleted meanwhile", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(known())
			m.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 0))
			m.ExpectQuery("").WillReturnRows(none())
			m.ExpectQuery("").WillReturnRows(known())
			m.ExpectExec("").WillReturnResult(one)
		}, "winner"},
		{"cannot look", func(m sqlmock.Sqlmock) { m.ExpectQuery("").WillReturnError(broken) }, ""},
		{"cannot begin", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(none())
			m.ExpectBegin().WillReturnError(broken)
		}, ""},
		{"cannot make a user", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(none())
			m.ExpectBegin()
			m.ExpectExec("").WillReturnError(broken)
			m.ExpectRollback()
		}, ""},
		{"cannot commit", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(none())
			m.ExpectBegin()
			m.ExpectExec("").WillReturnResult(one)
			m.ExpectExec("").WillReturnResult(one)
			m.ExpectCommit().WillReturnError(broken)
		}, ""},
		{"cannot note tokens", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(known())
			m.ExpectExec("").WillReturnError(broken)
		}, ""},
		{"the row is another's", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(none().AddRow("row", "1", "ACME", "winner", "", nil, false, nil))
		}, ""},
		{"two rows", func(m sqlmock.Sqlmock) {
			m.ExpectQuery("").WillReturnRows(known().AddRow("row2", "1", "acme", "other", "", nil, false, nil))
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := mocked(t, "sqlserver")
			test.expect(r.mock)
			got, err := newUsers(t, r.db).SignIn(t.Context(), account("acme", "1"))
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("SignIn: %q, %v; want %q", got, err, test.want)
			}
			if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), "hunter2") {
				t.Errorf("the error tells data: %v", err)
			}
			r.sent()
		})
	}
}

// TestLinkErrors has the answers to an insertion that Link must tell apart.
func TestLinkErrors(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		wantErr bool
	}{
		"the user is deleted at this moment": {msError(547), false},
		"something else":                     {msError(8152), true},
	} {
		t.Run(name, func(t *testing.T) {
			r := mocked(t, "sqlserver")
			r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows([]string{"account_row"}))
			r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows([]string{"id"}).AddRow("user"))
			r.mock.ExpectExec("").WillReturnError(test.err)
			linked, err := newUsers(t, r.db).Link(t.Context(), "user", account("acme", "1"))
			if linked || (err != nil) != test.wantErr {
				t.Errorf("Link: %t, %v", linked, err)
			}
			r.sent()
		})
	}
}

// TestEmailErrors fails a sign-in when an address cannot be stored for another reason than that somebody has it.
func TestEmailErrors(t *testing.T) {
	r := mocked(t, "sqlserver")
	columns := []string{"account_row", "account_id", "provider_id", "user_id", "name", "email", "email_verified", "image"}
	a := account("acme", "1")
	a.Email, a.EmailVerified = "ada@example.com", true
	for _, step := range []string{"claim", "take", "claim again"} {
		r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows(columns).AddRow("row", "1", "acme", "user", a.Name, nil, false, a.Image))
		r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
		if step != "claim" {
			r.mock.ExpectExec("").WillReturnError(msError(2601))
		}
		if step == "claim again" {
			r.mock.ExpectExec("").WillReturnResult(sqlmock.NewResult(0, 1))
		}
		r.mock.ExpectExec("").WillReturnError(driver.ErrSkip)
		if id, err := newUsers(t, r.db).SignIn(t.Context(), a); err == nil || id != "" {
			t.Errorf("%s: %q, %v; want an error", step, id, err)
		}
	}
	r.sent()
}

// TestContextErrors names what has ended, whatever the driver makes of it.
func TestContextErrors(t *testing.T) {
	r := mocked(t, "postgres")
	s := newStore(t, r.db, sqlstore.Config{Timeout: 20 * time.Millisecond})
	r.mock.ExpectExec("").WillDelayFor(10 * time.Second).WillReturnResult(sqlmock.NewResult(0, 1))
	start := time.Now()
	if err := s.Set(t.Context(), "k", nil, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Set: %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Set(ctx, "k", nil, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Set: %v", err)
	}
}
