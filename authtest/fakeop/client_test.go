package fakeop_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/authtest/fakeop"
)

// The client of these tests is written by hand with the standard library alone, so that it shares no mistake with the
// provider or with the client that the module ships.

const (
	issuer       = "https://idp.test/tenant"
	redirectURI  = "https://app.test/callback?keep=1"
	verifier     = "a-verifier-that-is-long-enough-for-rfc-7636"
	clientID     = "app:1"
	clientSecret = "s3cret/+%"
)

func config() fakeop.Config {
	return fakeop.Config{
		Issuer: issuer,
		Clients: []fakeop.Client{
			{ID: clientID, Secret: clientSecret, Name: "My <App>", RedirectURIs: []string{redirectURI}, PostLogoutRedirectURIs: []string{"https://app.test/bye"}},
			{ID: "public", RedirectURIs: []string{redirectURI}, IDTokenAlg: "ES256", AuthorizedParty: true, RequireOfflineAccess: true},
			{ID: "static", Secret: "static-secret", RedirectURIs: []string{redirectURI}, AuthMethod: fakeop.AuthPost, StaticRefreshTokens: true},
		},
		Users: []fakeop.User{
			{Subject: "alice", Name: "Alice Liddell", Email: "alice@example.test", EmailVerified: true, Claims: map[string]any{"roles": []string{"admin"}, "sub": "never"}},
			{Subject: "bo/b", Picture: "https://pictures.test/bob.png"},
		},
	}
}

func newProvider(t *testing.T, change ...func(*fakeop.Config)) *fakeop.Provider {
	t.Helper()
	cfg := config()
	for _, f := range change {
		f(&cfg)
	}
	op, err := fakeop.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// browser is one person's user agent: it keeps the provider's cookie.
type browser struct {
	t      *testing.T
	op     *fakeop.Provider
	cookie string
}

func newBrowser(t *testing.T, op *fakeop.Provider) *browser { return &browser{t: t, op: op} }

func (b *browser) do(method, target string, form url.Values, header ...string) *http.Response {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.op.ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		b.cookie = c.Name + "=" + c.Value
		if c.MaxAge < 0 {
			b.cookie = ""
		}
	}
	return resp
}

func authParams(change ...string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	v := url.Values{
		"client_id": {clientID}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "scope": {"openid profile email unheard-of"},
		"state": {"st&te"}, "nonce": {"n0nce"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		v.Set(change[i], change[i+1])
		if change[i+1] == "" {
			v.Del(change[i])
		}
	}
	return v
}

func (b *browser) authorize(params url.Values) *http.Response {
	b.t.Helper()
	return b.do("GET", issuer+"/authorize?"+params.Encode(), nil)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

func hidden(t *testing.T, page string) url.Values {
	t.Helper()
	fields := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
		fields.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return fields
}

// signIn goes through the login page and returns the authorization response.
func (b *browser) signIn(user string, params url.Values) url.Values {
	b.t.Helper()
	resp := b.authorize(params)
	page := body(b.t, resp)
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("authorize: %d %s", resp.StatusCode, page)
	}
	form := hidden(b.t, page)
	form.Set("user", user)
	if user == "" {
		form.Del("user")
		form.Set("deny", "1")
	}
	resp = b.do("POST", issuer+"/login", form)
	if params.Get("response_mode") == "form_post" {
		return hidden(b.t, body(b.t, resp))
	}
	return answer(b.t, resp)
}

// answer reads the authorization response from a redirect to the client.
func answer(t *testing.T, resp *http.Response) url.Values {
	t.Helper()
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, "https://app.test/callback?") {
		t.Fatalf("got %d to %q: %s", resp.StatusCode, location, body(t, resp))
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	if u.Query().Get("keep") != "1" {
		t.Fatal("the query of the redirect URI is lost")
	}
	return u.Query()
}

// tokens posts to the token endpoint as the first client.
func (b *browser) tokens(form url.Values) (int, map[string]any) {
	b.t.Helper()
	credentials := url.QueryEscape(clientID) + ":" + url.QueryEscape(clientSecret)
	resp := b.do("POST", issuer+"/token", form, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	return resp.StatusCode, object(b.t, resp)
}

func codeForm(code string, change ...string) url.Values {
	v := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	for i := 0; i+1 < len(change); i += 2 {
		v.Set(change[i], change[i+1])
	}
	return v
}

// complete signs in and redeems the code.
func (b *browser) complete(user string, params url.Values) map[string]any {
	b.t.Helper()
	code := b.signIn(user, params).Get("code")
	status, tokens := b.tokens(codeForm(code))
	if status != http.StatusOK {
		b.t.Fatalf("token: %d %v", status, tokens)
	}
	return tokens
}

func (b *browser) refresh(token any, change ...string) (int, map[string]any) {
	b.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.(string)}}
	for i := 0; i+1 < len(change); i += 2 {
		form.Set(change[i], change[i+1])
	}
	return b.tokens(form)
}

func (b *browser) userInfo(token any) *http.Response {
	b.t.Helper()
	return b.do("GET", issuer+"/userinfo", nil, "Authorization", "Bearer "+token.(string))
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func object(t *testing.T, resp *http.Response) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	return m
}

func decode(t *testing.T, s any) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parts splits a JWT into header, claims, signing input and signature.
func parts(t *testing.T, token any) (header, claims map[string]any, input, sig []byte) {
	t.Helper()
	p := strings.Split(token.(string), ".")
	if len(p) != 3 {
		t.Fatalf("not a JWT: %v", token)
	}
	if err := json.Unmarshal(decode(t, p[0]), &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(decode(t, p[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return header, claims, []byte(p[0] + "." + p[1]), decode(t, p[2])
}

// verifyRS256 checks the token against the published keys.
func (b *browser) verifyRS256(token any) error {
	b.t.Helper()
	header, _, input, sig := parts(b.t, token)
	for _, k := range object(b.t, b.do("GET", issuer+"/jwks", nil))["keys"].([]any) {
		jwk := k.(map[string]any)
		if jwk["kid"] != header["kid"] || jwk["kty"] != "RSA" {
			continue
		}
		pub := &rsa.PublicKey{N: new(big.Int).SetBytes(decode(b.t, jwk["n"])), E: int(new(big.Int).SetBytes(decode(b.t, jwk["e"])).Int64())}
		sum := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], sig)
	}
	return errNoKey
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }
