package kvoauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

const (
	backChannelPath = auth.DefaultBasePath + "/backchannel-logout"
	logoutEvent     = "http://schemas.openid.net/event/backchannel-logout"
)

// sidOf returns the sid of b's session.
func (w *world) sidOf(b *authtest.Browser) string {
	w.t.Helper()
	var me struct {
		User struct{ Claims map[string]any }
	}
	b.GetJSON(auth.DefaultBasePath+"/me", &me)
	sid, _ := me.User.Claims["sid"].(string)
	if sid == "" {
		w.t.Fatal("the ID token has no sid")
	}
	return sid
}

// logoutClaims are those of a good logout token.
func (w *world) logoutClaims(sub, sid string) map[string]any {
	now := w.clock.now()
	c := map[string]any{
		"iss": w.idp.Issuer(), "aud": w.idp.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	if sub != "" {
		c["sub"] = sub
	}
	if sid != "" {
		c["sid"] = sid
	}
	return c
}

func (w *world) signLogout(header, claims map[string]any) string {
	w.t.Helper()
	token, err := w.idp.SignJWT(header, claims)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func logoutHeader() map[string]any { return map[string]any{"typ": "logout+jwt"} }

// post sends a form as a provider does, without cookies.
func (w *world) post(form string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, authtest.AppOrigin+backChannelPath, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range change {
		f(r)
	}
	rec := httptest.NewRecorder()
	w.app.ServeHTTP(rec, r)
	if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Set-Cookie") != "" {
		w.t.Errorf("headers %v", rec.Header())
	}
	return rec
}

func form(token string) string { return url.Values{"logout_token": {token}}.Encode() }

// TestBackChannelLogout is CONF-L04, BCL-11 and BCL-12: by sid that session ends, by sub all of the account, and no other's.
func TestBackChannelLogout(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for name, tt := range map[string]struct {
		sub   string
		sid   bool
		alive [3]bool // of alice's two browsers and of bob's
	}{
		"BCL-11 sid":         {"", true, [3]bool{false, true, true}},
		"BCL-11 sid and sub": {"alice", true, [3]bool{false, true, true}},
		"BCL-11 sub":         {"alice", false, [3]bool{false, false, true}},
		"BCL-12 unknown sub": {"nobody", false, [3]bool{true, true, true}},
		"BCL-12 no subject":  {"urn:netscript:x", false, [3]bool{true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, idp, nil)
			browsers := [3]*authtest.Browser{w.browser(), w.browser(), w.browser()}
			for i, user := range []string{"alice", "alice", "bob"} {
				browsers[i].SignIn(user)
			}
			sid := ""
			if tt.sid {
				sid = w.sidOf(browsers[0])
			}
			claims := w.logoutClaims(tt.sub, sid)
			claims["unknown"] = []any{"claim"}
			a := w.post(form(w.signLogout(logoutHeader(), claims)) + "&unknown=field&unknown=twice")
			if a.Code != http.StatusOK || a.Body.Len() != 0 {
				t.Fatalf("%d %s", a.Code, a.Body)
			}
			for i, b := range browsers {
				if b.SignedIn() != tt.alive[i] {
					t.Errorf("browser %d is signed in: %v", i, !tt.alive[i])
				}
			}
		})
	}
	t.Run("BCL-12 unknown sid, and again", func(t *testing.T) {
		w := newWorld(t, idp, nil)
		b := w.browser()
		b.SignIn("alice")
		sid := w.sidOf(b)
		for _, s := range []string{"never-heard-of", sid + "1", sid, sid} {
			if a := w.post(form(w.signLogout(logoutHeader(), w.logoutClaims("", s)))); a.Code != http.StatusOK {
				t.Errorf("%d %s", a.Code, a.Body)
			}
		}
		if b.SignedIn() {
			t.Error("still signed in")
		}
	})
}

// badLogouts are the tokens of sections 2.4 and 2.6 with one thing wrong.
var badLogouts = map[string]func(w *world, header, claims map[string]any){
	"CONF-L05 alg none":          func(_ *world, h, _ map[string]any) { h["alg"] = "none" },
	"CONF-L06 no events":         func(_ *world, _, c map[string]any) { delete(c, "events") },
	"CONF-L07 nonce":             func(_ *world, _, c map[string]any) { c["nonce"] = "n" },
	"CONF-L07 null nonce":        func(_ *world, _, c map[string]any) { c["nonce"] = nil },
	"CONF-L08 alg not pinned":    func(_ *world, h, _ map[string]any) { h["alg"] = "ES256" },
	"CONF-L09 aud+1":             func(w *world, _, c map[string]any) { c["aud"] = w.idp.ClientID + "1" },
	"CONF-L09 aud INVALID":       func(w *world, _, c map[string]any) { c["aud"] = w.idp.ClientID + "INVALID" },
	"CONF-L09 aud missing":       func(_ *world, _, c map[string]any) { delete(c, "aud") },
	"CONF-L09 aud of others too": func(w *world, _, c map[string]any) { c["aud"] = []string{w.idp.ClientID, "other"} },
	"CONF-L09 azp":               func(_ *world, _, c map[string]any) { c["azp"] = "other" },
	"CONF-L10 wrong event": func(_ *world, _, c map[string]any) {
		c["events"] = map[string]any{"http://schemas.openid.net/event/foobar": map[string]any{}}
	},
	"CONF-L10 event+1": func(_ *world, _, c map[string]any) { c["events"] = map[string]any{logoutEvent + "1": map[string]any{}} },
	"CONF-L10 event in caps": func(_ *world, _, c map[string]any) {
		c["events"] = map[string]any{strings.ToUpper(logoutEvent): map[string]any{}}
	},
	"CONF-L11 iss+1":         func(w *world, _, c map[string]any) { c["iss"] = w.idp.Issuer() + "1" },
	"CONF-L11 iss INVALID":   func(w *world, _, c map[string]any) { c["iss"] = w.idp.Issuer() + "INVALID" },
	"CONF-L11 iss missing":   func(_ *world, _, c map[string]any) { delete(c, "iss") },
	"BCL-02 unknown kid":     func(_ *world, h, _ map[string]any) { h["kid"] = "unknown" },
	"BCL-03 crit":            func(_ *world, h, _ map[string]any) { h["crit"] = []string{"x"} },
	"BCL-04 expired":         func(w *world, _, c map[string]any) { c["exp"] = w.clock.now().Add(-6 * time.Minute).Unix() },
	"BCL-04 just expired":    func(w *world, _, c map[string]any) { c["exp"] = w.clock.now().Add(-skew).Unix() },
	"BCL-04 no exp":          func(_ *world, _, c map[string]any) { delete(c, "exp") },
	"BCL-04 null exp":        func(_ *world, _, c map[string]any) { c["exp"] = nil },
	"BCL-04 exp is text":     func(w *world, _, c map[string]any) { c["exp"] = "9999999999" },
	"BCL-04 no iat":          func(_ *world, _, c map[string]any) { delete(c, "iat") },
	"BCL-04 iat in future":   func(w *world, _, c map[string]any) { c["iat"] = w.clock.now().Add(skew + time.Second).Unix() },
	"BCL-04 nbf in future":   func(w *world, _, c map[string]any) { c["nbf"] = w.clock.now().Add(skew + time.Second).Unix() },
	"BCL-05 neither":         func(_ *world, _, c map[string]any) { delete(c, "sub"); delete(c, "sid") },
	"BCL-05 empty sid":       func(_ *world, _, c map[string]any) { c["sid"] = "" },
	"BCL-05 null sid":        func(_ *world, _, c map[string]any) { c["sid"] = nil },
	"BCL-05 array sid":       func(_ *world, _, c map[string]any) { c["sid"] = []any{c["sid"]} },
	"BCL-05 number sub":      func(_ *world, _, c map[string]any) { c["sub"] = 7 },
	"BCL-05 empty sub":       func(_ *world, _, c map[string]any) { c["sub"] = "" },
	"BCL-05 long sid":        func(_ *world, _, c map[string]any) { c["sid"] = strings.Repeat("x", 2000) },
	"BCL-06 events null":     func(_ *world, _, c map[string]any) { c["events"] = nil },
	"BCL-06 events array":    func(_ *world, _, c map[string]any) { c["events"] = []any{logoutEvent} },
	"BCL-06 events text":     func(_ *world, _, c map[string]any) { c["events"] = logoutEvent },
	"BCL-06 event null":      func(_ *world, _, c map[string]any) { c["events"] = map[string]any{logoutEvent: nil} },
	"BCL-06 event array":     func(_ *world, _, c map[string]any) { c["events"] = map[string]any{logoutEvent: []any{}} },
	"BCL-06 event true":      func(_ *world, _, c map[string]any) { c["events"] = map[string]any{logoutEvent: true} },
	"BCL-08 no jti":          func(_ *world, _, c map[string]any) { delete(c, "jti") },
	"BCL-08 empty jti":       func(_ *world, _, c map[string]any) { c["jti"] = "" },
	"BCL-09 other's subject": func(_ *world, _, c map[string]any) { c["sub"] = "bob" },
	"BCL-09 sub+1":           func(_ *world, _, c map[string]any) { c["sub"] = "alice1" },
	"BCL-10 typ JWT":         func(_ *world, h, _ map[string]any) { h["typ"] = "JWT" },
	"BCL-10 typ at+jwt":      func(_ *world, h, _ map[string]any) { h["typ"] = "at+jwt" },
	"BCL-10 typ missing":     func(_ *world, h, _ map[string]any) { delete(h, "typ") },
	"BCL-10 typ number":      func(_ *world, h, _ map[string]any) { h["typ"] = 1 },
	"BCL-10 long life": func(w *world, _, c map[string]any) {
		c["exp"] = w.clock.now().Add(time.Hour + time.Second).Unix()
	},
}

// TestBadLogoutTokens: each is answered with 400 and ends nothing; the good one then does.
func TestBadLogoutTokens(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for name, spoil := range badLogouts {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, idp, nil)
			alice, bob := w.browser(), w.browser()
			alice.SignIn("alice")
			bob.SignIn("bob")
			header, claims := logoutHeader(), w.logoutClaims("alice", w.sidOf(alice))
			good := w.signLogout(header, claims)
			spoil(w, header, claims)
			var token string
			if header["alg"] == "none" {
				token = encodeJSON(t, header) + "." + encodeJSON(t, claims) + "."
			} else {
				token = w.signLogout(header, claims)
			}
			w.refusesLogout(form(token), alice, bob)
			if a := w.post(form(good)); a.Code != http.StatusOK || alice.SignedIn() || !bob.SignedIn() {
				t.Errorf("the good one is answered with %d", a.Code)
			}
		})
	}
}

// refusesLogout wants a 400 of RFC 6749's form that ends nothing.
func (w *world) refusesLogout(form string, alive ...*authtest.Browser) {
	w.t.Helper()
	before := w.kv.sessions()
	a := w.post(form)
	var body map[string]string
	if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil || body["error"] != "invalid_request" || len(body) != 2 {
		w.t.Errorf("body %s", a.Body)
	}
	if a.Code != http.StatusBadRequest || w.kv.sessions() != before {
		w.t.Errorf("%d, %d sessions of %d", a.Code, w.kv.sessions(), before)
	}
	for _, b := range alive {
		if !b.SignedIn() {
			w.t.Error("signed out")
		}
	}
}

// TestForgedLogoutTokens is BCL-02, and that forgeries are no requests to the provider.
func TestForgedLogoutTokens(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	alice := w.browser()
	alice.SignIn("alice")
	claims := w.logoutClaims("alice", w.sidOf(alice))
	good := w.signLogout(logoutHeader(), claims)
	parts := strings.Split(good, ".")
	flipped := []byte(parts[2])
	flipped[10] ^= 1
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"signature":        parts[0] + "." + parts[1] + "." + string(flipped),
		"empty":            parts[0] + "." + parts[1] + ".",
		"BCL-01 encrypted": strings.Join(append(slices.Clone(parts), "x", "y"), "."),
		"two parts":        parts[0] + "." + parts[1],
		"four":             good + ".x",
		"space":            good + " ",
		"another key":      signWith(t, key, map[string]any{"alg": "ES256", "typ": "logout+jwt"}, claims),
		"payload":          parts[0] + "." + encodeJSON(t, w.logoutClaims("bob", "")) + "." + parts[2],
		"nothing":          "x",
		"large":            good + strings.Repeat("A", 20<<10),
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.refusesLogout(form(token), alice)
		})
	}
	w.t = t
	w.idp.Reset()
	for range 20 {
		header := logoutHeader()
		header["kid"] = rand.Text()
		claims["iss"] = w.idp.Issuer()
		a := w.post(form(w.signLogout(header, claims)))
		if a.Code != http.StatusBadRequest && a.Code != http.StatusServiceUnavailable {
			t.Errorf("%d", a.Code)
		}
	}
	if n := w.idp.Count(fakeop.EndpointJWKS); n > 1 {
		t.Errorf("20 forgeries made %d requests for keys", n)
	}
	if !alice.SignedIn() {
		t.Error("signed out")
	}
}

// TestIDTokenAsLogoutToken is BCL-10: also where the type of a logout token is not looked at.
func TestIDTokenAsLogoutToken(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, lax := range []bool{false, true} {
		w := newWorld(t, idp, func(c *kvoauth.Config) {
			c.Clients[0].InsecureLogoutTokenType, c.Clients[0].InsecureLogoutTokenWithoutExp = lax, lax
		})
		var idToken string
		idp.SetFaults(fakeop.Faults{TokenResponse: func(answer map[string]any) { idToken, _ = answer["id_token"].(string) }})
		alice := w.browser()
		alice.SignIn("alice")
		idp.SetFaults(fakeop.Faults{})
		w.refusesLogout(form(idToken), alice)
		// And the other way round.
		idp.SetFaults(fakeop.Faults{IDToken: func(header, _ map[string]any) { header["typ"] = "logout+jwt" }})
		b := w.browser()
		w.refusedAs(w.finish(b, w.begin(b)), auth.CodeIDTokenInvalid)
		idp.SetFaults(fakeop.Faults{})
	}
}

// TestInsecureLogoutTokens: each option accepts what it says and nothing else.
func TestInsecureLogoutTokens(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	withType := func(c *kvoauth.Config) { c.Clients[0].InsecureLogoutTokenType = true }
	withoutExp := func(c *kvoauth.Config) { c.Clients[0].InsecureLogoutTokenWithoutExp = true }
	for name, tt := range map[string]struct {
		configure func(*kvoauth.Config)
		spoil     func(w *world, h, c map[string]any)
		good      bool
	}{
		"typ JWT":         {withType, badLogouts["BCL-10 typ JWT"], true},
		"typ missing":     {withType, badLogouts["BCL-10 typ missing"], true},
		"typ at+jwt":      {withType, badLogouts["BCL-10 typ at+jwt"], false},
		"typ is a number": {withType, badLogouts["BCL-10 typ number"], false},
		"typ, no exp":     {withType, badLogouts["BCL-04 no exp"], false},
		"typ, no events":  {withType, badLogouts["CONF-L06 no events"], false},
		"application/":    {nil, func(_ *world, h, _ map[string]any) { h["typ"] = "application/logout+jwt" }, true},
		"no exp":          {withoutExp, badLogouts["BCL-04 no exp"], true},
		"null exp":        {withoutExp, badLogouts["BCL-04 null exp"], false},
		"expired":         {withoutExp, badLogouts["BCL-04 expired"], false},
		"no exp, typ JWT": {withoutExp, badLogouts["BCL-10 typ JWT"], false},
		"no exp, no iat":  {withoutExp, func(_ *world, _, c map[string]any) { delete(c, "exp"); delete(c, "iat") }, false},
		"no exp, old": {withoutExp, func(w *world, _, c map[string]any) {
			delete(c, "exp")
			c["iat"] = w.clock.now().Add(-11 * time.Minute).Unix()
		}, false},
		"no exp, not old": {withoutExp, func(w *world, _, c map[string]any) {
			delete(c, "exp")
			c["iat"] = w.clock.now().Add(-9 * time.Minute).Unix()
		}, true},
		"trusted audience": {func(c *kvoauth.Config) { c.Clients[0].TrustedAudiences = []string{"other"} }, func(w *world, _, c map[string]any) {
			c["aud"], c["azp"] = []string{w.idp.ClientID, "other"}, w.idp.ClientID
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, idp, tt.configure)
			alice := w.browser()
			alice.SignIn("alice")
			header, claims := logoutHeader(), w.logoutClaims("alice", w.sidOf(alice))
			tt.spoil(w, header, claims)
			if !tt.good {
				w.refusesLogout(form(w.signLogout(header, claims)), alice)
				return
			}
			if a := w.post(form(w.signLogout(header, claims))); a.Code != http.StatusOK || alice.SignedIn() {
				t.Errorf("%d", a.Code)
			}
		})
	}
}

// TestLogoutRequestForm is BCL-13 and CONF-L04: a POSTed form of one token, whatever else the request carries.
func TestLogoutRequestForm(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, tt := range map[string]struct {
		body   func(token string) string
		change func(*http.Request)
		want   int
	}{
		"good":          {form, header("Accept", "text/html"), 200},
		"cross-site":    {form, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site"); r.Header.Set("Origin", "null") }, 200},
		"with a cookie": {form, header("Cookie", kvoauth.DefaultCookieName+"=x"), 200},
		"charset":       {form, header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), 200},
		"GET":           {form, func(r *http.Request) { r.Method = http.MethodGet }, 405},
		"HEAD":          {form, func(r *http.Request) { r.Method = http.MethodHead }, 405},
		"PUT":           {form, func(r *http.Request) { r.Method = http.MethodPut }, 405},
		"1 MiB":         {func(token string) string { return form(token) + "&x=" + strings.Repeat("x", 1<<20) }, func(*http.Request) {}, 413},
		"JSON":          {func(token string) string { return `{"logout_token":"` + token + `"}` }, header("Content-Type", "application/json"), 400},
		"plain text":    {form, header("Content-Type", "text/plain"), 400},
		"no type":       {form, func(r *http.Request) { r.Header.Del("Content-Type") }, 400},
		"twice":         {func(token string) string { return form(token) + "&" + form(token) }, func(*http.Request) {}, 400},
		"empty":         {func(string) string { return "logout_token=" }, func(*http.Request) {}, 400},
		"none":          {func(string) string { return "" }, func(*http.Request) {}, 400},
		"not encoded":   {func(token string) string { return form(token) + "&%zz" }, func(*http.Request) {}, 400},
		"compressed":    {form, header("Content-Encoding", "gzip"), 400},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, idp, nil)
			alice := w.browser()
			alice.SignIn("alice")
			token := w.signLogout(logoutHeader(), w.logoutClaims("alice", ""))
			if a := w.post(tt.body(token), tt.change); a.Code != tt.want {
				t.Errorf("%d %s, want %d", a.Code, a.Body, tt.want)
			}
			if alice.SignedIn() != (tt.want != 200) {
				t.Error("the answer is not what has happened")
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		w := newWorld(t, idp, nil)
		alice := w.browser()
		alice.SignIn("alice")
		token := w.signLogout(logoutHeader(), w.logoutClaims("alice", ""))
		a := w.post("", func(r *http.Request) { r.URL.RawQuery = form(token) })
		if a.Code != http.StatusBadRequest || !alice.SignedIn() {
			t.Errorf("%d", a.Code)
		}
	})
}

// TestLogoutTokenReplay is BCL-08: again it is answered with success and changes nothing, also not the next session.
func TestLogoutTokenReplay(t *testing.T) {
	w := newWorld(t, newIDP(t, authtest.ProviderConfig{}), nil)
	alice := w.browser()
	alice.SignIn("alice")
	claims := w.logoutClaims("alice", "")
	token := w.signLogout(logoutHeader(), claims)
	if a := w.post(form(token)); a.Code != http.StatusOK || alice.SignedIn() {
		t.Fatalf("%d", a.Code)
	}
	alice.SignIn("alice")
	for range 3 {
		w.clock.advance(30 * time.Second)
		if a := w.post(form(token)); a.Code != http.StatusOK || !alice.SignedIn() {
			t.Fatalf("replayed: %d", a.Code)
		}
	}
	w.clock.advance(2 * time.Minute)
	w.refusesLogout(form(token), alice) // it has expired
	other := maps.Clone(w.logoutClaims("alice", ""))
	if a := w.post(form(w.signLogout(logoutHeader(), other))); a.Code != http.StatusOK || alice.SignedIn() {
		t.Errorf("another token: %d", a.Code)
	}
}

// TestLogoutDuringSignIn is S-REVALL: a sign-in that is under way when its session at the provider ends begins none here.
func TestLogoutDuringSignIn(t *testing.T) {
	for _, bySID := range []bool{true, false} {
		for name, at := range map[string]fakeop.Endpoint{"before UserInfo": fakeop.EndpointUserInfo, "before the token": fakeop.EndpointToken} {
			if bySID && at == fakeop.EndpointToken {
				continue // the sid is not known to the test yet
			}
			t.Run(name, func(t *testing.T) {
				idp := newIDP(t, authtest.ProviderConfig{})
				w := newWorld(t, idp, nil)
				b := w.browser()
				cb := w.begin(b)
				w.clock.advance(time.Second)
				sid := ""
				idp.SetFaults(fakeop.Faults{
					IDToken: func(_, claims map[string]any) { sid, _ = claims["sid"].(string) },
					Before: map[fakeop.Endpoint]fakeop.Hook{at: func(http.ResponseWriter, *http.Request) bool {
						sub := "alice"
						if bySID {
							sub = ""
						} else {
							sid = ""
						}
						if a := w.post(form(w.signLogout(logoutHeader(), w.logoutClaims(sub, sid)))); a.Code != http.StatusOK {
							t.Errorf("logout: %d", a.Code)
						}
						return false
					}},
				})
				w.refusedAs(w.finish(b, cb), auth.CodeSessionRevoked)
				if w.kv.sessions() != 0 || b.SignedIn() {
					t.Error("a session lives")
				}
				idp.SetFaults(fakeop.Faults{})
				b.SignIn("alice") // one that begins now is good
			})
		}
	}
}

// refusedAs wants an error answer with code.
func (w *world) refusedAs(a *answer, code auth.Code) {
	w.t.Helper()
	if a.status < 400 || !strings.Contains(a.body, string(code)) {
		w.t.Errorf("%d %s, want %s", a.status, a.body, code)
	}
}

// TestLogoutWhileTheStoreIsDown is BCL-14: never 200 while a session lives, and what is sent again is obeyed.
func TestLogoutWhileTheStoreIsDown(t *testing.T) {
	for _, bySID := range []bool{true, false} {
		for n := 0; ; n++ { // the nth call of the store fails
			g := newRig(t, rigOptions{})
			g.idp.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) { claims["sid"] = "the-sid" }})
			var credentials []string
			for range 3 {
				credentials = append(credentials, credential(g.signIn("alice")))
			}
			bob := g.signInAs("bob", "bobs-sid")
			sub, sid := "alice", ""
			if bySID {
				sub, sid = "", "the-sid"
			}
			token := g.logoutToken(sub, sid)
			calls := 0
			broken := func(storetest.Op, string) storetest.Fault {
				g.mu.Lock()
				defer g.mu.Unlock()
				if calls++; calls == n+1 {
					return storetest.Fail
				}
				return storetest.None
			}
			g.breaks(broken)
			err := g.BackChannelLogout(t.Context(), token)
			g.breaks(nil)
			if err == nil {
				for i, c := range credentials {
					if code := g.whoIs(c); code != auth.CodeSessionNotFound {
						t.Errorf("call %d: success, and session %d: %q", n, i, code)
					}
				}
			} else if !undecided(err) {
				t.Errorf("call %d: %v", n, err)
			}
			if err := g.BackChannelLogout(t.Context(), token); err != nil {
				t.Errorf("call %d: sent again: %v", n, err)
			}
			for _, c := range credentials {
				g.mustBe(c, auth.CodeSessionNotFound)
			}
			g.mustBe(bob, "")
			if calls <= n {
				break // there are no more
			}
			if n > 200 {
				t.Fatal("it does not end")
			}
		}
	}
}

// signInAs signs user in with a sid of the test's choice.
func (g *rig) signInAs(user, sid string) string {
	g.t.Helper()
	g.idp.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) { claims["sid"] = sid }})
	defer g.idp.SetFaults(fakeop.Faults{})
	return credential(g.signIn(user))
}

// logoutToken returns a good one.
func (g *rig) logoutToken(sub, sid string) string {
	g.t.Helper()
	now := g.config.Now()
	claims := map[string]any{
		"iss": g.idp.Issuer(), "aud": g.idp.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	if sub != "" {
		claims["sub"] = sub
	}
	if sid != "" {
		claims["sid"] = sid
	}
	token, err := g.idp.SignJWT(map[string]any{"alg": "ES256", "typ": "logout+jwt"}, claims)
	if err != nil {
		g.t.Fatal(err)
	}
	return token
}
