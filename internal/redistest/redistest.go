// Package redistest starts Redis servers for tests: private ones, on free loopback ports, with their files in the
// test's temporary directory. They are killed when the test ends.
package redistest

import (
	"context"
	"crypto/tls"
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
const startWithin = 30 * time.Second

// Options describes a server. The zero value is an empty one without a password that keeps nothing on disk.
type Options struct {
	// TLS makes the server speak TLS only, with a certificate of this authority. If nil, it speaks plain TCP.
	TLS *Authority

	// Password is the default user's. If empty, the default user needs none.
	Password string

	// Config holds further lines of the configuration file.
	Config []string

	sentinel bool
}

// Server is a running redis-server, which may be a sentinel.
type Server struct {
	// Addr is where the server listens. It stays the same when the server is started again.
	Addr string

	t       testing.TB
	opts    Options
	program string
	file    string

	mu     sync.Mutex
	cmd    *exec.Cmd // nil while it is not running
	exited chan struct{}
}

// Start starts a server and waits until it answers. Where redis-server is not installed the test is skipped, or fails in
// CI.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{t: t, opts: o, program: testenv.Program(t, "redis-server")}
	dir := t.TempDir()
	s.file = filepath.Join(dir, "redis.conf")
	for attempt := range 5 {
		port := freePort(t)
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if err := os.WriteFile(s.file, []byte(s.configuration(dir, port)), 0o600); err != nil {
			t.Fatal(err)
		}
		if s.start() {
			break
		}
		if attempt == 4 { // somebody else took the port, five times
			t.Fatalf("redistest: the server does not start:\n%s", s.log())
		}
	}
	t.Cleanup(s.Kill)
	return s
}

func (s *Server) configuration(dir string, port int) string {
	lines := []string{
		"bind 127.0.0.1", "protected-mode yes", "daemonize no", "dir " + dir, "logfile " + s.file + ".log",
	}
	if s.opts.TLS == nil {
		lines = append(lines, "port "+strconv.Itoa(port))
	} else {
		cert, key, ca := s.opts.TLS.files(s.t)
		lines = append(lines, "port 0", "tls-port "+strconv.Itoa(port), "tls-auth-clients no",
			"tls-cert-file "+cert, "tls-key-file "+key, "tls-ca-cert-file "+ca)
	}
	if !s.opts.sentinel {
		lines = append(lines, "save \"\"", "appendonly no")
	}
	if s.opts.Password != "" {
		lines = append(lines, "requirepass "+s.opts.Password)
	}
	return strings.Join(append(lines, s.opts.Config...), "\n") + "\n"
}

// start runs the program and reports whether it came to answer.
func (s *Server) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	args := []string{s.file}
	if s.opts.sentinel {
		args = append(args, "--sentinel")
	}
	cmd := exec.Command(s.program, args...) //nolint:noctx // it outlives calls and ends with the test
	// It dies with the test program, also when that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s.cmd, s.exited = cmd, exited
	deadline := time.After(startWithin)
	for {
		if s.answers() {
			return true
		}
		select {
		case <-exited:
			s.cmd = nil
			return false
		case <-deadline:
			_ = cmd.Process.Kill()
			<-exited
			s.cmd = nil
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Server) answers() bool {
	c, err := s.connect()
	if err != nil {
		return false
	}
	defer c.close()
	reply, err := c.do("PING")
	return err == nil && reply == "PONG"
}

// Kill ends the server as kill -9 does and waits until it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// Restart starts a server that was killed, on the same address. What it held is lost.
func (s *Server) Restart() {
	s.t.Helper()
	if !s.start() {
		s.t.Fatalf("redistest: does not start again:\n%s", s.log())
	}
}

// Pause stops the server's process as SIGSTOP does: it holds its connections and answers nothing.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs a command over a connection of its own and returns the reply, arrays as a line for each element. An error
// reply ends the test.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	reply, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redistest: %s: %v", args[0], err)
	}
	return reply
}

// Try is Do for commands that may fail.
func (s *Server) Try(args ...string) (string, error) {
	c, err := s.connect()
	if err != nil {
		return "", err
	}
	defer c.close()
	return c.do(args...)
}

// Calls returns how often the server has executed a command, over all connections, since the last CONFIG RESETSTAT. The
// name is in lower case.
func (s *Server) Calls(command string) int {
	s.t.Helper()
	for line := range strings.Lines(s.Do("INFO", "commandstats")) {
		rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls=")
		if !ok {
			continue
		}
		count, _, _ := strings.Cut(rest, ",")
		n, err := strconv.Atoi(count)
		if err != nil {
			s.t.Fatal(err)
		}
		return n
	}
	return 0
}

// Clients returns how many connections the server has besides the one that asks.
func (s *Server) Clients() int {
	s.t.Helper()
	list := s.Do("CLIENT", "LIST")
	return strings.Count(list, " laddr=") - strings.Count(list, " cmd=client|list")
}

// log returns what the server has written to its log.
func (s *Server) log() string {
	data, err := os.ReadFile(s.file + ".log")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (s *Server) connect() (*conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	if s.opts.TLS != nil {
		nc = tls.Client(nc, s.opts.TLS.Client())
	}
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	c := newConn(nc)
	if s.opts.Password == "" {
		return c, nil
	}
	if _, err := c.do("AUTH", s.opts.Password); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// freePort returns a port that is free now, and whose cluster bus port (10000 higher) exists.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if port <= 55535 {
			return port
		}
	}
	t.Fatal("redistest: no free port below 55536")
	return 0
}

// Eventually waits until ok, and fails the test with what is wrong if that takes too long.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startWithin); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func split(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr) // it is one of ours
	return host, port
}
