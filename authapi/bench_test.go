package authapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkSession is GET /session with a warm session, without the network. What it is beside a bare net/http handler,
// interop/authapi measures.
func BenchmarkSession(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkSession(b, func(*authapi.Options) {}) })
	b.Run("telemetry", func(b *testing.B) {
		benchmarkSession(b, func(o *authapi.Options) {
			o.TracerProvider = trace.NewTracerProvider(trace.WithBatcher(tracetest.NewNoopExporter()))
			o.MeterProvider = metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
		})
	})
}

func benchmarkSession(b *testing.B, change func(*authapi.Options)) {
	o := options(b, kvOAuthEnv().with("NETSCRIPT_AUTH_AUDIT_SALT", auth.GenerateKey().Encode()))
	change(&o)
	s := newService(b, o)
	admin, _ := auth.As[auth.SessionAdminPort](s.Backend())
	made, err := admin.CreateSession(b.Context(), auth.CreateSessionParams{Subject: "alice", Scopes: []string{"openid", "email"},
		Claims: map[string]any{"name": "Alice", "email": "alice@example.test", "email_verified": true}})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", base+"/session", nil)
	r.AddCookie(made.Cookies[0])
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{make(http.Header)}
		s.ServeHTTP(w, r)
	}
}
