package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestParseLoopback(t *testing.T) {
	tests := []struct {
		addr, want string // want: what it means, or a word of the refusal
		ok         bool
	}{
		{"127.0.0.1:8094", "127.0.0.1:8094", true},
		{"localhost:0", "127.0.0.1:0", true},
		{"[::1]:80", "[::1]:80", true},
		{"127.9.9.9:1", "127.9.9.9:1", true},
		{"[::ffff:127.0.0.1]:1", "127.0.0.1:1", true},
		{":8094", "not a loopback address", false}, // every interface
		{"0.0.0.0:8094", "not a loopback address", false},
		{"[::]:8094", "not a loopback address", false},
		{"192.168.1.5:8094", "not a loopback address", false},
		{"[::ffff:192.168.1.5]:8094", "not a loopback address", false},
		{"localhost.example:8094", "not a loopback address", false},
		{"[fe80::1%lo]:8094", "not a loopback address", false},
		{"127.0.0.1", "with a port", false},
		{"127.0.0.1:http", "not a number", false},
		{"127.0.0.1:65536", "not a number", false},
		{"", "with a port", false},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			ip, port, err := parseLoopback(tt.addr)
			switch {
			case (err == nil) != tt.ok:
				t.Fatalf("error %v, want one: %v", err, !tt.ok)
			case err != nil && !strings.Contains(err.Error(), tt.want):
				t.Errorf("error %q, want %q in it", err, tt.want)
			case err == nil:
				if got := net.JoinHostPort(ip.String(), itoa(port)); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			}
		})
	}
}

func TestRunRefusesToBeReachable(t *testing.T) {
	err := run(t.Context(), "0.0.0.0:0", storeFlags{}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-addr 0.0.0.0:0: not a loopback address: ") {
		t.Errorf("error %v, want one that names the flag and says why", err)
	}
}

func TestListenTakesTheNextPort(t *testing.T) {
	first, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	if first.note != "" || !strings.HasPrefix(first.url, "http://localhost:") {
		t.Errorf("url %s, note %q", first.url, first.note)
	}
	second, err := listen(first.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.close()
	if second.url == first.url || !strings.Contains(second.note, "is taken") {
		t.Errorf("url %s after %s, note %q", second.url, first.url, second.note)
	}
}

func TestOnlyHost(t *testing.T) {
	const own = "http://localhost:8094"
	h := onlyHost(own, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	tests := []struct {
		method, url string
		status      int
		location    string
	}{
		{http.MethodGet, own + "/private", http.StatusNoContent, ""},
		{http.MethodPost, own + "/", http.StatusNoContent, ""},
		{http.MethodGet, "http://127.0.0.1:8094/private?a=b", http.StatusFound, own + "/private?a=b"},
		{http.MethodGet, "http://127.0.0.1:8094//elsewhere.example/", http.StatusFound, own + "//elsewhere.example/"},
		{http.MethodPost, "http://rebound.example:8094/", http.StatusMisdirectedRequest, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.url, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.url, nil))
			if w.Code != tt.status || w.Header().Get("Location") != tt.location {
				t.Errorf("%d to %q, want %d to %q", w.Code, w.Header().Get("Location"), tt.status, tt.location)
			}
		})
	}
}

// TestServeLetsRequestsFinish stops the program while a request is under way.
func TestServeLetsRequestsFinish(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stop()
		time.Sleep(50 * time.Millisecond) // the server has begun to shut down
		_, _ = io.WriteString(w, "finished")
	})
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, s) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil || body.String() != "finished" {
		t.Errorf("%q, %v", body.String(), err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}
