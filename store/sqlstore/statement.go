package sqlstore

import (
	"context"
	"database/sql"
	"regexp"
	"sync/atomic"
)

// statement is a SQL text of one engine, made from a template in which names in braces stand for parameters.
type statement struct {
	text   string
	params []string // of each placeholder

	// prepared is set on the first use if the engine asks for it. The pool prepares it again on each connection, and
	// forgets it when it is closed.
	prepared atomic.Pointer[sql.Stmt]
}

// arguments are the values that a statement may use. A value is never nil: that would be NULL.
type arguments struct {
	id            string
	value, prev   []byte
	version, seen int64
	ttl           int64 // milliseconds
	batch         int
}

var templateName = regexp.MustCompile(`\{[a-z]+\}`)

// newStatement turns a template into a statement: {table}, {now} and {expiry} are written out, and every other name
// becomes a placeholder.
func newStatement(e engine, table, template string) *statement {
	s := new(statement)
	var expand func(name string) string
	expand = func(name string) string {
		switch name {
		case "{table}":
			return e.quote(table)
		case "{now}":
			return e.now()
		case "{expiry}":
			return templateName.ReplaceAllStringFunc(e.expiry(), expand)
		}
		s.params = append(s.params, name)
		p := e.placeholder(len(s.params))
		if name == "{id}" && e == sqlserver {
			// A parameter is nvarchar. As varchar with the column's collation it can be sought in the index.
			return "CAST(" + p + " AS varchar(200)) COLLATE Latin1_General_100_BIN2"
		}
		return p
	}
	s.text = templateName.ReplaceAllStringFunc(template, expand)
	return s
}

func (s *statement) values(a *arguments) []any {
	values := make([]any, len(s.params))
	for i, name := range s.params {
		switch name {
		case "{id}":
			values[i] = a.id
		case "{value}":
			values[i] = a.value
		case "{prev}":
			values[i] = a.prev
		case "{prevlen}":
			values[i] = int64(len(a.prev))
		case "{version}":
			values[i] = a.version
		case "{seen}":
			values[i] = a.seen
		case "{ttl}":
			values[i] = a.ttl
		case "{batch}":
			values[i] = int64(a.batch)
		}
	}
	return values
}

// exec runs the statement and returns how many rows it affected.
func (s *statement) exec(ctx context.Context, db *sql.DB, prepare bool, a *arguments) (int64, error) {
	var result sql.Result
	var err error
	if prepare {
		var stmt *sql.Stmt
		if stmt, err = s.prepare(ctx, db); err == nil { //nolint:sqlclosecheck // kept as long as the store
			result, err = stmt.ExecContext(ctx, s.values(a)...)
		}
	} else {
		result, err = db.ExecContext(ctx, s.text, s.values(a)...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query runs a statement that returns one row or none. The answer counts only when it has come to its end: a row that is
// returned by a DELETE arrives before the server has committed.
func (s *statement) query(ctx context.Context, db *sql.DB, prepare bool, a *arguments, into ...any) (found bool, err error) {
	var rows *sql.Rows
	if prepare {
		var stmt *sql.Stmt
		if stmt, err = s.prepare(ctx, db); err == nil { //nolint:sqlclosecheck // kept as long as the store
			rows, err = stmt.QueryContext(ctx, s.values(a)...)
		}
	} else {
		rows, err = db.QueryContext(ctx, s.text, s.values(a)...)
	}
	if err != nil {
		return false, err
	}
	defer func() {
		if closeErr := rows.Close(); err == nil && closeErr != nil {
			found, err = false, closeErr
		}
	}()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return false, errUnreadable
		}
		found = true
	}
	return found && rows.Err() == nil, rows.Err()
}

func (s *statement) prepare(ctx context.Context, db *sql.DB) (*sql.Stmt, error) {
	if stmt := s.prepared.Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := db.PrepareContext(ctx, s.text) //nolint:sqlclosecheck // kept as long as the store
	if err != nil {
		return nil, err
	}
	if s.prepared.CompareAndSwap(nil, stmt) {
		return stmt, nil
	}
	_ = stmt.Close() //nolint:sqlclosecheck // only here: another call was quicker
	return s.prepared.Load(), nil
}

// blob is a value as it comes from a row. A column of another type would be turned into text.
type blob []byte

// Scan implements sql.Scanner.
func (b *blob) Scan(from any) error {
	switch from := from.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = append([]byte{}, from...) // the driver keeps from
	default:
		return errUnreadable
	}
	return nil
}
