package kvoauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// TestHostileRequestUnique: nothing of one sign-in occurs in another (R9700-06, R6749-09, R7636-01, ADV-18).
func TestHostileRequestUnique(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for range 1000 {
		d, err := w.backend.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(d.Location)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		for _, s := range []string{q.Get("state"), q.Get("nonce"), q.Get("code_challenge"), d.Cookies[0].Value} {
			if !form.MatchString(s) || seen[s] {
				t.Fatalf("%q came before or is malformed", s)
			}
			seen[s] = true
			w.hide(s)
		}
		if d.State != q.Get("state") || strings.Contains(d.Location, d.Cookies[0].Value) {
			t.Fatal("the state is not that of the request, or the cookie's secret is in the URL")
		}
	}
	w.silent(nil)
}

// TestHostileRequest: the authorization request says what it must and nothing that must stay here (CONF-G01, G02, X05,
// R7636-02).
func TestHostileRequest(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, oidc := range []bool{true, false} {
		var change func(*kvoauth.Config)
		if !oidc {
			change = oauthOnly(idp)
		}
		w := newWorld(t, idp, change)
		u, err := url.Parse(w.browser().StartSignIn())
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		for name, want := range map[string]string{
			"response_type": "code", "client_id": idp.ClientID, "redirect_uri": authtest.RedirectURI, "code_challenge_method": "S256",
		} {
			if len(q[name]) != 1 || q.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, q[name], want)
			}
		}
		for _, name := range []string{"client_secret", "code_verifier", "request", "request_uri"} {
			if q.Has(name) {
				t.Errorf("the request has %s", name)
			}
		}
		if q.Has("nonce") != oidc || strings.Contains(q.Get("scope"), "openid") != oidc {
			t.Errorf("nonce %q and scope %q, OpenID Connect %t", q.Get("nonce"), q.Get("scope"), oidc)
		}
	}
}

// challengeOf is S256 of RFC 7636, section 4.2.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestHostileExchange: the token request of a sign-in, and where the access token goes (CONF-G03 to G07, X06, R7636-04,
// R9700-16).
func TestHostileExchange(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	var access string
	idp.SetFaults(fakeop.Faults{TokenResponse: func(a map[string]any) { access = a["access_token"].(string) }})
	w := newWorld(t, idp, nil)
	b := w.browser()
	authorization := b.StartSignIn()
	u, err := url.Parse(authorization)
	if err != nil {
		t.Fatal(err)
	}
	cb := b.Authorize(authorization, "alice")
	w.signedIn(b, w.finish(b, cb), "alice")
	if challengeOf("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Error("the test itself disagrees with RFC 7636, appendix B")
	}
	verifiers := 0
	for _, r := range idp.Requests() {
		if r.Query.Has("access_token") || r.Form.Has("access_token") || strings.Contains(r.Query.Encode(), access) {
			t.Errorf("the %s endpoint got the access token in a parameter", r.Endpoint)
		}
		if r.Form.Has("code_verifier") || r.Query.Has("code_verifier") {
			verifiers++
		}
		if r.Endpoint == fakeop.EndpointUserInfo && !slices.Equal(r.Header.Values("Authorization"), []string{"Bearer " + access}) {
			t.Errorf("UserInfo got %q", r.Header.Values("Authorization"))
		}
		if r.Endpoint != fakeop.EndpointToken {
			continue
		}
		if verifier := r.Form.Get("code_verifier"); !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(verifier) {
			t.Errorf("verifier %q", verifier) // RFC 7636, section 4.1
		}
		if r.Form.Has("client_id") && r.Form.Get("client_id") != idp.ClientID {
			t.Errorf("client_id %q", r.Form.Get("client_id")) // CONF-G05
		}
		if challengeOf(r.Form.Get("code_verifier")) != u.Query().Get("code_challenge") || r.Form.Get("redirect_uri") != authtest.RedirectURI ||
			r.Form.Get("code") != cb.Values().Get("code") || len(r.Query) != 0 || r.Form.Has("client_secret") {
			t.Errorf("token request %v", r.Form)
		}
	}
	if verifiers != 1 {
		t.Errorf("the verifier was sent %d times", verifiers)
	}
	for _, target := range w.egress.targets() {
		if strings.Contains(target, access) {
			t.Error("the access token is in a URL")
		}
	}
	w.hide(access)
	w.silent(nil)
}

// TestHostileClientAuthentication: ids and secrets with reserved characters arrive as they are (RFC 6749, section 2.3.1),
// by the way that was configured, in one request.
func TestHostileClientAuthentication(t *testing.T) {
	const id, secret = "client:with/+%41 &=?#\u00fc", "s3cret:+%2B%zz &=\"\u20ac\\"
	for _, row := range []struct {
		auth     providers.ClientAuth
		method   fakeop.AuthMethod
		id       string
		secret   string
		inHeader bool
	}{
		{providers.ClientSecretBasic, fakeop.AuthBasic, id, secret, true},
		{"", fakeop.AuthBasic, id, secret, true},
		{providers.ClientSecretPost, fakeop.AuthPost, id, secret, false},
		{providers.ClientAuthNone, fakeop.AuthNone, id, "", false},
		{"", fakeop.AuthNone, id, "", false},
		{providers.ClientSecretBasic, fakeop.AuthBasic, "a", "+", true},
		{providers.ClientSecretBasic, fakeop.AuthBasic, "a", "%", true},
		{providers.ClientSecretBasic, fakeop.AuthBasic, "a:b", ":", true},
	} {
		t.Run(string(row.method)+" "+row.id+" "+row.secret, func(t *testing.T) {
			idp := newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) {
				c.Clients[0].ID, c.Clients[0].Secret, c.Clients[0].AuthMethod = row.id, row.secret, row.method
			}})
			w := newWorld(t, idp, func(c *kvoauth.Config) { c.Clients[0].Provider.ClientAuth = row.auth })
			b := w.browser()
			w.signedIn(b, w.finish(b, w.begin(b)), "alice")
			w.calls(1, 1)
			for _, r := range idp.Requests() {
				if r.Endpoint == fakeop.EndpointToken && (r.Header.Get("Authorization") != "") != row.inHeader {
					t.Errorf("Authorization of the token request: %t", r.Header.Get("Authorization") != "")
				}
			}
		})
	}
	t.Run("CONF-B14 wrong secret", func(t *testing.T) {
		idp := newIDP(t, authtest.ProviderConfig{})
		w := newWorld(t, idp, func(c *kvoauth.Config) { c.Clients[0].ClientSecret = auth.NewSecret(marker) })
		b := w.browser()
		w.refused(w.finish(b, w.begin(b)), auth.CodeClientRejected)
		w.calls(1, 0) // no second try in another way
	})
}

// TestHostileSignInInput: what a request may ask of a sign-in. A refusal stores nothing and asks nobody.
func TestHostileSignInInput(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	long := strings.Repeat(marker, 6000)
	for _, row := range []struct {
		name   string
		params auth.SignInParams
		code   auth.Code
	}{
		{"unknown provider", auth.SignInParams{ProviderID: marker + "\r\n<b>"}, auth.CodeUnknownProvider},
		{"huge provider", auth.SignInParams{ProviderID: long}, auth.CodeUnknownProvider},
		{"provider in capitals", auth.SignInParams{ProviderID: "FAKE"}, auth.CodeUnknownProvider},
		{"scope", auth.SignInParams{Scopes: []string{"admin-" + marker}}, auth.CodeScopeNotAllowed},
		{"allowed and another scope", auth.SignInParams{Scopes: []string{"calendar", marker}}, auth.CodeScopeNotAllowed},
		{"two scopes in one", auth.SignInParams{Scopes: []string{"calendar " + marker}}, auth.CodeScopeNotAllowed},
		{"empty scope", auth.SignInParams{Scopes: []string{""}}, auth.CodeScopeNotAllowed},
		{"many scopes", auth.SignInParams{Scopes: slices.Repeat([]string{"calendar"}, 65)}, auth.CodeValidation},
		{"login hint", auth.SignInParams{LoginHint: strings.Repeat("l", 257)}, auth.CodeValidation},
		{"state", auth.SignInParams{State: strings.Repeat("s", 1025)}, auth.CodeValidation},
		{"return URL", auth.SignInParams{ReturnTo: "/" + long}, auth.CodeReturnURLRejected},
		{"foreign return URL", auth.SignInParams{ReturnTo: "https://evil.test/" + marker}, auth.CodeReturnURLRejected},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, idp, func(c *kvoauth.Config) { c.AllowedScopes = []string{"calendar"} })
			d, err := w.backend.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), row.params)
			if auth.CodeOf(err) != row.code || d != nil {
				t.Errorf("error %v, want %s", err, row.code)
			}
			if w.kv.sets != 0 || len(w.egress.targets()) != 0 {
				t.Errorf("%d writes, requests to %q", w.kv.sets, w.egress.targets())
			}
			w.silent(nil)

			q := url.Values{"providerId": {row.params.ProviderID}, "returnTo": {row.params.ReturnTo}, "loginHint": {row.params.LoginHint}}
			if row.code == auth.CodeUnknownProvider || row.code == auth.CodeReturnURLRejected {
				w.refused(w.send(w.browser(), http.MethodGet, auth.DefaultBasePath+"/signin?"+q.Encode(), nil), row.code)
			}
		})
	}
}

// TestHostileSignInAllowed: NS-63. What is allowed reaches the provider, in its own parameter and nowhere else.
func TestHostileSignInAllowed(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, func(c *kvoauth.Config) {
		c.AllowedScopes = []string{"calendar"}
		c.Clients[0].Provider.AuthParams = map[string]string{"prompt": "consent"}
	})
	hint := "a&state=x&redirect_uri=https://evil.test \r\n\u00fc"
	d, err := w.backend.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{
		LoginHint: hint, Scopes: []string{"calendar"}, State: strings.Repeat("s", 1024),
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(d.Location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("login_hint") != hint || q.Get("scope") != "openid profile email calendar" || q.Get("prompt") != "consent" {
		t.Errorf("query %v", q)
	}
	for name, values := range q {
		if len(values) != 1 {
			t.Errorf("%s came %d times", name, len(values))
		}
	}
	if q.Get("redirect_uri") != authtest.RedirectURI || strings.Contains(d.Location, "sssss") {
		t.Error("the application's state or the hint leaked into the request")
	}
}

// TestHostileApplicationState: the application's own state comes back to it, and to it alone.
func TestHostileApplicationState(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	const mine = "cart=7&\u00fc\r\n<b>"
	var started struct{ RedirectURL, State, ProviderID string }
	b.PostJSON(auth.DefaultBasePath+"/signin", map[string]any{"state": mine, "redirectTo": "/cart"}).JSON(t, &started)
	values := b.Authorize(started.RedirectURL, "alice").Values()
	if started.ProviderID != "fake" || started.State != values.Get("state") || strings.Contains(started.RedirectURL, "cart") {
		t.Errorf("started %+v", started)
	}
	var done struct {
		Completed                             bool
		SessionID, RedirectTo, Subject, State string
	}
	b.PostJSON(callbackPath, map[string]string{"code": values.Get("code"), "state": values.Get("state"), "iss": values.Get("iss")}).JSON(t, &done)
	if !done.Completed || done.State != mine || done.RedirectTo != "/cart" || done.Subject != "alice" || !b.SignedIn() {
		t.Errorf("done %+v", done)
	}
	if cookie := b.Cookie(kvoauth.DefaultCookieName); cookie == nil || strings.Contains(done.SessionID, cookie.Value) {
		t.Error("the answer holds the credential")
	}
}
