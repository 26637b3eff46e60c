package authapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

// TestGracefulShutdown: the request in flight is finished, and then nothing answers any more.
func TestGracefulShutdown(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, kvOAuthEnv())
	o.KV = &storetest.Faulty{KV: memory, Fault: func(op storetest.Op, _ string) storetest.Fault {
		if op != storetest.OpSet && op != storetest.OpTake {
			close(entered)
			<-release
		}
		return storetest.None
	}}
	s := newService(t, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	answered := make(chan string, 1)
	go func() {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+base+"/me", nil)
		r.Header.Set("Cookie", "__Host-ns_session="+strings.Repeat("A", 43))
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		answered <- strconv.Itoa(res.StatusCode) + " " + string(body)
	}()
	<-entered
	cancel()
	for { // it says that it is not ready while it finishes
		if w := do(s, "GET", "/health/live", ""); w.Code != 200 {
			t.Error("not live")
		}
		if s.Draining() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("ended with a request in flight: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	if got := <-answered; !strings.HasPrefix(got, "200 ") {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still listens")
	}
}

// TestShutdownTimeout: a request that never ends does not keep the service up.
func TestShutdownTimeout(t *testing.T) {
	o := options(t, kvOAuthEnv())
	o.ShutdownTimeout = 10 * time.Millisecond
	s := newService(t, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "POST "+base+"/signout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 12)); err != nil { // it reads the body now
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("Serve said nothing of a request that did not end")
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	s, err := authapi.New(t.Context(), options(t, kvOAuthEnv().with("PORT", port)))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context())
	if config, ok := errors.AsType[*authapi.ConfigError](err); !ok || config.Problems[0].Variable != "PORT" || !strings.Contains(err.Error(), port) {
		t.Errorf("Run: %v", err)
	}
}
