package sqlstore_test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"github.com/DATA-DOG/go-sqlmock"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/driver/sqlserver"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// recorder notes what is sent to a mocked database.
type recorder struct {
	t     *testing.T
	mock  sqlmock.Sqlmock
	db    *gorm.DB
	texts []string
	args  []string // types of the arguments since the last statement
}

// engines are the names of the dialectors.
var engines = []string{"postgres", "mysql", "sqlserver", "sqlite"}

// mocked returns a gorm.DB of the engine whose connections are a mock.
func mocked(t *testing.T, engine string) *recorder {
	t.Helper()
	r := &recorder{t: t}
	// gorm's dialector for SQL Server knows its translation of errors by the driver's name only, so any will do.
	pool, mock, err := sqlmock.New(sqlmock.QueryMatcherOption(sqlmock.QueryMatcherFunc(r.match)), sqlmock.ValueConverterOption(r))
	if err != nil {
		t.Fatal(err)
	}
	r.mock = mock
	t.Cleanup(func() { mock.ExpectClose(); _ = pool.Close() })
	if r.db, err = gorm.Open(r.dialector(engine, pool), &gorm.Config{Logger: logger.Discard, DisableAutomaticPing: true}); err != nil {
		t.Fatal(err)
	}
	r.texts, r.args = nil, nil
	return r
}

func (r *recorder) dialector(engine string, pool *sql.DB) gorm.Dialector {
	switch engine {
	case "postgres":
		return postgres.New(postgres.Config{Conn: pool})
	case "mysql":
		return mysql.New(mysql.Config{Conn: pool, SkipInitializeWithVersion: true})
	case "sqlserver":
		return sqlserver.New(sqlserver.Config{Conn: pool})
	default:
		r.mock.ExpectQuery("").WillReturnRows(sqlmock.NewRows([]string{"v"}).AddRow("3.45.0"))
		return &sqlite.Dialector{Conn: pool}
	}
}

func (r *recorder) match(_, actual string) error {
	text := strings.TrimSpace(actual)
	if len(r.args) > 0 {
		text += "\n-- with " + strings.Join(r.args, ", ")
	}
	r.args = nil
	r.texts = append(r.texts, text)
	return nil
}

// ConvertValue implements driver.ValueConverter. It is asked about every argument.
func (r *recorder) ConvertValue(v any) (driver.Value, error) {
	value, err := driver.DefaultParameterConverter.ConvertValue(v)
	r.args = append(r.args, fmt.Sprintf("%T", value))
	return value, err
}

// sent returns what was sent since the last call of sent.
func (r *recorder) sent() []string {
	texts := r.texts
	r.texts = nil
	if err := r.mock.ExpectationsWereMet(); err != nil {
		r.t.Error(err)
	}
	return texts
}

// prepares reports whether sqlstore prepares its statements on the engine.
func prepares(engine string) bool { return engine == "mysql" || engine == "sqlite" }

// exec expects one statement of a Store, which must be its first of the kind.
func (r *recorder) exec(engine string) *sqlmock.ExpectedExec {
	if prepares(engine) {
		return r.mock.ExpectPrepare("").ExpectExec()
	}
	return r.mock.ExpectExec("")
}

func (r *recorder) query(engine string) *sqlmock.ExpectedQuery {
	if prepares(engine) {
		return r.mock.ExpectPrepare("").ExpectQuery()
	}
	return r.mock.ExpectQuery("")
}
