package fakeop_test

import (
	"context"
	"crypto"
	"encoding/json"
	"encoding/xml"
	"errors"
	"go/build"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth/authtest/fakeop"
)

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name string
		set  func(*fakeop.Config)
	}{
		{"no issuer", func(c *fakeop.Config) { c.Issuer = "" }},
		{"public issuer", func(c *fakeop.Config) { c.Issuer = "https://idp.example.com" }},
		{"public issuer that looks local", func(c *fakeop.Config) { c.Issuer = "https://localhost.example.com" }},
		{"test as a prefix", func(c *fakeop.Config) { c.Issuer = "https://idp.test.example.com" }},
		{"bare suffix", func(c *fakeop.Config) { c.Issuer = "https://idptest" }},
		{"private address", func(c *fakeop.Config) { c.Issuer = "https://10.0.0.1" }},
		{"unspecified address", func(c *fakeop.Config) { c.Issuer = "http://0.0.0.0:9000" }},
		{"http beyond this machine", func(c *fakeop.Config) { c.Issuer = "http://idp.test" }},
		{"other scheme", func(c *fakeop.Config) { c.Issuer = "ftp://localhost" }},
		{"query", func(c *fakeop.Config) { c.Issuer = "https://idp.test?x" }},
		{"fragment", func(c *fakeop.Config) { c.Issuer = "https://idp.test#" }},
		{"user", func(c *fakeop.Config) { c.Issuer = "https://idp.example.com@idp.test" }},
		{"no client", func(c *fakeop.Config) { c.Clients = nil }},
		{"client without id", func(c *fakeop.Config) { c.Clients[0].ID = "" }},
		{"client without redirect URI", func(c *fakeop.Config) { c.Clients[0].RedirectURIs = nil }},
		{"relative redirect URI", func(c *fakeop.Config) { c.Clients[0].RedirectURIs = []string{"/callback"} }},
		{"script redirect URI", func(c *fakeop.Config) { c.Clients[0].RedirectURIs = []string{"javascript:alert(1)"} }},
		{"same client twice", func(c *fakeop.Config) { c.Clients[1].ID = clientID }},
		{"secret of a public client", func(c *fakeop.Config) { c.Clients[0].AuthMethod = fakeop.AuthNone }},
		{"basic without secret", func(c *fakeop.Config) { c.Clients[1].AuthMethod = fakeop.AuthBasic }},
		{"private_key_jwt without a key", func(c *fakeop.Config) { c.Clients[1].AuthMethod = fakeop.AuthKeyJWT }},
		{"client_secret_jwt without a secret", func(c *fakeop.Config) { c.Clients[1].AuthMethod = fakeop.AuthSecretJWT }},
		{"signed secret without an issuer", func(c *fakeop.Config) {
			c.Clients[1].AuthMethod, c.Clients[1].Keys = fakeop.AuthSignedSecret, map[string]crypto.PublicKey{"k": nil}
		}},
		{"unknown method", func(c *fakeop.Config) { c.Clients[1].AuthMethod = "tls_client_auth" }},
		{"algorithm", func(c *fakeop.Config) { c.Clients[0].IDTokenAlg = "HS256" }},
		{"no user", func(c *fakeop.Config) { c.Users = nil }},
		{"user without subject", func(c *fakeop.Config) { c.Users[0].Subject = "" }},
		{"same user twice", func(c *fakeop.Config) { c.Users[1].Subject = "alice" }},
		{"negative life", func(c *fakeop.Config) { c.CodeLife = -1 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config()
			tt.set(&cfg)
			if _, err := fakeop.New(cfg); err == nil {
				t.Error("accepted")
			}
		})
	}
	for _, issuer := range []string{"http://localhost:9000", "http://127.0.0.1:9000/", "http://[::1]:9000/x", "http://idp.localhost", "https://idp.test/"} {
		cfg := config()
		cfg.Issuer = issuer
		if op, err := fakeop.New(cfg); err != nil || op.Issuer() != issuer {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestProductionImports(t *testing.T) {
	pkg, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pkg.Imports {
		if path == "testing" || path == "net/http/httptest" || strings.Contains(path, ".") {
			t.Errorf("imports %s: a demonstration program embeds this package", path)
		}
	}
}

func TestHostAndMethod(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	if s := b.do("GET", "https://elsewhere.test/tenant/jwks", nil).StatusCode; s != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d", s)
	}
	for _, target := range []string{"https://idp.test/jwks", issuer + "/jwks/", issuer + "/nothing"} {
		if s := b.do("GET", target, nil).StatusCode; s != http.StatusNotFound {
			t.Errorf("%s: %d", target, s)
		}
	}
	for path, method := range map[string]string{"/token": "GET", "/login": "GET", "/revoke": "GET", "/jwks": "POST", "/authorize": "HEAD"} {
		if resp := b.do(method, issuer+path, nil); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: %d", method, path, resp.StatusCode)
		}
	}
	big := url.Values{"x": {strings.Repeat("a", 70<<10)}}
	if s := b.do("POST", issuer+"/token", big).StatusCode; s != http.StatusBadRequest {
		t.Errorf("a body over the limit: %d", s)
	}
}

func TestAvatar(t *testing.T) {
	op := newProvider(t, func(c *fakeop.Config) { c.Users[1] = fakeop.User{Subject: "bo/b", Name: "<svg> & Co"} })
	b := newBrowser(t, op)
	for _, target := range []string{issuer + "/avatar/alice.svg", issuer + "/avatar/bo%2Fb.svg"} {
		resp := b.do("GET", target, nil)
		text := body(t, resp)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%s: %d %s", target, resp.StatusCode, text)
		}
		if err := xml.Unmarshal([]byte(text), new(struct{ XMLName xml.Name })); err != nil {
			t.Errorf("%s is not XML: %v", target, err)
		}
	}
	for _, target := range []string{issuer + "/avatar/", issuer + "/avatar/alice", issuer + "/avatar/mallory.svg"} {
		if s := b.do("GET", target, nil).StatusCode; s != http.StatusNotFound {
			t.Errorf("%s: %d", target, s)
		}
	}
}

func TestAvatarInitials(t *testing.T) {
	tests := []struct{ name, subject, want string }{
		{"Ada Lindqvist", "1", "AL"},
		{"ada", "1", "A"},
		{"Ada (Acme)", "1", "A"},
		{"Ada Lindqvist (Acme GmbH) [away]", "1", "AL"},
		{"(Dr.) Ada M. Lindqvist", "1", "AL"},
		{"Ada(x)", "1", "A"},
		{"Ada (never closed", "1", "A"},
		{"Ada ) Lindqvist (Boss)", "1", "AL"},
		{"(Ada)", "1", "A"},
		{"\"Ada\" - 'Lindqvist'", "1", "AL"},
		{"élise 3rd", "1", "É3"},
		{"", "ben", "B"},
		{"...", "ben", "B"},
		{"<&>", "-", "&lt;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op := newProvider(t, func(c *fakeop.Config) { c.Users[1] = fakeop.User{Subject: tt.subject, Name: tt.name} })
			text := body(t, newBrowser(t, op).do("GET", issuer+"/avatar/"+tt.subject+".svg", nil))
			_, after, _ := strings.Cut(text, `dominant-baseline="central">`)
			if got, _, _ := strings.Cut(after, "</text>"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestRotateKeys(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	old := b.complete("alice", authParams())["id_token"]
	op.RotateKeys()
	if err := b.verifyRS256(old); !errors.Is(err, errNoKey) {
		t.Errorf("the old key: %v", err)
	}
	if err := b.verifyRS256(b.complete("alice", authParams())["id_token"]); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

func TestFaultsChangeOneArtefact(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	good := b.complete("alice", authParams())
	_, goodClaims, _, _ := parts(t, good["id_token"])

	t.Run("claim", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{IDToken: func(_, claims map[string]any) { claims["aud"] = "else"; delete(claims, "iat") }})
		token := b.complete("alice", authParams())["id_token"]
		_, claims, _, _ := parts(t, token)
		if claims["aud"] != "else" || claims["iat"] != nil || claims["sub"] != goodClaims["sub"] || b.verifyRS256(token) != nil {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("none", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{IDToken: func(header, _ map[string]any) { header["alg"] = "none" }})
		header, _, _, sig := parts(t, b.complete("alice", authParams())["id_token"])
		if header["alg"] != "none" || len(sig) != 0 {
			t.Errorf("header %v, %d bytes of signature", header, len(sig))
		}
	})
	t.Run("another published algorithm", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{IDToken: func(header, _ map[string]any) { header["alg"] = "ES256" }})
		header, _, _, sig := parts(t, b.complete("alice", authParams())["id_token"])
		if header["kid"] != "es256-1" || len(sig) != 64 {
			t.Errorf("header %v, %d bytes of signature", header, len(sig))
		}
	})
	t.Run("signature", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{SignIDToken: func(_ []byte, kid string) []byte { return []byte(kid) }})
		_, _, _, sig := parts(t, b.complete("alice", authParams())["id_token"])
		if string(sig) != "rs256-1" {
			t.Errorf("signature %q", sig)
		}
	})
	t.Run("raw token", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{RawIDToken: func(_, claims map[string]any) string {
			payload, _ := json.Marshal(claims)
			payload = append([]byte(`{"sub":"first",`), payload[1:]...)
			token, err := op.SignRaw("RS256", []byte(`{"alg":"RS256","kid":"rs256-1"}`), payload)
			if err != nil {
				t.Error(err)
			}
			return token
		}})
		token := b.complete("alice", authParams())["id_token"]
		_, _, input, _ := parts(t, token)
		_, payload, _ := strings.Cut(string(input), ".")
		if b.verifyRS256(token) != nil || strings.Count(string(decode(t, payload)), `"sub"`) != 2 {
			t.Errorf("token %v", token)
		}
	})
	t.Run("token answer", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{TokenResponse: func(m map[string]any) { m["token_type"] = "mac" }})
		if got := b.complete("alice", authParams()); got["token_type"] != "mac" || got["id_token"] == nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("raw answer", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{Answer: map[fakeop.Endpoint]func(*fakeop.Response){fakeop.EndpointToken: func(r *fakeop.Response) {
			r.Status, r.Body = http.StatusTeapot, []byte(`{"error":"odd"}`)
			r.Header.Set("Content-Type", "text/html")
		}}})
		code := b.signIn("alice", authParams()).Get("code")
		if status, got := b.tokens(codeForm(code)); status != http.StatusTeapot || got["error"] != "odd" {
			t.Errorf("got %d %v", status, got)
		}
	})
	t.Run("userinfo", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{UserInfo: func(m map[string]any) { m["sub"] = "bob" }})
		if got := object(t, b.userInfo(good["access_token"])); got["sub"] != "bob" || got["name"] != "Alice Liddell" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("callback", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{Callback: func(v url.Values) { v.Add("state", "again"); v.Del("iss") }})
		if got := b.signIn("alice", authParams()); len(got["state"]) != 2 || got.Has("iss") || !got.Has("code") {
			t.Errorf("got %v", got)
		}
	})
	t.Run("documents", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{
			Discovery: func(m map[string]any) { m["issuer"] = issuer + "INVALID" },
			JWKS:      func(m map[string]any) { m["keys"] = m["keys"].([]map[string]any)[:1] },
		})
		if got := object(t, b.do("GET", issuer+"/.well-known/openid-configuration", nil)); got["issuer"] != issuer+"INVALID" {
			t.Errorf("discovery %v", got["issuer"])
		}
		if got := object(t, b.do("GET", issuer+"/jwks", nil)); len(got["keys"].([]any)) != 1 {
			t.Errorf("jwks %v", got)
		}
	})
	t.Run("none again", func(t *testing.T) {
		op.SetFaults(fakeop.Faults{})
		if err := b.verifyRS256(b.complete("alice", authParams())["id_token"]); err != nil {
			t.Error(err)
		}
	})
}

func TestHooks(t *testing.T) {
	op := newProvider(t)
	get := func(ctx context.Context, hook fakeop.Hook) *http.Response {
		op.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointJWKS: hook}})
		w := httptest.NewRecorder()
		op.ServeHTTP(w, httptest.NewRequest("GET", issuer+"/jwks", nil).WithContext(ctx))
		return w.Result()
	}
	if resp := get(t.Context(), fakeop.Reply(500, "text/html", "<p>down")); resp.StatusCode != 500 || body(t, resp) != "<p>down" {
		t.Errorf("Reply: %d", resp.StatusCode)
	}
	if resp := get(t.Context(), fakeop.Redirect(307, "https://evil.test/")); resp.StatusCode != 307 || resp.Header.Get("Location") != "https://evil.test/" {
		t.Errorf("Redirect: %d", resp.StatusCode)
	}
	release := make(chan struct{})
	close(release)
	if resp := get(t.Context(), fakeop.HoldUntil(release)); resp.StatusCode != 200 {
		t.Errorf("HoldUntil: %d", resp.StatusCode)
	}
	for name, hook := range map[string]fakeop.Hook{"Hang": fakeop.Hang(), "HoldUntil": fakeop.HoldUntil(nil)} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if resp := get(ctx, hook); resp.Header.Get("Content-Type") == "application/json" {
			t.Errorf("%s let the endpoint answer", name)
		}
	}
	op.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointJWKS: fakeop.Endless()}})
	w := &limitedWriter{left: 1 << 20, header: http.Header{}}
	op.ServeHTTP(w, httptest.NewRequest("GET", issuer+"/jwks", nil))
	if w.left > 0 {
		t.Errorf("Endless stopped by itself, %d bytes early", w.left)
	}
}

// limitedWriter is a client that hangs up.
type limitedWriter struct {
	left   int
	header http.Header
}

func (w *limitedWriter) Header() http.Header { return w.header }
func (w *limitedWriter) WriteHeader(int)     {}
func (w *limitedWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left <= 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestRequestsAreRecorded(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	b.complete("alice", authParams())
	var endpoints []fakeop.Endpoint
	for _, r := range op.Requests() {
		endpoints = append(endpoints, r.Endpoint)
	}
	want := []fakeop.Endpoint{fakeop.EndpointAuthorize, fakeop.EndpointLogin, fakeop.EndpointToken}
	if !slices.Equal(endpoints, want) {
		t.Fatalf("got %v", endpoints)
	}
	first, last := op.Requests()[0], op.Requests()[2]
	if first.Query.Get("nonce") != "n0nce" || last.Method != "POST" || last.Form.Get("code_verifier") != verifier || last.Header.Get("Authorization") == "" {
		t.Errorf("got %+v and %+v", first, last)
	}
	if op.Count(fakeop.EndpointToken) != 1 || op.Count(fakeop.EndpointUserInfo) != 0 {
		t.Error("wrong counts")
	}
	op.Reset()
	if len(op.Requests()) != 0 || op.Count(fakeop.EndpointToken) != 0 {
		t.Error("Reset keeps something")
	}
	for range 5000 {
		b.do("GET", issuer+"/avatar/alice.svg", nil)
	}
	if n := len(op.Requests()); n > 4096 || n < 2048 || op.Count(fakeop.EndpointAvatar) != 5000 {
		t.Errorf("%d requests are kept, %d counted", n, op.Count(fakeop.EndpointAvatar))
	}
}

func TestLogoutToken(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	token, err := op.LogoutToken(clientID, "alice", "s1")
	if err != nil {
		t.Fatal(err)
	}
	header, claims, _, _ := parts(t, token)
	if b.verifyRS256(token) != nil || header["typ"] != "logout+jwt" || claims["sid"] != "s1" || claims["aud"] != clientID || claims["nonce"] != nil {
		t.Errorf("header %v, claims %v", header, claims)
	}
	if _, ok := claims["events"].(map[string]any)["http://schemas.openid.net/event/backchannel-logout"]; !ok {
		t.Errorf("events %v", claims["events"])
	}
	if _, err := op.SignJWT(map[string]any{"alg": "HS256"}, nil); err == nil {
		t.Error("signed with a key that there is not")
	}
}

func TestConcurrentUse(t *testing.T) {
	op := newProvider(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			b := newBrowser(t, op)
			op.SetFaults(fakeop.Faults{Discovery: func(m map[string]any) { m["x"] = 1 }})
			code := b.signIn("alice", authParams()).Get("code")
			status, tokens := b.tokens(codeForm(code))
			if status != http.StatusOK {
				t.Errorf("token: %d %v", status, tokens)
			}
			op.Requests()
			op.RotateKeys()
			op.RefreshTokens("alice")
		})
	}
	wg.Wait()
}

func TestCodeRaceHasOneWinner(t *testing.T) {
	op := newProvider(t)
	b := newBrowser(t, op)
	code := b.signIn("alice", authParams()).Get("code")
	statuses := make(chan int, 50)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			status, _ := newBrowser(t, op).tokens(codeForm(code))
			statuses <- status
		})
	}
	wg.Wait()
	close(statuses)
	won := 0
	for s := range statuses {
		if s == http.StatusOK {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 50 got tokens", won)
	}
}

func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := newProvider(t, func(c *fakeop.Config) { c.AccessTokenLife = time.Minute })
		b := newBrowser(t, op)
		tokens := b.complete("alice", authParams())
		time.Sleep(59 * time.Second)
		if s := b.userInfo(tokens["access_token"]).StatusCode; s != http.StatusOK {
			t.Errorf("before the end: %d", s)
		}
		time.Sleep(time.Second)
		if s := b.userInfo(tokens["access_token"]).StatusCode; s != http.StatusUnauthorized {
			t.Errorf("at the end: %d", s)
		}
	})
}

func TestExpiredEntriesAreForgotten(t *testing.T) {
	now := &clock{at: time.Unix(1_700_000_000, 0)}
	op := newProvider(t, func(c *fakeop.Config) { c.Now = now.now })
	b := newBrowser(t, op)
	page := hidden(t, body(t, b.authorize(authParams())))
	page.Set("user", "alice")
	now.at = now.at.Add(30 * time.Minute)
	if s := b.do("POST", issuer+"/login", page).StatusCode; s != http.StatusBadRequest {
		t.Errorf("a login page of half an hour ago: %d", s)
	}
}
