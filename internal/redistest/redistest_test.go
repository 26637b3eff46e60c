package redistest_test

import (
	"strings"
	"testing"

	"github.com/netscript/auth/internal/redistest"
)

func TestServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Password: "hunter2"})
	s.Do("SET", "k", "v\r\nw")
	if got := s.Do("GET", "k"); got != "v\r\nw" {
		t.Errorf("GET: %q", got)
	}
	if n := s.Calls("get"); n != 1 {
		t.Errorf("%d calls of get, want 1", n)
	}
	redistest.Eventually(t, "a closed connection counts as open", func() bool { return s.Clients() == 0 })
	if _, err := s.Try("NONSENSE"); err == nil {
		t.Error("no error for a command that does not exist")
	}
	s.Kill()
	if _, err := s.Try("PING"); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if got := s.Do("GET", "k"); got != "" {
		t.Errorf("after the restart: %q", got)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{TLS: redistest.NewAuthority(t)})
	if got := s.Do("PING"); got != "PONG" {
		t.Errorf("PING: %q", got)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, 3, redistest.Options{})
	moved := 0
	for _, n := range nodes {
		if _, err := n.Try("SET", "k", "v"); err != nil && strings.HasPrefix(err.Error(), "MOVED") {
			moved++
		}
	}
	if moved != 2 {
		t.Errorf("%d of 3 nodes say that the key is elsewhere, want 2", moved)
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	sentinel, master, _ := redistest.StartSentinel(t)
	if got := sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", redistest.MasterSet); strings.ReplaceAll(got, "\n", ":") != master.Addr {
		t.Errorf("the sentinel says %q, the master is at %s", got, master.Addr)
	}
}
