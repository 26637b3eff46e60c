package otelauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/memo"
)

// scope is the name of the instrumentation.
const scope = "github.com/netscript/auth/otelauth"

// Config configures [New].
type Config struct {
	// TracerProvider makes spans. If nil, there are none.
	TracerProvider trace.TracerProvider
	// MeterProvider makes metrics. If nil, there are none.
	MeterProvider metric.MeterProvider
	// Propagator reads the trace that a request is part of, and writes it into requests of [Telemetry.Transport]. If nil,
	// W3C Trace Context; W3C Baggage is not passed on, since an identity provider is another party.
	Propagator propagation.TextMapPropagator
	// Salt hashes subjects. If zero, no subject is recorded in any form.
	Salt auth.Key
	// Now is the clock of durations. If nil, time.Now.
	Now func() time.Time
}

// Telemetry reports to OpenTelemetry. It is an [auth.Observer], immutable and safe for concurrent use.
type Telemetry struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	salt       auth.Key
	now        func() time.Time

	duration metric.Float64Histogram
	events   metric.Int64Counter
	sets     attributeSets
	hashes   *memo.Memo[auth.Principal, string]
}

var _ auth.Observer = (*Telemetry)(nil)

// New returns a Telemetry for c. An error says that a metric could not be made.
func New(c Config) (*Telemetry, error) {
	t := &Telemetry{propagator: c.Propagator, salt: c.Salt, now: c.Now, hashes: memo.New[auth.Principal, string]()}
	if t.propagator == nil {
		t.propagator = propagation.TraceContext{}
	}
	if t.now == nil {
		t.now = time.Now
	}
	tracers, meters := c.TracerProvider, c.MeterProvider
	if tracers == nil {
		tracers = tracenoop.NewTracerProvider()
	}
	if meters == nil {
		meters = metricnoop.NewMeterProvider()
	}
	t.tracer = tracers.Tracer(scope)
	meter := meters.Meter(scope)
	var errs [2]error
	t.duration, errs[0] = meter.Float64Histogram("auth.request.duration", metric.WithUnit("s"), metric.WithDescription("How long requests to the routes of the auth handler took"),
		metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	t.events, errs[1] = meter.Int64Counter("auth.events", metric.WithUnit("{event}"), metric.WithDescription("Steps in the lives of sign-ins and sessions"))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, &auth.Error{Code: auth.CodeConfigInvalid, Op: "telemetry", Err: err}
	}
	return t, nil
}

// Observe implements [auth.Observer]: the event is counted, and is an event of the span under way.
func (t *Telemetry) Observe(ctx context.Context, e auth.Event) {
	t.events.Add(ctx, 1, metric.WithAttributes(eventAttributes(e)...))
	if c := callOf(ctx); c != nil {
		c.saw(e)
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.AddEvent(string(e.Name), trace.WithTimestamp(e.Time), trace.WithAttributes(spanEventAttributes(e, t.salt)...))
}

// Transport returns a transport that passes the trace of a request's context on (W3C Trace Context), and makes no span:
// the other end decides what of it is worth one. If next is nil, http.DefaultTransport.
func (t *Telemetry) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{t.propagator, next}
}

type transport struct {
	propagator propagation.TextMapPropagator
	next       http.RoundTripper
}

// RoundTrip implements http.RoundTripper, which must not change its request.
func (p *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	p.propagator.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
	return p.next.RoundTrip(r)
}
