package authapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/kvoauth"
)

// pipes is a listener in the process: in a synctest bubble a server on it has the bubble's time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial returns a client's end.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// online is a service that serves, and Alice's session at it.
type online struct {
	t       *testing.T
	service *authapi.Service
	idp     *authtest.Provider
	browser *authtest.Browser
	pipes   *pipes
	cookie  string // "name=value" of the session
}

// serving runs test with a service in a bubble, in which everything must have ended when the service has.
func serving(t *testing.T, test func(o *online)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &online{t: t, pipes: newPipes()}
		o.idp = authtest.NewProvider(t, authtest.ProviderConfig{})
		options := options(t, kvOAuthEnv())
		options.HTTPClient = o.idp.Client()
		o.service = newService(t, options)
		o.browser = authtest.NewBrowser(t, o.service, o.idp)
		o.browser.SignIn("alice")
		o.cookie = kvoauth.DefaultCookieName + "=" + o.browser.Cookie(kvoauth.DefaultCookieName).Value
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- o.service.Serve(ctx, o.pipes) }()
		test(o)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// alive reports whether Alice's session authenticates.
func (o *online) alive() bool {
	w := do(o.service, http.MethodGet, base+"/session", "", "Cookie", o.cookie)
	if w.Code != http.StatusOK {
		o.t.Errorf("session: %d %s", w.Code, w.Body)
	}
	return strings.Contains(w.Body.String(), `"authenticated":true`)
}

// signOut is a whole request that ends the session.
func (o *online) signOut() string {
	return "POST " + base + "/signout HTTP/1.1\r\nHost: app.test\r\nCookie: " + o.cookie +
		"\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
}

// ask is a whole request for the session.
func (o *online) ask() string {
	return "GET " + base + "/session HTTP/1.1\r\nHost: app.test\r\nCookie: " + o.cookie + "\r\n\r\n"
}

// receive reads answers until the server closes the connection, or has had nothing to say for longer than it keeps an
// idle one.
func (o *online) receive(c net.Conn) (answers []answer, took time.Duration) {
	began := time.Now()
	r := bufio.NewReader(c)
	for {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Minute))
		res, err := http.ReadResponse(r, nil)
		if errors.Is(err, context.DeadlineExceeded) || err != nil && isTimeout(err) {
			o.t.Error("the server keeps the connection")
		}
		if err != nil {
			return answers, time.Since(began)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return answers, time.Since(began)
		}
		answers = append(answers, answer{res.StatusCode, string(body)})
	}
}

type answer struct {
	status int
	body   string
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func statuses(answers []answer) (list []int) {
	for _, a := range answers {
		list = append(list, a.status)
	}
	return list
}

// send writes raw while the answers are read, and then leaves the connection open.
func (o *online) send(raw string) ([]answer, time.Duration) {
	c := o.pipes.dial()
	var writing sync.WaitGroup
	defer writing.Wait()
	defer func() { _ = c.Close() }()
	writing.Go(func() { _, _ = io.WriteString(c, raw) })
	return o.receive(c)
}

// TestSlowClients: a client that takes its time, or sends without an end, is not waited for, and has changed nothing.
func TestSlowClients(t *testing.T) {
	head := "POST " + base + "/signout HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/json\r\n"
	drip := func(what string, pause time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			for i := 0; ; i = (i + 1) % len(what) {
				if _, err := io.WriteString(c, what[i:i+1]); err != nil {
					return
				}
				time.Sleep(pause)
			}
		}
	}
	flood := func(c net.Conn) {
		chunk := "1000\r\n" + strings.Repeat(" ", 0x1000) + "\r\n"
		for {
			if _, err := io.WriteString(c, chunk); err != nil {
				return
			}
		}
	}
	nothing := func(net.Conn) {}
	for _, c := range []struct {
		name, first string
		then        func(net.Conn)
		most        time.Duration
		status      []int
	}{
		{"says nothing", "", nothing, 5 * time.Second, nil},
		{"slow request line", "", drip("GET /"+strings.Repeat("a", 1000), time.Second), 5 * time.Second, nil},
		{"slow header", "GET / HTTP/1.1\r\nHost: app.test\r\n", drip("A: b\r\n", time.Second), 5 * time.Second, nil},
		{"slow body", head + "Cookie: {cookie}\r\nContent-Length: 1000\r\n\r\n", drip(" ", time.Second), 16 * time.Second, []int{422}},
		{"slow chunks", head + "Cookie: {cookie}\r\nTransfer-Encoding: chunked\r\n\r\n", drip("1\r\n \r\n", time.Second), 16 * time.Second, []int{422}},
		{"no body", head + "Cookie: {cookie}\r\nContent-Length: 2\r\n\r\n", nothing, 16 * time.Second, []int{422}},
		{"endless chunks", head + "Cookie: {cookie}\r\nTransfer-Encoding: chunked\r\n\r\n", flood, time.Second, []int{413}},
		{"a chunk without an end", head + "Cookie: {cookie}\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n", flood, time.Second, []int{413}},
		{"a body of 1 GB", head + "Cookie: {cookie}\r\nContent-Length: 1073741824\r\n\r\n", flood, time.Second, []int{413}},
		{"1 GB, if it may", head + "Cookie: {cookie}\r\nExpect: 100-continue\r\nContent-Length: 1073741824\r\n\r\n", flood, time.Second, []int{100, 413}},
		{"idle", "GET " + base + "/session HTTP/1.1\r\nHost: app.test\r\n\r\n", nothing, 3 * time.Minute, []int{200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			serving(t, func(o *online) {
				conn := o.pipes.dial()
				var writing sync.WaitGroup
				writing.Go(func() {
					if _, err := io.WriteString(conn, strings.ReplaceAll(c.first, "{cookie}", o.cookie)); err == nil {
						c.then(conn)
					}
				})
				answers, took := o.receive(conn)
				_ = conn.Close()
				writing.Wait()
				got := statuses(answers)
				if c.status == nil && len(got) == 1 && got[0] == http.StatusBadRequest {
					got = nil // net/http says so where the timeout falls on a line
				}
				if fmt.Sprint(got) != fmt.Sprint(c.status) || took > c.most {
					t.Errorf("answers %v, and closed after %v", answers, took)
				}
				if !o.alive() {
					t.Error("the session has ended")
				}
			})
		})
	}
}

// TestClientReadsNothing: one that asks and asks and never reads is given up.
func TestClientReadsNothing(t *testing.T) {
	serving(t, func(o *online) {
		c := o.pipes.dial()
		began := time.Now()
		for {
			if _, err := io.WriteString(c, o.ask()); err != nil {
				break
			}
		}
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("given up after %v", took)
		}
		_ = c.Close()
	})
}

// TestClientLeavesInTheMiddle cuts requests off after each byte: nothing happens before all of a request is there, and
// then all of it does.
func TestClientLeavesInTheMiddle(t *testing.T) {
	cuts := 0
	serving(t, func(o *online) {
		leave := func(raw string) {
			c := o.pipes.dial()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			var reading sync.WaitGroup
			reading.Go(func() { _, _ = io.Copy(io.Discard, c) })
			_, _ = io.WriteString(c, raw)
			synctest.Wait() // the server has read it
			_ = c.Close()
			reading.Wait()
			synctest.Wait()
			cuts++
		}
		raw := o.signOut()
		chunked := strings.Replace(strings.TrimSuffix(raw, "{}"), "Content-Length: 2", "Transfer-Encoding: chunked", 1) + "2\r\n{}\r\n0\r\n\r\n"
		callback := o.pendingCallback()
		for _, request := range []string{raw, chunked, callback} {
			for n := range request {
				leave(request[:n])
			}
			if !o.alive() {
				t.Fatal("a part of a request has ended the session")
			}
		}
		if answers, _ := o.send(callback); len(answers) == 0 || answers[0].status != http.StatusFound {
			t.Errorf("the callback, after parts of it: %v", answers)
		}
		leave(chunked)
		if o.alive() {
			t.Error("a sign-out whose client left before the answer has not happened")
		}
	})
	t.Logf("%d requests cut", cuts)
}

// pendingCallback starts another sign-in and returns the request that would finish it.
func (o *online) pendingCallback() string {
	other := authtest.NewBrowser(o.t, o.service, o.idp)
	cb := other.Authorize(other.StartSignIn(), "bob")
	var cookies []string
	for _, c := range other.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	r := httptest.NewRequest(http.MethodGet, cb.URL, nil)
	return "GET " + r.URL.RequestURI() + " HTTP/1.1\r\nHost: app.test\r\nCookie: " + strings.Join(cookies, "; ") + "\r\n\r\n"
}

// TestSmuggling sends requests that two parties may take for different ones, with a sign-out inside. Either the request
// is refused and the connection closed, or it is one request, and its body is a body.
func TestSmuggling(t *testing.T) {
	const get = "GET " + base + "/session HTTP/1.1\r\nHost: app.test\r\n"
	const post = "POST " + base + "/signin HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/json\r\n"
	for name, outer := range map[string]string{
		"length and chunks":             post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{inner}",
		"chunks and length":             post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nffff\r\n{inner}",
		"two lengths":                   post + "Content-Length: 0\r\nContent-Length: 400\r\n\r\n{inner}",
		"two lengths in one":            post + "Content-Length: 0, 400\r\n\r\n{inner}",
		"negative length":               post + "Content-Length: -1\r\n\r\n{inner}",
		"length with a plus":            post + "Content-Length: +0\r\n\r\n{inner}",
		"hexadecimal length":            post + "Content-Length: 0x0\r\n\r\n{inner}",
		"length that overflows":         post + "Content-Length: 18446744073709551616\r\n\r\n{inner}",
		"unknown encoding":              post + "Transfer-Encoding: xchunked\r\n\r\n{inner}",
		"two encodings":                 post + "Transfer-Encoding: gzip, chunked\r\n\r\n{inner}",
		"identity encoding":             post + "Transfer-Encoding: identity\r\n\r\n{inner}",
		"encoding twice":                post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{inner}",
		"space before the colon":        post + "Transfer-Encoding : chunked\r\n\r\n{inner}",
		"folded header":                 post + "Content-Length:\r\n 400\r\n\r\n{inner}",
		"vertical tab in the encoding":  post + "Transfer-Encoding: \x0bchunked\r\n\r\n{inner}",
		"null in a header":              post + "X: a\x00b\r\n\r\n{inner}",
		"carriage return in a header":   post + "X: a\rContent-Length: 400\r\n\r\n{inner}",
		"chunk size that overflows":     post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{inner}",
		"chunk size that is no number":  post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n{inner}",
		"chunk without its end":         post + "Transfer-Encoding: chunked\r\n\r\n1\r\nxx0\r\n\r\n{inner}",
		"body of a GET":                 get + "Content-Length: {length}\r\n\r\n{inner}",
		"body of a HEAD":                strings.Replace(get, "GET", "HEAD", 1) + "Content-Length: {length}\r\n\r\n{inner}",
		"body of a POST to another":     strings.Replace(post, "/signin", "/nothing", 1) + "Content-Length: {length}\r\n\r\n{inner}",
		"two hosts":                     get + "Host: evil.test\r\n\r\n",
		"no host":                       "GET " + base + "/session HTTP/1.1\r\n\r\n",
		"another protocol":              "GET " + base + "/session HTTP/3.0\r\nHost: app.test\r\n\r\n",
		"no protocol":                   "GET " + base + "/session\r\n\r\n",
		"method with a space":           "GET  " + base + "/session HTTP/1.1\r\nHost: app.test\r\n\r\n",
		"header without a name":         get + ": x\r\n\r\n",
		"trailer that is a length":      post + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 400\r\n\r\n",
		"upgrade to HTTP/2 in the open": get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
		"preface of HTTP/2":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			serving(t, func(o *online) {
				inner := o.signOut()
				raw := strings.NewReplacer("{inner}", inner, "{length}", fmt.Sprint(len(inner))).Replace(outer)
				answers, _ := o.send(raw)
				if !o.alive() {
					t.Fatalf("what was inside has been done; answers %v", answers)
				}
				t.Logf("answers %v", statuses(answers))
				if len(answers) > 1 {
					t.Errorf("%d answers to one request: %v", len(answers), answers)
				}
			})
		})
	}
}

// TestPipelining: answers come in the order of the requests, and a sign-out holds for those after it.
func TestPipelining(t *testing.T) {
	serving(t, func(o *online) {
		answers, _ := o.send(strings.Repeat(o.ask(), 20) + o.signOut() + strings.Repeat(o.ask(), 20))
		if len(answers) != 41 {
			t.Fatalf("%d answers", len(answers))
		}
		for i, a := range answers {
			want := `"authenticated":true`
			switch {
			case i == 20:
				want = `"signedOut":true`
			case i > 20:
				want = `"authenticated":false`
			}
			if a.status != http.StatusOK || !strings.Contains(a.body, want) {
				t.Errorf("answer %d: %d %s", i, a.status, a.body)
			}
		}
	})
}

// TestManyCookies: the session is found among as many cookies as a header may hold, and a larger header is refused.
func TestManyCookies(t *testing.T) {
	junk := func(n int) string { return strings.Repeat("junk=0123456789; ", n) }
	for _, c := range []struct {
		name, cookies string
		status        int
		alive         bool
	}{
		{"10 kB before", junk(600) + "{cookie}", 200, true},
		{"10 kB after", "{cookie}; " + strings.TrimSuffix(junk(600), "; "), 200, true},
		{"10 kB in one", "big=" + strings.Repeat("x", 10_000) + "; {cookie}", 200, true},
		{"10 kB of nonsense", strings.Repeat("=;\x80,", 2000) + "; {cookie}", 200, true},
		{"twice", "{cookie}; " + junk(100) + "{cookie}", 200, false},
		{"70 kB", junk(4200) + "{cookie}", 431, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			serving(t, func(o *online) {
				raw := strings.Replace(o.ask(), o.cookie, strings.ReplaceAll(c.cookies, "{cookie}", o.cookie), 1)
				answers, _ := o.send(raw)
				if len(answers) != 1 || answers[0].status != c.status || strings.Contains(answers[0].body, `"authenticated":true`) != c.alive {
					t.Errorf("answers %.200v", answers)
				}
			})
		})
	}
}
