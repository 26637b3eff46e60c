package betterauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/internal/redistest"
	"github.com/netscript/auth/interop/internal/testenv"
)

// TestExample runs examples/betterauth, and signs up, in and out.
func TestExample(t *testing.T) {
	t.Run("database", func(t *testing.T) { testExample(t) })
	t.Run("redis", func(t *testing.T) {
		s := redistest.Start(t, redistest.Options{})
		testExample(t, "-redis", "redis://"+s.Addr)
		if !strings.Contains(s.Do("INFO", "commandstats"), "cmdstat_setex:") {
			t.Error("nothing was kept in Redis")
		}
	})
}

func testExample(t *testing.T, arguments ...string) {
	interop := testenv.Interop(t)
	if _, err := os.Stat(filepath.Join(interop, "node_modules", "better-auth")); err != nil {
		testenv.Missing(t, "the npm package better-auth")
	}
	dir := t.TempDir()
	source := filepath.Join(testenv.Root(t), "examples", "betterauth")
	script, err := os.ReadFile(filepath.Join(source, "server.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.mjs"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(interop, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	log := &lockedBuffer{}
	cmd := exec.CommandContext(ctx, program, append(arguments, "-addr", addr, "-dir", dir, "-db", filepath.Join(dir, "auth.db"))...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	s := &server{url: "http://" + addr, t: t, client: &http.Client{Timeout: 30 * time.Second}}
	for deadline := time.Now().Add(startTimeout); !strings.Contains(log.String(), "answering at"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the example did not start: %s", log)
		}
	}
	visit(t, s)
}

func visit(t *testing.T, s *server) {
	if a := s.ask("GET", "/orders", nil, nil); a.status != http.StatusUnauthorized {
		t.Errorf("without a session: %d", a.status)
	}
	b := &browser{cookies: map[string]string{}}
	b.keep(s.must("POST", "/api/auth/sign-up/email", nil, map[string]any{"name": "Ada", "email": "ada@example.com", "password": "correct horse"}).cookies)
	var orders struct{ Customer, Name string }
	s.must("GET", "/orders", b.header(), nil).decode(t, &orders)
	if orders.Name != "Ada" || orders.Customer == "" {
		t.Errorf("orders %+v", orders)
	}
	a := s.must("POST", "/api/v1/auth/signout", b.header(), map[string]any{})
	var out struct{ SignedOut bool }
	if err := json.Unmarshal(a.body, &out); err != nil || !out.SignedOut {
		t.Errorf("sign-out: %s", a.body)
	}
	if a := s.must("GET", "/api/auth/get-session", b.header(), nil); string(a.body) != "null" {
		t.Errorf("the server still has the session: %s", a.body)
	}
	if a := s.ask("GET", "/orders", b.header(), nil); a.status != http.StatusUnauthorized {
		t.Errorf("after the sign-out: %d", a.status)
	}
	if fmt.Sprint(b.cookies) == fmt.Sprint(map[string]string{}) {
		t.Error("the browser had no cookie")
	}
}
