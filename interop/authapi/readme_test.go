package authapi_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netscript/auth/interop/internal/testenv"
)

// TestReadme runs the lines of the README's section on the service as they are written there; only the port is another,
// because 8094 may be in use.
func TestReadme(t *testing.T) {
	root := testenv.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## As a service\n")
	section, _, ended := strings.Cut(section, "\n## ")
	commands, session := block(section, "sh"), block(section, "console")
	if !found || !ended || commands == "" || session == "" {
		t.Fatal("the README has no section on the service with its commands")
	}
	port := freePort(t)
	elsewhere := func(s string) string { return strings.ReplaceAll(s, "8094", port) }
	serve(t, root, "export PORT="+port+"\n"+elsewhere(commands), "http://127.0.0.1:"+port)

	dir, ran := t.TempDir(), 0
	for step := range strings.SplitSeq(strings.TrimPrefix(session, "$ "), "\n$ ") {
		command, want, _ := strings.Cut(strings.TrimSpace(step), "\n")
		cmd := exec.CommandContext(t.Context(), "bash", "-c", elsewhere(command))
		cmd.Dir = dir
		got, err := cmd.CombinedOutput()
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, `[^\n]*`) + "$"
		if err != nil || !regexp.MustCompile(pattern).MatchString(strings.TrimSpace(string(got))) {
			t.Errorf("$ %s\n%s\n%v; the README says\n%s", command, got, err, want)
		}
		ran++
	}
	if ran < 5 {
		t.Errorf("%d commands were run", ran)
	}
	for _, link := range []string{"/api/v1/auth/signin", "/api/docs"} {
		if !strings.Contains(section, "`http://localhost:8094"+link+"`") {
			t.Errorf("the README does not name %s", link)
		}
		if a := visit(t, "http://127.0.0.1:"+port).get(link); a.status != 200 && a.status != 302 {
			t.Errorf("%s: %d", link, a.status)
		}
	}
}

// block returns the content of the first code block of a language.
func block(section, language string) string {
	_, rest, _ := strings.Cut(section, "```"+language+"\n")
	content, _, _ := strings.Cut(rest, "\n```")
	return content
}

// serve runs the commands in a shell of their own, and waits until the last of them answers.
func serve(t *testing.T, root, commands, url string) {
	t.Helper()
	cmd := exec.Command("bash", "-euc", commands)
	cmd.Dir = root
	log := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // go run has a child
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-end //nolint:errcheck // it was killed
	})
	for deadline := time.Now().Add(3 * time.Minute); ; { // it is compiled first
		res, err := http.Get(url + "/health/live")
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			break
		}
		select {
		case ended := <-end:
			end <- ended
			t.Fatalf("the README's commands ended: %v\n%s", ended, log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the service does not answer\n%s", log)
		}
	}
	if strings.Contains(log.String(), "FAIL") {
		t.Errorf("the doctor says\n%s", log)
	}
}
