package kvoauth_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
)

// raw answers with bytes that net/http would not write, and then ends the connection: by a reset, or in order.
func raw(reset bool, answer string) fakeop.Hook {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return true
		}
		_, _ = io.WriteString(c, answer)
		if tcp, ok := c.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
		return true
	}
}

// endlessly answers with first, and then with again until the client gives up.
func endlessly(pause time.Duration, first, again string) fakeop.Hook {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return true
		}
		defer func() { _ = c.Close() }()
		_, err = io.WriteString(c, first)
		for err == nil {
			time.Sleep(pause)
			_, err = io.WriteString(c, again)
		}
		return true
	}
}

// encoded answers with a body that is said to be gzip.
func encoded(body func() []byte) fakeop.Hook {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(body())
		return true
	}
}

// bomb is 64 MiB of JSON in a few kilobytes. It takes seconds to make, so that only who needs it does.
func bomb() []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, `{"x":"`+marker)
	filler := bytes.Repeat([]byte("x"), 1<<20)
	for range 64 {
		_, _ = w.Write(filler)
	}
	_, _ = io.WriteString(w, `"}`)
	_ = w.Close()
	return packed.Bytes()
}

const jsonHeader = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

// networkFault is what goes wrong with an answer, and what that must be taken for.
type networkFault struct {
	name string
	hook fakeop.Hook // nil: connections are refused
	code auth.Code
}

// networkFaults are over at once.
var networkFaults = []networkFault{
	{"refused", nil, auth.CodeProviderUnavailable},
	{"reset before the answer", raw(true, ""), auth.CodeProviderUnavailable},
	{"closed before the answer", raw(false, ""), auth.CodeProviderUnavailable},
	{"reset in the header", raw(true, "HTTP/1.1 200 OK\r\nContent-Ty"), auth.CodeProviderUnavailable},
	{"closed in the header", raw(false, "HTTP/1.1 200 OK\r\nContent-Ty"), auth.CodeProviderUnavailable},
	{"reset in the body", raw(true, jsonHeader+"Content-Length: 5000\r\n\r\n{\"x\":\""+marker), auth.CodeProviderUnavailable},
	{"closed in the body", raw(false, jsonHeader+"Content-Length: 5000\r\n\r\n{\"x\":\""+marker), auth.CodeProviderUnavailable},
	{"closed between chunks", raw(false, jsonHeader+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), auth.CodeProviderUnavailable},
	{"not HTTP", raw(false, "SSH-2.0-"+marker+"\r\n"), auth.CodeProviderUnavailable},
	{"two lengths", raw(false, jsonHeader+"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"), auth.CodeProviderUnavailable},
	{"endless header", endlessly(0, "HTTP/1.1 200 OK\r\n", "X: "+strings.Repeat("x", 64<<10)+"\r\n"), auth.CodeProviderUnavailable},
	{"endless early hints", endlessly(0, "", "HTTP/1.1 103 Early Hints\r\nLink: </"+strings.Repeat("x", 64<<10)+">\r\n\r\n"), auth.CodeProviderUnavailable},
	{"500", fakeop.Reply(500, "application/json", `{"error":"`+marker+`"}`), auth.CodeProviderUnavailable},
	{"502 with HTML", fakeop.Reply(502, "text/html", "<h1>"+marker), auth.CodeProviderUnavailable},
	{"503", fakeop.Reply(503, "application/json", `{}`), auth.CodeProviderUnavailable},
	{"504 without a body", fakeop.Reply(504, "", ""), auth.CodeProviderUnavailable},
	{"429 with JSON", fakeop.Reply(429, "application/json", `{"message":"`+marker+`"}`), auth.CodeProviderUnavailable},
	{"429 with text", fakeop.Reply(429, "text/plain", marker), auth.CodeProviderUnavailable},
	{"429 without a body", fakeop.Reply(429, "", ""), auth.CodeProviderUnavailable},
	{"HTML", fakeop.Reply(200, "text/html", "<h1>"+marker), auth.CodeProviderInvalid},
	{"empty", raw(false, jsonHeader+"Connection: close\r\nContent-Length: 0\r\n\r\n"), auth.CodeProviderInvalid},
	{"cut JSON", fakeop.Reply(200, "application/json", `{"access_token":"`+marker+`","keys":[{"kty":"EC"`), auth.CodeProviderInvalid},
	{"cut JSON up to the end of the connection", raw(false, jsonHeader+"Connection: close\r\n\r\n{\"sub\":\""+marker), auth.CodeProviderInvalid},
	{"20 MB", large, auth.CodeProviderInvalid},
	{"says 1 GB", endlessly(0, jsonHeader+"Content-Length: 1073741824\r\n\r\n{\"x\":\"", strings.Repeat("x", 64<<10)), auth.CodeProviderInvalid},
	{"endless", fakeop.Endless(), auth.CodeProviderInvalid},
	{"gzip bomb", encoded(sync.OnceValue(bomb)), auth.CodeProviderInvalid},
	{"gzip that is none", encoded(func() []byte { return []byte(`{"sub":"alice"}`) }), auth.CodeProviderUnavailable},
	{"redirect", fakeop.Redirect(307, elsewhere+marker), auth.CodeProviderInvalid},
	{"redirect to itself", func(w http.ResponseWriter, r *http.Request) bool {
		return fakeop.Redirect(302, "http://"+r.Host+r.URL.Path)(w, r)
	}, auth.CodeProviderInvalid},
}

// hangs never end by themselves.
var hangs = []networkFault{
	{"accepts and hangs", fakeop.Hang(), auth.CodeProviderUnavailable},
	{"black hole", nil, auth.CodeProviderUnavailable},
	{"slow header", endlessly(20*time.Millisecond, "HTTP/1.1 200 OK\r\n", "X: x\r\n"), auth.CodeProviderUnavailable},
	{"slow early hints", endlessly(20*time.Millisecond, "", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), auth.CodeProviderUnavailable},
	{"slow body", endlessly(20*time.Millisecond, jsonHeader+"Content-Length: 5000\r\n\r\n{\"x\":\"", "x"), auth.CodeProviderUnavailable},
	{"body without an end", halfBody, auth.CodeProviderUnavailable},
}

// halfBody sends the first half of an answer and waits until the client gives up.
func halfBody(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "5000")
	_, _ = io.WriteString(w, `{"x":"`+marker)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
	return true
}
