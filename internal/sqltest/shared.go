package sqltest

import (
	"sync"
	"testing"
)

// Shared holds servers that the tests of a program share, each started when the first test asks for it. The zero value is
// ready to use. TestMain must call Close after the tests.
type Shared struct{ postgres, mariadb lazy }

type lazy struct {
	once   sync.Once
	server *Server
	err    error
}

// Postgres returns the PostgreSQL server. Where it is not installed the test is skipped, or fails in CI.
func (s *Shared) Postgres(t testing.TB) *Server {
	t.Helper()
	return s.postgres.get(t, newPostgres(t))
}

// MariaDB returns the MariaDB server. Where it is not installed the test is skipped, or fails in CI.
func (s *Shared) MariaDB(t testing.TB) *Server {
	t.Helper()
	return s.mariadb.get(t, newMariaDB(t))
}

func (l *lazy) get(t testing.TB, e engine) *Server {
	t.Helper()
	l.once.Do(func() { l.server, l.err = start(e) })
	if l.err != nil {
		t.Fatalf("sqltest: %v", l.err)
	}
	return l.server
}

// Close stops the servers that were started.
func (s *Shared) Close() {
	for _, l := range []*lazy{&s.postgres, &s.mariadb} {
		if l.server != nil {
			l.server.stop()
		}
	}
}
