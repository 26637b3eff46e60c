package authapi_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/interop/internal/testenv"
)

// startNginx runs nginx with the example's configuration, with the addresses of this test.
func startNginx(t *testing.T, port, authAPI, application string) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if unpacked := filepath.Join(testenv.Root(t), ".tools", "nginx", "usr", "sbin", "nginx"); err != nil {
		if _, statErr := os.Stat(unpacked); statErr != nil {
			testenv.Missing(t, "nginx")
		}
		nginx = unpacked
	}
	source, err := os.ReadFile(filepath.Join(testenv.Root(t), "examples", "authapi", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for _, r := range [][2]string{{"listen 8080;", "listen 127.0.0.1:" + port + ";"}, {"127.0.0.1:8094", authAPI}, {"127.0.0.1:3000", application}} {
		if !strings.Contains(text, r[0]) {
			t.Fatalf("the example has no %q", r[0])
		}
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	dir := t.TempDir()
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp.WriteString("\n" + kind + "_temp_path " + dir + "/" + kind + ";")
	}
	text = strings.Replace(text, "http {", "http {\naccess_log off;"+temp.String(), 1)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := new(lockedBuffer)
	cmd := exec.Command(nginx, "-p", dir, "-c", file, "-e", "stderr", "-g", "daemon off; master_process off; pid "+dir+"/pid;")
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx said:\n%s", log)
		}
	})
	for deadline := time.Now().Add(startTime); ; {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %v\n%s", err, log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestNginx protects an application by auth_request.
func TestNginx(t *testing.T) {
	key := auth.GenerateKey()
	e, apiURL := kvOAuth(t)
	port := freePort(t)
	site := "http://127.0.0.1:" + port
	op := provider(t, e, site)
	e["NETSCRIPT_AUTH_REDIRECT_URI"] = site + base + "/callback"
	e["NETSCRIPT_AUTH_KV"] = "memory"
	e["NETSCRIPT_AUTH_VERIFY_KEY"] = key.Encode()
	e["NETSCRIPT_AUTH_VERIFY_AUDIENCE"] = "shop"
	e["NETSCRIPT_AUTH_VERIFY_CLAIMS"] = "name"
	p := start(t, e)

	trusted, err := auth.NewTrustedHeaders(auth.TrustedHeadersConfig{Keys: []auth.Key{key}, Audience: "shop", Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(auth.RequireAuth(trusted)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, _ := auth.FromContext(r.Context())
		_ = json.NewEncoder(w).Encode(map[string]any{"subject": a.Principal.Subject, "name": a.Principal.Claim("name"), "scheme": a.Principal.Scheme, "headers": r.Header})
	})))
	defer app.Close()
	startNginx(t, port, strings.TrimPrefix(apiURL, "http://"), strings.TrimPrefix(app.URL, "http://"))

	v := visit(t, site)
	if a := v.get("/orders?x=1"); a.status != http.StatusFound || a.location != site+"/api/v1/auth/signin?returnTo=/orders?x=1" {
		t.Fatalf("nobody: %d to %q", a.status, a.location)
	}
	forged := []string{"X-Auth-Subject", "admin", "X-Auth-Roles", "admin", "X-Auth-Identity", "nsi1.e30.AAAA", "X-Original-URL", "/health", "X-Forwarded-Uri", "/health"}
	if a := v.get("/orders", forged...); a.status != http.StatusFound {
		t.Errorf("nobody, with forged headers: %d %s", a.status, a.body)
	}
	v.signIn(op, "erin")
	for name, headers := range map[string][]string{"plain": nil, "forged": forged, "underscores": {"X_Auth_Subject", "admin", "X_Auth_Identity", "x"}} {
		a := v.get("/orders", headers...)
		if a.status != 200 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
			continue
		}
		got := a.json(t)
		passed, _ := got["headers"].(map[string]any)
		if got["subject"] != "erin" || got["name"] != "User erin" || got["scheme"] != "trusted-header" || strings.Contains(string(a.body), "admin") || passed["X-Auth-Subject"] == nil {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if a := v.get("/api/v1/auth/verify"); a.status != 404 {
		t.Errorf("verify from outside: %d", a.status)
	}
	direct := visit(t, app.URL) // past the proxy, where the address alone is right
	if a := direct.get("/orders", forged...); a.status != 401 {
		t.Errorf("past the proxy: %d %s", a.status, a.body)
	}
	p.kill()
	if a := v.get("/orders"); a.status != 500 {
		t.Errorf("while the service is down: %d %s", a.status, a.body)
	}
	p.start()
	if a := v.get("/orders"); a.status != http.StatusFound { // its sessions were in memory
		t.Errorf("signed out by the restart: %d %s", a.status, a.body)
	}
}
