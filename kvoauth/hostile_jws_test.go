package kvoauth_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
)

// TestHostileHeaderKeys: a key or an address in the header is never used, and never fetched (CONF-N08, ADV-54).
func TestHostileHeaderKeys(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	attacker := newIDP(t, authtest.ProviderConfig{ID: "attacker", Issuer: "https://attacker.test"})
	var jwk map[string]any
	for _, k := range publishedKeys(t, attacker.Provider) {
		if k["kty"] == "RSA" {
			jwk = k
		}
	}
	for name, value := range map[string]any{
		"jwk": jwk, "jku": "https://attacker.test/jwks", "x5u": "https://attacker.test/cert", "x5c": []string{"AAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{RawIDToken: func(header, claims map[string]any) string {
				header[name] = value
				return signToken(t, attacker.Provider, header, claims)
			}})
			w := newWorld(t, idp, nil, attacker)
			b := w.browser()
			w.refused(w.finish(b, w.begin(b)), auth.CodeIDTokenInvalid)
			w.calls(1, 0)
			if slices.ContainsFunc(w.egress.targets(), func(u string) bool { return strings.HasPrefix(u, "https://attacker.test") }) {
				t.Error("the address in the header was asked")
			}
		})
	}
}

func signToken(t testing.TB, p *authtest.Provider, header, claims map[string]any) string {
	t.Helper()
	token, err := p.SignJWT(header, claims)
	if err != nil {
		t.Error(err)
	}
	return token
}

// publishedKeys returns the JWK set of p.
func publishedKeys(t testing.TB, p *authtest.Provider) []map[string]any {
	t.Helper()
	res, err := p.Client().Get(p.Issuer() + "/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var set struct{ Keys []map[string]any }
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &set); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal("no key set")
	}
	return set.Keys
}

// TestHostileSymmetric: a public key, in whatever form, is no HMAC key, and neither is the client's secret (CONF-X03,
// ADV-50, OIDC-06).
func TestHostileSymmetric(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	keys := map[string][]byte{"client secret": []byte(idp.ClientSecret.Reveal()), "empty": nil, "zero": make([]byte, 32)}
	for _, jwk := range publishedKeys(t, idp.Provider) {
		if jwk["kty"] != "RSA" {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(jwk["n"].(string))
		if err != nil {
			t.Fatal(err)
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
		pkix, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		pkcs1 := x509.MarshalPKCS1PublicKey(public)
		text, err := json.Marshal(jwk)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(keys, map[string][]byte{
			"PKIX DER": pkix, "PKCS1 DER": pkcs1, "JWK": text, "modulus": n, "modulus in base64url": []byte(jwk["n"].(string)),
			"PKIX PEM":                 pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
			"PKIX PEM without newline": []byte(strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})))),
			"PKCS1 PEM":                pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}),
		})
	}
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			refuseToken(t, idp, fakeop.Faults{RawIDToken: func(header, claims map[string]any) string {
				header["alg"] = "HS256"
				input := encodeJSON(t, header) + "." + encodeJSON(t, claims)
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(input))
				return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			}}, "")
		})
	}
}

// TestHostilePublishedSecret: a symmetric key in the key set makes no HMAC acceptable (CONF-N14).
func TestHostilePublishedSecret(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	key := []byte(strings.Repeat("k", 32))
	for _, kid := range []string{"shared", ""} {
		refuseToken(t, idp, fakeop.Faults{
			JWKS: func(set map[string]any) {
				jwk := map[string]any{"kty": "oct", "alg": "HS256", "use": "sig", "k": base64.RawURLEncoding.EncodeToString(key)}
				if kid != "" {
					jwk["kid"] = kid
				}
				set["keys"] = append(set["keys"].([]map[string]any), jwk)
			},
			RawIDToken: func(_, claims map[string]any) string {
				header := map[string]any{"alg": "HS256"}
				if kid != "" {
					header["kid"] = kid
				}
				input := encodeJSON(t, header) + "." + encodeJSON(t, claims)
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(input))
				return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			},
		}, "")
	}
}

func encodeJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// TestHostileSerialization: a token that was changed after it was signed, or written in another way (CONF-B10, N12).
func TestHostileSerialization(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	segment := func(i int, change func(string) string) func(string) string {
		return func(token string) string {
			parts := strings.Split(token, ".")
			parts[i] = change(parts[i])
			return strings.Join(parts, ".")
		}
	}
	flip := func(at int) func(string) string {
		return func(s string) string {
			b := []byte(s)
			i := at
			if i < 0 {
				i += len(b)
			}
			if b[i] == 'A' {
				b[i] = 'B'
			} else {
				b[i] = 'A'
			}
			return string(b)
		}
	}
	rows := map[string]func(string) string{
		"empty":                  func(string) string { return "" },
		"two parts":              func(s string) string { return s[:strings.LastIndex(s, ".")] },
		"four parts":             func(s string) string { return s + ".AAAA" },
		"five parts as in JWE":   func(s string) string { return s + ".AAAA.AAAA" },
		"only dots":              func(string) string { return ".." },
		"many dots":              func(string) string { return strings.Repeat(".", 1<<20-4096) },
		"padding":                func(s string) string { return s + "=" },
		"space behind":           func(s string) string { return s + " " },
		"space in front":         func(s string) string { return " " + s },
		"newline behind":         func(s string) string { return s + "\n" },
		"newline in the header":  segment(0, func(s string) string { return s[:4] + "\n" + s[4:] }),
		"newline in the payload": segment(1, func(s string) string { return s[:4] + "\r\n" + s[4:] }),
		"newline in the signature": segment(2, func(s string) string {
			return s[:4] + "\n" + s[4:]
		}),
		"space in the payload":    segment(1, func(s string) string { return s[:4] + " " + s[4:] }),
		"JSON serialization":      jsonSerialization,
		"no signature":            segment(2, func(string) string { return "" }),
		"signature cut":           segment(2, func(s string) string { return s[:len(s)-1] }),
		"signature twice":         segment(2, func(s string) string { return s + s }),
		"signature of AAAA":       segment(2, func(string) string { return "AAAA" }),
		"standard base64":         segment(2, func(s string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(s) + "+" }),
		"unused bits of the last": segment(2, unusedBits),
		"over 16 KiB":             func(s string) string { return s + strings.Repeat("A", 16<<10) },
	}
	for _, at := range []int{0, 1, 10, -1} {
		for i, name := range []string{"header", "payload", "signature"} {
			rows["bit of the "+name+" at "+big.NewInt(int64(at)).String()] = segment(i, flip(at))
		}
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			refuseToken(t, idp, fakeop.Faults{RawIDToken: func(header, claims map[string]any) string {
				return change(signToken(t, idp.Provider, header, claims))
			}}, "")
		})
	}
}

func jsonSerialization(token string) string {
	parts := strings.Split(token, ".")
	b, _ := json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
	return string(b)
}

// unusedBits changes the bits of the last character that encode nothing: the same signature in another spelling.
func unusedBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[i^1])
}

// TestHostileMembers: members that come twice or in another case, which parsers understand differently (CONF-N04).
func TestHostileMembers(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	front := func(s string) func(string) string {
		return func(object string) string { return "{" + s + "," + object[1:] }
	}
	behind := func(s string) func(string) string {
		return func(object string) string { return object[:len(object)-1] + "," + s + "}" }
	}
	same := func(s string) string { return s }
	for _, row := range []struct {
		name            string
		header, payload func(string) string
	}{
		{"sub twice", same, behind(`"sub":"bob"`)},
		{"sub twice, first", same, front(`"sub":"bob"`)},
		{"sub twice, escaped", same, front(`"s\u0075b":"bob"`)},
		{"aud twice", same, front(`"aud":"other-client"`)},
		{"nested twice", same, front(`"address":{"a":1,"a":2}`)},
		{"alg twice", behind(`"alg":"none"`), same},
		{"alg twice, first", front(`"alg":"none"`), same},
		{"kid twice", front(`"kid":"x"`), same},
		{"ISS beside iss", same, behind(`"ISS":"https://evil.test"`)},
		{"EXP beside exp", same, behind(`"EXP":1`)},
		{"AT_HASH beside at_hash", same, behind(`"AT_HASH":"x"`)},
		{"two objects", same, func(s string) string { return s + s }},
		{"an array", same, func(s string) string { return "[" + s + "]" }},
		{"null", same, func(string) string { return "null" }},
		{"deep", same, behind(`"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70))},
		{"lone surrogate", same, front(`"name":"\ud800"`)},
		{"invalid UTF-8", same, front("\"name\":\"\xff\"")},
		{"header not JSON", func(string) string { return "alg" }, same},
		{"header an array", func(s string) string { return "[" + s + "]" }, same},
	} {
		t.Run(row.name, func(t *testing.T) {
			refuseToken(t, idp, fakeop.Faults{RawIDToken: func(header, claims map[string]any) string {
				h, _ := json.Marshal(header)
				p, _ := json.Marshal(claims)
				token, err := idp.SignRaw("RS256", []byte(row.header(string(h))), []byte(row.payload(string(p))))
				if err != nil {
					t.Error(err)
				}
				return token
			}}, "")
		})
	}
}

// TestHostileEllipticSignature: CONF-X04 and CONF-N13, and a key of another type than the algorithm wants.
func TestHostileEllipticSignature(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{Configure: func(c *fakeop.Config) { c.Clients[0].IDTokenAlg = "ES256" }})
	t.Run("right", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{})
		w := newWorld(t, idp, nil)
		b := w.browser()
		w.signedIn(b, w.finish(b, w.begin(b)), "alice")
	})
	resign := func(change func(signature []byte) []byte) claimsFaultToken {
		return func(t *testing.T) func(header, claims map[string]any) string {
			return func(header, claims map[string]any) string {
				token := signToken(t, idp.Provider, header, claims)
				i := strings.LastIndex(token, ".")
				signature, err := base64.RawURLEncoding.DecodeString(token[i+1:])
				if err != nil {
					t.Error(err)
				}
				return token[:i+1] + base64.RawURLEncoding.EncodeToString(change(signature))
			}
		}
	}
	for name, forge := range map[string]claimsFaultToken{
		"CONF-X04": resign(func(s []byte) []byte { s[10] ^= 1; return s }),
		"all zero": resign(func(s []byte) []byte { return make([]byte, len(s)) }),
		"DER": resign(func(s []byte) []byte {
			der, _ := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:])})
			return der
		}),
		"RS256 by the published RSA key": func(t *testing.T) func(header, claims map[string]any) string {
			return func(_, claims map[string]any) string {
				return signToken(t, idp.Provider, map[string]any{"alg": "RS256"}, claims)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { refuseToken(t, idp, fakeop.Faults{RawIDToken: forge(t)}, "") })
	}
}

type claimsFaultToken = func(t *testing.T) func(header, claims map[string]any) string
