package workos_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

var testNow = time.Unix(1772366400, 0)

// tokenBackend accepts the main key, and counts fetches.
func tokenBackend(t testing.TB, change func(*workos.Config)) (*workos.Backend, *keyServer) {
	keys := newKeyServer(t)
	c := workos.Config{ClientID: testClient, CookiePasswords: testPasswords, HTTPClient: &http.Client{Transport: keys}, Now: func() time.Time { return testNow }}
	if change != nil {
		change(&c)
	}
	return mustNew(t, c), keys
}

func TestTokenRules(t *testing.T) {
	keys := newTestKeys(t)
	main, claims := keys["main"], baseClaims(testNow)
	sign := func(header, change map[string]any) string { return main.sign(t, header, with(claims, change)) }
	good := sign(nil, nil)
	parts := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	const plainHeader = `{"alg":"RS256","kid":"key_01MAIN"}  `
	tests := []struct {
		name, token string
		code        auth.Code // empty: accepted
	}{
		{"good", good, ""},
		{"expires in a second", sign(nil, map[string]any{"exp": testNow.Unix() + 1}), ""},
		{"expires now", sign(nil, map[string]any{"exp": testNow.Unix()}), auth.CodeTokenExpired},
		{"exp null", sign(nil, map[string]any{"exp": json.RawMessage("null")}), auth.CodeTokenInvalid},
		{"exp missing", sign(nil, map[string]any{"exp": nil}), auth.CodeTokenInvalid},
		{"exp text", sign(nil, map[string]any{"exp": "9999999999"}), auth.CodeTokenInvalid},
		{"exp negative", sign(nil, map[string]any{"exp": -1}), auth.CodeTokenExpired},
		{"exp 1e300", sign(nil, map[string]any{"exp": 1e300}), ""},
		{"exp 1e400", main.signRaw(t, nil, []byte(`{"sub":"user_1","sid":"session_1","exp":1e400}`)), auth.CodeTokenInvalid},
		{"nbf now", sign(nil, map[string]any{"nbf": testNow.Unix()}), ""},
		{"nbf in a second", sign(nil, map[string]any{"nbf": testNow.Unix() + 1}), auth.CodeTokenInvalid},
		{"nbf text", sign(nil, map[string]any{"nbf": "0"}), auth.CodeTokenInvalid},
		{"iat in the future", sign(nil, map[string]any{"iat": testNow.Unix() + 100}), ""},
		{"iat text", sign(nil, map[string]any{"iat": "0"}), auth.CodeTokenInvalid},
		{"iat missing", sign(nil, map[string]any{"iat": nil}), ""},
		{"sub missing", sign(nil, map[string]any{"sub": nil}), auth.CodeTokenInvalid},
		{"sub empty", sign(nil, map[string]any{"sub": ""}), auth.CodeTokenInvalid},
		{"sub in another case", sign(nil, map[string]any{"sub": nil, "Sub": testUser}), auth.CodeTokenInvalid},
		{"sub of another user", sign(nil, map[string]any{"sub": testUser + "1"}), auth.CodeSessionInvalid},
		{"sub of the same user, longer", sign(nil, map[string]any{"sub": strings.Repeat("u", 256)}), auth.CodeTokenInvalid},
		{"sid missing", sign(nil, map[string]any{"sid": nil}), auth.CodeTokenInvalid},
		{"sid number", sign(nil, map[string]any{"sid": 7}), auth.CodeTokenInvalid},
		{"sid with a control character", sign(nil, map[string]any{"sid": "a\nb"}), auth.CodeTokenInvalid},
		{"another key under this kid", keys["rogue"].sign(t, map[string]any{"kid": main.kid}, claims), auth.CodeTokenInvalid},
		{"another key under its kid", keys["rogue"].sign(t, nil, claims), auth.CodeTokenInvalid},
		{"the other key's kid", sign(map[string]any{"kid": keys["second"].kid}, nil), auth.CodeTokenInvalid},
		{"no kid, two keys", sign(map[string]any{"kid": nil}, nil), auth.CodeTokenInvalid},
		{"kid null", sign(map[string]any{"kid": json.RawMessage("null")}, nil), auth.CodeTokenInvalid},
		{"kid empty", sign(map[string]any{"kid": ""}, nil), auth.CodeTokenInvalid},
		{"embedded key, not used", sign(map[string]any{"jwk": json.RawMessage(keys["rogue"].jwk), "jku": "https://evil.test/"}, nil), ""},
		{"embedded key", keys["rogue"].sign(t, map[string]any{"jwk": json.RawMessage(keys["rogue"].jwk), "jku": "https://evil.test/", "kid": main.kid}, claims), auth.CodeTokenInvalid},
		{"alg RS512", sign(map[string]any{"alg": "RS512"}, nil), auth.CodeTokenInvalid},
		{"alg PS256", sign(map[string]any{"alg": "PS256"}, nil), auth.CodeTokenInvalid},
		{"alg none, no signature", unsigned(parts[1], "none") + ".", auth.CodeTokenInvalid},
		{"alg nOnE", unsigned(parts[1], "nOnE") + "." + parts[2], auth.CodeTokenInvalid},
		{"crit empty", sign(map[string]any{"crit": []string{}}, nil), auth.CodeTokenInvalid},
		{"crit empty, b64", sign(map[string]any{"crit": []string{}, "b64": true}, nil), auth.CodeTokenInvalid},
		{"crit unknown", sign(map[string]any{"crit": []string{"foo"}, "foo": 1}, nil), auth.CodeTokenInvalid},
		{"crit null", sign(map[string]any{"crit": json.RawMessage("null")}, nil), auth.CodeTokenInvalid},
		{"crit b64 true", sign(map[string]any{"crit": []string{"b64"}, "b64": true}, nil), ""},
		{"crit b64 false", sign(map[string]any{"crit": []string{"b64"}, "b64": false}, nil), auth.CodeTokenInvalid},
		{"crit b64 absent", sign(map[string]any{"crit": []string{"b64"}}, nil), auth.CodeTokenInvalid},
		{"b64 false, not critical", sign(map[string]any{"b64": false}, nil), ""},
		{"alg twice, the last good", main.signText(t, `{"alg":"none","alg":"RS256","kid":"key_01MAIN"}`, string(payload)), ""},
		{"alg twice, the last bad", main.signText(t, `{"alg":"RS256","alg":"none","kid":"key_01MAIN"}`, string(payload)), auth.CodeTokenInvalid},
		{"alg in another case", main.signText(t, `{"Alg":"RS256","kid":"key_01MAIN"}`, string(payload)), auth.CodeTokenInvalid},
		{"header of invalid UTF-8", main.signText(t, `{"alg":"RS256","kid":"key_01MAIN","x":"`+"\xff"+`"}`, string(payload)), auth.CodeTokenInvalid},
		{"header null", main.signText(t, `null`, string(payload)), auth.CodeTokenInvalid},
		{"header empty", main.signText(t, ``, string(payload)), auth.CodeTokenInvalid},
		{"plain header", main.signText(t, plainHeader, string(payload)), ""},
		{"header spelled otherwise", respelled(t, main.signText(t, plainHeader+" ", string(payload)), 0), auth.CodeTokenInvalid},
		{"payload spelled otherwise", respelled(t, main.signText(t, plainHeader, string(payload)+strings.Repeat(" ", 3-len(payload)%3+1)), 1), auth.CodeTokenInvalid},
		{"signature spelled otherwise", respelled(t, good, 2), auth.CodeTokenInvalid},
		{"line break in the header", good[:9] + "\n" + good[9:], auth.CodeTokenInvalid},
		{"line break in the payload", parts[0] + ".\r" + parts[1] + "." + parts[2], auth.CodeTokenInvalid},
		{"line break after the signature", good + "\n", auth.CodeTokenInvalid},
		{"carriage return after the signature", good + "\r", auth.CodeTokenInvalid},
		{"four parts", good + ".x", auth.CodeTokenInvalid},
		{"encrypted", good + ".x.y", auth.CodeTokenInvalid},
		{"million dots", strings.Repeat(".", 10_000), auth.CodeTokenInvalid},
		{"JSON serialization", `{"payload":"` + parts[1] + `"}`, auth.CodeTokenInvalid},
		{"no signature", parts[0] + "." + parts[1] + ".", auth.CodeTokenInvalid},
		{"payload padded", parts[0] + "." + parts[1] + "=." + parts[2], auth.CodeTokenInvalid},
		{"invalid UTF-8", main.signRaw(t, nil, []byte(`{"sub":"`+testUser+`","sid":"s","exp":9999999999,"x":"`+"\xff"+`"}`)), auth.CodeTokenInvalid},
		{"valid UTF-8", main.signRaw(t, nil, []byte(`{"sub":"`+testUser+`","sid":"s","exp":9999999999,"x":"ÿ"}`)), ""},
		{"too long", main.sign(t, nil, with(claims, map[string]any{"x": strings.Repeat("x", 16<<10)})), auth.CodeTokenInvalid},
	}
	for secret, public := range publicForms(t, main) {
		tests = append(tests, struct {
			name, token string
			code        auth.Code
		}{"HS256 with " + secret, signHS256(parts[1], main.kid, public), auth.CodeTokenInvalid})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := tokenBackend(t, nil)
			_, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(tt.token))))
			wantCode(t, err, tt.code, false)
		})
	}
}

func unsigned(payload, alg string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`","kid":"key_01MAIN"}`)) + "." + payload
}

// publicForms are the texts of a public key that somebody may have taken for a shared secret.
func publicForms(t *testing.T, k *testKey) map[string][]byte {
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": []byte(k.jwk), "nothing": nil}
}

func signHS256(payload, kid string, secret []byte) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"`+kid+`"}`)) + "." + payload
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// respelled changes the bits of a part that mean nothing.
func respelled(t *testing.T, token string, part int) string {
	t.Helper()
	parts := strings.Split(token, ".")
	p := parts[part]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(p)%4 == 0 {
		t.Fatalf("part %d has one spelling", part)
	}
	parts[part] = p[:len(p)-1] + alphabet[strings.IndexByte(alphabet, p[len(p)-1])|1:][:1]
	if parts[part] == p {
		t.Fatalf("part %d is the same", part)
	}
	return strings.Join(parts, ".")
}

// An alg or header that can never be accepted asks nobody.
func TestHopelessTokensFetchNothing(t *testing.T) {
	b, keys := tokenBackend(t, nil)
	good := newTestKeys(t)["main"].sign(t, nil, baseClaims(testNow))
	for _, token := range []string{"x", unsigned(strings.Split(good, ".")[1], "none") + "."} {
		_, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(token))))
		wantCode(t, err, auth.CodeTokenInvalid, false)
	}
	if n := keys.fetches.Load(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestIssuersAndAudiences(t *testing.T) {
	const iss = "https://api.workos.com/user_management/" + testClient
	tests := []struct {
		name       string
		issuers    []string
		audiences  []string
		iss, aud   any
		acceptable bool
	}{
		{"neither", nil, nil, nil, "anything", true},
		{"issuer", []string{"https://x.test", iss}, nil, iss, nil, true},
		{"issuer longer", []string{iss}, nil, iss + "1", nil, false},
		{"issuer shorter", []string{iss}, nil, iss[:len(iss)-1], nil, false},
		{"issuer with slash", []string{iss}, nil, iss + "/", nil, false},
		{"issuer a list", []string{iss}, nil, []string{iss}, nil, false},
		{"issuer missing", []string{iss}, nil, nil, nil, false},
		{"audience", nil, []string{"api"}, nil, "api", true},
		{"audience in a list", nil, []string{"api", "other"}, nil, []any{1, "other"}, true},
		{"audience another", nil, []string{"api"}, nil, "api1", false},
		{"audience empty list", nil, []string{"api"}, nil, []string{}, false},
		{"audience of nothing", nil, []string{"api"}, nil, []string{""}, false},
		{"audience missing", nil, []string{"api"}, nil, nil, false},
		{"audience an object", nil, []string{"api"}, nil, map[string]any{"api": true}, false},
	}
	key := newTestKeys(t)["main"]
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := tokenBackend(t, func(c *workos.Config) { c.Issuers, c.Audiences = tt.issuers, tt.audiences })
			token := key.sign(t, nil, with(baseClaims(testNow), map[string]any{"iss": tt.iss, "aud": tt.aud}))
			_, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(token))))
			code := auth.CodeTokenInvalid
			if tt.acceptable {
				code = ""
			}
			wantCode(t, err, code, false)
		})
	}
}

// A claim of another type than documented is left out, and never split or turned into text.
func TestClaimsOfOtherTypes(t *testing.T) {
	key := newTestKeys(t)["main"]
	b, _ := tokenBackend(t, nil)
	token := key.sign(t, nil, with(baseClaims(testNow), map[string]any{
		"permissions": "all", "roles": map[string]any{"a": 1}, "role": 7, "org_id": []string{"org_2"}, "entitlements": []any{"e", 1, nil},
		"feature_flags": 5, "ROLE": "superuser", "Permissions": []string{"everything"}, "organizationId": "org_evil", "workosUser": "evil",
	}))
	a, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(token))))
	if err != nil {
		t.Fatal(err)
	}
	p := a.Principal
	if len(p.Scopes) != 0 || len(p.Roles) != 0 || p.Claims["organizationId"] != nil || p.Claims["workosUser"] == "evil" {
		t.Errorf("%+v", p)
	}
	if e, _ := p.Claims["entitlements"].([]any); len(e) != 1 || e[0] != "e" {
		t.Errorf("entitlements %v", e)
	}
	if c, _ := a.Session.Claims["accessTokenClaims"].(map[string]any); c["organizationId"] != "org_evil" || p.Claims["accessTokenClaims"] != nil {
		t.Errorf("token claims %v", c)
	}
}
