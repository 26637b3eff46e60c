package fakeop_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/netscript/auth/authtest/fakeop"
)

func TestCodeRefused(t *testing.T) {
	now := &clock{at: time.Unix(1_700_000_000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now = now.now })
	tests := []struct {
		name   string
		change []string
		wait   time.Duration
	}{
		{"no verifier", []string{"code_verifier", ""}, 0},
		{"another verifier", []string{"code_verifier", verifier + "x"}, 0},
		{"another redirect URI", []string{"redirect_uri", redirectURI + "x"}, 0},
		{"no redirect URI", []string{"redirect_uri", ""}, 0},
		{"another code", []string{"code", "guess"}, 0},
		{"late", nil, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrowser(t, op)
			code := b.signIn("alice", authParams()).Get("code")
			now.at = now.at.Add(tt.wait)
			status, got := b.tokens(codeForm(code, tt.change...))
			if status != http.StatusBadRequest || got["error"] != "invalid_grant" {
				t.Fatalf("got %d %v", status, got)
			}
			if tt.name == "another code" {
				return
			}
			if status, _ := b.tokens(codeForm(code)); status != http.StatusBadRequest {
				t.Error("the code is good after a failed attempt")
			}
		})
	}
}

func TestCodeReuseRevokes(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	code := b.signIn("alice", authParams()).Get("code")
	_, tokens := b.tokens(codeForm(code))
	if resp := b.userInfo(tokens["access_token"]); resp.StatusCode != http.StatusOK {
		t.Fatalf("userinfo before: %d", resp.StatusCode)
	}
	if status, got := b.tokens(codeForm(code)); status != http.StatusBadRequest || got["error"] != "invalid_grant" {
		t.Errorf("second use: %d %v", status, got)
	}
	if resp := b.userInfo(tokens["access_token"]); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo after: %d", resp.StatusCode)
	}
	if status, _ := b.refresh(tokens["refresh_token"]); status != http.StatusBadRequest {
		t.Errorf("refresh after: %d", status)
	}
}

func TestCodeOfAnotherClient(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	code := b.signIn("alice", authParams("client_id", "public")).Get("code")
	if status, got := b.tokens(codeForm(code)); status != http.StatusBadRequest || got["error"] != "invalid_grant" {
		t.Errorf("got %d %v", status, got)
	}
}

func TestClientAuthentication(t *testing.T) {
	op := newProvider(t)
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	escaped := basic(url.QueryEscape(clientID), url.QueryEscape(clientSecret))
	tests := []struct {
		name   string
		header string
		form   url.Values
		status int
		code   string
	}{
		{"basic", escaped, nil, 400, "invalid_request"}, // no grant_type: past authentication
		{"basic, not escaped", basic(clientID, clientSecret), nil, 400, "invalid_request"},
		{"basic, wrong secret", basic(url.QueryEscape(clientID), "x"), nil, 401, "invalid_client"},
		{"post", "", url.Values{"client_id": {clientID}, "client_secret": {clientSecret}}, 400, "invalid_request"},
		{"post, wrong secret", "", url.Values{"client_id": {clientID}, "client_secret": {"x"}}, 401, "invalid_client"},
		{"none with a secret", "", url.Values{"client_id": {clientID}}, 401, "invalid_client"},
		{"none", "", url.Values{"client_id": {"public"}}, 400, "invalid_request"},
		{"nobody", "", nil, 401, "invalid_client"},
		{"basic and post", escaped, url.Values{"client_secret": {clientSecret}}, 400, "invalid_request"},
		{"basic where post is registered", basic("static", "static-secret"), nil, 401, "invalid_client"},
		{"another client_id in the body", escaped, url.Values{"client_id": {"public"}}, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := tt.form
			if form == nil {
				form = url.Values{"x": {"y"}}
			}
			var header []string
			if tt.header != "" {
				header = []string{"Authorization", tt.header}
			}
			resp := newBrowser(t, op).do("POST", issuer+"/token", form, header...)
			got := object(t, resp)
			if tt.name == "basic, not escaped" || tt.name == "another client_id in the body" {
				// Refused before the grant is looked at: "%" alone is not form-encoding.
				if resp.StatusCode != 400 || got["error"] != "invalid_request" || got["error_description"] == "grant_type is missing" {
					t.Errorf("got %d %v", resp.StatusCode, got)
				}
				return
			}
			if resp.StatusCode != tt.status || got["error"] != tt.code {
				t.Errorf("got %d %v", resp.StatusCode, got)
			}
		})
	}
}

func TestRefreshRotation(t *testing.T) {
	now := &clock{at: time.Unix(1_700_000_000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now = now.now; c.AccessTokenLife = 5 * time.Minute })
	b := newBrowser(t, op)
	first := b.complete("alice", authParams())
	if first["expires_in"] != 300.0 {
		t.Errorf("expires_in: %v", first["expires_in"])
	}
	now.at = now.at.Add(5 * time.Minute)
	if resp := b.userInfo(first["access_token"]); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("an expired access token: %d", resp.StatusCode)
	}
	status, second := b.refresh(first["refresh_token"])
	if status != http.StatusOK || second["refresh_token"] == first["refresh_token"] || second["refresh_token"] == nil {
		t.Fatalf("refresh: %d %v", status, second)
	}
	if err := b.verifyRS256(second["id_token"]); err != nil {
		t.Error(err)
	}
	_, before, _, _ := parts(t, first["id_token"])
	_, after, _, _ := parts(t, second["id_token"])
	for _, same := range []string{"iss", "sub", "aud", "auth_time", "sid"} {
		if before[same] != after[same] {
			t.Errorf("%s changed from %v to %v", same, before[same], after[same])
		}
	}
	if after["iat"] != before["iat"].(float64)+300 || after["nonce"] != nil {
		t.Errorf("refreshed claims: %v", after)
	}
	if n := op.RefreshTokens("alice"); n != 1 {
		t.Errorf("%d refresh tokens are good", n)
	}
	if status, got := b.refresh(first["refresh_token"]); status != http.StatusBadRequest || got["error"] != "invalid_grant" {
		t.Errorf("reuse: %d %v", status, got)
	}
	if status, _ := b.refresh(second["refresh_token"]); status != http.StatusBadRequest {
		t.Error("the family lives on after a reuse")
	}
	if resp := b.userInfo(second["access_token"]); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo after a reuse: %d", resp.StatusCode)
	}
}

func TestRefreshScope(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	tokens := b.complete("alice", authParams())
	if status, got := b.refresh(tokens["refresh_token"], "scope", "openid offline_access"); status != 400 || got["error"] != "invalid_scope" {
		t.Errorf("more scope: %d %v", status, got)
	}
	tokens = b.complete("alice", authParams())
	status, got := b.refresh(tokens["refresh_token"], "scope", "email")
	if status != 200 || got["scope"] != "email" || got["id_token"] != nil {
		t.Errorf("less scope: %d %v", status, got)
	}
}

func TestStaticRefreshTokensAndLife(t *testing.T) {
	now := &clock{at: time.Unix(1_700_000_000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now = now.now; c.RefreshTokenLife = time.Hour })
	b := newBrowser(t, op)
	code := b.signIn("alice", authParams("client_id", "static")).Get("code")
	auth := []string{"client_id", "static", "client_secret", "static-secret"}
	tokens := object(t, b.do("POST", issuer+"/token", codeForm(code, auth...)))
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}, "client_id": {"static"}, "client_secret": {"static-secret"}}
	for range 2 {
		got := object(t, b.do("POST", issuer+"/token", form))
		if got["access_token"] == nil || got["refresh_token"] != nil {
			t.Fatalf("got %v", got)
		}
	}
	now.at = now.at.Add(time.Hour)
	if got := object(t, b.do("POST", issuer+"/token", form)); got["error"] != "invalid_grant" {
		t.Errorf("after its life: %v", got)
	}
}

func TestRevocation(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	credentials := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(clientID)+":"+url.QueryEscape(clientSecret)))
	revoke := func(token any) int {
		return b.do("POST", issuer+"/revoke", url.Values{"token": {token.(string)}}, "Authorization", credentials).StatusCode
	}
	tokens := b.complete("alice", authParams())
	if s := revoke(tokens["access_token"]); s != http.StatusOK {
		t.Fatalf("access token: %d", s)
	}
	if resp := b.userInfo(tokens["access_token"]); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo with a revoked token: %d", resp.StatusCode)
	}
	if s := revoke(tokens["refresh_token"]); s != http.StatusOK {
		t.Errorf("refresh token: %d", s)
	}
	if op.RefreshTokens("alice") != 0 {
		t.Error("the refresh token is still good")
	}
	if s := revoke("unknown"); s != http.StatusOK {
		t.Errorf("unknown token: %d", s)
	}
	other := b.complete("alice", authParams())
	if s := b.do("POST", issuer+"/revoke", url.Values{"token": {other["refresh_token"].(string)}, "client_id": {"public"}}).StatusCode; s != 400 {
		t.Errorf("another client's token: %d", s)
	}
	if s := b.do("POST", issuer+"/revoke", url.Values{"token": {"x"}}).StatusCode; s != 401 {
		t.Errorf("no client: %d", s)
	}
	op.RevokeGrants("alice")
	if status, got := b.refresh(other["refresh_token"]); status != 400 || got["error"] != "invalid_grant" {
		t.Errorf("after RevokeGrants: %d %v", status, got)
	}
}

func TestUserInfoTakesTheHeaderOnly(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	token := b.complete("alice", authParams())["access_token"].(string)
	if s := b.do("GET", issuer+"/userinfo?access_token="+token, nil).StatusCode; s != 400 {
		t.Errorf("query: %d", s)
	}
	if s := b.do("POST", issuer+"/userinfo", url.Values{"access_token": {token}}).StatusCode; s != 400 {
		t.Errorf("form: %d", s)
	}
	for _, header := range []string{"", "Basic " + token, "Bearer wrong", "Bearer"} {
		resp := b.do("GET", issuer+"/userinfo", nil, "Authorization", header)
		if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d %v", header, resp.StatusCode, resp.Header)
		}
	}
}

func TestEndSession(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	tokens := b.complete("alice", authParams())
	idToken := tokens["id_token"].(string)
	op.RotateKeys()
	refused := []url.Values{
		{},
		{"id_token_hint": {idToken + "x"}},
		{"id_token_hint": {idToken}, "client_id": {"public"}},
	}
	for _, v := range refused {
		if resp := b.do("GET", issuer+"/logout?"+v.Encode(), nil); resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
			t.Errorf("%v: %d", v, resp.StatusCode)
		}
	}
	if answer(t, b.authorize(authParams("prompt", "none"))).Get("code") == "" {
		t.Fatal("a refused request signed the browser out")
	}
	v := url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {"https://app.test/bye"}, "state": {"s t"}}
	resp := b.do("GET", issuer+"/logout?"+v.Encode(), nil)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "https://app.test/bye?state=s+t" {
		t.Errorf("got %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	if got := answer(t, b.authorize(authParams("prompt", "none"))); got.Get("error") != "login_required" {
		t.Errorf("still signed in: %v", got)
	}
	if op.RefreshTokens("alice") != 0 {
		t.Error("the refresh token outlives the session")
	}
	v.Set("post_logout_redirect_uri", "https://app.test/bye/2")
	if resp := b.do("POST", issuer+"/logout", v); resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
		t.Errorf("an unregistered URI: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestRefreshTokenOfAnotherClient(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	tokens := b.complete("alice", authParams())
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}, "client_id": {"public"}}
	if got := object(t, b.do("POST", issuer+"/token", form)); got["error"] != "invalid_grant" {
		t.Errorf("got %v", got)
	}
	if status, _ := b.refresh(tokens["refresh_token"]); status != http.StatusOK {
		t.Error("another client's attempt has used the token up")
	}
}

func TestOfflineAccessOutlivesTheSession(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	tokens := b.complete("alice", authParams("scope", "openid offline_access"))
	v := url.Values{"id_token_hint": {tokens["id_token"].(string)}}
	if s := b.do("GET", issuer+"/logout?"+v.Encode(), nil).StatusCode; s != http.StatusOK {
		t.Fatalf("logout: %d", s)
	}
	if op.RefreshTokens("alice") != 1 {
		t.Error("the refresh token has ended with the session")
	}
}

func TestHintOfAnotherIssuer(t *testing.T) {
	op := newProvider(t)
	token, err := op.SignJWT(nil, map[string]any{"iss": "https://other.test", "aud": clientID, "sub": "alice"})
	if err != nil {
		t.Fatal(err)
	}
	v := url.Values{"id_token_hint": {token}}
	if s := newBrowser(t, op).do("GET", issuer+"/logout?"+v.Encode(), nil).StatusCode; s != http.StatusBadRequest {
		t.Errorf("got %d", s)
	}
}
