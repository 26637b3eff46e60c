package auth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
)

var tokenNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func tokens(t testing.TB, now time.Time, keys ...auth.Key) *auth.SessionTokens {
	t.Helper()
	s, err := auth.NewSessionTokens(keys, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *auth.SessionTokens) string {
	t.Helper()
	token, err := s.SealSessionToken(sample)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var sample = auth.SessionToken{SessionID: "s1", Subject: "alice", Purpose: "download", ExpiresAt: tokenNow.Add(time.Minute)}

func wantTokenError(t testing.TB, s *auth.SessionTokens, token, purpose string, code auth.Code) {
	t.Helper()
	got, err := s.OpenSessionToken(token, purpose)
	if auth.CodeOf(err) != code || !errors.Is(err, auth.ErrUnauthenticated) || got != (auth.SessionToken{}) {
		t.Errorf("OpenSessionToken(%.60q, %q) = %v, %v; want %s", token, purpose, got, err, code)
	}
}

func TestSessionTokens(t *testing.T) {
	key := testKey(t, material)
	s := tokens(t, tokenNow, key)
	token := seal(t, s)
	if got, err := s.OpenSessionToken(token, "download"); err != nil || got != sample {
		t.Errorf("%v, %v", got, err)
	}
	wantTokenError(t, s, token, "upload", auth.CodeTokenInvalid)
	wantTokenError(t, s, token, "", auth.CodeTokenInvalid)
	wantTokenError(t, s, token, "Download", auth.CodeTokenInvalid)
	if _, err := tokens(t, sample.ExpiresAt.Add(-1), key).OpenSessionToken(token, "download"); err != nil {
		t.Errorf("just before the expiry: %v", err)
	}
	wantTokenError(t, tokens(t, sample.ExpiresAt, key), token, "download", auth.CodeTokenExpired)
	wantTokenError(t, tokens(t, tokenNow.AddDate(10, 0, 0), key), token, "download", auth.CodeTokenExpired)
	wantTokenError(t, tokens(t, tokenNow, auth.GenerateKey()), token, "download", auth.CodeTokenInvalid)
}

func TestSessionTokensRing(t *testing.T) {
	oldKey, newKey := auth.GenerateKey(), auth.GenerateKey()
	before, during, after := tokens(t, tokenNow, oldKey), tokens(t, tokenNow, newKey, oldKey), tokens(t, tokenNow, newKey)
	if _, err := during.OpenSessionToken(seal(t, before), "download"); err != nil {
		t.Errorf("the old key no longer opens: %v", err)
	}
	if _, err := after.OpenSessionToken(seal(t, during), "download"); err != nil {
		t.Errorf("the new key does not seal: %v", err)
	}
	wantTokenError(t, after, seal(t, before), "download", auth.CodeTokenInvalid)
}

func TestSessionTokensTamper(t *testing.T) {
	s := tokens(t, tokenNow, testKey(t, material))
	token := seal(t, s)
	for i := range len(token) {
		for bit := range 8 {
			b := []byte(token)
			b[i] ^= 1 << bit
			wantTokenError(t, s, string(b), "download", auth.CodeTokenInvalid)
		}
		wantTokenError(t, s, token[:i], "download", auth.CodeTokenInvalid)
	}
	body, mac, _ := strings.Cut(strings.TrimPrefix(token, "nst1."), ".")
	for _, bad := range []string{
		"", ".", "nst1.", "nst1..", "nst1." + body, body + "." + mac, "nst2." + body + "." + mac, token + "=", token + "\n", " " + token, token + "." + mac,
		"nst1." + body + "." + mac[:20] + "\n" + mac[20:], "nst1." + body + ".", "nst1.." + mac, strings.Repeat("x", 1<<16), token + strings.Repeat("A", 5000),
		"nst1." + base64.RawURLEncoding.EncodeToString([]byte(`{"sid":"s2","sub":"bob","pur":"download","exp":"2030-01-01T00:00:00Z"}`)) + "." + mac,
	} {
		wantTokenError(t, s, bad, "download", auth.CodeTokenInvalid)
	}
}

func TestSessionTokensRefuse(t *testing.T) {
	s := tokens(t, tokenNow, testKey(t, material))
	for name, bad := range map[string]auth.SessionToken{
		"no session": {Subject: "a", Purpose: "p", ExpiresAt: tokenNow},
		"no purpose": {SessionID: "s", Subject: "a", ExpiresAt: tokenNow},
		"no expiry":  {SessionID: "s", Subject: "a", Purpose: "p"},
		"year 10000": {SessionID: "s", Subject: "a", Purpose: "p", ExpiresAt: tokenNow.AddDate(9000, 0, 0)},
		"too large":  {SessionID: strings.Repeat("s", 4000), Subject: "a", Purpose: "p", ExpiresAt: tokenNow},
	} {
		if token, err := s.SealSessionToken(bad); auth.CodeOf(err) != auth.CodeValidation || token != "" {
			t.Errorf("%s: %q, %v", name, token, err)
		}
	}
	for name, keys := range map[string][]auth.Key{"none": nil, "zero": {{}}, "second zero": {testKey(t, material), {}}} {
		if s, err := auth.NewSessionTokens(keys, nil); auth.CodeOf(err) != auth.CodeConfigInvalid || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The largest token that seals must also open.
func TestSessionTokensLimit(t *testing.T) {
	s := tokens(t, tokenNow, testKey(t, material))
	sealed := 0
	for n := 2800; n < 3200; n++ {
		in := sample
		in.SessionID = strings.Repeat("s", n)
		token, err := s.SealSessionToken(in)
		if err != nil {
			continue
		}
		sealed++
		if got, err := s.OpenSessionToken(token, "download"); err != nil || got != in {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if sealed == 0 || sealed == 400 {
		t.Errorf("%d of 400 lengths sealed: the limit is elsewhere", sealed)
	}
}

func TestSessionTokensClock(t *testing.T) {
	s, err := auth.NewSessionTokens([]auth.Key{testKey(t, material)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := sample
	in.ExpiresAt = time.Now().Add(time.Hour).UTC().Round(0)
	token, err := s.SealSessionToken(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.OpenSessionToken(token, "download"); err != nil || got != in {
		t.Errorf("%v, %v", got, err)
	}
	in.ExpiresAt = time.Now().Add(-time.Second)
	if token, err = s.SealSessionToken(in); err != nil {
		t.Fatal(err)
	}
	wantTokenError(t, s, token, "download", auth.CodeTokenExpired)
}

// FuzzOpenSessionToken is F-SEAL for session tokens: what opens is what was sealed, to the bit.
func FuzzOpenSessionToken(f *testing.F) {
	s := tokens(f, tokenNow, testKey(f, material))
	good := seal(f, s)
	for _, seed := range []string{good, "", "nst1..", good + ".", good[:len(good)-1], "nst1.e30." + strings.Repeat("A", 43)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		token = strings.ReplaceAll(token, "SEALED", good)
		got, err := s.OpenSessionToken(token, "download")
		fuzzcheck.Discreet(t, err, token, good)
		if err == nil && (token != good || got != sample) {
			t.Errorf("%q opened as %v", token, got)
		}
		if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
