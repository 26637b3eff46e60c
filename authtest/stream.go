package authtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// streamBuffer is how far a handler can run ahead of who reads: about what sockets hold.
const streamBuffer = 64 << 10

var errHungUp = errors.New("authtest: the client closed the body")

// stream is an answer on its way: the handler writes it and the client reads it.
type stream struct {
	cancel  context.CancelFunc // ends the handler's context
	onClose func()
	head    bool // the answer to a HEAD request has no body

	mu       sync.Mutex
	changed  *sync.Cond
	header   http.Header
	status   int         // zero until the header is written
	sent     http.Header // the header as it was then
	body     bytes.Buffer
	complete bool  // the handler has written all of the answer
	err      error // the answer is lost
	hungUp   bool
}

var (
	_ http.ResponseWriter = (*stream)(nil)
	_ http.Flusher        = (*stream)(nil)
	_ io.ReadCloser       = (*stream)(nil)
)

func newStream(cancel context.CancelFunc, head bool) *stream {
	s := &stream{cancel: cancel, head: head, header: make(http.Header)}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// response waits for the header.
func (s *stream) response(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.status == 0 && s.err == nil { // finish sets the status
		s.changed.Wait()
	}
	if s.status == 0 {
		return nil, s.err
	}
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", s.status, http.StatusText(s.status)), StatusCode: s.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: s.sent, Body: s, ContentLength: -1, Request: r,
	}
	if n, err := strconv.ParseInt(s.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		resp.ContentLength = n
	}
	if r.URL.Scheme == "https" {
		resp.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: r.URL.Hostname()}
	}
	return resp, nil
}

// Header implements http.ResponseWriter.
func (s *stream) Header() http.Header { return s.header }

// WriteHeader implements http.ResponseWriter.
func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeHeader(status, nil)
}

func (s *stream) writeHeader(status int, first []byte) {
	if s.status != 0 || status >= 100 && status < 200 {
		return
	}
	s.status, s.sent = status, s.header.Clone()
	if _, ok := s.sent["Content-Type"]; !ok && len(first) > 0 {
		s.sent.Set("Content-Type", http.DetectContentType(first))
	}
	s.changed.Broadcast()
}

// Write implements http.ResponseWriter. It waits for the reader when it is far ahead.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeHeader(http.StatusOK, b)
	if s.status == http.StatusNoContent || s.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	for s.body.Len() >= streamBuffer && s.err == nil && !s.hungUp {
		s.changed.Wait()
	}
	switch {
	case s.hungUp:
		return 0, errHungUp
	case s.err != nil:
		return 0, s.err
	case s.head:
		return len(b), nil
	}
	s.changed.Broadcast()
	return s.body.Write(b)
}

// Flush implements http.Flusher: everything is at the reader already.
func (s *stream) Flush() { s.WriteHeader(http.StatusOK) }

// finish ends a complete answer.
func (s *stream) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.writeHeader(http.StatusOK, nil)
		s.complete = true
	}
	s.changed.Broadcast()
}

// fail ends an answer that is not complete.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(err)
}

// giveUp ends an answer that the client no longer waits for. The handler's context ends under the lock: a handler that
// sees either the failed write or the ended context sees both, and cannot complete the answer in between.
func (s *stream) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
	s.end(err)
}

func (s *stream) end(err error) {
	if s.err == nil && (!s.complete || s.body.Len() > 0) {
		s.err = err
	}
	s.changed.Broadcast()
}

// Read implements io.Reader for the client. After a failure it returns nothing of what was written before.
func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.body.Len() == 0 && !s.complete && s.err == nil && !s.hungUp && len(b) > 0 {
		s.changed.Wait()
	}
	switch {
	case s.hungUp:
		return 0, http.ErrBodyReadAfterClose
	case s.err != nil:
		return 0, s.err
	case s.body.Len() == 0 && s.complete:
		return 0, io.EOF
	}
	s.changed.Broadcast()
	return s.body.Read(b)
}

// Close implements io.Closer for the client: it hangs up.
func (s *stream) Close() error {
	s.mu.Lock()
	s.hungUp = true
	s.cancel()
	s.changed.Broadcast()
	s.mu.Unlock()
	s.onClose()
	return nil
}
