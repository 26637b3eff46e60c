package workos_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

const (
	testClient   = "client_01VECTORS000000000000000"
	testPassword = "a-cookie-password-of-at-least-32-characters!"
	testUser     = "user_01HBEQKA6K4QJAS93VPE39W1JT"
	testSession  = "session_01HQSXZGF8FHF7A9ZZFCW4387R"
)

var testPasswords = []auth.Secret{auth.NewSecret(testPassword)}

// testKey is one of keys.json.
type testKey struct {
	kid     string
	private *rsa.PrivateKey
	jwk     string // public
}

func newTestKeys(t testing.TB) map[string]*testKey {
	t.Helper()
	raw := load[map[string]json.RawMessage](t, "keys.json")
	keys := map[string]*testKey{}
	for _, name := range []string{"main", "second", "rogue", "weak"} {
		var k struct {
			Kid        string
			PrivatePEM string          `json:"private_pem"`
			PublicJWK  json.RawMessage `json:"public_jwk"`
		}
		if err := json.Unmarshal(raw[name], &k); err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(k.PrivatePEM))
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = &testKey{k.Kid, private.(*rsa.PrivateKey), string(k.PublicJWK)}
	}
	return keys
}

// sign returns a token of claims. header replaces members of the ordinary header; nil removes one.
func (k *testKey) sign(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return k.signRaw(t, header, body)
}

func (k *testKey) signRaw(t testing.TB, header map[string]any, body []byte) string {
	t.Helper()
	h := map[string]any{"alg": "RS256", "typ": "JWT", "kid": k.kid}
	for name, v := range header {
		if h[name] = v; v == nil {
			delete(h, name)
		}
	}
	head, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return k.signText(t, string(head), string(body))
}

// signText signs whatever header and body are.
func (k *testKey) signText(t testing.TB, header, body string) string {
	t.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func baseClaims(now time.Time) map[string]any {
	return map[string]any{
		"iss": "https://api.workos.com/user_management/" + testClient, "sub": testUser, "sid": testSession, "client_id": testClient,
		"org_id": "org_1", "role": "admin", "roles": []string{"admin", "member"}, "permissions": []string{"posts:read"},
		"iat": now.Unix() - 60, "exp": now.Unix() + 240,
	}
}

func with(claims map[string]any, change map[string]any) map[string]any {
	c := maps.Clone(claims)
	for name, v := range change {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// sessionJSON is the content of a cookie.
func sessionJSON(token string) string {
	text, _ := json.Marshal(map[string]any{
		"organizationId": "org_1", "accessToken": token, "refreshToken": "rt_1", "authenticationMethod": "SSO",
		"user": map[string]any{"object": "user", "id": testUser, "email": "ada@example.com", "emailVerified": true, "firstName": "Ada", "lastName": "Lovelace"},
	})
	return string(text)
}

func sealTest(t testing.TB, plaintext string) string {
	t.Helper()
	sealed, err := workos.IronSeal([]byte(plaintext), testPassword, rand.Reader, time.Time{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return sealed + "~2"
}

func mustNew(t testing.TB, c workos.Config) *workos.Backend {
	t.Helper()
	b, err := workos.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
