// Package sqltest starts PostgreSQL and MariaDB servers for tests: private ones, on free loopback ports, with their files
// in a temporary directory. They end with the test, or with the test program if that is killed.
package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netscript/auth/internal/testenv"
)

// startWithin bounds how long a server may take to answer, in a machine that is busy with other tests.
const startWithin = 60 * time.Second

// Server is a running database server.
type Server struct {
	// Addr is where the server listens. It stays the same when the server is started again.
	Addr string

	engine engine
	dir    string
	admin  *sql.DB

	mu        sync.Mutex
	cmd       *exec.Cmd // nil while it is not running
	exited    chan struct{}
	databases int
}

// engine is what differs between the servers.
type engine interface {
	// initialize makes the files of a new server in dir.
	initialize(dir string) *exec.Cmd
	// serve is the program that serves them on a port of the loopback address.
	serve(dir string, port int) *exec.Cmd
	// open connects to a database, without name to the one that a new server has.
	open(addr, name string) (*sql.DB, error)
	dsn(addr, name string) string
	drop(name string) string
}

// StartPostgres starts a PostgreSQL server for one test. Where it is not installed the test is skipped, or fails in CI.
func StartPostgres(t testing.TB) *Server {
	t.Helper()
	return startFor(t, newPostgres(t))
}

// StartMariaDB starts a MariaDB server for one test. Where it is not installed the test is skipped, or fails in CI.
func StartMariaDB(t testing.TB) *Server {
	t.Helper()
	return startFor(t, newMariaDB(t))
}

func startFor(t testing.TB, e engine) *Server {
	t.Helper()
	s, err := start(e)
	if err != nil {
		t.Fatalf("sqltest: %v", err)
	}
	t.Cleanup(s.stop)
	return s
}

func start(e engine) (_ *Server, err error) {
	dir, err := os.MkdirTemp("", "sqltest")
	if err != nil {
		return nil, err
	}
	s := &Server{engine: e, dir: dir}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	uid, gid := owner()
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	if out, err := s.asOwner(e.initialize(dir)).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initialize: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if s.admin, err = e.open(s.Addr, ""); err != nil {
		return nil, err
	}
	return s, s.run()
}

// owner returns who the server runs as. PostgreSQL refuses to run as root.
func owner() (uid, gid int) {
	const nobody = 65534
	if os.Getuid() == 0 {
		return nobody, nobody
	}
	return os.Getuid(), os.Getgid()
}

func (s *Server) asOwner(cmd *exec.Cmd) *exec.Cmd {
	// It dies with the test program, also when that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if uid, gid := owner(); uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} //nolint:gosec // small
	}
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+s.dir)
	return cmd
}

// run starts the program until it answers. After a kill it refuses to start as long as its old children live.
func (s *Server) run() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for deadline := time.Now().Add(startWithin); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = s.tryRun(deadline); err == nil {
			return nil
		}
	}
	return fmt.Errorf("does not start: %w\n%s", err, s.log())
}

func (s *Server) tryRun(deadline time.Time) error {
	_, portText, _ := net.SplitHostPort(s.Addr) // it is ours
	port, err := strconv.Atoi(portText)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := s.asOwner(s.engine.serve(s.dir, port))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	for time.Now().Before(deadline) {
		if err = s.ping(); err == nil {
			s.cmd, s.exited = cmd, exited
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("%w (%s)", err, cmd.ProcessState)
		case <-time.After(10 * time.Millisecond):
		}
	}
	_ = cmd.Process.Kill()
	<-exited
	return err
}

func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := s.admin.ExecContext(ctx, "SELECT 1")
	return err
}

// stop ends the server and removes its files.
func (s *Server) stop() {
	s.Kill()
	if s.admin != nil {
		_ = s.admin.Close()
	}
	_ = os.RemoveAll(s.dir)
}

// Kill ends the server as kill -9 does, without a chance to write anything, and waits until it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// Restart starts a server that was killed, with the same address and files.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatalf("sqltest: %v", err)
	}
}

// Pause stops all processes of the server as SIGSTOP does: they hold their connections and answer nothing.
func (s *Server) Pause(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	pid := s.cmd.Process.Pid
	for _, p := range append([]int{pid}, children(pid)...) {
		if err := syscall.Kill(p, sig); err != nil && p == pid {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(startWithin); sig == syscall.SIGSTOP && !stopped(p) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
}

// stopped reports whether no thread of a process runs any more: a signal to stop takes effect some time after it is sent.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is well-formed
	for _, thread := range threads {
		data, err := os.ReadFile(thread) //nolint:gosec // under /proc
		if err != nil {
			continue // it has ended
		}
		if _, state, _ := strings.Cut(string(data), ") "); !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// children returns the processes that pid has started: PostgreSQL has one for each connection.
func children(pid int) []int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for _, f := range strings.Fields(string(data)) {
		if p, err := strconv.Atoi(f); err == nil {
			pids = append(pids, p)
		}
	}
	return pids
}

// Database creates an empty database for the test and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.databases++
	name := "test" + strconv.Itoa(s.databases)
	s.mu.Unlock()
	s.Exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		s.mu.Lock()
		running := s.cmd != nil
		s.mu.Unlock()
		if running {
			s.Exec(t, s.engine.drop(name))
		}
	})
	return name
}

// DSN returns how the server's driver is told to connect to a database, over a proxy at addr if that is not empty.
func (s *Server) DSN(database, addr string) string {
	if addr == "" {
		addr = s.Addr
	}
	return s.engine.dsn(addr, database)
}

// Exec runs a statement as the server's administrator, in the database that a new server has.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	if _, err := s.admin.ExecContext(ctx, statement); err != nil {
		t.Errorf("sqltest: %s: %v", statement, err)
	}
}

// Int is Exec for a query of one number.
func (s *Server) Int(t testing.TB, query string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	var n int
	if err := s.admin.QueryRowContext(ctx, query).Scan(&n); err != nil {
		t.Fatalf("sqltest: %s: %v", query, err)
	}
	return n
}

// log returns what the server has written.
func (s *Server) log() string {
	data, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// find returns the program, on the PATH or where a package puts it.
func find(t testing.TB, name, pattern string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if paths, _ := filepath.Glob(pattern); len(paths) > 0 { // the pattern is well-formed
		return paths[len(paths)-1]
	}
	testenv.Missing(t, name)
	return ""
}
