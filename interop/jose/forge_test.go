// Package jose holds the verifiers of tokens in this library against golang-jwt, which shares no code with them: valid
// tokens are changed in their structure, and both must say the same.
package jose

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"strings"
)

// forger makes tokens that are nearly right.
type forger struct {
	random *mathrand.Rand
	key    *rsa.PrivateKey
	kid    string
	good   map[string]any // claims of a good token
}

// forge returns a token, good as it is about once in five.
func (f *forger) forge() (string, error) {
	claims := maps.Clone(f.good)
	for range f.upTo(3) {
		f.changeClaim(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	header, method := f.header()
	body := string(payload)
	if f.once(8) {
		body = f.changeText(body)
	}
	if f.once(10) {
		header = f.changeText(header)
	}
	signed := encode(header) + "." + encode(body)
	signature, err := f.sign(method, signed)
	if err != nil {
		return "", err
	}
	token := signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	if f.once(4) {
		token = f.splice(token)
	}
	return token, nil
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func (f *forger) once(in int) bool { return f.random.IntN(in) == 0 }

func (f *forger) upTo(n int) int { return f.random.IntN(n) }

func pick[T any](f *forger, list []T) T { return list[f.random.IntN(len(list))] }

// header returns a header, and how the token is signed.
func (f *forger) header() (string, string) {
	if !f.once(3) {
		return pick(f, []string{`{"alg":"RS256","kid":"` + f.kid + `"}`, `{"typ":"JWT","alg":"RS256","kid":"` + f.kid + `"}`}), "RS256"
	}
	method := pick(f, []string{"RS256", "RS256", "RS384", "PS256", "HS256", "none", "ES256", "rs256", ""})
	kid := pick(f, []string{f.kid, f.kid, f.kid, "", "x", strings.ToUpper(f.kid), f.kid + "\x00"})
	h := map[string]any{"alg": method, "kid": kid}
	for name, v := range map[string]any{
		"typ": pick(f, []any{"JWT", "jwt", "at+jwt", 7, nil}), "crit": pick(f, []any{[]string{"b64"}, []string{}, []string{"x"}, "b64"}), "b64": f.once(2),
		"jwk": map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "jku": "https://evil.test/jwks", "x5c": []string{"AAAA"}, "zip": "DEF", "cty": "JWT",
	} {
		if f.once(8) {
			h[name] = v
		}
	}
	if f.once(10) {
		delete(h, "kid")
	}
	text, _ := json.Marshal(h)
	return string(text), pick(f, []string{"RS256", method})
}

// sign signs as the method says. With HS256 the secret is the public key, which everybody has.
func (f *forger) sign(method, signed string) ([]byte, error) {
	switch method {
	case "none", "":
		return nil, nil
	case "HS256":
		public, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
		m := hmac.New(sha256.New, public)
		m.Write([]byte(signed))
		return m.Sum(nil), err
	case "PS256":
		digest := sha256.Sum256([]byte(signed))
		return rsa.SignPSS(rand.Reader, f.key, crypto.SHA256, digest[:], nil)
	}
	digest := sha256.Sum256([]byte(signed))
	return rsa.SignPKCS1v15(nil, f.key, crypto.SHA256, digest[:])
}

// changeClaim changes one claim, removes it, or adds one.
func (f *forger) changeClaim(claims map[string]any) {
	name := pick(f, append(slices.Sorted(maps.Keys(f.good)), "nbf", "iat", "azp", "sid", "client_id", "at_hash", "jti", "x"))
	values := []any{
		"", "x", 0, -1, 1, 1e3, 1e15, 1e300, true, nil, []any{}, []any{f.good["aud"]}, []any{f.good["aud"], "x"}, []any{1}, map[string]any{}, fmt.Sprint(f.good[name]),
		f.good["iss"], f.good["sub"], f.good["aud"],
	}
	for _, seconds := range []int64{-3600, -61, -60, -1, 0, 1, 59, 60, 61, 3600} {
		values = append(values, now.Unix()+seconds, float64(now.Unix()+seconds)+0.5)
	}
	if text, ok := f.good[name].(string); ok {
		values = append(values, text+"/", strings.ToUpper(text), text+" ", text[:len(text)-1], []string{text})
	}
	if f.once(6) {
		delete(claims, name)
		return
	}
	claims[name] = pick(f, values)
}

// changeText changes the text of an object.
func (f *forger) changeText(s string) string {
	i := strings.IndexByte(s, ':')
	switch f.upTo(9) {
	case 0: // a member twice, once with another value
		return s[:len(s)-1] + "," + s[1:i] + `:"x"}`
	case 1:
		return "{" + s[1:i] + `:"x",` + s[1:]
	case 2: // another case
		return strings.Replace(s, s[1:i], strings.ToUpper(s[1:i]), 1)
	case 3:
		return "{" + strings.ToUpper(s[1:i]) + `:"x",` + s[1:]
	case 4:
		return s + pick(f, []string{"{}", " ", "\n", "x", "\x00"})
	case 5:
		return pick(f, []string{"\ufeff", " ", "[", "\v"}) + s
	case 6: // the same name, spelt otherwise
		return "{" + `"\u00` + fmt.Sprintf("%02x", s[2]) + s[3:]
	case 7:
		return s[:len(s)-1] + ",\"y\":\"\xff\"}"
	}
	return s[:len(s)-1] + `,"y":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "}"
}

// splice changes the token as text.
func (f *forger) splice(token string) string {
	parts := strings.Split(token, ".")
	switch f.upTo(8) {
	case 0: // the bits of the last character that encode nothing
		p := f.upTo(len(parts))
		if n := len(parts[p]); n > 0 {
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			parts[p] = parts[p][:n-1] + string(alphabet[strings.IndexByte(alphabet, parts[p][n-1])^1])
		}
		return strings.Join(parts, ".")
	case 1:
		parts[f.upTo(len(parts))] += pick(f, []string{"=", "==", "A", "\n", " ", "%3D"})
		return strings.Join(parts, ".")
	case 2:
		return token + pick(f, []string{".", ".x", "..", " "})
	case 3:
		return strings.NewReplacer("-", "+", "_", "/").Replace(token)
	case 4:
		return strings.Join(parts[:2], ".") + "."
	}
	i := f.upTo(len(token))
	j := min(len(token), i+f.upTo(3))
	return token[:i] + pick(f, []string{"", "A", ".", "\r\n", "\x00", "é", "-", "="}) + token[j:]
}
