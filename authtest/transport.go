package authtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
)

// Transport is an http.RoundTripper that calls handlers in the process, each in a goroutine of its own, which ends with
// the handler. A request for an origin that it does not serve is an error: there is no network in tests. Bodies stream
// both ways, and a client that gives up ends the request's context on the server's side, as over a connection. Nothing
// but the request reaches the handler: it sees no context value of the client.
//
// A Transport works in a testing/synctest bubble, is immutable and is safe for concurrent use.
type Transport struct{ handlers map[string]http.Handler }

var _ http.RoundTripper = (*Transport)(nil)

// NewTransport returns a transport for handlers by their origins, such as "https://app.test". It copies the map.
func NewTransport(handlers map[string]http.Handler) *Transport {
	return &Transport{maps.Clone(handlers)}
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	h, ok := t.handlers[originOf(r.URL)]
	if !ok {
		closeBody(r)
		return nil, fmt.Errorf("authtest: there is no network in tests: nothing serves %q", originOf(r.URL))
	}
	if err := r.Context().Err(); err != nil {
		closeBody(r)
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := newStream(cancel, r.Method == http.MethodHead)
	stop := context.AfterFunc(r.Context(), func() { s.giveUp(r.Context().Err()) })
	s.onClose = func() { stop() }
	go serve(h, s, serverRequest(ctx, r), cancel)
	return s.response(r)
}

// serve runs the handler and turns a panic into what a client sees of one. net/http would log it, and the test would
// have to guess.
func serve(h http.Handler, s *stream, r *http.Request, cancel context.CancelFunc) {
	defer cancel()
	defer closeBody(r)
	defer func() {
		switch v := recover(); v {
		case nil:
			s.finish()
		case http.ErrAbortHandler:
			s.fail(io.ErrUnexpectedEOF)
		default:
			s.fail(fmt.Errorf("authtest: the handler panicked: %v\n%s", v, debug.Stack()))
		}
	}()
	h.ServeHTTP(s, r)
}

// serverRequest is r as a server would have read it.
func serverRequest(ctx context.Context, r *http.Request) *http.Request {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	in := &http.Request{
		Method: r.Method, Host: host, RequestURI: r.URL.RequestURI(), RemoteAddr: "192.0.2.1:1234",
		URL:   &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.Header.Clone(), Body: r.Body, ContentLength: r.ContentLength,
	}
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	if in.URL.Path == "" {
		in.URL.Path = "/"
	}
	if in.Header == nil {
		in.Header = make(http.Header)
	}
	if in.Header.Values("User-Agent") == nil {
		in.Header.Set("User-Agent", "authtest")
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if r.URL.Scheme == "https" {
		in.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: r.URL.Hostname()}
	}
	return in.WithContext(ctx)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// originOf returns scheme and host of u, without a default port.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}
