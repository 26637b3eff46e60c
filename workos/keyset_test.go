package workos_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

// jwksBackend gets its keys from respond.
func jwksBackend(t testing.TB, respond func() (*http.Response, error)) (*workos.Backend, *atomic.Int64, *clock) {
	n, c := new(atomic.Int64), newClock()
	b := mustNew(t, workos.Config{
		ClientID: testClient, CookiePasswords: testPasswords, Now: c.Now,
		HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			n.Add(1)
			return respond()
		})},
	})
	return b, n, c
}

func tokenCookie(t testing.TB, k *testKey, change map[string]any) *http.Request {
	return cookieRequest(sealTest(t, sessionJSON(k.sign(t, nil, with(baseClaims(testNow), change)))))
}

func TestKeySets(t *testing.T) {
	keys := newTestKeys(t)
	main, weak := keys["main"], keys["weak"]
	plain := `"kty":"RSA","n":"` + modulus(main) + `","e":"AQAB"`
	named := `{` + plain + `,"kid":"key_01MAIN"`
	set := func(entries ...string) string { return `{"keys":[` + strings.Join(entries, ",") + `]}` }
	tests := []struct {
		name string
		key  *testKey
		body string
		code auth.Code
	}{
		{"bare", main, set(named + "}"), ""},
		{"with everything", main, set(named + `,"alg":"RS256","use":"sig","key_ops":["sign","verify"],"x5c":["x"]}`), ""},
		{"other keys beside it", main, set(`{"kty":"EC","kid":"key_01MAIN"}`, `{"kty":"oct","k":"AAAA","kid":"key_01MAIN"}`, `{}`, named+"}"), ""},
		{"types are not texts", main, set(named + `,"alg":1,"use":[],"key_ops":"sign"}`), ""},
		{"kid twice", main, set(named+"}", named+"}"), auth.CodeTokenInvalid},
		{"kid twice, one of them weak", main, set(named+"}", `{"kty":"RSA","n":"`+modulus(weak)+`","e":"AQAB","kid":"key_01MAIN"}`), auth.CodeTokenInvalid},
		{"no kid", main, set("{" + plain + "}"), auth.CodeTokenInvalid},
		{"kid in another case", main, set("{" + plain + `,"Kid":"key_01MAIN"}`), auth.CodeTokenInvalid},
		{"kty in another case", main, set(strings.Replace(named, "RSA", "rsa", 1) + "}"), auth.CodeTokenInvalid},
		{"alg of another", main, set(named + `,"alg":"RS384"}`), auth.CodeTokenInvalid},
		{"for encryption", main, set(named + `,"use":"enc"}`), auth.CodeTokenInvalid},
		{"for signing only", main, set(named + `,"key_ops":["sign"]}`), auth.CodeTokenInvalid},
		{"empty", main, set(), auth.CodeTokenInvalid},
		{"RSA-1024", weak, set(`{"kty":"RSA","n":"` + modulus(weak) + `","e":"AQAB","kid":"key_03WEAK"}`), auth.CodeTokenInvalid},
		{"private", main, set(named + `,"d":"AQAB"}`), auth.CodeProviderInvalid},
		{"modulus missing", main, set(`{"kty":"RSA","e":"AQAB","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"modulus empty", main, set(`{"kty":"RSA","n":"","e":"AQAB","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"modulus a number", main, set(`{"kty":"RSA","n":7,"e":"AQAB","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"exponent 2", main, set(`{"kty":"RSA","n":"` + modulus(main) + `","e":"Ag","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"exponent of 33 bits", main, set(`{"kty":"RSA","n":"` + modulus(main) + `","e":"AQAAAAE","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"modulus not base64", main, set(`{"kty":"RSA","n":"!","e":"AQAB","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"exponent 1", main, set(`{"kty":"RSA","n":"` + modulus(main) + `","e":"AQ","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"exponent even", main, set(`{"kty":"RSA","n":"` + modulus(main) + `","e":"BA","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"exponent huge", main, set(`{"kty":"RSA","n":"` + modulus(main) + `","e":"AQABAQABAQAB","kid":"key_01MAIN"}`), auth.CodeProviderInvalid},
		{"not JSON", main, `{"keys": [`, auth.CodeProviderInvalid},
		{"not an object", main, `[]`, auth.CodeProviderInvalid},
		{"no keys", main, `{"nope":true}`, auth.CodeProviderInvalid},
		{"keys an object", main, `{"keys":{}}`, auth.CodeProviderInvalid},
		{"a key that is no object", main, set(named+"}", "7"), auth.CodeProviderInvalid},
		{"too many", main, set(strings.Repeat(named+"},", 100) + named + "}"), auth.CodeProviderInvalid},
		{"10 MB", main, set(named+"}") + strings.Repeat(" ", 10<<20), auth.CodeProviderInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _, _ := jwksBackend(t, func() (*http.Response, error) { return answer(200, tt.body), nil })
			_, err := b.Authenticate(tokenCookie(t, tt.key, nil))
			wantCode(t, err, tt.code, false)
		})
	}
}

// A kid that is no text is not the empty one.
func TestKidThatIsNoText(t *testing.T) {
	main := newTestKeys(t)["main"]
	body := `{"keys":[{"kty":"RSA","n":"` + modulus(main) + `","e":"AQAB","kid":""}]}`
	for _, kid := range []any{7, json.RawMessage("null"), []string{""}} {
		b, _, _ := jwksBackend(t, func() (*http.Response, error) { return answer(200, body), nil })
		_, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(main.sign(t, map[string]any{"kid": kid}, baseClaims(testNow))))))
		wantCode(t, err, auth.CodeTokenInvalid, false)
	}
	b, _, _ := jwksBackend(t, func() (*http.Response, error) { return answer(200, body), nil })
	if _, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(main.sign(t, map[string]any{"kid": ""}, baseClaims(testNow)))))); err != nil {
		t.Error(err)
	}
}

// An empty kid is a name: it is not the one key's that has another, or none.
func TestEmptyKid(t *testing.T) {
	main := newTestKeys(t)["main"]
	for _, kid := range []string{"", `,"kid":"key_01MAIN"`} {
		body := `{"keys":[{"kty":"RSA","n":"` + modulus(main) + `","e":"AQAB"` + kid + `}]}`
		b, _, _ := jwksBackend(t, func() (*http.Response, error) { return answer(200, body), nil })
		_, err := b.Authenticate(cookieRequest(sealTest(t, sessionJSON(main.sign(t, map[string]any{"kid": ""}, baseClaims(testNow))))))
		wantCode(t, err, auth.CodeTokenInvalid, false)
	}
}

func modulus(k *testKey) string {
	return base64.RawURLEncoding.EncodeToString(k.private.N.Bytes())
}

func TestOversizedKeysAreRefused(t *testing.T) {
	main := newTestKeys(t)["main"]
	n := new(big.Int).Lsh(big.NewInt(1), 16383)
	body := fmt.Sprintf(`{"keys":[{"kty":"RSA","n":%q,"e":"AQAB","kid":"key_01MAIN"}]}`, base64.RawURLEncoding.EncodeToString(n.Bytes()))
	b, _, _ := jwksBackend(t, func() (*http.Response, error) { return answer(200, body), nil })
	_, err := b.Authenticate(tokenCookie(t, main, nil))
	wantCode(t, err, auth.CodeProviderInvalid, false)
}

func TestKeysCannotBeFetched(t *testing.T) {
	main := newTestKeys(t)["main"]
	tests := map[string]struct {
		respond func() (*http.Response, error)
		code    auth.Code
	}{
		"refused":  {func() (*http.Response, error) { return nil, errors.New("dial secret-host: refused") }, auth.CodeProviderUnavailable},
		"500":      {func() (*http.Response, error) { return answer(500, `{"keys":[]}`), nil }, auth.CodeProviderUnavailable},
		"429":      {func() (*http.Response, error) { return answer(429, ""), nil }, auth.CodeProviderUnavailable},
		"404":      {func() (*http.Response, error) { return answer(404, `{"keys":[]}`), nil }, auth.CodeProviderInvalid},
		"204":      {func() (*http.Response, error) { return answer(204, ""), nil }, auth.CodeProviderInvalid},
		"redirect": {func() (*http.Response, error) { return answer(302, "", "Location", "https://evil.test/"), nil }, auth.CodeProviderInvalid},
		"cut short": {func() (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(brokenReader{})}, nil
		}, auth.CodeProviderUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, n, _ := jwksBackend(t, tt.respond)
			for range 50 {
				_, err := b.Authenticate(tokenCookie(t, main, nil))
				wantCode(t, err, tt.code, false)
				if strings.Contains(err.Error(), "secret-host") {
					t.Error(err)
				}
			}
			if n.Load() != 1 {
				t.Errorf("%d requests for 50 cookies", n.Load())
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// WorkOS that never answers is given up after five seconds, and no request waits longer than its own context.
func TestKeysTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		main := newTestKeys(t)["main"]
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		b := mustNew(t, workos.Config{ClientID: testClient, CookiePasswords: testPasswords, HTTPClient: &http.Client{Transport: transport}})
		r := tokenCookie(t, main, nil)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Authenticate(r.WithContext(ctx))
		wantCode(t, err, auth.CodeProviderUnavailable, false)
		if d := time.Since(start); d != time.Second {
			t.Errorf("the impatient one waited %s", d)
		}
		_, err = b.Authenticate(r)
		wantCode(t, err, auth.CodeProviderUnavailable, false)
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("the keys were waited for %s", d)
		}
	})
}

// Fifty forged tokens of unknown keys, one after the other and at once, cause at most one fetch.
func TestForgedTokensAreNotAmplified(t *testing.T) {
	keys := newTestKeys(t)
	b, n, c := jwksBackend(t, func() (*http.Response, error) { return answer(200, `{"keys":[`+keys["main"].jwk+`]}`), nil })
	good := tokenCookie(t, keys["main"], map[string]any{"exp": testNow.Unix() + 86400})
	if _, err := b.Authenticate(good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after   time.Duration
		fetches int64
	}{{0, 0}, {299 * time.Second, 0}, {time.Second, 1}, {time.Second, 0}} {
		c.advance(tt.after)
		before := n.Load()
		var wg sync.WaitGroup
		for i := range 50 {
			r := cookieRequest(sealTest(t, sessionJSON(keys["rogue"].sign(t, map[string]any{"kid": fmt.Sprint("k", i)}, baseClaims(testNow)))))
			wg.Go(func() {
				_, err := b.Authenticate(r)
				if auth.CodeOf(err) != auth.CodeTokenInvalid {
					t.Errorf("a forged token: %v", err)
				}
			})
		}
		wg.Wait()
		if got := n.Load() - before; got != tt.fetches {
			t.Errorf("%s later: %d fetches, want %d", tt.after, got, tt.fetches)
		}
		if _, err := b.Authenticate(good); err != nil {
			t.Error(err)
		}
	}
}

// An unknown key while WorkOS is down could not be decided; known keys serve until they are too old, and then nothing does.
func TestKeysWhileWorkOSIsDown(t *testing.T) {
	keys := newTestKeys(t)
	var down atomic.Bool
	b, _, c := jwksBackend(t, func() (*http.Response, error) {
		if down.Load() {
			return nil, errors.New("down")
		}
		return answer(200, `{"keys":[`+keys["main"].jwk+`]}`), nil
	})
	long := map[string]any{"exp": testNow.Unix() + 86400}
	known, unknown := tokenCookie(t, keys["main"], long), tokenCookie(t, keys["second"], long)
	check := func(name string, r *http.Request, code auth.Code) {
		t.Helper()
		_, err := b.Authenticate(r)
		if auth.CodeOf(err) != code {
			t.Errorf("%s: %v, want %q", name, err, code)
		}
	}
	check("known", known, "")
	down.Store(true)
	check("unknown, in the cooldown", unknown, auth.CodeTokenInvalid)
	c.advance(300 * time.Second)
	check("unknown, after the cooldown", unknown, auth.CodeProviderUnavailable)
	check("known", known, "")
	c.advance(299 * time.Second)
	check("known, nearly too old", known, "")
	c.advance(time.Second)
	check("known, too old, also from the cache", known, auth.CodeProviderUnavailable)
	down.Store(false)
	c.advance(time.Second)
	check("known, WorkOS is back", known, "")
}

// A key that WorkOS withdraws is not accepted from the cache either.
func TestWithdrawnKey(t *testing.T) {
	keys := newTestKeys(t)
	var served atomic.Value
	served.Store("main")
	b, _, c := jwksBackend(t, func() (*http.Response, error) {
		return answer(200, `{"keys":[`+keys[served.Load().(string)].jwk+`]}`), nil
	})
	r := tokenCookie(t, keys["main"], map[string]any{"exp": testNow.Unix() + 86400})
	for range 2 {
		if _, err := b.Authenticate(r); err != nil {
			t.Fatal(err)
		}
	}
	served.Store("second")
	c.advance(600 * time.Second)
	_, err := b.Authenticate(r)
	wantCode(t, err, auth.CodeTokenInvalid, false)
}

func TestNewKeyIsNoticed(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k := &testKey{kid: "new", private: key}
	k.jwk = `{"kty":"RSA","kid":"new","e":"AQAB","n":"` + modulus(k) + `"}`
	b, n, _ := jwksBackend(t, func() (*http.Response, error) { return answer(200, `{"keys":[`+k.jwk+`]}`), nil })
	if _, err := b.Authenticate(tokenCookie(t, k, nil)); err != nil || n.Load() != 1 {
		t.Errorf("%v with %d fetches", err, n.Load())
	}
}
