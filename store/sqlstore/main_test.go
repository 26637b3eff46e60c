package sqlstore_test

import (
	"context"
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/driver/sqlserver"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth/internal/sqltest"
	"github.com/netscript/auth/store/sqlstore"
)

// servers are shared by all tests that do not stop theirs, and faulty by those that do.
var servers, faulty sqltest.Shared

func TestMain(m *testing.M) {
	if os.Getenv(migrateEngine) != "" {
		os.Exit(migrateInChild())
	}
	_ = mysqldriver.SetLogger(log.New(io.Discard, "", 0)) // it reports each connection that a test breaks
	code := m.Run()
	servers.Close()
	faulty.Close()
	os.Exit(code)
}

// liveSQLServer names the variable that says where a SQL Server is whose database may be used. Without it SQL Server is
// tested by what is sent to it and by how its errors are understood: see golden_test.go and driver_test.go.
const liveSQLServer = "AUTH_TEST_SQLSERVER_DSN"

// fixture is a kind of database that tests run on.
type fixture struct {
	name string
	// dsn makes an empty database and says how to open it.
	dsn  func(t testing.TB) string
	open func(dsn string) gorm.Dialector
	// conns is how many connections a pool may have; 0 is any number.
	conns int
}

var (
	onPostgres = fixture{
		name: "postgres", open: postgres.Open,
		dsn: func(t testing.TB) string { s := servers.Postgres(t); return s.DSN(s.Database(t), "") },
	}
	onMariaDB = fixture{
		name: "mariadb", open: mysql.Open,
		dsn: func(t testing.TB) string { s := servers.MariaDB(t); return s.DSN(s.Database(t), "") },
	}
	onSQLite = fixture{
		name: "sqlite", open: sqlite.Open,
		dsn: func(t testing.TB) string {
			return "file:" + filepath.Join(t.TempDir(), "auth.db") + "?_foreign_keys=1&_busy_timeout=4000&_journal_mode=WAL"
		},
	}
	onSQLiteMemory = fixture{
		name: "sqlite in memory", open: sqlite.Open, conns: 1,
		dsn: func(testing.TB) string { return "file::memory:?_foreign_keys=1" },
	}
	onSQLServer = fixture{name: "sqlserver", open: sqlserver.Open, dsn: func(testing.TB) string { return os.Getenv(liveSQLServer) }}
)

// fixtures returns all databases there are.
func fixtures() []fixture {
	all := []fixture{onPostgres, onMariaDB, onSQLite, onSQLiteMemory}
	if os.Getenv(liveSQLServer) != "" {
		all = append(all, onSQLServer)
	}
	return all
}

// connect opens a pool of connections.
func (f fixture) connect(t testing.TB, dsn string) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(f.open(dsn), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(f.conns)
	pool.SetMaxIdleConns(16)
	t.Cleanup(func() { _ = pool.Close() })
	return db
}

// migrated returns a database that has the tables.
func (f fixture) migrated(t testing.TB) *gorm.DB {
	t.Helper()
	db := f.connect(t, f.dsn(t))
	if err := sqlstore.Migrate(context.WithoutCancel(t.Context()), db); err != nil {
		t.Fatal(err)
	}
	return db
}

func newStore(t testing.TB, db *gorm.DB, cfg sqlstore.Config) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
