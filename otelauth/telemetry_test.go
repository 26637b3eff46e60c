package otelauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/netscript/auth"
	"github.com/netscript/auth/otelauth"
)

const base = auth.DefaultBasePath

// fake is a backend whose answers a test sets.
type fake struct {
	a   *auth.Authentication
	err error
}

func (f *fake) Name() string                                             { return "fake" }
func (f *fake) Providers() []auth.ProviderInfo                           { return nil }
func (f *fake) Authenticate(*http.Request) (*auth.Authentication, error) { return f.a, f.err }
func (f *fake) Session(*http.Request) (*auth.Session, error)             { return nil, f.err }

// flow is interactive too.
type flow struct{ fake }

func (f *flow) SignIn(*http.Request, auth.SignInParams) (*auth.Redirect, error) {
	return &auth.Redirect{Location: "https://op.test/", ProviderID: "op"}, f.err
}

func (f *flow) HandleCallback(*http.Request, auth.CallbackParams) (*auth.CallbackResult, error) {
	if f.err != nil {
		return nil, f.err
	}
	return &auth.CallbackResult{Redirect: &auth.Redirect{Location: "/"}, Session: f.a.Session, Principal: f.a.Principal}, nil
}
func (f *flow) SessionID(*http.Request) (string, bool) { return "", false }
func (f *flow) SignOut(*http.Request, auth.SignOutParams) (*auth.Redirect, error) {
	return &auth.Redirect{Location: "/"}, f.err
}

// leaver can end sessions and nothing else.
type leaver struct{ fake }

func (l *leaver) SignOut(*http.Request, auth.SignOutParams) (*auth.Redirect, error) {
	return &auth.Redirect{Location: "/"}, l.err
}

type rig struct {
	telemetry *otelauth.Telemetry
	spans     *tracetest.InMemoryExporter
	metrics   *metric.ManualReader
	salt      auth.Key
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{spans: tracetest.NewInMemoryExporter(), metrics: metric.NewManualReader(), salt: auth.GenerateKey()}
	telemetry, err := otelauth.New(otelauth.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(r.metrics)),
		Salt:           r.salt,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.telemetry = telemetry
	return r
}

// ask sends a request to a handler over b and returns the span, and its attributes as text.
func (r *rig) ask(t testing.TB, b auth.AuthBackendPort, method, path string) (tracetest.SpanStub, map[string]string) {
	t.Helper()
	h, err := auth.NewHandler(r.telemetry.Backend(b), auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r.spans.Reset()
	req := httptest.NewRequest(method, base+path, strings.NewReader("{}"))
	req.Header.Set("Content-Type", "application/json")
	r.telemetry.Handler(h, base).ServeHTTP(httptest.NewRecorder(), req)
	spans := r.spans.GetSpans()
	if len(spans) != 1 {
		t.Fatalf("%d spans", len(spans))
	}
	return spans[0], texts(spans[0].Attributes)
}

func texts(list []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

func alice() *auth.Authentication {
	now := time.Now()
	return &auth.Authentication{
		Principal: auth.Principal{Subject: "alice", Scopes: []string{"a", "b"}, Roles: []string{"r"}},
		Session:   &auth.Session{ID: "s", UserID: "alice", Subject: "alice", ProviderID: "op", State: auth.SessionActive, IssuedAt: now, ExpiresAt: now.Add(time.Hour)},
	}
}

func TestSpans(t *testing.T) {
	fails := func(code auth.Code) error { return &auth.Error{Code: code} }
	tests := []struct {
		name, method, path string
		backend            auth.AuthBackendPort
		span               string
		want               map[string]string // "" means not there
	}{
		{"me", "GET", "/me", &fake{a: alice()}, "auth.me", map[string]string{"auth.outcome": "success", "auth.backend": "fake", "auth.provider": "op", "auth.method": "GET",
			"auth.principal.scopes_count": "2", "auth.principal.roles_count": "1", "auth.error_code": "", "http.response.status_code": "200"}},
		{"nobody", "GET", "/session", &fake{err: fails(auth.CodeNoCredential)}, "auth.session", map[string]string{"auth.outcome": "unauthenticated", "auth.error_code": "no_credential", "auth.subject_hash": "", "auth.provider": ""}},
		{"expired", "GET", "/session", &fake{err: fails(auth.CodeSessionExpired)}, "auth.session", map[string]string{"auth.outcome": "failed_session_expired"}},
		{"malformed", "GET", "/me", &fake{err: fails(auth.CodeCredentialMalformed)}, "auth.me", map[string]string{"auth.outcome": "failed_bad_credentials"}},
		{"store down", "GET", "/me", &fake{err: fails(auth.CodeStoreUnavailable)}, "auth.me", map[string]string{"auth.outcome": "failed_unavailable", "auth.error_code": "store_unavailable"}},
		{"foreign error", "GET", "/me", &fake{err: errors.New("x")}, "auth.me", map[string]string{"auth.outcome": "failed_unavailable", "auth.error_code": "internal"}},
		{"signin", "POST", "/signin", &flow{}, "auth.signin", map[string]string{"auth.outcome": "success", "auth.provider": "op", "auth.method": "POST"}},
		{"signin of an unknown provider", "POST", "/signin", &flow{fake{err: fails(auth.CodeUnknownProvider)}}, "auth.signin", map[string]string{"auth.outcome": "failed_rejected", "auth.provider": ""}},
		{"signin, provider down", "POST", "/signin", &flow{fake{err: fails(auth.CodeProviderUnavailable)}}, "auth.signin", map[string]string{"auth.outcome": "failed_provider_error"}},
		{"callback", "POST", "/callback", &flow{fake{a: alice()}}, "auth.callback", map[string]string{"auth.outcome": "success", "auth.provider": "op", "auth.principal.scopes_count": "2"}},
		{"callback of another browser", "POST", "/callback", &flow{fake{err: fails(auth.CodeTransactionMissing)}}, "auth.callback", map[string]string{"auth.outcome": "failed_callback_invalid"}},
		{"signout", "POST", "/signout", &leaver{}, "auth.signout", map[string]string{"auth.outcome": "success"}},
		{"signout fails", "POST", "/signout", &leaver{fake{err: fails(auth.CodeStoreUnavailable)}}, "auth.signout", map[string]string{"auth.outcome": "failed_unavailable"}},
		{"signout of a flow fails", "POST", "/signout", &flow{fake{err: fails(auth.CodeStoreUnavailable)}}, "auth.signout", map[string]string{"auth.outcome": "failed_unavailable"}},
		{"not interactive", "POST", "/signin", &fake{}, "auth.signin", map[string]string{"auth.outcome": "failed_provider_error", "auth.error_code": "unsupported"}},
		{"unknown path", "GET", "/canary", &fake{}, "auth.other", map[string]string{"auth.outcome": "failed_rejected"}},
		{"unknown method", "CANARY", "/me", &fake{}, "auth.me", map[string]string{"auth.method": "_OTHER", "auth.outcome": "failed_rejected"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			span, got := r.ask(t, tt.backend, tt.method, tt.path)
			if span.Name != tt.span || span.SpanKind != trace.SpanKindServer {
				t.Errorf("span %s of kind %v", span.Name, span.SpanKind)
			}
			for name, want := range tt.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
			failed := strings.HasPrefix(got["http.response.status_code"], "5")
			if (span.Status.Code == codes.Error) != failed {
				t.Errorf("status %v of %s", span.Status, got["http.response.status_code"])
			}
			if hash := got["auth.subject_hash"]; hash != "" && hash != (auth.Event{Subject: auth.NewSecret("alice")}).SubjectHash(r.salt) {
				t.Errorf("subject hash %s", hash)
			}
		})
	}
}

func TestPorts(t *testing.T) {
	r := newRig(t)
	_, isFlow := auth.As[auth.InteractiveFlowPort](r.telemetry.Backend(&flow{}))
	_, isLeaver := auth.As[auth.SignOutPort](r.telemetry.Backend(&leaver{}))
	_, leaverFlows := auth.As[auth.InteractiveFlowPort](r.telemetry.Backend(&leaver{}))
	_, fakeLeaves := auth.As[auth.SignOutPort](r.telemetry.Backend(&fake{}))
	if !isFlow || !isLeaver || leaverFlows || fakeLeaves {
		t.Errorf("ports: %v %v %v %v", isFlow, isLeaver, leaverFlows, fakeLeaves)
	}
	if b := r.telemetry.Backend(&fake{a: alice()}); b.Name() != "fake" {
		t.Errorf("name %s", b.Name())
	} else if _, err := b.Authenticate(httptest.NewRequest("GET", "/", nil)); err != nil { // outside the handler
		t.Error(err)
	}
}

// TestNoSalt: without a salt there is no subject in any form.
func TestNoSalt(t *testing.T) {
	r := newRig(t)
	spans := tracetest.NewInMemoryExporter()
	r.spans = spans
	var err error
	r.telemetry, err = otelauth.New(otelauth.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))})
	if err != nil {
		t.Fatal(err)
	}
	_, got := r.ask(t, &fake{a: alice()}, "GET", "/me")
	if _, ok := got["auth.subject_hash"]; ok {
		t.Error("a subject is recorded")
	}
}

// TestTraceContext: a request's trace goes on here, and from here to the provider; baggage does not.
func TestTraceContext(t *testing.T) {
	r := newRig(t)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	var sent http.Header
	out := r.telemetry.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		sent = req.Header
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	}))
	original := http.Header{}
	h := r.telemetry.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		next, _ := http.NewRequestWithContext(req.Context(), "GET", "https://op.test/", nil)
		original = next.Header
		res, err := out.RoundTrip(next)
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
	}), base)
	req := httptest.NewRequest("GET", base+"/me", nil)
	req.Header.Set("Traceparent", parent)
	req.Header.Set("Tracestate", "vendor=1")
	req.Header.Set("Baggage", "user=canary")
	h.ServeHTTP(httptest.NewRecorder(), req)
	span := r.spans.GetSpans()[0]
	if span.SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || span.Parent.SpanID().String() != "b7ad6b7169203331" || !span.Parent.IsRemote() {
		t.Errorf("span %v of %v", span.SpanContext, span.Parent)
	}
	want := "00-0af7651916cd43dd8448eb211c80319c-" + span.SpanContext.SpanID().String() + "-01"
	if sent.Get("Traceparent") != want || sent.Get("Tracestate") != "vendor=1" || sent.Get("Baggage") != "" {
		t.Errorf("sent %v, want %s", sent, want)
	}
	if len(original) != 0 {
		t.Errorf("the request was changed: %v", original)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestEvents(t *testing.T) {
	r := newRig(t)
	event := auth.Event{Name: auth.EventSignInFailed, Time: time.Now(), Backend: "kv-oauth", ProviderID: "op", SessionID: "handle", Subject: auth.NewSecret("alice"), Code: auth.CodeAccessDenied, Count: 3}
	h := r.telemetry.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { r.telemetry.Observe(req.Context(), event) }), base)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", base+"/callback", nil))
	r.telemetry.Observe(context.Background(), event) // outside a span: it is counted all the same
	span := r.spans.GetSpans()[0]
	if len(span.Events) != 1 || span.Events[0].Name != "auth.signin.failed" || !span.Events[0].Time.Equal(event.Time) {
		t.Fatalf("events %+v", span.Events)
	}
	got := texts(span.Events[0].Attributes)
	want := map[string]string{"auth.backend": "kv-oauth", "auth.provider": "op", "auth.error_code": "access_denied", "auth.session_id": "handle",
		"auth.subject_hash": event.SubjectHash(r.salt), "auth.count": "3"}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if texts(span.Attributes)["auth.provider"] != "op" {
		t.Error("the span does not name the provider of the failed sign-in")
	}
	if n := r.sum(t, "auth.events"); n != 2 {
		t.Errorf("%d events are counted", n)
	}
}

func TestMetrics(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.ask(t, &fake{a: alice()}, "GET", "/me")
	}
	r.ask(t, &fake{err: &auth.Error{Code: auth.CodeStoreUnavailable}}, "GET", "/me")
	sets, n := map[string]bool{}, uint64(0)
	for _, m := range r.collect(t) {
		if h, ok := m.Data.(metricdata.Histogram[float64]); ok && m.Unit == "s" {
			for _, p := range h.DataPoints {
				code, _ := p.Attributes.Value("auth.error_code")
				sets[code.AsString()] = true
				n += p.Count
			}
		}
	}
	if !sets[""] || !sets["store_unavailable"] || len(sets) != 2 || n != 4 {
		t.Errorf("%d durations by %v", n, sets)
	}
}

func (r *rig) collect(t testing.TB) (all []metricdata.Metrics) {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := r.metrics.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	for _, s := range data.ScopeMetrics {
		all = append(all, s.Metrics...)
	}
	return all
}

func (r *rig) sum(t testing.TB, name string) (n int64) {
	t.Helper()
	for _, m := range r.collect(t) {
		if s, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
			for _, p := range s.DataPoints {
				n += p.Value
			}
		}
	}
	return n
}

// TestOff: without providers nothing is reported, and nothing breaks.
func TestOff(t *testing.T) {
	telemetry, err := otelauth.New(otelauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := auth.NewHandler(telemetry.Backend(&fake{a: alice()}), auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	telemetry.Handler(h, base).ServeHTTP(w, httptest.NewRequest("GET", base+"/me", nil))
	telemetry.Observe(t.Context(), auth.Event{Name: auth.EventSignedOut})
	if w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}
