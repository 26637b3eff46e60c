package kvoauth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/interop/oidcprovider"
	"github.com/netscript/auth/kvoauth"
)

// newLogoutApp returns an application whose client signs people out at the provider and is told of their logouts.
func newLogoutApp(t *testing.T) *app {
	t.Helper()
	// The provider does not trust the application's certificate, so it tells this server, which passes it on.
	var handler atomic.Pointer[auth.Handler]
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handler.Load(); h != nil {
			h.ServeHTTP(w, r)
			return
		}
		http.Error(w, "not yet", http.StatusServiceUnavailable)
	}))
	t.Cleanup(back.Close)
	a := newAppAs(t, "logout", oidcprovider.Options{Clients: []oidcprovider.Client{{
		ID: "logout", Secret: "logout-secret", AuthMethod: "client_secret_basic",
		BackchannelLogoutURI: back.URL + auth.DefaultBasePath + "/backchannel-logout", BackchannelLogoutSessionRequired: true,
	}}}, func(*kvoauth.Client) {})
	h, err := auth.NewHandler(a.backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	handler.Store(h)
	return a
}

// TestRevocation: the refresh token of a session that was signed out is good for nothing any more.
func TestRevocation(t *testing.T) {
	a := newLogoutApp(t)
	if res := a.finish(a.begin("erin")); res.StatusCode != http.StatusFound {
		t.Fatalf("callback: %s", res.Status)
	}
	if _, err := a.backend.RefreshSession(t.Context(), a.me().Session.ID); err != nil {
		t.Fatalf("refresh: %v", err)
	}
	if res := a.do(http.MethodPost, a.url+auth.DefaultBasePath+"/signout", url.Values{}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-out: %s", res.Status)
	}
	if err := a.backend.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.seen(auth.EventTokenRevoked) != 1 || a.seen(auth.EventTokenRevocationFailed) != 0 {
		t.Errorf("%d revoked, %d failed", a.seen(auth.EventTokenRevoked), a.seen(auth.EventTokenRevocationFailed))
	}
}

// TestBackChannelLogout: the person signs out at the provider, and is signed out here when that has answered.
func TestBackChannelLogout(t *testing.T) {
	a := newLogoutApp(t)
	if res := a.finish(a.begin("erin")); res.StatusCode != http.StatusFound {
		t.Fatalf("callback: %s", res.Status)
	}
	if !a.me().Authenticated {
		t.Fatal("not signed in")
	}
	after := a.signedOutURL()
	end := a.provider.Issuer + "/session/end?" + url.Values{"client_id": {"logout"}, "post_logout_redirect_uri": {after}, "state": {"x"}}.Encode()
	back := a.provider.Logout(t, a.browser, end)
	if !strings.HasPrefix(back.URL.String(), after) || back.Response.Get("state") != "x" {
		t.Errorf("the provider leads to %s", back.URL)
	}
	if a.me().Authenticated {
		t.Error("still signed in")
	}
	if a.seen(auth.EventBackChannelLogout) != 1 || a.seen(auth.EventBackChannelLogoutFailed) != 0 {
		t.Errorf("%d logouts, %d failed", a.seen(auth.EventBackChannelLogout), a.seen(auth.EventBackChannelLogoutFailed))
	}
}

// TestLogoutAtTheProvider: a sign-out here is one at the provider, which sends the browser back and asks for a password the
// next time.
func TestLogoutAtTheProvider(t *testing.T) {
	a := newLogoutApp(t)
	if res := a.finish(a.begin("erin")); res.StatusCode != http.StatusFound {
		t.Fatalf("callback: %s", res.Status)
	}
	res := a.do(http.MethodPost, a.url+auth.DefaultBasePath+"/signout", url.Values{"redirectTo": {"/bye"}})
	to := res.Header.Get("Location")
	if !strings.HasPrefix(to, a.provider.Issuer) || !strings.Contains(to, "id_token_hint=") || a.me().Authenticated {
		t.Fatalf("sign-out: %s", res.Status)
	}
	back := a.provider.Logout(t, a.browser, to)
	if res := a.do(http.MethodGet, back.URL.String(), nil); res.Header.Get("Location") != "/bye" {
		t.Errorf("led to %q", res.Header.Get("Location"))
	}
	if res := a.finish(a.begin("frank")); res.StatusCode != http.StatusFound || a.me().User.ID != "frank" {
		t.Error("the provider still had its session") // it would have signed erin in
	}
}
