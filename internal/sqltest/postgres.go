package sqltest

import (
	"database/sql"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

type postgres struct{ initdb, program string }

func newPostgres(t testing.TB) engine {
	t.Helper()
	const packaged = "/usr/lib/postgresql/*/bin/" // Debian keeps them off the PATH
	return postgres{find(t, "initdb", packaged+"initdb"), find(t, "postgres", packaged+"postgres")}
}

func (p postgres) initialize(dir string) *exec.Cmd {
	return exec.Command(p.initdb, //nolint:noctx,gosec // it ends by itself
		"--pgdata="+filepath.Join(dir, "data"), "--username=test", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
}

// serve leaves out the waits for the disk: a killed server loses nothing by that, only a killed machine does.
func (p postgres) serve(dir string, port int) *exec.Cmd {
	return exec.Command(p.program, "-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(port), //nolint:noctx,gosec // ends with the test
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir, "-c", "max_connections=200",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "autovacuum_naptime=10min")
}

func (p postgres) open(addr, name string) (*sql.DB, error) {
	if name == "" {
		name = "postgres"
	}
	return sql.Open("pgx", p.dsn(addr, name))
}

func (postgres) dsn(addr, name string) string {
	return "postgres://test@" + addr + "/" + name + "?sslmode=disable"
}

func (postgres) drop(name string) string { return "DROP DATABASE " + name + " WITH (FORCE)" }
