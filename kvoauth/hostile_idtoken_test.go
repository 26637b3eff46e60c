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
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

type claimsFault = func(header, claims map[string]any)

// tokenRow is one ID token of a provider that is hostile, broken or impersonated.
type tokenRow struct {
	id     string
	source string
	change claimsFault // before the token is signed
	code   auth.Code   // id_token_invalid if empty
}

func setClaim(name string, value any) claimsFault {
	return func(_, claims map[string]any) { claims[name] = value }
}

func dropClaim(name string) claimsFault {
	return func(_, claims map[string]any) { delete(claims, name) }
}

func inHeader(name string, value any) claimsFault {
	return func(header, _ map[string]any) { header[name] = value }
}

func appendToClaim(name, suffix string) claimsFault {
	return func(_, claims map[string]any) { claims[name] = claims[name].(string) + suffix }
}

func rawJSON(s string) json.RawMessage { return json.RawMessage(s) }

func claimRows(c *stoppedClock) []tokenRow {
	at := func(d time.Duration) int64 { return c.now().Add(d).Unix() }
	return []tokenRow{
		{"CONF-B02", "Core 3.1.3.7 step 2", appendToClaim("iss", "1"), ""},
		{"iss with a slash", "Core 3.1.3.7 step 2", appendToClaim("iss", "/"), ""},
		{"iss in capitals", "Core 3.1.3.7 step 2", setClaim("iss", "https://IDP.test"), ""},
		{"iss cut by one character", "ADV-52", setClaim("iss", "https://idp.tes"), ""},
		{"iss of somebody else", "ADV-52", setClaim("iss", "https://evil.test/https://idp.test"), ""},
		{"iss missing", "Core 2", dropClaim("iss"), ""},
		{"iss null", "Core 2", setClaim("iss", nil), ""},
		{"iss a list", "RFC 7519 4.1.1", setClaim("iss", []string{"https://idp.test"}), ""},
		{"CONF-B03", "Core 2", dropClaim("sub"), ""},
		{"CONF-N05 empty", "Core 2", setClaim("sub", ""), ""},
		{"CONF-N05 number", "Core 2", setClaim("sub", 42), ""},
		{"CONF-N05 null", "Core 2", setClaim("sub", nil), ""},
		{"CONF-N05 256 bytes", "Core 2", setClaim("sub", strings.Repeat("s", 256)), ""},
		{"R9700-22 the client as a person", "RFC 9700 4.15", setClaim("sub", "test-client"), ""},
		{"CONF-B04", "Core 3.1.3.7 step 3", appendToClaim("aud", "1"), ""},
		{"aud cut by one character", "Core 3.1.3.7 step 3", setClaim("aud", "test-clien"), ""},
		{"CONF-X02", "Core 2", dropClaim("aud"), ""},
		{"CONF-N06 empty list", "ADV-48", setClaim("aud", []string{}), ""},
		{"CONF-N06 empty text in a list", "ADV-48", setClaim("aud", []string{""}), ""},
		{"CONF-N06 ours and an empty one", "ADV-48", setClaim("aud", []string{"test-client", ""}), ""},
		{"CONF-N06 object", "RFC 7519 4.1.3", setClaim("aud", map[string]any{"test-client": true}), ""},
		{"CONF-N06 null", "RFC 7519 4.1.3", setClaim("aud", nil), ""},
		{"CONF-N10 another client's", "Core 3.1.3.7 step 3", setClaim("aud", "other-client"), ""},
		{"CONF-F04", "Core 3.1.3.7 step 3", setClaim("aud", []string{"test-client", "test-client1"}), ""},
		{"untrusted audience with azp", "Core 3.1.3.7 step 3", func(_, claims map[string]any) {
			claims["aud"], claims["azp"] = []string{"test-client", "other-client"}, "test-client"
		}, ""},
		{"CONF-N07", "Core 3.1.3.7 step 5", setClaim("azp", "other-client"), ""},
		{"azp null", "Core 3.1.3.7 step 5", setClaim("azp", nil), ""},
		{"azp a list", "Core 3.1.3.7 step 5", setClaim("azp", []string{"test-client"}), ""},
		{"CONF-N01 missing", "Core 2", dropClaim("exp"), ""},
		{"CONF-N01 null", "Core 2", setClaim("exp", nil), ""},
		{"CONF-N01 string", "RFC 7519 2", setClaim("exp", "9999999999"), ""},
		{"CONF-N01 huge", "RFC 7519 2", setClaim("exp", rawJSON("1e400")), ""},
		{"CONF-N01 large", "RFC 7519 2", setClaim("exp", rawJSON("1e300")), ""},
		{"CONF-N01 negative", "RFC 7519 2", setClaim("exp", -1), ""},
		{"CONF-N01 object", "RFC 7519 2", setClaim("exp", map[string]any{}), ""},
		{"OIDC-08 expired by the skew", "Core 3.1.3.7 step 9", setClaim("exp", at(-skew)), ""},
		{"OIDC-08 expired", "Core 3.1.3.7 step 9", setClaim("exp", at(-6*time.Minute)), ""},
		{"CONF-B05", "Core 2", dropClaim("iat"), ""},
		{"iat null", "Core 2", setClaim("iat", nil), ""},
		{"iat string", "RFC 7519 2", setClaim("iat", "1"), ""},
		{"CONF-N03", "Core 3.1.3.7 step 10", setClaim("iat", at(skew+time.Second)), ""},
		{"CONF-N02", "RFC 7519 4.1.5", setClaim("nbf", at(skew+time.Second)), ""},
		{"nbf string", "RFC 7519 2", setClaim("nbf", "1"), ""},
		{"nbf null", "RFC 7519 2", setClaim("nbf", nil), ""},
		{"CONF-B12", "Core 3.1.3.7 step 11", appendToClaim("nonce", "1"), auth.CodeNonceMismatch},
		{"nonce missing", "Core 3.1.3.7 step 11", dropClaim("nonce"), auth.CodeNonceMismatch},
		{"nonce empty", "Core 3.1.3.7 step 11", setClaim("nonce", ""), auth.CodeNonceMismatch},
		{"nonce a list", "Core 3.1.3.7 step 11", func(_, claims map[string]any) { claims["nonce"] = []any{claims["nonce"]} }, ""},
		{"nonce under another name", "Core 3.1.3.7 step 11", func(_, claims map[string]any) {
			claims["Nonce"] = claims["nonce"]
			delete(claims, "nonce")
		}, auth.CodeNonceMismatch},
		{"CONF-X10", "Core 3.1.3.8", appendToClaim("at_hash", "1"), ""},
		{"at_hash of another token", "Core 3.1.3.8", setClaim("at_hash", "77QmUPtjPfzWtF2AnpK9RQ"), ""},
		{"at_hash empty", "Core 3.1.3.8", setClaim("at_hash", ""), ""},
		{"at_hash null", "Core 3.1.3.8", setClaim("at_hash", nil), ""},
		{"at_hash a number", "Core 3.1.3.8", setClaim("at_hash", 1), ""},
		{"ADV-49 over 16 KiB", "F-JWT", setClaim("x", strings.Repeat("x", 12500)), ""},
		{"ISS for iss", "section 7", renameClaim("iss", "ISS"), ""},
		{"Sub for sub", "section 7", renameClaim("sub", "Sub"), ""},
		{"AUD for aud", "section 7", renameClaim("aud", "AUD"), ""},
		{"Exp for exp", "section 7", renameClaim("exp", "Exp"), ""},
		{"iAt for iat", "section 7", renameClaim("iat", "iAt"), ""},
		{"CONF-N09 access token", "RFC 8725 3.11", inHeader("typ", "at+jwt"), ""},
		{"CONF-N09 logout token", "RFC 8725 3.11", inHeader("typ", "logout+jwt"), ""},
		{"CONF-N09 number", "RFC 8725 3.11", inHeader("typ", 1), ""},
		{"CONF-N09 null", "RFC 8725 3.11", inHeader("typ", nil), ""},
		{"CONF-N08 crit", "RFC 7515 4.1.11", inHeader("crit", []string{"x"}), ""},
		{"CONF-N08 crit that go-jose knows", "RFC 7515 4.1.11", func(header, _ map[string]any) {
			header["crit"], header["b64"] = []string{"b64"}, true
		}, ""},
		{"CONF-N08 b64", "RFC 7797 6", inHeader("b64", false), ""},
		{"unknown kid", "Core 10.1", inHeader("kid", marker), ""},
		{"kid a number", "RFC 7515 4.1.4", inHeader("kid", 7), ""},
		{"kid of the other key", "Core 10.1", inHeader("kid", "es256-1"), ""},
		{"CONF-F03", "Core 3.1.3.7 step 7", inHeader("alg", "ES256"), ""},
		{"CONF-B09", "Core 3.1.3.7 step 6", inHeader("alg", "none"), ""},
		{"alg NONE", "RFC 8725 3.1", inHeader("alg", "NONE"), ""},
		{"alg rs256", "RFC 8725 3.1", inHeader("alg", "rs256"), ""},
		{"alg RS512", "Core 3.1.3.7 step 7", inHeader("alg", "RS512"), ""},
		{"alg PS256", "Core 3.1.3.7 step 7", inHeader("alg", "PS256"), ""},
		{"alg missing", "RFC 7515 4.1.1", func(header, _ map[string]any) { delete(header, "alg") }, ""},
		{"alg null", "RFC 7515 4.1.1", inHeader("alg", nil), ""},
	}
}

func renameClaim(from, to string) claimsFault {
	return func(_, claims map[string]any) {
		claims[to] = claims[from]
		delete(claims, from)
	}
}

// TestHostileIDTokenClaims: the token endpoint was asked, and nothing else happens after the bad token.
func TestHostileIDTokenClaims(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for _, row := range claimRows(idp.clock) {
		t.Run(row.id, func(t *testing.T) {
			refuseToken(t, idp, fakeop.Faults{IDToken: func(header, claims map[string]any) {
				claims["name"] = marker
				row.change(header, claims)
			}}, row.code)
		})
	}
}

func refuseToken(t *testing.T, idp *hostileIDP, faults fakeop.Faults, code auth.Code) {
	t.Helper()
	if code == "" {
		code = auth.CodeIDTokenInvalid
	}
	idp.SetFaults(faults)
	w := newWorld(t, idp, nil)
	b := w.browser()
	a := w.finish(b, w.begin(b))
	w.refused(a, code)
	w.calls(1, 0)
	if n := w.kv.transactions(); n != 0 {
		t.Errorf("%d transactions are left", n)
	}
}

// TestHostileIDTokenAccepted holds what looks unusual and is right.
func TestHostileIDTokenAccepted(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	at := func(d time.Duration) int64 { return idp.clock.now().Add(d).Unix() }
	trust := func(c *kvoauth.Config) { c.Clients[0].TrustedAudiences = []string{"other-client"} }
	for _, row := range []struct {
		id        string
		change    claimsFault
		configure func(*kvoauth.Config)
	}{
		{"CONF-B01", func(_, _ map[string]any) {}, nil},
		{"CONF-F05", setClaim("aud", []string{"test-client"}), nil},
		{"azp is us", setClaim("azp", "test-client"), nil},
		{"trusted audience with azp", func(_, claims map[string]any) {
			claims["aud"], claims["azp"] = []string{"test-client", "other-client"}, "test-client"
		}, trust},
		{"without at_hash", dropClaim("at_hash"), nil},
		{"without typ", func(header, _ map[string]any) { delete(header, "typ") }, nil},
		{"typ in small letters", inHeader("typ", "jwt"), nil},
		{"expired within the skew", setClaim("exp", at(time.Second-skew)), nil},
		{"iat at the skew", setClaim("iat", at(skew)), nil},
		{"nbf at the skew", setClaim("nbf", at(skew)), nil},
		{"exp with a fraction", setClaim("exp", rawJSON("4102444800.5")), nil},
		{"CONF-B06", func(header, _ map[string]any) { delete(header, "kid") }, nil}, // one RSA key, one EC key
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{IDToken: row.change})
			w := newWorld(t, idp, row.configure)
			b := w.browser()
			w.signedIn(b, w.finish(b, w.begin(b)), "alice")
			w.calls(1, 1)
			w.silent(nil)
		})
	}
	t.Run("trusted audience without azp", func(t *testing.T) {
		idp.SetFaults(fakeop.Faults{IDToken: setClaim("aud", []string{"test-client", "other-client"})})
		w := newWorld(t, idp, trust)
		b := w.browser()
		w.refused(w.finish(b, w.begin(b)), auth.CodeIDTokenInvalid)
	})
}

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
