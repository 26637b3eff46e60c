package sqltest

import (
	"database/sql"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
)

type mariadb struct{ install, program string }

func newMariaDB(t testing.TB) engine {
	t.Helper()
	return mariadb{find(t, "mariadb-install-db", "/usr/bin/mariadb-install-db"), find(t, "mariadbd", "/usr/sbin/mariadbd")}
}

func (m mariadb) initialize(dir string) *exec.Cmd {
	return exec.Command(m.install, "--no-defaults", "--datadir="+filepath.Join(dir, "data"), //nolint:noctx,gosec // it ends by itself
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
}

// serve leaves out the waits for the disk: a killed server loses nothing by that, only a killed machine does.
func (m mariadb) serve(dir string, port int) *exec.Cmd {
	return exec.Command(m.program, "--no-defaults", "--datadir="+filepath.Join(dir, "data"), //nolint:noctx,gosec // ends with the test
		"--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"), "--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(port), "--skip-name-resolve", "--max-connections=300", "--innodb-buffer-pool-size=64M",
		"--innodb-flush-log-at-trx-commit=2", "--character-set-server=utf8mb4")
}

func (m mariadb) open(addr, name string) (*sql.DB, error) {
	return sql.Open("mysql", m.dsn(addr, name))
}

func (mariadb) dsn(addr, name string) string {
	return "root@tcp(" + addr + ")/" + name + "?parseTime=true"
}

func (mariadb) drop(name string) string { return "DROP DATABASE " + name }
