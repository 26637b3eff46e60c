package authapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/storetest"
)

// ask returns the doctor's findings as text, one line each.
func ask(t testing.TB, o authapi.Options) string {
	t.Helper()
	var lines strings.Builder
	for _, f := range authapi.Doctor(t.Context(), o) {
		if strings.Contains(f.String(), "\n") || strings.Contains(f.String(), "canary") {
			t.Errorf("finding %q", f)
		}
		_, _ = fmt.Fprintln(&lines, f)
	}
	return lines.String()
}

func TestDoctor(t *testing.T) {
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	moved := authtest.NewProvider(t, authtest.ProviderConfig{})
	moved.SetFaults(fakeop.Faults{Discovery: func(d map[string]any) { d["issuer"] = "https://canary.test" }})
	dated := func(d time.Duration) roundTripper {
		return func(r *http.Request) (*http.Response, error) {
			res, err := idp.Client().Transport.RoundTrip(r)
			if err == nil {
				res.Header.Set("Date", time.Now().Add(d).UTC().Format(http.TimeFormat))
			}
			return res, err
		}
	}
	page := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	tests := []struct {
		name   string
		change func(*authapi.Options)
		env    env
		want   []string // all must be there; none of them FAIL means that there is no FAIL at all
	}{
		{"good", nil, kvOAuthEnv(), []string{"ok   redirect URI: leads to app.test/api/v1/auth/callback", "ok   cookie: __Host-ns_session", "ok   provider default: discovery answers", "ok   store: in memory", "ok   keys: 1 of",
			"ok   session policy: none; sessions end after 168h0m0s, and 24h0m0s after they were last used"}},
		{"AAL3", nil, kvOAuthEnv().with("NETSCRIPT_AUTH_SESSION_POLICY", "aal3"), []string{"ok   session policy: aal3; sessions end after 12h0m0s, and 15m0s after they were last used"}},
		{"AAL1", nil, kvOAuthEnv().with("NETSCRIPT_AUTH_SESSION_POLICY", "aal1"), []string{"ok   session policy: aal1; sessions end after 720h0m0s, and 24h0m0s after they were last used"}},
		{"stored", func(o *authapi.Options) { o.KV = memory }, kvOAuthEnv(), []string{"ok   store: reachable and writable"}},
		{"store down", func(o *authapi.Options) {
			o.KV = &storetest.Faulty{KV: memory, Fault: storetest.Always(storetest.Fail, storetest.OpSet)}
		}, kvOAuthEnv(), []string{"FAIL store: unavailable"}},
		{"store loses", func(o *authapi.Options) { o.KV = &forgetful{memory} }, kvOAuthEnv(), []string{"FAIL store: store_loses_writes"}},
		{"not migrated", nil, kvOAuthEnv().with("NETSCRIPT_AUTH_KV", "sql", "DATABASE_URL", "file:"+t.TempDir()+"/d.db"), []string{"FAIL migrations: not_migrated; ", "FAIL store: not_migrated; "}},
		{"issuer mismatch", func(o *authapi.Options) { o.HTTPClient = moved.Client() }, kvOAuthEnv(), []string{"FAIL provider default: issuer_mismatch"}},
		{"provider down", func(o *authapi.Options) {
			o.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("canary refused") })}
		}, kvOAuthEnv(), []string{"FAIL provider default: unavailable"}},
		{"not discovery", func(o *authapi.Options) { o.HTTPClient = &http.Client{Transport: page} }, kvOAuthEnv(), []string{"FAIL provider default: provider_invalid"}},
		{"clock", func(o *authapi.Options) { o.HTTPClient = &http.Client{Transport: dated(-2 * time.Minute)} }, kvOAuthEnv(), []string{"FAIL provider default clock: differs by 2m"}},
		{"clock a little off", func(o *authapi.Options) { o.HTTPClient = &http.Client{Transport: dated(20 * time.Second)} }, kvOAuthEnv(), []string{"ok   provider default clock: differs by -"}},
		{"plain HTTP", nil, kvOAuthEnv().with("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS", "true", "NETSCRIPT_AUTH_REDIRECT_URI", "http://localhost:1/api/v1/auth/callback"),
			[]string{"by plain HTTP", "ok   cookie: ns_session, without Secure"}},
		{"weak cookie", nil, kvOAuthEnv().with("NETSCRIPT_AUTH_COOKIE_NAME", "sid"), []string{"FAIL NETSCRIPT_AUTH_COOKIE_NAME: does not begin with __Host-"}},
		{"OAuth provider", nil, kvOAuthEnv().with("NETSCRIPT_AUTH_ISSUER", "", "NETSCRIPT_AUTH_PROVIDER", "github"), []string{"ok   provider github: has explicit endpoints"}},
		{"configuration", nil, kvOAuthEnv().with("NETSCRIPT_AUTH_KV_OAUTH_KEY", "canary", "PORT", "x"), []string{"FAIL NETSCRIPT_AUTH_KV_OAUTH_KEY: ", "FAIL PORT: "}},
		{"workos", func(o *authapi.Options) { o.HTTPClient = &http.Client{Transport: page} }, workosEnv(), []string{"ok   cookie password", "FAIL workos: provider_invalid"}},
		{"workos, short password", nil, workosEnv().with("WORKOS_COOKIE_PASSWORD", "canary"), []string{"FAIL WORKOS_COOKIE_PASSWORD: "}},
		{"better-auth", nil, betterAuthEnv(), []string{"ok   secret", "FAIL database: unavailable"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options(t, tt.env)
			o.HTTPClient = idp.Client()
			if tt.change != nil {
				tt.change(&o)
			}
			got := ask(t, o)
			wantFail := false
			for _, line := range tt.want {
				wantFail = wantFail || strings.HasPrefix(line, "FAIL")
				if !strings.Contains(got, line) {
					t.Errorf("no %q in\n%s", line, got)
				}
			}
			if strings.Contains(got, "FAIL") != wantFail {
				t.Errorf("findings\n%s", got)
			}
		})
	}
}

// forgetful acknowledges writes and keeps none.
type forgetful struct{ store.KV }

func (f *forgetful) Set(ctx context.Context, key string, _ []byte, ttl time.Duration) error {
	return f.Delete(ctx, key)
}
