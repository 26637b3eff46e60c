package authtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
)

func client(h http.HandlerFunc) *http.Client {
	return &http.Client{Transport: authtest.NewTransport(map[string]http.Handler{"https://here.test": h})}
}

func get(ctx context.Context, t *testing.T, c *http.Client, method string, body io.Reader) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "https://here.test/a%2Fb?q=1", body)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(r)
}

func TestTransportShowsTheRequest(t *testing.T) {
	type key struct{}
	c := client(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %v %v %d %v", r.Method, r.Host, r.RequestURI, b, err, r.TLS != nil, r.ContentLength, r.Context().Value(key{}))
	})
	resp, err := get(context.WithValue(t.Context(), key{}, "secret"), t, c, http.MethodPost, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if want := "POST here.test /a%2Fb?q=1 hello <nil> true 5 <nil>"; string(b) != want || err != nil {
		t.Errorf("got %q, %v\nwant %q", b, err, want)
	}
	if resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || resp.TLS == nil {
		t.Errorf("response %v", resp)
	}
}

func TestTransportKnowsNoNetwork(t *testing.T) {
	c := client(func(http.ResponseWriter, *http.Request) {})
	for _, target := range []string{"http://here.test/", "https://here.test:8443/", "https://example.com/", "https://127.0.0.1/"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if resp, err := c.Do(r); err == nil || !strings.Contains(err.Error(), "no network in tests") {
			t.Errorf("%s: %v, %v", target, resp, err)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://HERE.test:443/", nil)
	if _, err := c.Do(r); err != nil {
		t.Errorf("the default port: %v", err)
	}
}

func TestTransportStatusHeaderAndBody(t *testing.T) {
	tests := []struct {
		name   string
		method string
		serve  http.HandlerFunc
		status int
		body   string
		length int64
	}{
		{"nothing written", "GET", func(http.ResponseWriter, *http.Request) {}, 200, "", -1},
		{"length", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "hi")
		}, 200, "hi", 2},
		{"status is written once", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(100)
			w.WriteHeader(404)
			w.WriteHeader(200)
		}, 404, "", -1},
		{"head", "HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }, 200, "", -1},
		{"no content", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}, 204, "", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := get(t.Context(), t, client(tt.serve), tt.method, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || string(b) != tt.body || err != nil || resp.ContentLength != tt.length {
				t.Errorf("got %d %q %v, length %d", resp.StatusCode, b, err, resp.ContentLength)
			}
		})
	}
	late := client(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.Header().Set("Too", "late")
	})
	if resp, err := get(t.Context(), t, late, "GET", nil); err != nil || resp.Header.Get("Too") != "" {
		t.Errorf("a header after the status: %v, %v", resp, err)
	}
}

func TestTransportPanics(t *testing.T) {
	_, err := get(t.Context(), t, client(func(http.ResponseWriter, *http.Request) { panic("boom") }), "GET", nil)
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a panic: %v", err)
	}
	_, err = get(t.Context(), t, client(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "GET", nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an aborted handler: %v", err)
	}
	cut := client(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	})
	resp, err := get(t.Context(), t, cut, "GET", nil)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer that is cut off: %v", err)
	}
}

func TestTransportStreamsBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		c := client(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_, _ = io.Copy(w, r.Body)
		})
		pr, pw := io.Pipe()
		go func() {
			_, _ = io.CopyN(pw, zeros{}, size)
			_ = pw.Close()
		}()
		resp, err := get(t.Context(), t, c, "POST", pr)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if n != size || err != nil {
			t.Errorf("%d bytes came back, %v", n, err)
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// In a bubble a handler that is left behind is a deadlock, and the test fails.
func TestTransportClientGivesUp(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c := client(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			if _, err := get(ctx, t, c, "GET", nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			cancel()
			if _, err := get(ctx, t, c, "GET", nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a request that had ended before: %v", err)
			}
		})
	})
	t.Run("by its own timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := client(func(w http.ResponseWriter, r *http.Request) { fakeop.Endless()(w, r) })
			c.Timeout = time.Second
			resp, err := get(t.Context(), t, c, "GET", nil)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("the endless body has an end")
			}
			_ = resp.Body.Close()
		})
	})
	t.Run("by closing the body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ended := false
			c := client(func(w http.ResponseWriter, r *http.Request) {
				fakeop.Endless()(w, r)
				ended = r.Context().Err() != nil
			})
			resp, err := get(t.Context(), t, c, "GET", nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			synctest.Wait()
			if !ended {
				t.Error("the handler's context has not ended")
			}
			if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
				t.Error("a closed body can be read")
			}
		})
	})
	t.Run("small answers need no reader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := client(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "never read") })
			if _, err := get(t.Context(), t, c, "GET", nil); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestTransportEndsTheContextWithTheHandler(t *testing.T) {
	ended := make(chan (<-chan struct{}), 1)
	c := client(func(_ http.ResponseWriter, r *http.Request) { ended <- r.Context().Done() })
	if _, err := get(t.Context(), t, c, "GET", nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-<-ended:
	case <-time.After(10 * time.Second):
		t.Error("the context goes on")
	}
}

func TestTransportClosesTheRequestBody(t *testing.T) {
	for _, target := range []string{"https://here.test/", "https://nowhere.test/"} {
		body := &closer{Reader: strings.NewReader("x"), closed: make(chan struct{})}
		r := httptest.NewRequest(http.MethodPost, target, body)
		r.RequestURI = ""
		resp, err := client(func(http.ResponseWriter, *http.Request) {}).Transport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		select {
		case <-body.closed:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the body is open", target)
		}
	}
}

type closer struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func (c *closer) Close() error { c.once.Do(func() { close(c.closed) }); return nil }
