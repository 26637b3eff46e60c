package otelauth

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/netscript/auth"
)

// operation returns what a path below the base path asks for. Only known ones have a name of their own: paths are
// what clients make them.
func operation(path, basePath string) string {
	rest, _ := strings.CutPrefix(path, basePath+"/")
	name, _, _ := strings.Cut(rest, "/")
	switch name {
	case "signin", "callback", "signout", "session", "me", "sessions", "describe", "providers", "verify":
		return name
	case "backchannel-logout":
		return "backchannel_logout"
	}
	return "other"
}

// Handler returns next, the auth handler with its routes below basePath, with a span and metrics for each request. What
// the span says about the outcome comes from the backend, which has to be wrapped by [Telemetry.Backend], and without that
// from the status.
func (t *Telemetry) Handler(next http.Handler, basePath string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{operation: operation(r.URL.Path, basePath)}
		start := t.now()
		ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, "auth."+c.operation, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End() // also when the handler panics
		answer := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(answer, r.WithContext(context.WithValue(ctx, callKey{}, c)))
		if answer.status == 0 {
			answer.status = http.StatusOK // as net/http answers for a handler that writes nothing
		}
		c.finish(answer.status)
		if span.IsRecording() {
			t.describe(span, c, r.Method, answer.status)
		}
		t.duration.Record(ctx, t.now().Sub(start).Seconds(), t.sets.of(requestKind{c.operation, c.backend, c.code}))
	})
}

func (t *Telemetry) describe(span trace.Span, c *call, method string, status int) {
	attrs := make([]attribute.KeyValue, 0, 8)
	attrs = append(attrs, attrMethod.String(knownMethod(method)), attrOutcome.String(outcomeOf(c.code)),
		attribute.Int("http.response.status_code", status))
	if c.backend != "" {
		attrs = append(attrs, attrBackend.String(c.backend))
	}
	if c.provider != "" {
		attrs = append(attrs, attrProvider.String(c.provider))
	}
	if c.code != "" {
		attrs = append(attrs, attrErrorCode.String(string(c.code)))
	}
	if p := c.principal; p != nil {
		attrs = append(attrs, attrScopes.Int(len(p.Scopes)), attrRoles.Int(len(p.Roles)))
		if !t.salt.IsZero() {
			attrs = append(attrs, attrSubjectHash.String(t.subjectHash(p)))
		}
	}
	span.SetAttributes(attrs...)
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, string(c.code))
	}
}

// subjectHash remembers hashes of principals that a backend returns again and again.
func (t *Telemetry) subjectHash(p *auth.Principal) string {
	hash, _ := t.hashes.Of(p, func(p *auth.Principal) (string, error) {
		return auth.Event{Subject: auth.NewSecret(p.Subject)}.SubjectHash(t.salt), nil
	})
	return hash
}

// knownMethod keeps a client from choosing an attribute's value.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return m
	}
	return "_OTHER"
}

// call is what becomes known of a request while it is answered.
type call struct {
	operation string

	mu        sync.Mutex // a backend may report from several goroutines
	backend   string
	provider  string
	code      auth.Code
	decided   bool // the backend has been asked, and code is its answer
	principal *auth.Principal
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// asked notes the backend's answer. It is safe on a nil call.
func (c *call) asked(backend string, err error) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backend, c.code, c.decided = backend, auth.CodeOf(err), true
}

func (c *call) is(p *auth.Principal, provider string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.principal, c.provider = p, provider
}

// saw takes the provider from an event, which knows it also when the sign-in has failed.
func (c *call) saw(e auth.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider == "" {
		c.provider = e.ProviderID
	}
}

// finish makes up for a backend that was not asked: the handler has refused the request before.
func (c *call) finish(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decided && (c.code != "" || status < http.StatusBadRequest) {
		return
	}
	switch {
	case status == http.StatusBadGateway:
		c.code = auth.CodeUnsupported // the handler answers so by itself for a backend that is not interactive
	case status >= http.StatusInternalServerError:
		c.code = auth.CodeInternal
	case status == http.StatusUnauthorized:
		c.code = auth.CodeNoCredential
	case status == http.StatusForbidden:
		c.code = auth.CodeForbidden
	case status >= http.StatusBadRequest:
		c.code = auth.CodeValidation
	}
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}
