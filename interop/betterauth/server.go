// Package betterauth compares the package of that name with the real better-auth server from npm, which shares no code
// with it: both read the same database, and must agree about every request.
package betterauth

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth/interop/internal/testenv"
)

const startTimeout = 60 * time.Second

// settings is what server.mjs reads.
type settings struct {
	Engine  string         `json:"engine"`
	DSN     string         `json:"dsn"`
	Redis   string         `json:"redis,omitempty"`
	Secret  string         `json:"secret"`
	Session map[string]any `json:"session,omitempty"`
	APIKey  map[string]any `json:"apiKey,omitempty"`
	JWT     map[string]any `json:"jwt,omitempty"`
}

// server is a running better-auth server.
type server struct {
	url    string
	t      testing.TB
	client *http.Client
}

// lockedBuffer collects what a process writes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startServer starts a server and waits until it answers. It ends with the test.
func startServer(t testing.TB, s settings) *server {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		testenv.Missing(t, "node")
	}
	dir := testenv.Interop(t)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "better-auth")); err != nil {
		testenv.Missing(t, "the npm package better-auth")
	}
	argument, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, filepath.Join(dir, "betterauth", "server.mjs"), string(argument))
	log := &lockedBuffer{}
	cmd.Stderr = log
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
	})
	port := make(chan int, 1)
	go func() {
		var ready struct{ Port int }
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		_ = json.Unmarshal([]byte(line), &ready)
		port <- ready.Port
	}()
	select {
	case p := <-port:
		if p == 0 {
			t.Fatalf("better-auth did not start: %s", log)
		}
		return &server{url: fmt.Sprintf("http://127.0.0.1:%d", p), t: t, client: &http.Client{Timeout: 30 * time.Second}}
	case <-time.After(startTimeout):
		t.Fatalf("better-auth did not start in time: %s", log)
	}
	return nil
}

// answer is a response of the server.
type answer struct {
	status  int
	cookies []*http.Cookie
	body    []byte
}

func (a answer) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

// ask sends a request with these headers to a route of better-auth.
func (s *server) ask(method, path string, header http.Header, body any) answer {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, s.url+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Origin", s.url)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{w.StatusCode, w.Cookies(), text}
}

// must is ask for what has to succeed.
func (s *server) must(method, path string, header http.Header, body any) answer {
	s.t.Helper()
	a := s.ask(method, path, header, body)
	if a.status != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// control runs an operation inside the server.
func (s *server) control(operation string, body, into any) {
	s.t.Helper()
	a := s.must(http.MethodPost, "/control/"+operation, nil, body)
	if into != nil {
		a.decode(s.t, into)
	}
}
