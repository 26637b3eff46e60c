package workos

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

const seals = 1500

// TestSeals is F-IRON: a seal that is nearly right, with a MAC that is true for most, is opened here only if the SDK opens
// it, and if the format has no other way to write it, then here too.
func TestSeals(t *testing.T) {
	r := newRig(t, workos.Config{})
	d, _ := r.session(t)
	content, err := json.Marshal(map[string]any{"user": d.User, "accessToken": d.AccessToken.Reveal(), "refreshToken": d.RefreshToken.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	accepted, stricter := 0, 0
	for range seals {
		cookie, plain := r.forgeSeal(t, content)
		if strings.ContainsAny(cookie, ";, \"\\") {
			continue // no cookie's value
		}
		var theirs map[string]any
		err := r.sdk.do("authenticate", map[string]any{"cookie": cookie}, &theirs)
		there := err == nil && theirs["authenticated"] == true
		_, err = r.backend.Authenticate(request(cookie))
		if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatalf("could not tell: %v", err)
		}
		switch here := err == nil; {
		case here && !there:
			t.Errorf("accepted here, and there %v: %.400q", theirs, cookie)
		case !here && there && plain:
			t.Errorf("refused here with %v: %.400q", err, cookie)
		case !here && there:
			stricter++
		case here:
			accepted++
		}
	}
	t.Logf("%d seals, %d accepted by both, %d by the SDK alone", seals, accepted, stricter)
	if accepted < seals/20 {
		t.Error("too few are accepted: the test proves nothing")
	}
}

// forgeSeal seals content, changes fields before the MAC is made, and the text after it. plain: neither was changed.
func (r *rig) forgeSeal(t *testing.T, content []byte) (cookie string, plain bool) {
	t.Helper()
	pick := func(list ...string) string { return list[r.random.IntN(len(list))] }
	salt := strings.Repeat("5a", 32)
	field := []string{"Fe26.2", "1", salt, base64.RawURLEncoding.EncodeToString(make([]byte, aes.BlockSize)), encrypt(t, salt, content), ""}
	plain = true
	if r.random.IntN(3) > 0 {
		plain = false
		soon := time.Now().Add(time.Hour).UnixMilli()
		switch i := r.random.IntN(len(field)); i {
		case 0:
			field[i] = pick("Fe26.1", "fe26.2", "", "Fe26.2 ")
		case 1:
			field[i] = pick("", "2", "01", "default", "1 ")
		case 2:
			field[i] = pick("", "x", strings.ToUpper(salt), salt+" ")
		case 3, 4:
			field[i] = pick(field[i]+"=", field[i]+"A", field[i][:len(field[i])-1], "", strings.NewReplacer("-", "+", "_", "/").Replace(field[i]), field[i][:len(field[i])-1]+"B", field[i]+"\n")
		case 5:
			field[i] = pick("0", "-1", "1e15", fmt.Sprint(soon), fmt.Sprint(soon, "0"), "0"+fmt.Sprint(soon), strings.Repeat("9", 400), "1", "+1", fmt.Sprint(soon)+".5", fmt.Sprint(soon-2*3600*1000))
		}
	}
	base := strings.Join(field, "*")
	macSalt := strings.Repeat("c3", 32)
	m := hmac.New(sha256.New, keyOf(t, macSalt))
	m.Write([]byte(base))
	sealed := base + "*" + macSalt + "*" + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	if r.random.IntN(5) == 0 {
		plain = false
		i := r.random.IntN(len(sealed))
		sealed = sealed[:i] + pick("", "A", "*", "=", "~", ".") + sealed[min(len(sealed), i+r.random.IntN(2)):]
	}
	version := pick("~2", "~2", "~2", "~2", "~02", "~2x", "~1", "", "~", "~2~1", "~3")
	return sealed + version, plain && version == "~2"
}

func keyOf(t *testing.T, salt string) []byte {
	t.Helper()
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), 1, 32)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// encrypt encrypts under an IV of zeros, which forgeSeal writes.
func encrypt(t *testing.T, salt string, content []byte) string {
	t.Helper()
	block, err := aes.NewCipher(keyOf(t, salt))
	if err != nil {
		t.Fatal(err)
	}
	n := aes.BlockSize - len(content)%aes.BlockSize
	text := append(bytes.Clone(content), bytes.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(text, text)
	return base64.RawURLEncoding.EncodeToString(text)
}
