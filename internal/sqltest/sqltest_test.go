package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/netscript/auth/internal/sqltest"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	exercise(t, "pgx", sqltest.StartPostgres(t))
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	exercise(t, "mysql", sqltest.StartMariaDB(t))
}

// exercise pauses, kills and restarts the server: what was committed is there afterwards.
func exercise(t *testing.T, driver string, s *sqltest.Server) {
	t.Helper()
	db, err := sql.Open(driver, s.DSN(s.Database(t), ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, statement := range []string{"CREATE TABLE t (n int)", "INSERT INTO t VALUES (42)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "SELECT 1"); !errors.Is(err, context.DeadlineExceeded) && !os.IsTimeout(err) {
		t.Errorf("a paused server: %v", err)
	}
	s.Resume(t)
	wantRow(t, db)
	s.Kill()
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart(t)
	wantRow(t, db)
}

func wantRow(t *testing.T, db *sql.DB) {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT n FROM t").Scan(&n); err != nil || n != 42 {
		t.Errorf("%d, %v; want 42", n, err)
	}
}
