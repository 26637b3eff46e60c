// Package quickstart_test uses examples/quickstart as a person does: it starts the program and looks at it in a browser.
package quickstart_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/interop/internal/testenv"
)

const (
	startTime = 20 * time.Second
	stopTime  = 5 * time.Second
)

// program is the quickstart while it runs.
type program struct {
	url string
	cmd *exec.Cmd
}

// build returns the quickstart's executable.
func build(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "quickstart")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "./examples/quickstart") //nolint:gosec // ours
	cmd.Dir = testenv.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the quickstart: %v\n%s", err, out)
	}
	return exe
}

// start starts the quickstart on a free port, with further arguments. It is stopped as Ctrl-C does when the test ends, if not before.
func start(t *testing.T, exe string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(exe, append([]string{"-addr", "127.0.0.1:0"}, args...)...)} //nolint:gosec,noctx // it is to end by SIGINT
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(t) })

	late := time.AfterFunc(startTime, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), "Open "); ok {
			p.url = url
			return p
		}
	}
	t.Fatal("the quickstart did not say what to open")
	return nil
}

// stop interrupts the program, which has to end well and soon.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("interrupt the quickstart: %v", err)
	}
	late := time.AfterFunc(stopTime, func() {
		t.Errorf("the quickstart still runs %v after an interrupt", stopTime)
		_ = p.cmd.Process.Kill()
	})
	defer late.Stop()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the quickstart ended with %v, want exit status 0", err)
	}
}

// kill ends the program as kill -9 does.
func (p *program) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // says that it was killed
}
