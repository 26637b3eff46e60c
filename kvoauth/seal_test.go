package kvoauth

import (
	"bytes"
	"testing"

	"github.com/netscript/auth"
)

func newTestSealer(t testing.TB, purpose string, keys ...auth.Key) *sealer {
	t.Helper()
	s, err := newSealer(purpose, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealOpens(t *testing.T) {
	s := newTestSealer(t, purposeSession, auth.GenerateKey())
	for _, plain := range [][]byte{{}, {0}, []byte("record"), bytes.Repeat([]byte("x"), 1<<20)} {
		sealed := s.seal("name", plain)
		if len(plain) > 8 && bytes.Contains(sealed, plain[:8]) {
			t.Error("the sealed record is readable")
		}
		got, err := s.open("name", sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d, %v", len(plain), len(got), err)
		}
	}
}

func TestSealOpensNowhereElse(t *testing.T) {
	key, other := auth.GenerateKey(), auth.GenerateKey()
	sealed := newTestSealer(t, purposeSession, key).seal("name", []byte("record"))
	for name, open := range map[string]func() ([]byte, error){
		"purpose":      func() ([]byte, error) { return newTestSealer(t, purposeTokens, key).open("name", sealed) },
		"other key":    func() ([]byte, error) { return newTestSealer(t, purposeSession, other).open("name", sealed) },
		"other name":   func() ([]byte, error) { return newTestSealer(t, purposeSession, key).open("namf", sealed) },
		"longer name":  func() ([]byte, error) { return newTestSealer(t, purposeSession, key).open("name ", sealed) },
		"shorter name": func() ([]byte, error) { return newTestSealer(t, purposeSession, key).open("nam", sealed) },
		"no name":      func() ([]byte, error) { return newTestSealer(t, purposeSession, key).open("", sealed) },
		"nothing":      func() ([]byte, error) { return newTestSealer(t, purposeSession, key).open("name", nil) },
	} {
		if plain, err := open(); err == nil || plain != nil {
			t.Errorf("%s: opens", name)
		}
	}
}

// TestSealPurposeIsBound uses the keys of one purpose under the name of another: the associated data differ too.
func TestSealPurposeIsBound(t *testing.T) {
	s := newTestSealer(t, purposeSession, auth.GenerateKey())
	sealed := s.seal("name", []byte("record"))
	renamed := &sealer{purpose: purposeTokens, ring: s.ring}
	if _, err := renamed.open("name", sealed); err == nil {
		t.Error("opens for another purpose")
	}
	shifted := &sealer{purpose: purposeSession + "n", ring: s.ring}
	if _, err := shifted.open("ame", sealed); err == nil {
		t.Error("purpose and name can be shifted into one another")
	}
}

func TestEveryChangeOfASealIsNoticed(t *testing.T) {
	s := newTestSealer(t, purposeSession, auth.GenerateKey(), auth.GenerateKey())
	sealed := s.seal("name", []byte("a record of some length"))
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if _, err := s.open("name", changed); err == nil {
				t.Errorf("bit %d of byte %d can be changed", bit, i)
			}
		}
		if _, err := s.open("name", sealed[:i]); err == nil {
			t.Errorf("%d bytes of %d open", i, len(sealed))
		}
		if _, err := s.open("name", sealed[i+1:]); err == nil {
			t.Errorf("opens from byte %d", i+1)
		}
	}
	if _, err := s.open("name", append(bytes.Clone(sealed), 0)); err == nil {
		t.Error("can be longer")
	}
}

func TestSealRing(t *testing.T) {
	a, b, c := auth.GenerateKey(), auth.GenerateKey(), auth.GenerateKey()
	old := newTestSealer(t, purposeSession, a).seal("name", []byte("x"))
	both := newTestSealer(t, purposeSession, b, a)
	if _, err := both.open("name", old); err != nil {
		t.Error("the old key does not open")
	}
	fresh := both.seal("name", []byte("x"))
	if _, err := newTestSealer(t, purposeSession, b).open("name", fresh); err != nil {
		t.Error("the first key did not seal")
	}
	kept := both.sealLike(old, "name", []byte("x"))
	if _, err := newTestSealer(t, purposeSession, a).open("name", kept); err != nil {
		t.Error("a record did not keep its key")
	}
	for name, prev := range map[string][]byte{"nothing": nil, "short": old[:3], "of a key that is gone": newTestSealer(t, purposeSession, c).seal("n", nil)} {
		if _, err := newTestSealer(t, purposeSession, b).open("name", both.sealLike(prev, "name", nil)); err != nil {
			t.Errorf("in place of %s: not with the first key", name)
		}
	}
}

// TestSealNonces seals the same record 2^20 times.
func TestSealNonces(t *testing.T) {
	n := 1 << 20
	if testing.Short() {
		n = 1 << 16
	}
	s := newTestSealer(t, purposeSession, auth.GenerateKey())
	const size = 12
	seen := make(map[[size]byte]struct{}, n)
	plain := []byte("record")
	for range n {
		sealed := s.seal("name", plain)
		seen[[size]byte(sealed[sealHeader:])] = struct{}{}
	}
	if len(seen) != n {
		t.Errorf("%d nonces for %d records", len(seen), n)
	}
}

// FuzzSeal is F-SEAL: what was sealed opens as it was, and not with a bit changed, a part replaced, or under another name.
func FuzzSeal(f *testing.F) {
	key, err := auth.NewKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		f.Fatal(err)
	}
	s := newTestSealer(f, purposeSession, key)
	f.Add([]byte{}, []byte("record"), 0)
	f.Add([]byte{1}, []byte(""), 3)
	f.Add(s.seal("name", []byte("record"))[:10], []byte("x"), 40)
	f.Fuzz(func(t *testing.T, garbage, plain []byte, at int) {
		if _, err := s.open("name", garbage); err == nil {
			t.Error("garbage opens")
		}
		sealed := s.seal("name", plain)
		got, err := s.open("name", sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("does not open: %v", err)
		}
		i := int(uint(at) % uint(len(sealed)))
		sealed[i] ^= 1 << (uint(at) >> 8 % 8)
		if _, err := s.open("name", sealed); err == nil {
			t.Errorf("a bit of byte %d does not matter", i)
		}
		sealed[i] ^= 1 << (uint(at) >> 8 % 8)
		if _, err := s.open("nam", sealed); err == nil {
			t.Error("opens under another name")
		}
		spliced := append(bytes.Clone(sealed[:i]), garbage...)
		if _, err := s.open("name", spliced); err == nil && !bytes.Equal(spliced, sealed) {
			t.Error("a spliced record opens")
		}
	})
}
