package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
)

// ErrMissingTable is what an [Error] wraps when the table does not exist: [Migrate] has not been run, or on another database
// or schema.
var ErrMissingTable = errors.New("the table is missing; run sqlstore.Migrate on this database")

var (
	errOtherID    = errors.New("the database answered with another record: the column id must compare bytes")
	errUnreadable = errors.New("the row cannot be read: it is not as this version writes it")
)

// Error says what could not be done with which table. Databases quote keys and values in their messages, so of what the
// server said only the code is kept.
type Error struct {
	Op    string // such as "get"
	Table string

	// Code is the SQLSTATE of PostgreSQL or the error number of another engine. It is empty when the server did not answer.
	// With an error of the context it is the reason for which the server rolled the call back again and again.
	Code string

	// Err is the cause: an error of the context or the network, [ErrMissingTable], or a description of what was wrong. It
	// contains no data. It is nil when there is a Code and nothing to add.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	text := "sqlstore: " + e.Op + ", table " + e.Table
	if e.Code != "" {
		text += ": database error " + e.Code
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func (s *Store) wrap(ctx context.Context, op string, err error) error {
	return wrap(ctx, s.db, s.engine, op, s.table, err)
}

// wrap makes an Error of what a driver returned. A driver whose connection was closed under it because the time was over
// says many things; the context knows better.
func wrap(ctx context.Context, db *sql.DB, e engine, op, table string, err error) error {
	if err == nil {
		return nil
	}
	code := codeOf(err)
	if done := ctx.Err(); done != nil {
		if !isRolledBack(err) {
			code = ""
		}
		return &Error{Op: op, Table: table, Code: code, Err: done}
	}
	if code == "" {
		return &Error{Op: op, Table: table, Err: harmless(err)}
	}
	wrapped := &Error{Op: op, Table: table, Code: code}
	if isMissingTable(ctx, db, e, code, table) {
		wrapped.Err = ErrMissingTable
	}
	return wrapped
}

// codeOf returns the code of an error that a server sent, and "" for any other.
func codeOf(err error) string {
	if pg, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return pg.SQLState()
	}
	if ms, ok := errors.AsType[interface {
		error
		SQLErrorNumber() int32
	}](err); ok {
		return strconv.Itoa(int(ms.SQLErrorNumber()))
	}
	if my, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		return strconv.Itoa(int(my.Number))
	}
	return sqliteCode(err)
}

// sqliteCode finds the extended result code in the errors of SQLite drivers, which need not be linked for that: one has it
// as fields, others as a method.
func sqliteCode(err error) string {
	if coder, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		return strconv.Itoa(coder.Code())
	}
	for ; err != nil; err = errors.Unwrap(err) {
		data, jsonErr := json.Marshal(err)
		var codes struct{ Code, ExtendedCode int }
		if jsonErr == nil && json.Unmarshal(data, &codes) == nil && codes.Code != 0 {
			return strconv.Itoa(max(codes.Code, codes.ExtendedCode))
		}
	}
	return ""
}

// harmless returns the part of err that surely contains no data: drivers print the arguments they could not encode.
func harmless(err error) error {
	if opErr, ok := errors.AsType[*net.OpError](err); ok {
		return opErr
	}
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, sql.ErrConnDone,
		mysqldriver.ErrInvalidConn, errOtherID, errUnreadable, errOrphan, errBusy, gorm.ErrDuplicatedKey, gorm.ErrForeignKeyViolated,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	root := err
	for next := errors.Unwrap(root); next != nil; next = errors.Unwrap(root) {
		root = next
	}
	return fmt.Errorf("an error of type %T", root)
}

func isMissingTable(ctx context.Context, db *sql.DB, e engine, code, table string) bool {
	if e == sqlite && code == "1" { // SQLite has no code of its own for it
		var n int
		name := table[strings.LastIndexByte(table, '.')+1:]
		err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = ? COLLATE NOCASE", name).Scan(&n)
		return err == nil && n == 0
	}
	return slices.Contains(map[engine][]string{postgres: {"42P01"}, mysql: {"1146"}, sqlserver: {"208"}}[e], code)
}

// isDuplicate reports whether err says that a unique key is taken. The driver may be gorm's and have translated it.
func isDuplicate(err error) bool {
	return errors.Is(err, gorm.ErrDuplicatedKey) || err != nil && slices.Contains([]string{"23505", "1062", "2627", "2601", "1555", "2067"}, codeOf(err))
}

// isForeignKey reports whether err says that the row that is referred to does not exist.
func isForeignKey(err error) bool {
	return errors.Is(err, gorm.ErrForeignKeyViolated) || err != nil && slices.Contains([]string{"23503", "1452", "547", "787"}, codeOf(err))
}

// isRolledBack reports whether err says that the statement has left no trace because of others that ran at the same time:
// serialization failures and deadlocks, of which the server ends one side.
func isRolledBack(err error) bool {
	return err != nil && slices.Contains([]string{"40001", "40P01", "1213", "1020", "1205", "3960"}, codeOf(err))
}

// repeatRolledBack makes a call until the database does not roll it back, as long as ctx lets it. Each round means that some
// other call has got on.
func repeatRolledBack(ctx context.Context, do func(context.Context) error) error {
	for round := 0; ; round++ {
		if err := do(ctx); !isRolledBack(err) || !pause(ctx, round) {
			return err
		}
	}
}

// pause waits before the next round, a different time for each of those that were in each other's way. It reports whether
// there may be one.
func pause(ctx context.Context, round int) bool {
	const atOnce, shortest, longest = 3, time.Millisecond, 20 * time.Millisecond
	if round < atOnce {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(shortest + rand.N(longest-shortest)) //nolint:gosec // no secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
