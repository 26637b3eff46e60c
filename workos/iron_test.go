package workos_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

type sealVector struct {
	ID, Plaintext, Password string
	PasswordID              string   `json:"password_id"`
	TTL                     int64    `json:"ttl_ms"`
	NowMS                   int64    `json:"now_ms"`
	Draws                   []string `json:"random_draws_hex_in_order"`
	Sealed                  string
}

func TestSealVectors(t *testing.T) {
	for _, v := range load[struct{ Vectors []sealVector }](t, "seal.json").Vectors {
		t.Run(v.ID, func(t *testing.T) {
			var random bytes.Buffer
			for _, d := range v.Draws {
				b, err := hex.DecodeString(d)
				if err != nil {
					t.Fatal(err)
				}
				random.Write(b)
			}
			now := time.UnixMilli(v.NowMS)
			sealed, err := workos.IronSeal([]byte(v.Plaintext), v.Password, &random, now, time.Duration(v.TTL)*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := strings.Cut(v.Sealed, "~")
			ours := v.PasswordID == "1" // the SDK knows no other id
			if (sealed == want) != ours {
				t.Errorf("sealed %s\nwant   %s", sealed, want)
			}
			plaintext, err := workos.IronUnseal(want, []auth.Secret{auth.NewSecret(v.Password)}, now)
			if ours && (err != nil || string(plaintext) != v.Plaintext) || !ours && err == nil {
				t.Errorf("unsealed %q, %v", plaintext, err)
			}
		})
	}
}

func TestSealFailsWithoutRandomBytes(t *testing.T) {
	for n := range 80 {
		if _, err := workos.IronSeal([]byte("{}"), testPassword, bytes.NewReader(make([]byte, n)), time.Time{}, 0); err == nil {
			t.Fatalf("sealed with %d random bytes", n)
		}
	}
}

func TestUnsealWithSeveralPasswords(t *testing.T) {
	other := auth.NewSecret(strings.Repeat("other-password-", 3))
	sealed, err := workos.IronSeal([]byte("{}"), testPassword, rand.Reader, time.Time{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		passwords []auth.Secret
		ok        bool
	}{
		"first":  {[]auth.Secret{testPasswords[0], other}, true},
		"last":   {[]auth.Secret{other, other, testPasswords[0]}, true},
		"absent": {[]auth.Secret{other}, false},
		"none":   {nil, false},
	} {
		if _, err := workos.IronUnseal(sealed, tt.passwords, time.Now()); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every change of a single character, and every prefix, is refused.
func TestSealIsNotMalleable(t *testing.T) {
	sealed, err := workos.IronSeal([]byte(`{"a":1}`), testPassword, rand.Reader, time.UnixMilli(1), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(2)
	if _, err := workos.IronUnseal(sealed, testPasswords, now); err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed) {
		if _, err := workos.IronUnseal(sealed[:i], testPasswords, now); err == nil {
			t.Errorf("the first %d characters are enough", i)
		}
		for _, c := range []byte("*A0-_=+/ \n~.") {
			if changed := sealed[:i] + string(c) + sealed[i+1:]; changed != sealed {
				if _, err := workos.IronUnseal(changed, testPasswords, now); err == nil {
					t.Errorf("%q at %d is accepted", c, i)
				}
			}
			if _, err := workos.IronUnseal(sealed[:i]+string(c)+sealed[i:], testPasswords, now); err == nil {
				t.Errorf("%q inserted at %d is accepted", c, i)
			}
		}
	}
}

// An authentic seal with a broken inside can only be made with the password. It is refused all the same.
func TestUnsealAuthenticNonsense(t *testing.T) {
	iv, block := strings.Repeat("A", 22), strings.Repeat("A", 22)
	salt := strings.Repeat("0", 64)
	good := modelEncrypt(t, salt, []byte("{}"))
	tests := map[string]string{
		"good":                   "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*",
		"iv short":               "Fe26.2*1*" + salt + "*" + iv[:20] + "*" + good + "*",
		"iv long":                "Fe26.2*1*" + salt + "*" + iv + "AA*" + good + "*",
		"iv not base64":          "Fe26.2*1*" + salt + "*" + iv[:21] + "!*" + good + "*",
		"iv with a line break":   "Fe26.2*1*" + salt + "*\n" + iv + "*" + good + "*",
		"no ciphertext":          "Fe26.2*1*" + salt + "*" + iv + "**",
		"ciphertext not a block": "Fe26.2*1*" + salt + "*" + iv + "*" + block[:20] + "*",
		"padding":                "Fe26.2*1*" + salt + "*" + iv + "*" + modelEncryptRaw(t, salt, bytes.Repeat([]byte{0}, 16)) + "*",
		"padding too long":       "Fe26.2*1*" + salt + "*" + iv + "*" + modelEncryptRaw(t, salt, bytes.Repeat([]byte{17}, 32)) + "*",
		"padding uneven":         "Fe26.2*1*" + salt + "*" + iv + "*" + modelEncryptRaw(t, salt, append(make([]byte, 14), 1, 2)) + "*",
		"expiration 0":           "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*0",
		"expiration -1":          "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*-1",
		"expiration 1e3":         "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*1e3",
		"expiration 01":          "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*01",
		"expiration 0 and more":  "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*09999999999999999",
		"expired":                "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*1",
		"forever":                "Fe26.2*1*" + salt + "*" + iv + "*" + good + "*" + strings.Repeat("9", 400),
		"other id":               "Fe26.2*2*" + salt + "*" + iv + "*" + good + "*",
		"no id":                  "Fe26.2**" + salt + "*" + iv + "*" + good + "*",
		"other format":           "Fe26.1*1*" + salt + "*" + iv + "*" + good + "*",
		"no encryption salt":     "Fe26.2*1**" + iv + "*" + modelEncrypt(t, "", []byte("{}")) + "*",
	}
	accepted := map[string]bool{"good": true, "forever": true, "no encryption salt": true}
	for name, base := range tests {
		_, err := workos.IronUnseal(base+"*"+salt+"*"+modelMAC(testPassword, salt, base), testPasswords, time.Now())
		if (err == nil) != accepted[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := workos.IronUnseal(tests["good"]+"**"+modelMAC(testPassword, "", tests["good"]), testPasswords, time.Now()); err == nil {
		t.Error("no MAC salt: accepted")
	}
}

// The model: the format written down once more, by other means. Keys come from HMAC-SHA-1 itself, the shape from a
// regular expression.
var modelShape = regexp.MustCompile(`^(Fe26\.2\*1\*([^*]*)\*([A-Za-z0-9_-]{22})\*([A-Za-z0-9_-]+)\*((?:[1-9][0-9]*)?))\*([^*]+)\*([A-Za-z0-9_-]{43})$`)

func modelKey(password, salt string) []byte {
	var key []byte
	for i := uint32(1); len(key) < 32; i++ {
		m := hmac.New(sha1.New, []byte(password))
		m.Write([]byte(salt))
		m.Write(binary.BigEndian.AppendUint32(nil, i))
		key = m.Sum(key)
	}
	return key[:32]
}

func modelMAC(password, salt, base string) string {
	m := hmac.New(sha256.New, modelKey(password, salt))
	m.Write([]byte(base))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func modelEncrypt(t testing.TB, salt string, plaintext []byte) string {
	n := 16 - len(plaintext)%16
	return modelEncryptRaw(t, salt, append(bytes.Clone(plaintext), bytes.Repeat([]byte{byte(n)}, n)...))
}

// modelEncryptRaw encrypts whole blocks with an IV of zeros.
func modelEncryptRaw(t testing.TB, salt string, text []byte) string {
	block, err := aes.NewCipher(modelKey(testPassword, salt))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Clone(text)
	cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(text, text)
	return base64.RawURLEncoding.EncodeToString(text)
}

// modelUnseal says what a seal holds at a time in Unix milliseconds.
func modelUnseal(sealed, password string, now int64) (string, bool) {
	m := modelShape.FindStringSubmatch(sealed)
	if m == nil || modelMAC(password, m[6], m[1]) != m[7] {
		return "", false
	}
	if e := m[5]; e != "" && len(e) < 16 {
		var ms int64
		for _, c := range e {
			ms = 10*ms + int64(c-'0')
		}
		if ms <= now-60000 {
			return "", false
		}
	}
	iv, err1 := base64.RawURLEncoding.Strict().DecodeString(m[3])
	text, err2 := base64.RawURLEncoding.Strict().DecodeString(m[4])
	if err1 != nil || err2 != nil || len(text)%16 != 0 {
		return "", false
	}
	block, err := aes.NewCipher(modelKey(password, m[2]))
	if err != nil {
		return "", false
	}
	plain := make([]byte, len(text))
	for i := 0; i < len(text); i += 16 {
		block.Decrypt(plain[i:], text[i:])
		for j := range 16 {
			plain[i+j] ^= iv[j]
		}
		iv = text[i : i+16]
	}
	n := int(plain[len(plain)-1])
	if n < 1 || n > 16 || !bytes.Equal(plain[len(plain)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return "", false
	}
	return string(plain[:len(plain)-n]), true
}

// FuzzUnseal is F-IRON: it lets the fuzzer write the seal itself, and the fields of a seal that is then given a true MAC, so that it
// also gets behind the MAC.
func FuzzUnseal(f *testing.F) {
	for _, v := range load[struct{ Vectors []sealVector }](f, "seal.json").Vectors {
		sealed, _, _ := strings.Cut(v.Sealed, "~")
		base, _ := cutLast(sealed)
		base, salt := cutLast(base)
		f.Add(sealed, base, salt, v.NowMS)
	}
	f.Add("Fe26.2*1*******", "Fe26.2*1***a*-1", "x", int64(0))
	f.Add("Fe26.1*1*a*b*c*d*e*f", "Fe26.2*1*s*AAAAAAAAAAAAAAAAAAAAAA*AAAAAAAAAAAAAAAAAAAAAA*1", "", int64(60001))
	f.Fuzz(func(t *testing.T, sealed, base, salt string, now int64) {
		now &= 1<<50 - 1
		for _, s := range []string{sealed, base + "*" + salt + "*" + modelMAC(testPassword, salt, base)} {
			want, ok := modelUnseal(s, testPassword, now)
			got, err := workos.IronUnseal(s, testPasswords, time.UnixMilli(now))
			if (err == nil) != ok || string(got) != want {
				t.Errorf("unseal %q: %q, %v; the model says %q, %v", s, got, err, want, ok)
			}
		}
	})
}

func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, '*')
	return s[:i], s[i+1:]
}
