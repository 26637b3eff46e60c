package authapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/store"
)

// serverMode names the variable that makes this test program a server for the benchmarks: one of modes.
const serverMode = "AUTHAPI_BENCH_SERVER"

var modes = []string{"bare", "service", "telemetry"}

// listening is what a server prints when it is ready.
type listening struct{ Address, Cookie string }

// serveBenchmark is the program of a server. It ends with its standard input.
func serveBenchmark(mode string) error {
	handler, cookie, err := benchmarked(mode)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	if err := json.NewEncoder(os.Stdout).Encode(listening{l.Addr().String(), cookie}); err != nil {
		return err
	}
	return http.Serve(l, handler)
}

// benchmarked returns the service with one session, and the Cookie header that carries it. The bare handler answers with
// the same bytes.
func benchmarked(mode string) (http.Handler, string, error) {
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		return nil, "", err
	}
	e := env{"NETSCRIPT_AUTH_CLIENT_ID": "x", "NETSCRIPT_AUTH_REDIRECT_URI": "https://app.test" + base + "/callback", "NETSCRIPT_AUTH_ISSUER": "https://idp.test",
		"NETSCRIPT_AUTH_KV_OAUTH_KEY": auth.GenerateKey().Encode(), "NETSCRIPT_AUTH_AUDIT_SALT": auth.GenerateKey().Encode()}
	o := authapi.Options{Getenv: func(name string) string { return e[name] }, SettingsFile: "none", KV: memory, Logger: slog.New(slog.DiscardHandler)}
	if mode == "telemetry" { // what the SDK costs with everything sampled; exporting is another goroutine's and another choice
		o.TracerProvider = trace.NewTracerProvider(trace.WithBatcher(nothing{}))
		o.MeterProvider = metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	}
	s, err := authapi.New(context.Background(), o)
	if err != nil {
		return nil, "", err
	}
	admin, _ := auth.As[auth.SessionAdminPort](s.Backend())
	made, err := admin.CreateSession(context.Background(), auth.CreateSessionParams{Subject: "alice", Scopes: []string{"openid", "email"},
		Claims: map[string]any{"name": "Alice", "email": "alice@example.test", "email_verified": true}})
	if err != nil {
		return nil, "", err
	}
	cookie := made.Cookies[0].Name + "=" + made.Cookies[0].Value
	if mode != "bare" {
		return s, cookie, nil
	}
	r := httptest.NewRequest("GET", base+"/session", nil)
	r.Header.Set("Cookie", cookie)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	body := w.Body.Bytes()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"/session", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	return mux, cookie, nil
}

// nothing is an exporter that drops spans.
type nothing struct{}

func (nothing) ExportSpans(context.Context, []trace.ReadOnlySpan) error { return nil }
func (nothing) Shutdown(context.Context) error                          { return nil }

// server is a process of this program.
type server struct {
	listening
	pid    int
	client *http.Client
}

func startServer(b *testing.B, mode string) *server {
	b.Helper()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), serverMode+"="+mode)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	s := &server{pid: cmd.Process.Pid, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&s.listening); err != nil {
		b.Fatalf("%s: %v", mode, err)
	}
	return s
}

const clients = 4

// load sends n requests over a few connections and returns the processor time that the server took for each.
func (s *server) load(b *testing.B, n int) time.Duration {
	b.Helper()
	before := cpuTime(b, s.pid)
	var sending sync.WaitGroup
	for range clients {
		sending.Go(func() {
			for range n / clients {
				r, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+s.Address+base+"/session", nil)
				r.Header.Set("Cookie", s.Cookie)
				res, err := s.client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 || !strings.Contains(string(body), `"authenticated":true`) {
					b.Errorf("%d %s %v", res.StatusCode, body, err)
					return
				}
			}
		})
	}
	sending.Wait()
	return (cpuTime(b, s.pid) - before) / time.Duration(n)
}

// cpuTime returns the processor time that a process has used, of all its threads. Those that have ended are missing; Go's
// do not end.
func cpuTime(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		fields := strings.Fields(string(data))
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(n)
	}
	return sum
}

// BenchmarkSession measures the processor time of GET /session, of the service without and with telemetry, and of a bare
// handler that answers with the same bytes. They take turns, so that what else the machine does is shared.
func BenchmarkSession(b *testing.B) {
	servers := map[string]*server{}
	for _, m := range modes {
		servers[m] = startServer(b, m)
		servers[m].load(b, 2000) // warm
	}
	const each = 4000
	used := map[string]time.Duration{}
	rounds := 0
	for b.Loop() {
		for _, m := range modes {
			used[m] += servers[m].load(b, each)
		}
		rounds++
	}
	for _, m := range modes {
		b.ReportMetric(float64(used[m].Nanoseconds())/float64(rounds)/1000, m+"-µs-cpu/request")
	}
	b.ReportMetric(float64(used["service"])/float64(used["bare"]), "service/bare")
	b.ReportMetric(float64(used["telemetry"])/float64(used["bare"]), "telemetry/bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStart measures how long the program takes until it answers, and its memory at rest.
func BenchmarkStart(b *testing.B) {
	e, _ := kvOAuth(b)
	e["NETSCRIPT_AUTH_KV"], e["NETSCRIPT_AUTH_ISSUER"] = "memory", "https://idp.test"
	executable(b)
	var startup time.Duration
	var memory float64
	rounds := 0
	for b.Loop() {
		p := start(b, e)
		startup += p.startup
		time.Sleep(100 * time.Millisecond)
		memory += resident(b, p.cmd.Process.Pid)
		p.kill()
		rounds++
	}
	b.ReportMetric(float64(startup.Milliseconds())/float64(rounds), "ms-until-it-answers")
	b.ReportMetric(memory/float64(rounds), "MiB-resident")
	b.ReportMetric(0, "ns/op")
}

// resident returns a process's resident memory, in MiB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
