package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

const material = "0123456789abcdefghijklmnopqrstuv" // 32 bytes

func testKey(t testing.TB, b string) auth.Key {
	t.Helper()
	k, err := auth.NewKey([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// leaks are the ways in which the material could show up in a text.
func leaks() []string {
	ints := strings.Trim(fmt.Sprint([]byte(material)), "[]")
	hexes := fmt.Sprintf("%#v", []byte(material[:4]))
	return []string{
		material, material[:12], hex.EncodeToString([]byte(material[:8])), strings.ToUpper(hex.EncodeToString([]byte(material[:8]))),
		base64.StdEncoding.EncodeToString([]byte(material[:12])), ints[:20], hexes[len("[]byte{") : len(hexes)-1],
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	secret, key := auth.NewSecret(material), testKey(t, material)
	type exported struct {
		Secret auth.Secret
		Key    auth.Key
	}
	type unexported struct {
		secret auth.Secret
		key    auth.Key
		ptr    *auth.Key
		list   []auth.Secret
		m      map[string]auth.Key
	}
	hidden := unexported{secret, key, &key, []auth.Secret{secret}, map[string]auth.Key{"k": key}}
	values := []any{
		secret, &secret, key, &key, exported{secret, key}, &exported{secret, key}, hidden, &hidden,
		[]auth.Key{key}, map[string]auth.Secret{"a": secret}, struct{ inner unexported }{hidden},
		auth.Event{Subject: secret}, errors.Join(fmt.Errorf("x %v %s", secret, key)),
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%o", "%b", "%08v", "%t", "%e", "%p", "%T"} {
			checkNoLeak(t, fmt.Sprintf("%T with %s", v, verb), fmt.Sprintf(verb, v))
		}
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		checkNoLeak(t, fmt.Sprintf("%T with slog", v), out.String())
		if text, err := json.Marshal(v); err == nil {
			checkNoLeak(t, fmt.Sprintf("%T as JSON", v), string(text))
		}
		if text, err := xml.Marshal(v); err == nil {
			checkNoLeak(t, fmt.Sprintf("%T as XML", v), string(text))
		}
		out.Reset()
		if err := gob.NewEncoder(&out).Encode(v); err == nil {
			checkNoLeak(t, fmt.Sprintf("%T as gob", v), out.String())
		}
	}
}

func checkNoLeak(t *testing.T, what, text string) {
	t.Helper()
	for _, leak := range leaks() {
		if strings.Contains(text, leak) {
			t.Errorf("%s printed %q in %q", what, leak, text)
		}
	}
}

// The check itself must be able to find what it looks for.
func TestLeakCheckFinds(t *testing.T) {
	type plain struct{ k [32]byte }
	var p plain
	copy(p.k[:], material)
	for _, text := range []string{"x" + material, fmt.Sprintf("%x", p), fmt.Sprintf("%v", p), fmt.Sprintf("%#v", p), fmt.Sprintf("%X", p)} {
		found := false
		for _, leak := range leaks() {
			found = found || strings.Contains(text, leak)
		}
		if !found {
			t.Errorf("no leak found in %q", text)
		}
	}
}

func TestSecret(t *testing.T) {
	s := auth.NewSecret("hunter2")
	if s.Reveal() != "hunter2" || s.IsZero() || s.String() != "[redacted]" {
		t.Errorf("%v", s.Reveal())
	}
	var zero auth.Secret
	if empty := auth.NewSecret(""); !zero.IsZero() || !empty.IsZero() || zero.Reveal() != "" || zero.String() != "[redacted]" {
		t.Error("the empty secret")
	}
	if text, err := json.Marshal(map[string]any{"s": s, "k": auth.GenerateKey()}); err != nil || string(text) != `{"k":"[redacted]","s":"[redacted]"}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestKey(t *testing.T) {
	raw := []byte(material)
	k, err := auth.NewKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] = 'X'
	k.Bytes()[1] = 'X'
	if string(k.Bytes()) != material {
		t.Error("the key changed with a slice outside")
	}
	for _, text := range []string{k.Encode(), k.Encode() + "="} {
		if again, err := auth.ParseKey(text); err != nil || !again.Equal(k) {
			t.Errorf("ParseKey(%d characters): %v", len(text), err)
		}
	}
	var zero auth.Key
	if !zero.IsZero() || zero.Bytes() != nil || zero.Encode() != "" || zero.Equal(zero) || zero.Equal(k) || k.Equal(zero) {
		t.Error("the zero key is a key")
	}
	if a, b := auth.GenerateKey(), auth.GenerateKey(); a.Equal(b) || !a.Equal(a) {
		t.Error("generated keys")
	}
}

func TestBadKeys(t *testing.T) {
	good := testKey(t, material).Encode()
	for _, b := range []string{"", material[1:], material + "x", strings.Repeat("\x00", 32), strings.Repeat("a", 32)} {
		if k, err := auth.NewKey([]byte(b)); err == nil || !k.IsZero() {
			t.Errorf("NewKey(%q) accepted", b)
		}
	}
	for _, s := range []string{
		"", good[1:], good + "A", good + "==", good + "\n", " " + good, good[:20] + "\n" + good[20:], strings.Replace(good, good[:1], "+", 1),
		good[:len(good)-1] + "9", // bits left over that are not zero
		hex.EncodeToString([]byte(material)),
	} {
		k, err := auth.ParseKey(s)
		if err == nil || !k.IsZero() {
			t.Errorf("ParseKey(%q) accepted", s)
			continue
		}
		if len(s) > 8 && strings.Contains(err.Error(), s[:8]) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}
