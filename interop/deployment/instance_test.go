package deployment

import (
	"bytes"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netscript/auth/internal/faultproxy"
	"github.com/netscript/auth/interop/internal/testenv"
)

const (
	base = "/api/v1/auth"

	// startTime bounds how long a program may take to start, or to be well again, in a machine that is busy with other
	// tests.
	startTime = time.Minute
)

// build builds the program and returns its path.
func build(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authapi")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./examples/authapi")
	cmd.Dir = testenv.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build examples/authapi: %v\n%s", err, out)
	}
	return path
}

// instance is one process of the service, and its way to Redis.
type instance struct {
	t       testing.TB
	number  int
	program string
	env     []string
	url     string
	redis   *faultproxy.Proxy

	cmd *exec.Cmd
	end chan struct{} // closed when the process is gone
	log *lockedBuffer

	sky string // what is wrong with the way to Redis; empty: nothing
}

func (i *instance) start() {
	i.t.Helper()
	i.cmd = exec.Command(i.program) //nolint:noctx // it outlives requests and ends with the test
	i.cmd.Dir = i.t.TempDir()
	i.cmd.Env = i.env
	i.cmd.Stderr = i.log
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := i.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	cmd, end := i.cmd, make(chan struct{})
	i.end = end
	go func() { _ = cmd.Wait(); close(end) }()
	for deadline := time.Now().Add(startTime); ; time.Sleep(2 * time.Millisecond) {
		res, err := http.Get(i.url + "/health/live")
		if err == nil {
			_ = res.Body.Close()
			return
		}
		select {
		case <-end:
			i.t.Fatalf("instance %d has ended:\n%s", i.number, i.log)
		default:
		}
		if time.Now().After(deadline) {
			i.t.Fatalf("instance %d does not answer: %v\n%s", i.number, err, i.log)
		}
	}
}

// kill ends the process as kill -9 does.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill()
	<-i.end
}

// turn changes the way to Redis. What was on it when a black hole ends is lost, as packets are.
func (i *instance) turn(sky string) {
	i.t.Helper()
	if i.sky == "black hole" {
		i.redis.Cut()
	}
	i.redis.BlackHole(sky == "black hole")
	i.redis.DropReplies(sky == "no replies")
	if err := i.redis.Refuse(sky == "refused"); err != nil {
		i.t.Fatal(err)
	}
	i.sky = sky
}

// lockedBuffer takes what a program writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// freePort returns a port that is free now. A service has to be at the same one after a restart.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
