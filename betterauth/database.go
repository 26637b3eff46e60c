package betterauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth"
)

// database reads and writes the tables. Every statement is made when the backend is, from checked names, and takes what
// comes from outside as parameters.
type database struct {
	db      *gorm.DB
	dialect dialect
	tables  map[string]table
	timeout time.Duration
	needs   []need

	mu        sync.Mutex
	diagnosed time.Time
	diagnosis error // of then
}

// need is a table that is read, and for whom.
type need struct {
	plugin, model string
	fields        []string
}

func newDatabase(c *settings) *database {
	return &database{
		// gorm's logger prints values, such as tokens.
		db: c.DB.Session(&gorm.Session{
			NewDB: true, SkipDefaultTransaction: true, PrepareStmt: !c.DisablePreparedStatements, Logger: logger.Discard,
		}),
		dialect: c.dialect, tables: c.tables, timeout: c.QueryTimeout, needs: c.needs,
	}
}

func (d *database) table(model string) string { return d.dialect.quote(d.tables[model].name) }

// column is a column of a model, with the alias of its table in front unless that is empty.
func (d *database) column(alias, model, field string) string {
	c := d.dialect.quote(d.tables[model].columns[field])
	if alias == "" {
		return c
	}
	return alias + "." + c
}

// selection is the list of columns of a query.
type selection struct {
	expressions []string
	index       map[string]map[string]int // by alias and field
}

func (d *database) newSelection() *selection { return &selection{index: map[string]map[string]int{}} }

func (d *database) add(s *selection, alias, model string, fields ...string) {
	if s.index[alias] == nil {
		s.index[alias] = map[string]int{}
	}
	for _, field := range fields {
		if _, ok := s.index[alias][field]; ok {
			continue
		}
		expression := d.column(alias, model, field)
		switch {
		case timeFields[field]:
			expression = d.dialect.timeColumn(expression)
		case field == "id" || strings.HasSuffix(field, "Id"):
			expression = d.dialect.asText(expression)
		}
		s.index[alias][field] = len(s.expressions)
		s.expressions = append(s.expressions, expression)
	}
}

func (s *selection) String() string { return strings.Join(s.expressions, ", ") }

// row is one row of a query.
type row struct {
	selection *selection
	values    []any
}

func (r row) source(alias string) source {
	columns := r.selection.index[alias]
	return func(field string) any {
		if i, ok := columns[field]; ok {
			return r.values[i]
		}
		return nil
	}
}

// query runs a statement and calls each for its rows.
func (d *database) query(ctx context.Context, op string, q statement, args []any, each func(row) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	rows, err := d.rows(ctx, q.bound, args)
	if q.given && noSuchID(err) {
		return nil
	}
	if err != nil {
		return d.unavailable(ctx, op, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what matters
	r := row{q.selection, make([]any, len(q.selection.expressions))}
	targets := make([]any, len(r.values))
	for rows.Next() {
		for i := range r.values {
			r.values[i] = nil
			targets[i] = &r.values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return d.unavailable(ctx, op, err)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil && (!q.given || !noSuchID(err)) {
		return d.unavailable(ctx, op, err)
	}
	return nil
}

// rows runs a query as gorm's Rows does, with all that is registered for one, but without the copies that gorm makes of a
// statement on the way there.
func (d *database) rows(ctx context.Context, bound string, args []any) (*sql.Rows, error) {
	tx := &gorm.DB{Config: d.db.Config, Statement: &gorm.Statement{
		ConnPool: d.db.Statement.ConnPool, Context: ctx, Clauses: map[string]clause.Clause{}, Vars: args, SkipHooks: d.db.Statement.SkipHooks,
	}}
	tx.Statement.DB = tx
	tx.Statement.SQL.WriteString(bound)
	tx.Statement.Settings.Store("rows", true)
	tx.Callback().Row().Execute(tx)
	rows, ok := tx.Statement.Dest.(*sql.Rows)
	if tx.Error == nil && (!ok || rows == nil) {
		return nil, errDatabase // it runs dry
	}
	return rows, tx.Error
}

// noSuchID reports whether the database has refused a parameter because it is nothing that the column it is compared with
// could hold, such as a text where ids are numbers or UUIDs.
func noSuchID(err error) bool {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok { // PostgreSQL: no value of the type, or a number out of its range
		return e.SQLState() == "22P02" || e.SQLState() == "22003"
	}
	if e, ok := errors.AsType[interface {
		error
		SQLErrorNumber() int32
	}](err); ok { // SQL Server: no int, out of its range, no bigint, out of its range, no uniqueidentifier
		return slices.Contains([]int32{245, 248, 8114, 8115, 8169}, e.SQLErrorNumber())
	}
	return false
}

// exec runs a statement and returns how many rows it changed.
func (d *database) exec(ctx context.Context, op, statement string, args ...any) (int64, error) {
	return d.change(ctx, op, statement, func(error) bool { return false }, args...)
}

// execGiven is exec for a statement whose parameters are ids that a caller gave: one that no row can have changes none.
func (d *database) execGiven(ctx context.Context, op, statement string, args ...any) (int64, error) {
	return d.change(ctx, op, statement, noSuchID, args...)
}

func (d *database) change(ctx context.Context, op, statement string, harmless func(error) bool, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	tx := d.db.WithContext(ctx).Exec(statement, args...)
	if harmless(tx.Error) {
		return 0, nil
	}
	if tx.Error != nil {
		return 0, d.unavailable(ctx, op, tx.Error)
	}
	return tx.RowsAffected, nil
}

var (
	errDatabase = errors.New("the database failed")
	errSlow     = errors.New("the database did not answer in time")
)

// unavailable is the error of a statement that failed. What the database says of it is not passed on: it may hold
// values.
func (d *database) unavailable(ctx context.Context, op string, err error) error {
	reason := errDatabase
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		reason = errSlow
	case ctx.Err() != nil:
		reason = context.Cause(ctx)
	default:
		if missing := d.diagnose(ctx); missing != nil {
			reason = missing
		}
	}
	return fail(auth.CodeStoreUnavailable, op, reason)
}

const diagnoseEvery = time.Second

// diagnose looks for what is missing, which is the likeliest reason that a statement fails while the database answers. For
// a second the answer stands: a database in trouble is not asked more than that.
func (d *database) diagnose(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.diagnosed) >= diagnoseEvery {
		d.diagnosis, d.diagnosed = d.missing(ctx), now
	}
	return d.diagnosis
}

// missing names the first table or column that cannot be read, or returns nil, also when the database does not answer.
func (d *database) missing(ctx context.Context) error {
	if !d.answers(ctx, "SELECT 1") {
		return nil
	}
	for _, n := range d.needs {
		from := " FROM " + d.table(n.model) + " WHERE 1 = 0"
		if !d.answers(ctx, "SELECT 1"+from) {
			return fmt.Errorf("%s: the table %q is missing or may not be read", n.plugin, d.tables[n.model].name)
		}
		for _, field := range n.fields {
			if !d.answers(ctx, "SELECT "+d.column("", n.model, field)+from) {
				return fmt.Errorf("%s: the table %q has no column %q that may be read", n.plugin, d.tables[n.model].name, d.tables[n.model].columns[field])
			}
		}
	}
	return nil
}

func (d *database) answers(ctx context.Context, statement string) bool {
	rows, err := d.db.WithContext(ctx).Raw(statement).Rows()
	if err != nil {
		return false
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() { // reads what there is: an error may come with the rows
	}
	return rows.Err() == nil
}

// Check asks the database for every table and column that the configuration needs, and returns an error that names the
// first that is missing, and the plugin that needs it. It is not required; it makes a mistake known at the start.
func (b *Backend) Check(ctx context.Context) error {
	if b.db == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.conf.QueryTimeout)
	defer cancel()
	if !b.db.answers(ctx, "SELECT 1") {
		return fail(auth.CodeStoreUnavailable, "check", errDatabase)
	}
	if err := b.db.missing(ctx); err != nil {
		return fail(auth.CodeStoreUnavailable, "check", err)
	}
	return nil
}

const maxKey = 1024

// possibleKey reports whether a text can be in a column at all. Databases refuse some texts with an error, which must
// not be taken for an outage.
func possibleKey(s string) bool {
	return s != "" && len(s) <= maxKey && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// addNeed notes fields that a plugin reads. The same model may be noted more than once. Without sessions in the database
// the server makes no table for them.
func (c *settings) addNeed(plugin, model string, fields ...string) {
	if model == modelSession && !c.Secondary.inDatabase() {
		return
	}
	c.needs = append(c.needs, need{plugin, model, slices.Clone(fields)})
}

// extraFields are the additional fields by model.
func (c *Config) extraFields() map[string][]string {
	return maps.Clone(map[string][]string{modelUser: c.UserFields, modelSession: c.SessionFields})
}
