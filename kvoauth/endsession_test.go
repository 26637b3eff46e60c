package kvoauth_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// withLogout turns RP-initiated logout on.
func withLogout(c *kvoauth.Config) {
	for i := range c.Clients {
		c.Clients[i].PostLogoutRedirectURL = authtest.PostLogoutRedirectURI
	}
	c.DefaultReturnURL, c.ReturnOrigins = "/home", []string{"https://www.example.com"}
}

const (
	signOutPath = auth.DefaultBasePath + "/signout"
	returnPath  = auth.DefaultBasePath + "/signout/callback"
)

// leave signs b out and returns where it is sent.
func (w *world) leave(b *authtest.Browser, form url.Values) *url.URL {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, signOutPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", authtest.AppOrigin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	a := w.do(b, r)
	if a.status != http.StatusSeeOther {
		w.t.Fatalf("sign-out answered %d", a.status)
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// TestLogoutAtTheProvider is CONF-L01, RPL-01 and RPL-02, as a browser goes through it.
func TestLogoutAtTheProvider(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) { c.SingleSignOn = true }})
	w := newWorld(t, idp, withLogout)
	b := w.browser()
	b.SignIn("alice")
	to := w.leave(b, url.Values{"redirectTo": {"/bye?x=1"}})
	if b.SignedIn() || w.kv.sessions() != 0 {
		t.Fatal("the session is not ended before the browser goes to the provider")
	}
	q := to.Query()
	if to.Host != "idp.test" || q.Get("post_logout_redirect_uri") != authtest.PostLogoutRedirectURI || q.Get("client_id") != idp.ClientID || q.Get("state") == "" {
		t.Errorf("sent to %s", to.Redacted())
	}
	if claims := claimsOf(t, q.Get("id_token_hint")); claims["sub"] != "alice" {
		t.Errorf("id_token_hint %v", claims)
	}
	back := b.Get(to.String()) // follows to the end
	if back.URL.Path != "/bye" || back.URL.RawQuery != "x=1" {
		t.Errorf("ended at %s", back.URL)
	}
	if n := len(b.Cookies()); n != 0 {
		t.Errorf("%d cookies are left", n)
	}
	// The person has to sign in at the provider again.
	if page := b.Get(b.StartSignIn()); page.Status != http.StatusOK || !strings.Contains(page.Body, "Alice") {
		t.Errorf("the provider has not ended its session: %d", page.Status)
	}
}

func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestPostLogoutReturn: what comes back decides nothing but where the browser goes.
func TestPostLogoutReturn(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for name, tt := range map[string]struct {
		query func(state string) string
		want  string
	}{
		"good":                {func(s string) string { return "state=" + s }, "/bye"},
		"more parameters":     {func(s string) string { return "x=1&x=2&state=" + s }, "/bye"},
		"CONF-L02 other":      {func(s string) string { return "state=" + s + "1" }, "/home"},
		"CONF-L02 other char": {func(s string) string { return "state=" + string(s[0]^1) + s[1:] }, "/home"},
		"CONF-L03 none":       {func(string) string { return "" }, "/home"},
		"RPL-03 empty":        {func(string) string { return "state=" }, "/home"},
		"RPL-03 twice":        {func(s string) string { return "state=" + s + "&state=" + s }, "/home"},
		"malformed query":     {func(s string) string { return "state=" + s + "&%zz" }, "/home"},
		"long":                {func(string) string { return "state=" + strings.Repeat("A", 60000) }, "/home"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, idp, withLogout)
			b, other := w.browser(), w.browser()
			b.SignIn("alice")
			other.SignIn("bob")
			state := w.leave(b, url.Values{"redirectTo": {"/bye"}}).Query().Get("state")
			a := w.send(b, http.MethodGet, returnPath+"?"+tt.query(state), nil)
			if a.status != http.StatusFound || a.header.Get("Location") != tt.want || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d to %q, want %q", a.status, a.header.Get("Location"), tt.want)
			}
			if tt.want == "/home" { // it did no harm either
				a = w.send(b, http.MethodGet, returnPath+"?state="+state, nil)
				if a.header.Get("Location") != "/bye" {
					t.Error("the sign-out under way was disturbed")
				}
			}
			// In another browser it means nothing, and signs nobody out (CONF-L02).
			a = w.send(other, http.MethodGet, returnPath+"?state="+state, nil)
			if a.header.Get("Location") != "/home" || !other.SignedIn() || len(a.header["Set-Cookie"]) != 0 {
				t.Errorf("another browser is sent to %q", a.header.Get("Location"))
			}
		})
	}
}

// TestPostLogoutPlanted: a cookie of somebody else's sign-out, or of nobody's, leads nowhere with another state.
func TestPostLogoutPlanted(t *testing.T) {
	w := newWorld(t, newIDP(t, authtest.ProviderConfig{}), withLogout)
	evil, victim := w.browser(), w.browser()
	evil.SignIn("bob")
	victim.SignIn("alice")
	w.leave(evil, url.Values{"redirectTo": {"/evil"}})
	state := w.leave(victim, url.Values{"redirectTo": {"/bye"}}).Query().Get("state")
	planted := evil.Cookie("__Host-ns_signout")
	for _, value := range []string{planted.Value, "", "x", strings.Repeat("A", 100)} {
		r := request(&http.Cookie{Name: planted.Name, Value: value})
		if d := w.backend.SignOutReturn(r, url.Values{"state": {state}}); d.Location != "/home" {
			t.Errorf("led to %s", d.Location)
		}
	}
	r := request(victim.Cookie(planted.Name), victim.Cookie(planted.Name))
	if d := w.backend.SignOutReturn(r, url.Values{"state": {state}}); d.Location != "/home" {
		t.Error("a doubled cookie was believed")
	}
	if c := planted; !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("attributes %+v", c)
	}
}

// TestPostLogoutReturnURL is RPL-05: what is not allowed is replaced, before and after the provider.
func TestPostLogoutReturnURL(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for raw, want := range map[string]string{
		"": "/home", "/x": "/x", "https://www.example.com/y": "https://www.example.com/y", "https://evil.test/": "/home", "//evil.test": "/home",
		"/\\evil.test": "/home", "javascript:alert(1)": "/home", returnPath: "/home", callbackPath: "/home", strings.Repeat("/x", 2000): "/home",
		"/" + strings.Repeat("x", 2000): "/" + strings.Repeat("x", 2000),
	} {
		w := newWorld(t, idp, withLogout)
		b := w.browser()
		b.SignIn("alice")
		state := w.leave(b, url.Values{"redirectTo": {raw}}).Query().Get("state")
		if a := w.send(b, http.MethodGet, returnPath+"?state="+state, nil); a.header.Get("Location") != want {
			t.Errorf("%.60q led to %.60q, want %.60q", raw, a.header.Get("Location"), want)
		}
	}
}

// TestLocalSignOut: when the provider cannot be asked, or need not be, the sign-out is one here (RPL-02).
func TestLocalSignOut(t *testing.T) {
	discovery := func(f func(map[string]any)) fakeop.Faults { return fakeop.Faults{Discovery: f} }
	down := fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointDiscovery: fakeop.Reply(503, "text/plain", "")}}
	for name, tt := range map[string]struct {
		configure func(*kvoauth.Config)
		faults    fakeop.Faults
		params    auth.SignOutParams
	}{
		"not configured":          {func(*kvoauth.Config) {}, fakeop.Faults{}, auth.SignOutParams{}},
		"asked for":               {withLogout, fakeop.Faults{}, auth.SignOutParams{Local: true}},
		"no end-session endpoint": {withLogout, discovery(func(doc map[string]any) { delete(doc, "end_session_endpoint") }), auth.SignOutParams{}},
		"unacceptable endpoint":   {withLogout, discovery(func(doc map[string]any) { doc["end_session_endpoint"] = "javascript:alert(1)" }), auth.SignOutParams{}},
		"provider down":           {withLogout, down, auth.SignOutParams{}},
		"provider down, all":      {withLogout, down, auth.SignOutParams{Everywhere: true}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{backend: tt.configure})
			c := credential(g.signIn("alice"))
			g.idp.SetFaults(tt.faults)
			restarted := g.build(nil) // it has not asked the provider yet
			tt.params.ReturnTo = "/bye"
			d, err := restarted.SignOut(request(session(c)), tt.params)
			if err != nil || d.Location != "/bye" || !clears(d.Cookies) || len(d.Cookies) != 1 {
				t.Errorf("%v, %+v", err, d)
			}
			g.mustBe(c, auth.CodeSessionNotFound)
		})
	}
}

// TestLogoutRequest: what it says.
func TestLogoutRequest(t *testing.T) {
	for name, tt := range map[string]struct {
		options rigOptions
		params  auth.SignOutParams
		check   func(u *url.URL, q url.Values) bool
	}{
		"everywhere": {rigOptions{}, auth.SignOutParams{Everywhere: true}, func(_ *url.URL, q url.Values) bool { return q.Has("id_token_hint") }},
		"a hint that is too long": {rigOptions{provider: func(c *fakeop.Config) {
			c.Users[0].Claims = map[string]any{"groups": strings.Repeat("g", 4<<10)}
		}}, auth.SignOutParams{}, func(_ *url.URL, q url.Values) bool {
			return !q.Has("id_token_hint") && q.Has("client_id") && q.Has("state")
		}},
		"an endpoint with a query": {rigOptions{backend: func(c *kvoauth.Config) {
			c.Clients[0].Provider.EndSessionEndpoint = "https://idp.test/logout?p=policy"
		}}, auth.SignOutParams{}, func(u *url.URL, q url.Values) bool {
			return strings.HasPrefix(u.RawQuery, "p=policy&") && q.Has("state") && u.Path == "/logout"
		}},
		"a parameter of its own": {rigOptions{backend: func(c *kvoauth.Config) { c.Clients[0].Provider.LogoutRedirectParam = "logout_uri" }},
			auth.SignOutParams{}, func(_ *url.URL, q url.Values) bool {
				return q.Get("logout_uri") == authtest.PostLogoutRedirectURI && q.Has("client_id") && len(q) == 2
			}},
	} {
		t.Run(name, func(t *testing.T) {
			o := tt.options
			change := o.backend
			o.backend = func(c *kvoauth.Config) {
				withLogout(c)
				if change != nil {
					change(c)
				}
			}
			g := newRig(t, o)
			d, err := g.SignOut(request(session(credential(g.signIn("alice")))), tt.params)
			if err != nil || d.State == "" || d.ProviderID == "" {
				t.Fatal(err)
			}
			u, err := url.Parse(d.Location)
			if err != nil || u.Host != "idp.test" || !tt.check(u, u.Query()) {
				t.Errorf("sent to %.200s", d.Location)
			}
		})
	}
}

// TestSignOutOfNobodyStaysHere: there is nobody to sign out at the provider, and no session to say at which.
func TestSignOutOfNobodyStaysHere(t *testing.T) {
	g := newRig(t, rigOptions{backend: withLogout})
	admin, _ := g.create("alice")
	for _, cookies := range [][]*http.Cookie{nil, {session("x")}, {session(strings.Repeat("A", 43))}} {
		if d, err := g.SignOut(request(cookies...), auth.SignOutParams{}); err != nil || d.Location != "/home" {
			t.Errorf("%v", err)
		}
	}
	// A session that no provider began has no hint, and its person may be signed in there all the same.
	d, err := g.SignOut(request(session(admin)), auth.SignOutParams{})
	if err != nil || !strings.HasPrefix(d.Location, "https://idp.test/") || strings.Contains(d.Location, "id_token_hint") {
		t.Errorf("%v", err)
	}
}

// TestSignOutForScript: it is told where to go.
func TestSignOutForScript(t *testing.T) {
	w := newWorld(t, newIDP(t, authtest.ProviderConfig{}), withLogout)
	b := w.browser()
	b.SignIn("alice")
	var answer struct {
		SignedOut  bool
		RedirectTo string
	}
	b.PostJSON(signOutPath, map[string]any{"redirectTo": "/bye"}).JSON(t, &answer)
	if !answer.SignedOut || !strings.HasPrefix(answer.RedirectTo, "https://idp.test/logout?") || b.Cookie("__Host-ns_signout") == nil {
		t.Errorf("%+v", answer)
	}
}

// TestNoLogoutByOthers is RPL-04: neither a GET nor another site's POST signs anybody out.
func TestNoLogoutByOthers(t *testing.T) {
	w := newWorld(t, newIDP(t, authtest.ProviderConfig{}), withLogout)
	b := w.browser()
	b.SignIn("alice")
	for name, r := range map[string]*http.Request{
		"GET":             httptest.NewRequest(http.MethodGet, signOutPath, nil),
		"HEAD":            httptest.NewRequest(http.MethodHead, signOutPath, nil),
		"cross-site GET":  httptest.NewRequest(http.MethodGet, returnPath+"?state=x", nil),
		"cross-site POST": httptest.NewRequest(http.MethodPost, signOutPath, strings.NewReader("everywhere=true")),
		"POST to return":  httptest.NewRequest(http.MethodPost, returnPath, strings.NewReader("state=x")),
	} {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://evil.test")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		resp := b.Do(r)
		_ = resp.Body.Close()
		if !b.SignedIn() {
			t.Fatalf("%s: signed out, with %d", name, resp.StatusCode)
		}
	}
}

// TestPostLogoutConfiguration: the address must be one that our cookies go to.
func TestPostLogoutConfiguration(t *testing.T) {
	g := newRig(t, rigOptions{})
	for raw, good := range map[string]bool{
		authtest.PostLogoutRedirectURI: true, "https://app.test/elsewhere": true,
		"https://other.test/x": false, "http://app.test/x": false, "/signout/callback": false, "https://app.test/x#y": false,
		"https://u@app.test/x": false, authtest.RedirectURI: false, "x": false,
	} {
		c := g.config
		c.Clients = []kvoauth.Client{c.Clients[0]}
		c.Clients[0].PostLogoutRedirectURL = raw
		if _, err := kvoauth.NewKvOAuthBackend(c); (err == nil) != good {
			t.Errorf("%s: %v", raw, err)
		} else if err != nil && !strings.Contains(err.Error(), "PostLogoutRedirectURL") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TestFrontChannelLogout is CONF-L12 and FCL-01: it is not supported, so such a request finds nothing and changes nothing.
func TestFrontChannelLogout(t *testing.T) {
	w := newWorld(t, newIDP(t, authtest.ProviderConfig{}), withLogout)
	b := w.browser()
	b.SignIn("alice")
	var me struct {
		User struct{ Claims map[string]any }
	}
	b.GetJSON(auth.DefaultBasePath+"/me", &me)
	sid, _ := me.User.Claims["sid"].(string)
	if sid == "" {
		t.Fatal("the provider gives no sid")
	}
	for _, path := range []string{"/frontchannel-logout", "/logout", "/signout/frontchannel"} {
		page := b.Get(auth.DefaultBasePath + path + "?" + url.Values{"iss": {w.idp.Issuer()}, "sid": {sid}}.Encode())
		if page.Status != http.StatusNotFound || !b.SignedIn() {
			t.Errorf("%s: %d", path, page.Status)
		}
	}
}

// TestLogoutAfterAChange: what was good at the sign-in is not taken for good any more.
func TestLogoutAfterAChange(t *testing.T) {
	g := newRig(t, rigOptions{backend: withLogout})
	c := session(credential(g.signIn("alice")))
	another := g.build(func(c *kvoauth.Config) {
		c.Clients = slices.Clone(c.Clients)
		c.Clients[0].ClientID = "another"
	})
	d, err := another.SignOut(request(c), auth.SignOutParams{})
	if err != nil || !strings.Contains(d.Location, "client_id=another") || strings.Contains(d.Location, "id_token_hint") {
		t.Errorf("%v: another client sends the ID token of the first: %.200s", err, d.Location)
	}

	c = session(credential(g.signIn("alice")))
	if d, err = g.SignOut(request(c), auth.SignOutParams{ReturnTo: "https://www.example.com/y"}); err != nil {
		t.Fatal(err)
	}
	strict := g.build(func(c *kvoauth.Config) { c.ReturnOrigins = nil })
	r := request(d.Cookies[len(d.Cookies)-1])
	for b, want := range map[*kvoauth.Backend]string{g.Backend: "https://www.example.com/y", strict: "/home"} {
		if to := b.SignOutReturn(r, url.Values{"state": {d.State}}); to.Location != want {
			t.Errorf("sent to %s, want %s", to.Location, want)
		}
	}
}

// TestSignOutDoesNotWaitForAProviderThatHangs: for as long as a request does that needs its tokens renewed, and no longer.
func TestSignOutDoesNotWaitForAProviderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions{realTime: true, backend: withLogout})
		c := credential(g.signIn("alice"))
		release := make(chan struct{})
		g.idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointDiscovery: fakeop.HoldUntil(release)}})
		began := time.Now()
		d, err := g.build(nil).SignOut(request(session(c)), auth.SignOutParams{}) // a process that has not asked it yet
		if waited := time.Since(began); err != nil || d.Location != "/home" || !clears(d.Cookies) || waited != 3*time.Second {
			t.Errorf("after %v: %v, %+v", waited, err, d)
		}
		close(release)
		time.Sleep(5 * time.Minute) // until the tokens are revoked, or given up
	})
}
