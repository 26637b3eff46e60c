package kvoauth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth/kvoauth"
)

func TestNewSigningKey(t *testing.T) {
	rsaKey := newPrivateKey(t, "RS256")
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // must be refused
	if err != nil {
		t.Skipf("this toolchain makes no 1024-bit RSA key to refuse: %v", err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		alg  string
		want string // empty: refused
	}{
		{"RSA", rsaKey, "", "RS256"}, {"RSA for PS256", rsaKey, "PS256", "PS256"}, {"RSA for RS256", rsaKey, "RS256", "RS256"},
		{"P-256", newECKey(t), "", "ES256"}, {"Ed25519", newPrivateKey(t, "EdDSA"), "", "EdDSA"},
		{"none", nil, "", ""}, {"RSA for ES256", rsaKey, "ES256", ""}, {"RSA for RS512", rsaKey, "RS512", ""}, {"RSA for HS256", rsaKey, "HS256", ""},
		{"RSA for none", rsaKey, "none", ""}, {"P-256 for ES384", newECKey(t), "ES384", ""}, {"Ed25519 for ES256", newPrivateKey(t, "EdDSA"), "ES256", ""},
		{"RSA of 1024 bits", small, "", ""}, {"P-384", p384, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := kvoauth.NewSigningKey(tt.key, "", tt.alg)
			if k.Algorithm() != tt.want || (err == nil) != (tt.want != "") || k.IsZero() != (tt.want == "") {
				t.Errorf("algorithm %q, error %v", k.Algorithm(), err)
			}
		})
	}
	if _, err := kvoauth.NewSigningKey(rsaKey, strings.Repeat("k", 300), ""); err == nil {
		t.Error("an endless key id is accepted")
	}
}

// TestSigningKeyID: a key without an id has the thumbprint of RFC 7638, section 3.1, whose example this is.
func TestSigningKeyID(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	raw, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		t.Fatal(err)
	}
	k := signingKey(t, publicOnly{&rsa.PublicKey{N: new(big.Int).SetBytes(raw), E: 65537}}, "", "")
	if k.ID() != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("key id %q", k.ID())
	}
}

type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }
func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, nil
}

// TestSigningKeyIsNotPrinted prints keys in every way, also from inside other values.
func TestSigningKeyIsNotPrinted(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := signingKey(t, key, "k1", "")
	c := validConfig(t)
	c.Clients[0].SigningKeys = []kvoauth.SigningKey{k}
	type private struct {
		k kvoauth.SigningKey
		c kvoauth.Config
	}
	var out bytes.Buffer
	for _, v := range []any{k, &k, c.Clients[0], []kvoauth.SigningKey{k}, private{k, c}, &private{k, c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	if j, err := json.Marshal(k); err != nil || string(j) != `"[redacted]"` {
		t.Errorf("JSON %s, %v", j, err)
	}
	seed := key.Seed()
	for _, form := range []string{
		string(seed), fmt.Sprintf("%x", seed), base64.RawURLEncoding.EncodeToString(seed), strings.Trim(fmt.Sprintf("%d", seed), "[]"), strings.Trim(fmt.Sprintf("%#v", seed), "[]byte{}"),
	} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(form)) {
			t.Errorf("the key is printed:\n%s", out.String())
		}
	}
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func jwk(t testing.TB, key any, kid, alg, use string) string {
	t.Helper()
	raw, err := (&jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: use}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestParseSigningKeys(t *testing.T) {
	rsaKey, ecKey, edKey := newPrivateKey(t, "RS256"), newECKey(t), newPrivateKey(t, "EdDSA")
	thumb := signingKey(t, ecKey, "", "").ID()
	public := jwk(t, ecKey.Public(), "k1", "", "")
	x25519 := `{"kty":"OKP","crv":"X25519","d":"` + base64.RawURLEncoding.EncodeToString(make([]byte, 32)) + `","x":"` + base64.RawURLEncoding.EncodeToString(make([]byte, 32)) + `"}`
	for _, tt := range []struct {
		name, text, id string
		want           []string // id and algorithm of each; nil: refused
	}{
		{"PEM", pkcs8(t, ecKey), "", []string{thumb + " ES256"}},
		{"PEM with an id", pkcs8(t, ecKey), "ABC123DEFG", []string{"ABC123DEFG ES256"}},
		{"PEM blocks", pkcs8(t, edKey) + "\n" + pkcs8(t, rsaKey), "", []string{signingKey(t, edKey, "", "").ID() + " EdDSA", signingKey(t, rsaKey, "", "").ID() + " RS256"}},
		{"JWK", jwk(t, rsaKey, "k1", "PS256", "sig"), "", []string{"k1 PS256"}},
		{"JWK with the id that it has", jwk(t, ecKey, "k1", "", ""), "k1", []string{"k1 ES256"}},
		{"JWK without an id", jwk(t, ecKey, "", "", ""), "k2", []string{"k2 ES256"}},
		{"JWK set", `{"keys":[` + jwk(t, edKey, "a", "EdDSA", "") + `,` + jwk(t, ecKey, "b", "", "") + `]}`, "", []string{"a EdDSA", "b ES256"}},
		{"nothing", "", "", nil},
		{"blanks", " \n", "", nil},
		{"text", marker, "", nil},
		{"text behind the block", pkcs8(t, ecKey) + marker, "", nil},
		{"an RSA PRIVATE KEY block", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte(marker)})), "", nil},
		{"a block of something else", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(marker)})), "", nil},
		{"one id for two keys", pkcs8(t, ecKey) + pkcs8(t, edKey), "k1", nil},
		{"another id", jwk(t, ecKey, "k1", "", ""), "k2", nil},
		{"a public JWK", public, "", nil},
		{"a public JWK in the set", `{"keys":[` + jwk(t, edKey, "a", "", "") + `,` + public + `]}`, "", nil},
		{"an empty set", `{"keys":[]}`, "", nil},
		{"keys that are no list", `{"keys":"` + marker + `"}`, "", nil},
		{"a symmetric JWK", `{"kty":"oct","k":"` + base64.RawURLEncoding.EncodeToString([]byte(marker+marker+marker)) + `"}`, "", nil},
		{"an encryption key", jwk(t, ecKey, "k1", "", "enc"), "", nil},
		{"an alg that does not fit", jwk(t, ecKey, "k1", "RS256", ""), "", nil},
		{"X25519", x25519, "", nil},
		{"a repeated member", `{"kty":"EC",` + jwk(t, ecKey, "k1", "", "")[1:], "", nil},
		{"too long", strings.Repeat(" ", 70<<10) + pkcs8(t, ecKey), "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := kvoauth.ParseSigningKeys([]byte(tt.text), tt.id)
			var got []string
			for _, k := range keys {
				got = append(got, k.ID()+" "+k.Algorithm())
			}
			if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
				t.Errorf("%q, error %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), marker) {
				t.Errorf("the error repeats the text: %v", err)
			}
		})
	}
}

// TestJWKSHandler: what a provider fetches has the public halves and nothing else (CONF-G11).
func TestJWKSHandler(t *testing.T) {
	keys := []kvoauth.SigningKey{
		signingKey(t, newPrivateKey(t, "RS256"), "a", "PS256"), signingKey(t, newECKey(t), "b", ""), signingKey(t, newPrivateKey(t, "EdDSA"), "c", ""),
	}
	h, err := kvoauth.NewJWKSHandler(keys...)
	if err != nil {
		t.Fatal(err)
	}
	res := httptest.NewRecorder()
	h.ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/jwks.json", nil))
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(res.Body.Bytes(), &set); err != nil || res.Code != http.StatusOK || res.Header().Get("Content-Type") != "application/jwk-set+json" {
		t.Fatalf("%d %v: %v", res.Code, res.Header(), err)
	}
	for i, want := range []string{"a PS256", "b ES256", "c EdDSA"} {
		k := set.Keys[i]
		if got := fmt.Sprint(k["kid"], " ", k["alg"]); got != want || k["use"] != "sig" {
			t.Errorf("key %d is %s, use %v", i, got, k["use"])
		}
		for name := range k {
			if !slices.Contains([]string{"kid", "alg", "use", "kty", "n", "e", "crv", "x", "y"}, name) {
				t.Errorf("key %s has the member %s", want, name)
			}
		}
	}
	res = httptest.NewRecorder()
	h.ServeHTTP(res, httptest.NewRequest(http.MethodPost, "/jwks.json", nil))
	if res.Code != http.StatusMethodNotAllowed || res.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", res.Code)
	}
	for name, bad := range map[string][]kvoauth.SigningKey{
		"the zero key": {keys[0], {}}, "two keys of one id": {keys[0], signingKey(t, newECKey(t), "a", "")},
	} {
		if _, err := kvoauth.NewJWKSHandler(bad...); err == nil {
			t.Errorf("%s is published", name)
		}
	}
	if empty, err := kvoauth.PublicJWKS(); err != nil || string(empty) != `{"keys":[]}` {
		t.Errorf("no keys: %s, %v", empty, err)
	}
}

func FuzzParseSigningKeys(f *testing.F) {
	f.Add(pkcs8(f, newECKey(f)), "")
	f.Add(jwk(f, newECKey(f), "k", "ES256", "sig"), "k")
	f.Add(`{"keys":[]}`, "")
	f.Fuzz(func(t *testing.T, text, id string) {
		keys, err := kvoauth.ParseSigningKeys([]byte(text), id)
		if err != nil {
			return
		}
		for _, k := range keys {
			if k.IsZero() || k.ID() == "" || k.Algorithm() == "" {
				t.Error("an unusable key")
			}
		}
	})
}
