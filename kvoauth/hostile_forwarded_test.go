package kvoauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
)

// forgedHeaders are what a client or a careless proxy may claim about where a request came from.
func forgedHeaders() http.Header {
	return http.Header{
		"X-Forwarded-Proto": {"http", "https,http"}, "X-Forwarded-Host": {"evil.test"}, "X-Forwarded-Port": {"80"}, "X-Forwarded-For": {"127.0.0.1"},
		"X-Forwarded-Ssl": {"off"}, "X-Forwarded-Prefix": {"//evil.test"}, "X-Forwarded-Uri": {"/health"}, "X-Original-Url": {"/health"},
		"X_forwarded_proto": {"http"}, "Forwarded": {`for=127.0.0.1;proto=http;host=evil.test`, `proto="http`}, "Front-End-Https": {"off"},
		"X-Url-Scheme": {"http"}, "X-Real-Ip": {"127.0.0.1"},
	}
}

// TestHostileForwarded: what a request says about its host, scheme and way here changes no address, no cookie and no
// decision (R9700-20, NS-12, NS-47, ADV-75, ADV-79).
func TestHostileForwarded(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	send := func(cookies []*http.Cookie, target string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Host, r.TLS, r.RemoteAddr = "evil.test", nil, "192.0.2.66:4711"
		r.Header = forgedHeaders()
		for _, c := range cookies {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		rec := httptest.NewRecorder()
		w.app.ServeHTTP(rec, r)
		res := rec.Result()
		checkStrictCookies(t, target, res)
		for name, values := range res.Header {
			if strings.Contains(strings.Join(values, " "), "evil.test") {
				t.Errorf("%s: %s of the answer is %q", target, name, values)
			}
		}
		return res
	}
	begun := send(nil, auth.DefaultBasePath+"/signin")
	u, err := url.Parse(begun.Header.Get("Location"))
	if err != nil || u.Host != "idp.test" || u.Query().Get("redirect_uri") != authtest.RedirectURI {
		t.Fatalf("the sign-in leads to %v, %v", u, err)
	}
	answer := w.browser().Authorize(u.String(), "alice")
	done := send(begun.Cookies(), answer.URL)
	if done.StatusCode != http.StatusFound || done.Header.Get("Location") != "/" {
		t.Fatalf("the callback answers %d, to %q", done.StatusCode, done.Header.Get("Location"))
	}
	for _, r := range idp.Requests() {
		if r.Form.Has("redirect_uri") && r.Form.Get("redirect_uri") != authtest.RedirectURI {
			t.Errorf("redirect_uri %q", r.Form.Get("redirect_uri"))
		}
	}
	w.clock.advance(56 * time.Minute) // the tokens are due: also a refresh answers as ever
	if me := send(done.Cookies(), auth.DefaultBasePath+"/me"); me.StatusCode != http.StatusOK {
		t.Errorf("a session is refused: %d", me.StatusCode)
	}
	w.refreshed(1)
	if nobody := send(nil, auth.DefaultBasePath+"/sessions"); nobody.StatusCode != http.StatusUnauthorized {
		t.Errorf("nobody gets %d", nobody.StatusCode)
	}
}

// checkStrictCookies requires that every cookie of res is one of https.
func checkStrictCookies(t *testing.T, target string, res *http.Response) {
	t.Helper()
	for _, c := range res.Cookies() {
		if !c.Secure || !c.HttpOnly || c.Domain != "" || c.Path != "/" || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("%s sets %v", target, c)
		}
	}
}
