package fakeop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/authtest/fakeop"
)

var errNoKey = errors.New("no such key is published")

func TestDiscoveryNamesWhatIsServed(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	doc := object(t, b.do("GET", issuer+"/.well-known/openid-configuration", nil))
	if doc["issuer"] != issuer || doc["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("discovery: %v", doc)
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "revocation_endpoint", "end_session_endpoint"} {
		if resp := b.do("GET", doc[name].(string), nil); resp.StatusCode == http.StatusNotFound {
			t.Errorf("%s is not served", name)
		}
	}
}

func TestCodeFlow(t *testing.T) {
	now := &clock{at: time.Unix(1_700_000_000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now = now.now })
	b := newBrowser(t, op)
	params := b.signIn("alice", authParams())
	if params.Get("state") != "st&te" || params.Get("iss") != issuer {
		t.Fatalf("authorization response: %v", params)
	}
	now.at = now.at.Add(10 * time.Second)
	status, tokens := b.tokens(codeForm(params.Get("code")))
	if status != http.StatusOK || tokens["token_type"] != "Bearer" || tokens["expires_in"] != 3600.0 || tokens["scope"] != "openid profile email" {
		t.Fatalf("token: %d %v", status, tokens)
	}
	if err := b.verifyRS256(tokens["id_token"]); err != nil {
		t.Fatal(err)
	}
	_, claims, _, _ := parts(t, tokens["id_token"])
	hash := sha256.Sum256([]byte(tokens["access_token"].(string)))
	sid := claims["sid"]
	want := map[string]any{
		"iss": issuer, "sub": "alice", "aud": clientID, "nonce": "n0nce", "iat": 1_700_000_010.0, "exp": 1_700_003_610.0, "auth_time": 1_700_000_000.0,
		"at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]), "sid": sid, "roles": []any{"admin"},
	}
	if sid == "" || !reflect.DeepEqual(claims, want) {
		t.Errorf("claims:\n got %v\nwant %v", claims, want)
	}
	info := object(t, b.userInfo(tokens["access_token"]))
	wantInfo := map[string]any{
		"sub": "alice", "name": "Alice Liddell", "picture": issuer + "/avatar/alice.svg", "email": "alice@example.test", "email_verified": true, "roles": []any{"admin"},
	}
	if !reflect.DeepEqual(info, wantInfo) {
		t.Errorf("userinfo:\n got %v\nwant %v", info, wantInfo)
	}
}

func TestES256AndAuthorizedParty(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	code := b.signIn("alice", authParams("client_id", "public")).Get("code")
	tokens := object(t, b.do("POST", issuer+"/token", codeForm(code, "client_id", "public")))
	header, claims, input, sig := parts(t, tokens["id_token"])
	if header["alg"] != "ES256" || claims["azp"] != "public" || tokens["refresh_token"] != nil {
		t.Fatalf("header %v, claims %v, answer %v", header, claims, tokens)
	}
	for _, k := range object(t, b.do("GET", issuer+"/jwks", nil))["keys"].([]any) {
		jwk := k.(map[string]any)
		if jwk["kid"] != header["kid"] {
			continue
		}
		pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, decode(t, jwk["x"])...), decode(t, jwk["y"])...))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(input)
		if !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
			t.Error("the signature does not verify")
		}
		return
	}
	t.Error(errNoKey)
}

func TestScopesDecideTheClaims(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	tests := []struct {
		scope string
		want  map[string]any
		id    bool
	}{
		{"openid", map[string]any{"sub": "bo/b"}, true},
		{"openid profile email", map[string]any{"sub": "bo/b", "picture": "https://pictures.test/bob.png"}, true},
		{"profile", map[string]any{"sub": "bo/b", "picture": "https://pictures.test/bob.png"}, false},
	}
	for _, tt := range tests {
		tokens := b.complete("bo/b", authParams("scope", tt.scope))
		if got := object(t, b.userInfo(tokens["access_token"])); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v", tt.scope, got)
		}
		if _, ok := tokens["id_token"]; ok != tt.id {
			t.Errorf("%s: ID token %v", tt.scope, ok)
		}
	}
}

func TestAuthorizationRequestsRefused(t *testing.T) {
	op := newProvider(t)
	shown := map[string]url.Values{
		"unknown client":         authParams("client_id", "nobody"),
		"redirect URI prefix":    authParams("redirect_uri", redirectURI+"2"),
		"redirect URI missing":   authParams("redirect_uri", ""),
		"redirect URI twice":     {"client_id": {clientID}, "redirect_uri": {redirectURI, redirectURI}},
		"redirect URI elsewhere": authParams("redirect_uri", "https://evil.test/"),
	}
	for name, params := range shown {
		t.Run(name, func(t *testing.T) {
			resp := newBrowser(t, op).authorize(params)
			if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
				t.Errorf("got %d to %q", resp.StatusCode, resp.Header.Get("Location"))
			}
		})
	}
	twice := authParams()
	twice.Add("nonce", "again")
	sent := []struct {
		name, want string
		params     url.Values
	}{
		{"no challenge", "invalid_request", authParams("code_challenge", "")},
		{"plain", "invalid_request", authParams("code_challenge_method", "plain")},
		{"no method", "invalid_request", authParams("code_challenge_method", "")},
		{"short challenge", "invalid_request", authParams("code_challenge", "abc")},
		{"token flow", "unsupported_response_type", authParams("response_type", "token")},
		{"hybrid flow", "unsupported_response_type", authParams("response_type", "code id_token")},
		{"fragment", "invalid_request", authParams("response_mode", "fragment")},
		{"request object", "request_not_supported", authParams("request", "x")},
		{"request URI", "request_uri_not_supported", authParams("request_uri", "https://x.test")},
		{"nonce twice", "invalid_request", twice},
		{"prompt none and login", "invalid_request", authParams("prompt", "none login")},
		{"max_age", "invalid_request", authParams("max_age", "-1")},
		{"prompt none", "login_required", authParams("prompt", "none")},
	}
	for _, tt := range sent {
		t.Run(tt.name, func(t *testing.T) {
			got := answer(t, newBrowser(t, op).authorize(tt.params))
			if got.Get("error") != tt.want || got.Get("state") != "st&te" || got.Get("iss") != issuer || got.Has("code") {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestDeny(t *testing.T) {
	got := newBrowser(t, newProvider(t)).signIn("", authParams())
	if got.Get("error") != "access_denied" || got.Get("state") != "st&te" || got.Has("code") {
		t.Errorf("got %v", got)
	}
}

func TestFormPost(t *testing.T) {
	b := newBrowser(t, newProvider(t))
	got := b.signIn("alice", authParams("response_mode", "form_post"))
	if got.Get("code") == "" || got.Get("state") != "st&te" || got.Get("iss") != issuer {
		t.Fatalf("got %v", got)
	}
	if status, tokens := b.tokens(codeForm(got.Get("code"))); status != http.StatusOK {
		t.Errorf("token: %d %v", status, tokens)
	}
}

func TestLoginPage(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	resp := b.authorize(authParams("login_hint", "bo/b"))
	page := body(t, resp)
	csp := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self' https://app.test", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %s: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(page, "<script") {
		t.Errorf("the page runs script, or its policy is weak: %s", csp)
	}
	if !strings.Contains(page, "My &lt;App&gt;") || strings.Index(page, `value="bo/b"`) > strings.Index(page, `value="alice"`) {
		t.Error("the client's name is not escaped, or the hinted user is not first")
	}
	form := hidden(t, page)
	form.Set("user", "mallory")
	if resp := b.do("POST", issuer+"/login", form); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown user: %d", resp.StatusCode)
	}
	form.Set("user", "alice")
	if resp := b.do("POST", issuer+"/login", form); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("the page was used twice: %d", resp.StatusCode)
	}
}

func TestName(t *testing.T) {
	tests := []struct{ name, title, brand string }{
		{"", "Sign in - Test provider", "Test provider"},
		{"Acme <ID>", "Sign in - Acme &lt;ID&gt;", "Acme &lt;ID&gt;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op := newProvider(t, func(c *fakeop.Config) { c.Name = tt.name })
			page := body(t, newBrowser(t, op).authorize(authParams()))
			for _, want := range []string{"<title>" + tt.title + "</title>", `<div class="brand">` + tt.brand + "</div>", "without a password"} {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %s", want)
				}
			}
		})
	}
}

func TestPromptNoneMaxAgeAndSingleSignOn(t *testing.T) {
	now := &clock{at: time.Unix(1_700_000_000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now = now.now; c.SingleSignOn = true })
	b := newBrowser(t, op)
	b.signIn("alice", authParams())
	now.at = now.at.Add(time.Minute)
	tests := []struct {
		name   string
		params url.Values
		want   string // error, or "" for a code, or "page"
	}{
		{"none", authParams("prompt", "none"), ""},
		{"none, recent enough", authParams("prompt", "none", "max_age", "60"), ""},
		{"none, too old", authParams("prompt", "none", "max_age", "59"), "login_required"},
		{"none, someone else", authParams("prompt", "none", "login_hint", "bo/b"), "login_required"},
		{"none, by e-mail", authParams("prompt", "none", "login_hint", "ALICE@example.test"), ""},
		{"single sign-on", authParams(), ""},
		{"login", authParams("prompt", "login"), "page"},
		{"too old", authParams("max_age", "5"), "page"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &browser{t: t, op: op, cookie: b.cookie}
			resp := b.authorize(tt.params)
			if tt.want == "page" {
				if resp.StatusCode != http.StatusOK || b.cookie == "" {
					t.Errorf("got %d", resp.StatusCode)
				}
				return
			}
			got := answer(t, resp)
			if got.Get("error") != tt.want || got.Has("code") != (tt.want == "") {
				t.Errorf("got %v", got)
			}
		})
	}
	op2 := newProvider(t)
	b2 := newBrowser(t, op2)
	b2.signIn("alice", authParams())
	if resp := b2.authorize(authParams()); resp.StatusCode != http.StatusOK {
		t.Errorf("without single sign-on the page is shown, got %d", resp.StatusCode)
	}
}

// TestACR: who is asked for a class that is here signs in under it, and needs it to go on without signing in.
func TestACR(t *testing.T) {
	op := newProvider(t, func(c *fakeop.Config) { c.ACRValues = []string{"gold", "silver"}; c.SingleSignOn = true })
	var acr any
	op.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) { acr = claims["acr"] }})
	b := newBrowser(t, op)
	for _, tt := range []struct {
		name string
		asks url.Values
		page bool
		want any // nil: no acr
	}{
		{"nothing asked", authParams(), true, nil},
		{"a class", authParams("acr_values", "platinum silver gold"), true, "silver"},
		{"the class again", authParams("acr_values", "silver"), false, "silver"},
		{"nothing asked of who has one", authParams(), false, "silver"},
		{"another class, silently", authParams("acr_values", "gold", "prompt", "none"), false, "login_required"},
		{"another class", authParams("acr_values", "gold"), true, "gold"},
		{"a class that is not here", authParams("acr_values", "platinum"), false, "gold"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.t = t
			resp := b.authorize(tt.asks)
			if asked := resp.StatusCode == http.StatusOK; asked != tt.page {
				t.Fatalf("got %d", resp.StatusCode)
			}
			if tt.page {
				b.complete("alice", tt.asks)
			} else if got := answer(t, resp); got.Has("error") {
				acr = got.Get("error")
			} else if status, tokens := b.tokens(codeForm(got.Get("code"))); status != http.StatusOK {
				t.Fatalf("token: %d %v", status, tokens)
			}
			if acr != tt.want {
				t.Errorf("acr %v, want %v", acr, tt.want)
			}
		})
	}
}
