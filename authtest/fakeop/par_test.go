package fakeop_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/authtest/fakeop"
)

// push pushes an authorization request as the client "static", which authenticates by post.
func (b *browser) push(change ...string) (int, map[string]any) {
	b.t.Helper()
	form := authParams(append([]string{"client_id", "static", "client_secret", "static-secret"}, change...)...)
	resp := b.do("POST", issuer+"/par", form)
	return resp.StatusCode, object(b.t, resp)
}

func TestPushedAuthorizationRequests(t *testing.T) {
	clk := &clock{at: time.Unix(1700000000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.RequirePushedAuthorization, c.Now = true, clk.now })
	b := newBrowser(t, op)
	pushed := func() url.Values {
		status, got := b.push()
		uri, _ := got["request_uri"].(string)
		if status != http.StatusCreated || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || got["expires_in"] != 60.0 {
			t.Fatalf("%d %v", status, got)
		}
		return url.Values{"client_id": {"static"}, "request_uri": {uri}}
	}
	params := pushed()
	if code := b.signIn("alice", params).Get("code"); code == "" {
		t.Error("no code")
	}
	if resp := b.authorize(params); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a request_uri is good twice: %d", resp.StatusCode)
	}
	for name, spoil := range map[string]func(url.Values){
		"another client":  func(v url.Values) { v.Set("client_id", clientID) },
		"two clients":     func(v url.Values) { v.Add("client_id", clientID) },
		"more parameters": func(v url.Values) { v.Set("scope", "openid") },
		"unknown":         func(v url.Values) { v.Set("request_uri", v.Get("request_uri")+"x") },
		"expired":         func(url.Values) { clk.at = clk.at.Add(time.Minute) },
	} {
		params := pushed()
		spoil(params)
		if resp := b.authorize(params); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	if got := answer(t, b.authorize(authParams())); got.Get("error") != "invalid_request" {
		t.Errorf("a request that was not pushed: %v", got)
	}
	for name, change := range map[string][]string{
		"wrong secret": {"client_secret", "x"}, "redirect URI": {"redirect_uri", "https://evil.test"}, "no PKCE": {"code_challenge", ""},
		"a request_uri": {"request_uri", "urn:x:y"},
	} {
		if status, got := b.push(change...); status < 400 || got["request_uri"] != nil {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
}
