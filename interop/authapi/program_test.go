package authapi_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/interop/internal/testenv"
	"github.com/netscript/auth/interop/oidcprovider"
)

const base = "/api/v1/auth"

// startTime bounds how long a program may take to start, in a machine that is busy with other tests.
const startTime = 30 * time.Second

var built struct {
	once sync.Once
	dir  string
	err  error
	out  []byte
}

func TestMain(m *testing.M) {
	if mode := os.Getenv(serverMode); mode != "" {
		if err := serveBenchmark(mode); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// executable builds examples/authapi, once.
func executable(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "authapi"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", built.dir, "./examples/authapi")
		cmd.Dir = testenv.Root(t)
		built.out, built.err = cmd.CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build examples/authapi: %v\n%s", built.err, built.out)
	}
	return filepath.Join(built.dir, "authapi")
}

// environment is that of a service, beside which the program gets nothing.
type environment map[string]string

func (e environment) list() []string {
	list := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	return list
}

// kvOAuth returns the environment of a service at a free port, and its URL.
func kvOAuth(t testing.TB) (environment, string) {
	t.Helper()
	port := freePort(t)
	url := "http://127.0.0.1:" + port
	return environment{
		"PORT":                                   port,
		"NETSCRIPT_AUTH_CLIENT_ID":               "basic",
		"NETSCRIPT_AUTH_CLIENT_SECRET":           "basic-secret",
		"NETSCRIPT_AUTH_REDIRECT_URI":            url + base + "/callback",
		"NETSCRIPT_AUTH_KV_OAUTH_KEY":            auth.GenerateKey().Encode(),
		"NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS": "true",
	}, url
}

// provider starts an OpenID provider that knows the service at url, and tells e of it.
func provider(t testing.TB, e environment, url string) *oidcprovider.Server {
	t.Helper()
	op := oidcprovider.Start(t, oidcprovider.Options{Clients: oidcprovider.DefaultClients(url + base + "/callback")})
	e["NETSCRIPT_AUTH_ISSUER"] = op.Issuer
	return op
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

// program is the service while it runs.
type program struct {
	t   testing.TB
	env environment
	url string
	cmd *exec.Cmd
	end chan error // what the program ended with; closed after that
	log *lockedBuffer
	// startup is how long it took until it answered.
	startup time.Duration
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

// start starts the service and waits until it answers. It is stopped when the test ends.
func start(t testing.TB, e environment) *program {
	t.Helper()
	p := &program{t: t, env: e, url: "http://127.0.0.1:" + e["PORT"], log: new(lockedBuffer)}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *program) start() {
	p.t.Helper()
	p.cmd = exec.Command(executable(p.t))
	p.cmd.Dir = p.t.TempDir()
	p.cmd.Env = p.env.list()
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd, end := p.cmd, make(chan error, 1)
	p.end = end
	go func() { end <- cmd.Wait(); close(end) }()
	for {
		res, err := http.Get(p.url + "/health/live")
		if err == nil {
			_ = res.Body.Close()
			p.startup = time.Since(began)
			return
		}
		select {
		case ended := <-end:
			p.t.Fatalf("the service has ended: %v\n%s", ended, p.log)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(began) > startTime {
			p.t.Fatalf("the service does not answer: %v\n%s", err, p.log)
		}
	}
}

// kill ends the service as kill -9 does.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.end                  //nolint:errcheck // what it ended with is the caller's doing
}

// restart kills the service and starts it again.
func (p *program) restart() {
	p.t.Helper()
	p.kill()
	p.start()
}

// stop ends the service as an orchestrator does; it has to end well.
func (p *program) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	late := time.AfterFunc(startTime, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	if err := <-p.end; err != nil {
		p.t.Errorf("the service ended with %v\n%s", err, p.log)
	}
}

// command runs another command of the program and returns what it prints and its exit status.
func command(t testing.TB, e environment, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), executable(t), args...)
	cmd.Dir, cmd.Env = t.TempDir(), e.list()
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
}
