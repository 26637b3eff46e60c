package authapi_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/store"
)

// sink is everything that a service reports.
type sink struct {
	spans   *tracetest.InMemoryExporter
	metrics *metric.ManualReader
	log     bytes.Buffer
}

func newSink(t testing.TB, o *authapi.Options) *sink {
	t.Helper()
	s := &sink{spans: tracetest.NewInMemoryExporter(), metrics: metric.NewManualReader()}
	o.TracerProvider = trace.NewTracerProvider(trace.WithSyncer(s.spans))
	o.MeterProvider = metric.NewMeterProvider(metric.WithReader(s.metrics))
	o.Logger = slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return s
}

// all returns everything as one text.
func (s *sink) all(t testing.TB) string {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := s.metrics.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	metrics, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	spans, err := json.Marshal(s.spans.GetSpans().Snapshots())
	if err != nil {
		t.Fatal(err)
	}
	var texts strings.Builder
	for _, span := range s.spans.GetSpans() {
		_, _ = texts.WriteString(span.Name + " " + span.Status.Description + "\n")
		for _, list := range append([][]attribute.KeyValue{span.Attributes}, eventsOf(span)...) {
			for _, kv := range list {
				_, _ = texts.WriteString(string(kv.Key) + "=" + kv.Value.String() + "\n")
			}
		}
	}
	return string(metrics) + string(spans) + texts.String() + s.log.String()
}

func eventsOf(span tracetest.SpanStub) (lists [][]attribute.KeyValue) {
	for _, e := range span.Events {
		lists = append(lists, append([]attribute.KeyValue{attribute.String("event", e.Name)}, e.Attributes...))
	}
	return lists
}

// TestCanary signs in, fails in every way, and signs out, and then looks for everything secret in everything that was
// reported.
func TestCanary(t *testing.T) {
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	salt := auth.GenerateKey()
	e := kvOAuthEnv().with("NETSCRIPT_AUTH_AUDIT_SALT", salt.Encode(), "NETSCRIPT_AUTH_VERIFY_KEY", auth.GenerateKey().Encode(), "NETSCRIPT_AUTH_RATE_LIMIT", "100/m")
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	o := options(t, e)
	o.HTTPClient, o.KV = idp.Client(), memory
	s := newSink(t, &o)
	service := newService(t, o)
	b := authtest.NewBrowser(t, service, idp)

	secrets := map[string]bool{"test-client-secret": true, salt.Encode(): true, e["NETSCRIPT_AUTH_KV_OAUTH_KEY"]: true, e["NETSCRIPT_AUTH_VERIFY_KEY"]: true}
	note := func(values ...string) {
		for _, v := range values {
			if len(v) >= 8 {
				secrets[v] = true
			}
		}
	}
	noteCookies := func() {
		for _, c := range b.Cookies() {
			note(c.Value)
		}
	}
	noteQuery := func(address string) {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range u.Query() {
			if slices.Contains([]string{"state", "nonce", "code", "code_challenge", "login_hint"}, name) {
				note(values...)
			}
		}
	}
	started := b.PostJSON(base+"/signin", map[string]any{"loginHint": "canary-login-hint", "state": "canary-app-state", "redirectTo": "/home?x=canary-return"})
	var answer struct{ RedirectURL, State string }
	decode(t, []byte(started.Body), &answer)
	note("canary-login-hint", "canary-app-state", "canary-return", answer.State)
	noteQuery(answer.RedirectURL)
	noteCookies()
	callback := b.Authorize(answer.RedirectURL, "alice")
	for _, values := range callback.Values() {
		note(values...)
	}
	secrets[authtest.Issuer] = false // which is no secret, and is in iss
	if p := b.Finish(callback); p.URL.Path != "/home" {
		t.Fatalf("the sign-in ended at %v with %d", p.URL, p.Status)
	}
	noteCookies()
	if p := b.Finish(callback); p.Status != 400 {
		t.Errorf("replay: %d", p.Status)
	}
	b.Get(base + "/me?token=canary-query")
	b.Get(base + "/verify")
	b.PostJSON(base+"/signout", map[string]any{"sessionId": "canary-session-id"})
	b.PostJSON(base+"/signin", map[string]any{"providerId": "canary-provider", "redirectTo": "https://canary-evil.test/"})
	b.PostJSON(rpcBase+"/me", map[string]any{})
	do(service, "GET", base+"/canary-path", "", "Authorization", "Bearer canary-bearer", "Cookie", "__Host-ns_session=canary-cookie-value; canary-cookie=1", "User-Agent", "canary-agent")
	do(service, "GET", base+"/me", "", "Cookie", "__Host-ns_session="+strings.Repeat("canary", 8))
	do(service, "CANARYMETHOD", base+"/me", "")
	do(service, "GET", base+"/callback?error=canary-error&error_description=canary-description&state=canary-state-0123456789", "", "Accept", "text/html")
	if p := b.PostJSON(base+"/signout", map[string]any{"everywhere": true}); p.Status != 200 {
		t.Errorf("sign-out: %d %s", p.Status, p.Body)
	}
	if err := service.Close(); err != nil { // which waits for what goes on beside the requests
		t.Error(err)
	}
	for _, r := range idp.Requests() { // codes, verifiers, refresh tokens, and access tokens
		for name, values := range r.Form {
			if !slices.Contains([]string{"grant_type", "redirect_uri", "client_id", "token_type_hint", "user"}, name) {
				note(values...)
			}
		}
		note(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}

	traced := false
	for _, r := range idp.Requests() {
		traced = traced || r.Header.Get("Traceparent") != ""
	}
	if !traced {
		t.Error("no trace was passed on to the provider")
	}
	said := s.all(t)
	for secret, is := range secrets {
		if is && strings.Contains(said, secret) {
			t.Errorf("%q shows", secret)
		}
	}
	for _, never := range []string{"canary", "CANARY", "alice", "Alice Example", "alice@example.test", "eyJ"} {
		if i := strings.Index(said, never); i >= 0 {
			t.Errorf("%q shows: ...%s...", never, said[max(0, i-100):min(len(said), i+100)])
		}
	}
	for _, want := range []string{"auth.signin", "auth.callback", "auth.signout", "auth.me", "auth.verify", "auth.other", "auth.session.created",
		"auth.request.duration", "auth.events", auth.Event{Subject: auth.NewSecret("alice")}.SubjectHash(salt)} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing was said of %s", want)
		}
	}
}
