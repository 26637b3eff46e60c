package workos_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth/workos"
)

// FuzzToken is F-JWT: it compares with a model that has the rules, and with go-jose where the header is an ordinary one: go-jose refuses
// members that come twice, and looks into those that do not matter here. With a character changed after signing, the
// token is another.
func FuzzToken(f *testing.F) {
	main := newTestKeys(f)["main"]
	claims := []byte(`{"sub":"` + testUser + `","sid":"s","exp":9999999999}`)
	f.Add([]byte(`{"alg":"RS256","kid":"key_01MAIN"}`), claims, uint16(0), "")
	f.Add([]byte(`{"alg":"RS256","kid":"key_01MAIN"}  `), claims, uint16(47), "B")
	f.Add([]byte(`{"alg":"RS256","kid":"key_01MAIN","crit":["x"]}`), claims, uint16(9999), "=")
	f.Add([]byte(`{"alg":"none"}`), []byte(`{"exp":"1"}`), uint16(9999), ".")
	f.Add([]byte(`{"alg":"RS256","kid":"key_01MAIN","b64":false,"crit":["b64"]}`), []byte(`[1]`), uint16(5), "\n")
	f.Add([]byte(`{"alg":"RS256","kid":"key_01MAIN","b64":true,"crit":["b64"]}`), claims, uint16(0), "")
	f.Add([]byte(`{"alg":"RS256","alg":"HS256"}`), []byte(`{"exp":1,"exp":2}`), uint16(0), "")
	f.Add([]byte(`{"kid":"x","\u006bid":"key_01MAIN","alg":"RS256"}`), claims, uint16(0), "")
	f.Add([]byte(`{"alg":"RS256","kid":null}`), claims, uint16(0), "")
	b, _ := tokenBackend(f, nil)
	f.Fuzz(func(t *testing.T, header, body []byte, at uint16, change string) {
		token := main.signText(t, string(header), string(body))
		if change != "" {
			i := min(int(at), len(token))
			token = token[:i] + change + token[min(i+1, len(token)):]
		}
		_, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(token))))
		if len(token) > 16<<10 {
			return
		}
		if want := modelAccepts(token, main); (err == nil) != want {
			t.Errorf("%v, the model accepts it: %v: %q", err, want, token)
		}
		if err == nil && ordinary(header) && !libraryAccepts(token, main) {
			t.Errorf("go-jose refuses %q", token)
		}
	})
}

// ordinary reports whether there are no members but alg, kid and typ, each once.
func ordinary(header []byte) bool {
	var h map[string]any
	if json.Unmarshal(header, &h) != nil || strings.Contains(string(header), `\`) || strings.Count(string(header), ":") != len(h) {
		return false
	}
	for name := range h {
		if name != "alg" && name != "kid" && name != "typ" {
			return false
		}
	}
	return true
}

func libraryAccepts(token string, k *testKey) bool {
	s, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || s.Signatures[0].Header.KeyID != k.kid {
		return false
	}
	_, err = s.Verify(&k.private.PublicKey)
	return err == nil
}

// modelAccepts has the rules of the SDK for a token with the key k, and those that are stricter here. The signature is
// over the text as it was sent.
func modelAccepts(token string, k *testKey) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil || base64.RawURLEncoding.EncodeToString(raw[i]) != p {
			return false
		}
	}
	var h, c map[string]any
	if !utf8.Valid(raw[0]) || !utf8.Valid(raw[1]) || json.Unmarshal(raw[0], &h) != nil || json.Unmarshal(raw[1], &c) != nil {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&k.private.PublicKey, crypto.SHA256, digest[:], raw[2]) != nil {
		return false
	}
	return h["alg"] == "RS256" && h["kid"] == k.kid && modelExtensions(h) && modelClaims(c)
}

func modelExtensions(h map[string]any) bool {
	if crit, ok := h["crit"]; ok {
		list, _ := crit.([]any)
		for _, name := range list {
			if name != "b64" {
				return false
			}
		}
		if len(list) == 0 || h["b64"] != true {
			return false
		}
	}
	return true
}

func modelClaims(c map[string]any) bool {
	now := float64(testNow.Unix())
	exp, ok := c["exp"].(float64)
	if !ok || exp <= now {
		return false
	}
	for _, name := range []string{"nbf", "iat"} {
		if v, ok := c[name]; ok {
			n, isNumber := v.(float64)
			if !isNumber || name == "nbf" && n > now {
				return false
			}
		}
	}
	sid, _ := c["sid"].(string)
	control := strings.ContainsFunc(sid, func(r rune) bool { return r < 0x20 || r == 0x7f || r == utf8.RuneError })
	return c["sub"] == testUser && sid != "" && len(sid) <= 255 && !control
}

// FuzzKeys is F-JWKS: it compares with a decoding of its own: a key that may verify is the one that the set shows, and none is broken
// that is not.
func FuzzKeys(f *testing.F) {
	main := newTestKeys(f)["main"]
	f.Add([]byte(`{"keys":[` + main.jwk + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"` + modulus(main) + `","e":"AQAB","d":"AQAB"},{"kty":"EC"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"","n":"` + modulus(main) + `","e":"AAAD","x5c":["x"]}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","KID":"a","n":"` + modulus(main) + `=","e":"AQAB\n","use":"enc","key_ops":["sign"]}]}`))
	f.Add([]byte(`{"keys":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := workos.ParseKeys(body)
		var set struct{ Keys []json.RawMessage }
		if err != nil {
			return
		}
		if err := json.Unmarshal(body, &set); err != nil {
			return // a name in another case, which Go's struct takes for keys
		}
		var rsaKeys []map[string]any
		for _, raw := range set.Keys {
			var m map[string]any
			if json.Unmarshal(raw, &m) == nil && m["kty"] == "RSA" {
				rsaKeys = append(rsaKeys, m)
			}
		}
		if len(rsaKeys) != len(list) {
			return // the same
		}
		for i, k := range list {
			checkKey(t, k, rsaKeys[i])
		}
	})
}

func checkKey(t *testing.T, k workos.ParsedKey, m map[string]any) {
	t.Helper()
	alg, use := m["alg"], m["use"]
	ops, listed := m["key_ops"].([]any)
	_, algText := alg.(string)
	_, useText := use.(string)
	verify := !listed
	for _, o := range ops {
		verify = verify || o == "verify"
	}
	if want := (!algText || alg == "RS256") && (!useText || use == "sig") && verify; k.Fits != want {
		t.Errorf("fits %v, want %v: %v", k.Fits, want, m)
	}
	id, named := m["kid"].(string)
	_, secret := m["d"]
	if k.ID != id || k.Named != named || k.Secret != secret {
		t.Errorf("%+v of %v", k, m)
	}
	n, nErr := base64.RawURLEncoding.DecodeString(fmt.Sprint(m["n"]))
	e, eErr := base64.RawURLEncoding.DecodeString(fmt.Sprint(m["e"]))
	if k.Public == nil {
		x := new(big.Int).SetBytes(e)
		if nErr == nil && eErr == nil && m["n"] != nil && len(n) >= 256 && len(n) <= 512 && n[0] != 0 && x.BitLen() <= 31 && x.Int64() >= 3 && x.Bit(0) == 1 {
			t.Errorf("broken: %v", m)
		}
		return
	}
	if nErr != nil || eErr != nil || k.Public.N.Cmp(new(big.Int).SetBytes(n)) != 0 || int64(k.Public.E) != new(big.Int).SetBytes(e).Int64() || k.Public.E < 3 || k.Public.N.BitLen() > 4096 {
		t.Errorf("%v of %v", k.Public, m)
	}
}
