package workos_test

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

// benchCookie is the vector good-full: a cookie of 2364 bytes with a token of 1074.
func benchCookie(b *testing.B) (*vector, *http.Request) {
	for _, v := range loadVectors(b, "authenticate.json") {
		if v.ID == "good-full" {
			return &v, cookieRequest(v.Cookie)
		}
	}
	b.Fatal("no such vector")
	return nil, nil
}

func BenchmarkAuthenticate(b *testing.B) {
	v, r := benchCookie(b)
	for name, cached := range map[string]int{"verified": -1, "remembered": 0} {
		b.Run(name, func(b *testing.B) {
			c := v.config(newKeyServer(b))
			c.CachedSessions = cached
			backend := mustNew(b, c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := backend.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParts is the work that the format and the token demand, and nothing else: the key derivations, the MAC, the
// decryption, base64, JSON and one RSA verification.
func BenchmarkParts(b *testing.B) {
	v, _ := benchCookie(b)
	key := newTestKeys(b)["main"].private.PublicKey
	b.ReportAllocs()
	for b.Loop() {
		if !parts(v.Cookie, v.CookiePassword, &key) {
			b.Fatal("not the vector")
		}
	}
}

func parts(cookie, password string, public *rsa.PublicKey) bool {
	f := strings.Split(strings.TrimSuffix(cookie, "~2"), "*")
	encKey, _ := pbkdf2.Key(sha1.New, password, []byte(f[2]), 1, 32)
	macKey, _ := pbkdf2.Key(sha1.New, password, []byte(f[6]), 1, 32)
	m := hmac.New(sha256.New, macKey)
	m.Write([]byte(strings.Join(f[:6], "*")))
	mac, _ := base64.RawURLEncoding.DecodeString(f[7])
	iv, _ := base64.RawURLEncoding.DecodeString(f[3])
	text, _ := base64.RawURLEncoding.DecodeString(f[4])
	block, _ := aes.NewCipher(encKey)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	var session, header, claims map[string]any
	if json.Unmarshal(text[:len(text)-int(text[len(text)-1])], &session) != nil {
		return false
	}
	token := strings.Split(session["accessToken"].(string), ".")
	var raw [3][]byte
	for i := range raw {
		raw[i], _ = base64.RawURLEncoding.DecodeString(token[i])
	}
	digest := sha256.Sum256([]byte(token[0] + "." + token[1]))
	return hmac.Equal(mac, m.Sum(nil)) && json.Unmarshal(raw[0], &header) == nil && json.Unmarshal(raw[1], &claims) == nil &&
		rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], raw[2]) == nil
}

// BenchmarkToken is the access token of that cookie alone: as it is verified here, as go-jose would, and the RSA
// verification that both contain.
func BenchmarkToken(b *testing.B) {
	v, _ := benchCookie(b)
	now := time.UnixMilli(v.NowMS)
	plaintext, err := workos.IronUnseal(strings.TrimSuffix(v.Cookie, "~2"), []auth.Secret{auth.NewSecret(v.CookiePassword)}, now)
	var session struct{ AccessToken string }
	if err != nil || json.Unmarshal(plaintext, &session) != nil {
		b.Fatal("not the vector")
	}
	main := newTestKeys(b)["main"]
	raw, public := session.AccessToken, &main.private.PublicKey
	verify, err := workos.TokenVerifier([]byte(`{"keys":[`+main.jwk+`]}`), func() time.Time { return now })
	if err != nil {
		b.Fatal(err)
	}
	end := strings.LastIndexByte(raw, '.')
	signature, _ := base64.RawURLEncoding.DecodeString(raw[end+1:])
	digest := sha256.Sum256([]byte(raw[:end]))
	for name, check := range map[string]func() error{
		"here":    func() error { return verify(raw) },
		"go-jose": func() error { return verifyWithLibrary(raw, public) },
		"rsa":     func() error { return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := check(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func verifyWithLibrary(raw string, public *rsa.PublicKey) error {
	s, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return err
	}
	payload, err := s.Verify(public)
	if err != nil {
		return err
	}
	var claims map[string]any
	return json.Unmarshal(payload, &claims)
}

func BenchmarkBearer(b *testing.B) {
	bearer := newBearer(b, nil)
	r := bearerRequest("Bearer " + newTestKeys(b)["main"].sign(b, nil, baseClaims(testNow)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bearer.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGarbage is what a forged cookie costs.
func BenchmarkGarbage(b *testing.B) {
	v, _ := benchCookie(b)
	backend := mustNew(b, v.config(newKeyServer(b)))
	forged := cookieRequest(strings.Replace(v.Cookie, "Fe26.2*1*a", "Fe26.2*1*b", 1)).WithContext(context.Background())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := backend.Authenticate(forged); err == nil {
			b.Fatal("accepted")
		}
	}
}
