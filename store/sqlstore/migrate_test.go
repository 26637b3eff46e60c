package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth/store/sqlstore"
)

// latest is the version that Migrate brings a database to.
const latest = 5

var tables = []string{"auth_users", "auth_sessions", "auth_accounts", "auth_verifications", "auth_kv"}

func readStatus(t *testing.T, db *gorm.DB) sqlstore.Status {
	t.Helper()
	status, err := sqlstore.ReadStatus(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// onEmpty runs a test on an empty database of each kind that can be made here.
func onEmpty(t *testing.T, test func(t *testing.T, f fixture, db *gorm.DB)) {
	t.Helper()
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite, onSQLiteMemory} {
		t.Run(f.name, func(t *testing.T) { test(t, f, f.connect(t, f.dsn(t))) })
	}
}

func TestMigrate(t *testing.T) {
	onEmpty(t, func(t *testing.T, _ fixture, db *gorm.DB) {
		before := readStatus(t, db)
		if before.Version != 0 || before.Latest != latest || !slices.Equal(before.Pending, []int64{1, 2, 3, 4, 5}) || before.Ahead() {
			t.Errorf("status of an empty database: %+v", before)
		}
		if db.Migrator().HasTable("auth_migrations") {
			t.Error("ReadStatus made a table")
		}
		for range 2 {
			if err := sqlstore.Migrate(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			if after := readStatus(t, db); after.Version != latest || len(after.Pending) != 0 || after.Ahead() {
				t.Errorf("status afterwards: %+v", after)
			}
		}
		for _, table := range tables {
			if !db.Migrator().HasTable(table) {
				t.Errorf("no table %s", table)
			}
		}
		wantVersions(t, db)
	})
}

// wantVersions checks that each version was applied once.
func wantVersions(t *testing.T, db *gorm.DB) {
	t.Helper()
	var versions []int64
	if err := db.Table("auth_migrations").Where("version_id > 0").Order("version_id").Pluck("version_id", &versions).Error; err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(versions, []int64{1, 2, 3, 4, 5}) {
		t.Errorf("versions %v", versions)
	}
}

// TestMigrateReadOnly has nothing to do, in a database that takes no writes.
func TestMigrateReadOnly(t *testing.T) {
	dsn := onPostgres.dsn(t)
	if err := sqlstore.Migrate(t.Context(), onPostgres.connect(t, dsn)); err != nil {
		t.Fatal(err)
	}
	readOnly := onPostgres.connect(t, dsn+"&default_transaction_read_only=on")
	if err := sqlstore.Migrate(t.Context(), readOnly); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
	empty := onPostgres.connect(t, onPostgres.dsn(t)+"&default_transaction_read_only=on")
	if err := sqlstore.Migrate(t.Context(), empty); err == nil || !strings.Contains(err.Error(), "version 1 ") {
		t.Errorf("a migration that cannot be: %v", err)
	}
}

// TestMigrateAtOnce starts eight instances, each with connections of its own.
func TestMigrateAtOnce(t *testing.T) {
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite} {
		t.Run(f.name, func(t *testing.T) {
			dsn := f.dsn(t)
			pools := make([]*gorm.DB, 8)
			for i := range pools {
				pools[i] = f.connect(t, dsn)
			}
			var wg sync.WaitGroup
			start := make(chan struct{})
			for _, db := range pools {
				wg.Go(func() {
					<-start
					if err := sqlstore.Migrate(t.Context(), db); err != nil {
						t.Error(err)
					}
					exerciseMigrated(t, db)
				})
			}
			close(start)
			wg.Wait()
			wantVersions(t, pools[0])
		})
	}
}

func exerciseMigrated(t *testing.T, db *gorm.DB) {
	t.Helper()
	for _, table := range tables {
		if err := db.Exec("SELECT count(*) FROM " + table).Error; err != nil {
			t.Errorf("Migrate returned without %s: %v", table, err)
		}
	}
}

// migrateEngine makes this test program a program that migrates the database migrateDSN and ends.
const (
	migrateEngine = "SQLSTORE_TEST_MIGRATE"
	migrateDSN    = "SQLSTORE_TEST_DSN"
)

func migrateInChild() int {
	open := map[string]func(string) gorm.Dialector{"postgres": postgres.Open, "mariadb": mysql.Open, "sqlite": sqlite.Open}[os.Getenv(migrateEngine)]
	db, err := gorm.Open(open(os.Getenv(migrateDSN)), &gorm.Config{Logger: logger.Discard})
	if err == nil {
		err = sqlstore.Migrate(context.Background(), db)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func TestMigrateInProcesses(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite} {
		t.Run(f.name, func(t *testing.T) {
			dsn := f.dsn(t)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					cmd := exec.CommandContext(t.Context(), program)
					cmd.Env = append(os.Environ(), migrateEngine+"="+f.name, migrateDSN+"="+dsn)
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("%v: %s", err, out)
					}
				})
			}
			wg.Wait()
			wantVersions(t, f.connect(t, dsn))
		})
	}
}

// TestMigrateWaits holds the lock: Migrate waits as long as its context lets it, and goes on when the lock is free.
func TestMigrateWaits(t *testing.T) {
	for _, test := range []struct {
		f    fixture
		take string
	}{
		{onPostgres, "SELECT pg_advisory_lock(4906142771216583512)"},
		{onMariaDB, "SELECT GET_LOCK(CONCAT('auth_migrations ', MD5(DATABASE())), 10)"},
	} {
		t.Run(test.f.name, func(t *testing.T) {
			dsn := test.f.dsn(t)
			holder := test.f.connect(t, dsn)
			pool, err := holder.DB()
			if err != nil {
				t.Fatal(err)
			}
			conn, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(t.Context(), test.take); err != nil {
				t.Fatal(err)
			}
			db := test.f.connect(t, dsn)
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			defer cancel()
			if err := sqlstore.Migrate(ctx, db); err == nil {
				t.Error("migrated while another instance held the lock")
			}
			if db.Migrator().HasTable("auth_users") {
				t.Error("a table was made without the lock")
			}
			_ = conn.Close() // the lock stays with the connection, which goes back to the pool
			_ = pool.Close()
			if err := sqlstore.Migrate(t.Context(), db); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMigrateNoDatabase has a DSN that names none, which MySQL takes until a table is made.
func TestMigrateNoDatabase(t *testing.T) {
	db := onMariaDB.connect(t, servers.MariaDB(t).DSN("", ""))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := sqlstore.Migrate(ctx, db); err == nil || ctx.Err() != nil {
		t.Errorf("Migrate: %v", err)
	}
}

// TestMigrateOneConnection has pools of one connection, which the lock and the migration share.
func TestMigrateOneConnection(t *testing.T) {
	for _, f := range []fixture{onPostgres, onMariaDB, onSQLite} {
		t.Run(f.name, func(t *testing.T) {
			f.conns = 1
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := sqlstore.Migrate(ctx, f.connect(t, f.dsn(t))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMigrateAhead(t *testing.T) {
	onEmpty(t, func(t *testing.T, f fixture, db *gorm.DB) {
		if err := sqlstore.Migrate(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		if err := db.Exec("INSERT INTO auth_migrations (version_id, is_applied) VALUES (77, ?)", true).Error; err != nil {
			t.Fatal(err)
		}
		if s := readStatus(t, db); !s.Ahead() || s.Version != 77 {
			t.Errorf("status %+v", s)
		}
		err := sqlstore.Migrate(t.Context(), db)
		if !errors.Is(err, sqlstore.ErrAhead) || !strings.Contains(err.Error(), "version 77") || !strings.Contains(err.Error(), "newer") {
			t.Errorf("Migrate: %v", err)
		}
		if err := db.Exec("DELETE FROM auth_migrations WHERE version_id = 5").Error; err != nil {
			t.Fatal(err)
		}
		if err := db.Migrator().DropTable("auth_kv"); err != nil {
			t.Fatal(err)
		}
		if err := sqlstore.Migrate(t.Context(), db); !errors.Is(err, sqlstore.ErrAhead) || db.Migrator().HasTable("auth_kv") {
			t.Errorf("something was migrated in a database that is ahead: %v", err)
		}
	})
}

// TestMigrateFails has a table in the way of the third version: the two before it stay, the error names it, and once the table
// is gone the rest follows.
func TestMigrateFails(t *testing.T) {
	onEmpty(t, func(t *testing.T, f fixture, db *gorm.DB) {
		obstacle, remove := "CREATE TABLE auth_accounts (id int)", "DROP TABLE auth_accounts"
		if f.name == onMariaDB.name { // there a table of that name is taken for ours
			obstacle, remove = "CREATE TABLE auth_users (id int)", "DROP TABLE auth_users"
		}
		if err := db.Exec(obstacle).Error; err != nil {
			t.Fatal(err)
		}
		version := int64(3)
		if f.name == onMariaDB.name {
			version = 2 // which refers to the table
		}
		for range 2 {
			err := sqlstore.Migrate(t.Context(), db)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("version %d was not applied", version)) {
				t.Errorf("Migrate: %v", err)
			}
			if s := readStatus(t, db); s.Version != version-1 || len(s.Pending) == 0 || s.Pending[0] != version {
				t.Errorf("status %+v", s)
			}
		}
		statements := []string{remove}
		if f.name == onMariaDB.name {
			statements = append(statements, "DELETE FROM auth_migrations WHERE version_id = 1")
		}
		for _, statement := range statements {
			if err := db.Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		}
		if err := sqlstore.Migrate(t.Context(), db); err != nil {
			t.Error(err)
		}
		wantVersions(t, db)
	})
}

// TestMigrateResumes has tables whose versions were not noted, which is what MySQL leaves when the connection breaks between
// the two.
func TestMigrateResumes(t *testing.T) {
	db := onMariaDB.migrated(t)
	if err := db.Exec("DELETE FROM auth_migrations WHERE version_id >= 0").Error; err != nil {
		t.Fatal(err)
	}
	if err := sqlstore.Migrate(t.Context(), db); err != nil {
		t.Error(err)
	}
	wantVersions(t, db)
}

// TestMigrateGap has a version in the middle that is not noted and cannot be applied: that later ones are there does not
// mean that it is.
func TestMigrateGap(t *testing.T) {
	for _, f := range []fixture{onPostgres, onSQLite, onSQLiteMemory} {
		t.Run(f.name, func(t *testing.T) {
			db := f.migrated(t)
			if err := db.Exec("DELETE FROM auth_migrations WHERE version_id = 3").Error; err != nil {
				t.Fatal(err)
			}
			if err := sqlstore.Migrate(t.Context(), db); err == nil || !strings.Contains(err.Error(), "version 3 was not applied") {
				t.Errorf("Migrate: %v", err)
			}
			if s := readStatus(t, db); !slices.Equal(s.Pending, []int64{3}) {
				t.Errorf("status %+v", s)
			}
		})
	}
}
