package jose

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
	"github.com/netscript/auth/internal/strictjson"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/workos"
)

const (
	forgeries = 1000
	keyID     = "key-one"
)

var now = time.Unix(1_800_000_000, 0)

// side is a verifier of this library, and the same policy on what golang-jwt has verified.
type side struct {
	good   map[string]any
	verify func(t *testing.T, token string) error
	policy func(c jwt.MapClaims) bool
	types  []string                                // what typ may be, without regard to case
	begin  func(t *testing.T, good map[string]any) // before each token; nil: nothing
}

func TestWorkOS(t *testing.T) {
	const client = "client_1"
	key := newKey(t)
	b, err := workos.NewBearer(workos.BearerConfig{ClientID: client, HTTPClient: serve(jwks(key)), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, key, side{
		good: map[string]any{"sub": "user_1", "sid": "session_1", "exp": now.Unix() + 60, "iss": "https://api.workos.com", "client_id": client, "aud": client},
		verify: func(_ *testing.T, token string) error {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Authorization"] = []string{"Bearer " + token}
			_, err := b.Authenticate(r)
			return err
		},
		policy: func(c jwt.MapClaims) bool {
			sub, _ := c["sub"].(string)
			sid, _ := c["sid"].(string)
			exp, ok := number(c, "exp")
			nbf, okNbf := number(c, "nbf")
			_, okIat := number(c, "iat")
			of, hasClient := c["client_id"]
			return strings.HasPrefix(sub, "user_") && strings.HasPrefix(sid, "session_") && ok && exp > float64(now.Unix()) &&
				(c["nbf"] == nil && !has(c, "nbf") || okNbf && nbf <= float64(now.Unix())) && (!has(c, "iat") || okIat) && (!hasClient || of == client)
		},
	})
}

func TestBetterAuth(t *testing.T) {
	db, err := gorm.Open(sqlite.Open("file::memory:"), &gorm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	b, err := betterauth.New(betterauth.Config{
		DB: db, Secret: auth.NewSecret(strings.Repeat("s", 32)), BaseURL: "https://app.test", Now: func() time.Time { return now },
		Plugins: []betterauth.Plugin{betterauth.JWT(betterauth.JWTConfig{JWKSURL: "https://app.test/jwks", HTTPClient: serve(jwks(key))})},
	})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, key, side{
		good:   map[string]any{"sub": "user-1", "exp": now.Unix() + 60, "iat": now.Unix(), "iss": "https://app.test", "aud": "https://app.test"},
		verify: func(t *testing.T, token string) error { _, err := b.VerifyJWT(t.Context(), token); return err },
		policy: func(c jwt.MapClaims) bool {
			sub, _ := c["sub"].(string)
			exp, ok := number(c, "exp")
			nbf, okNbf := number(c, "nbf")
			return sub != "" && c["iss"] == "https://app.test" && audience(c, "https://app.test") && ok && int64(exp) > now.Unix() && exp < 1<<40 &&
				(c["nbf"] == nil || okNbf && nbf >= 0 && nbf < 1<<40 && int64(nbf) <= now.Unix())
		},
	})
}

// idp answers with a key set and a token.
type idp struct {
	key   *rsa.PrivateKey
	token string
}

// RoundTrip implements http.RoundTripper.
func (i *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	switch r.URL.Path {
	case "/jwks":
		body = jwks(i.key)
	case "/token":
		body, _ = json.Marshal(map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": i.token})
	default:
		body = []byte(`{"issuer":"https://idp.test","authorization_endpoint":"https://idp.test/a","token_endpoint":"https://idp.test/token","jwks_uri":"https://idp.test/jwks"}`)
	}
	return response(r, body), nil
}

func TestIDToken(t *testing.T) {
	const client, issuer = "client-1", "https://idp.test"
	provider := &idp{key: newKey(t)}
	memory, err := store.NewMemory(store.MemoryConfig{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	b, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:     []kvoauth.Client{{Provider: providers.Provider{ID: "idp", Issuer: issuer}, ClientID: client}},
		RedirectURL: "https://app.test/callback", KV: memory, Keys: []auth.Key{auth.GenerateKey()}, Now: func() time.Time { return now },
		HTTPClient: &http.Client{Transport: provider},
	})
	if err != nil {
		t.Fatal(err)
	}
	skew := kvoauth.DefaultClockSkew.Seconds()
	var begun *auth.Redirect
	side := side{
		good: map[string]any{"iss": issuer, "sub": "alice", "aud": client, "exp": now.Unix() + 60, "iat": now.Unix()},
		verify: func(_ *testing.T, token string) error {
			provider.token = token
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: begun.Cookies[0].Name, Value: begun.Cookies[0].Value})
			_, err := b.HandleCallback(r, auth.CallbackParams{Values: url.Values{"code": {"c"}, "state": {begun.State}}})
			return err
		},
		types: []string{"jwt"},
	}
	var nonce string
	side.policy = func(c jwt.MapClaims) bool {
		sub, _ := c["sub"].(string)
		exp, okExp := number(c, "exp")
		iat, okIat := number(c, "iat")
		nbf, okNbf := number(c, "nbf")
		at := float64(now.Unix())
		list, isList := c["aud"].([]any)
		return c["iss"] == issuer && sub != "" && sub != client && c["nonce"] == nonce && audience(c, client) && (!isList || len(list) == 1) &&
			(c["azp"] == nil && !has(c, "azp") || c["azp"] == client) && !has(c, "at_hash") &&
			okExp && exp >= 0 && exp <= 1<<40 && float64(int64(exp))+skew > at && okIat && iat >= 0 && float64(int64(iat)) <= at+skew &&
			(!has(c, "nbf") || okNbf && nbf >= 0 && float64(int64(nbf)) <= at+skew)
	}
	side.begin = func(t *testing.T, good map[string]any) {
		if begun, err = b.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{}); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(begun.Location)
		if err != nil {
			t.Fatal(err)
		}
		nonce = u.Query().Get("nonce")
		good["nonce"] = nonce
	}
	compare(t, provider.key, side)
}

// compare gives forgeries to both. What this library accepts the other must have verified too, and must be what the policy
// wants; what the other verifies is accepted if its JSON is strict and its header holds nothing out of the ordinary.
func compare(t *testing.T, key *rsa.PrivateKey, s side) {
	t.Helper()
	f := &forger{random: mathrand.New(mathrand.NewPCG(1, 2)), key: key, kid: keyID, good: s.good}
	accepted, strict := 0, 0
	for range forgeries {
		if s.begin != nil {
			s.begin(t, f.good)
		}
		token, err := f.forge()
		if err != nil {
			t.Fatal(err)
		}
		ours := s.verify(t, token)
		if ours != nil && !errors.Is(ours, auth.ErrUnauthenticated) && !errors.Is(ours, auth.ErrRejected) {
			t.Fatalf("could not tell: %v: %s", ours, readable(token))
		}
		claims, theirs := reference(key, token)
		good := theirs == nil && s.policy(claims)
		switch {
		case ours == nil && !good:
			t.Errorf("accepted here; golang-jwt: %v: %s", theirs, readable(token))
		case ours != nil && good && s.plain(token):
			t.Errorf("refused here with %v: %s", ours, readable(token))
		case ours != nil && good:
			strict++
		case ours == nil:
			accepted++
		}
	}
	t.Logf("%d tokens, %d accepted by both, %d by golang-jwt alone", forgeries, accepted, strict)
	if accepted < forgeries/20 {
		t.Error("too few are accepted: the test proves nothing")
	}
}

func reference(key *rsa.PrivateKey, token string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	_, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if kid, named := t.Header["kid"]; named && kid != keyID && kid != "" { // an empty one names none
			return nil, errors.New("another key")
		}
		return &key.PublicKey, nil
	})
	return claims, err
}

// plain reports whether a token has nothing that this library refuses for its own reasons: members twice or
// in another case, JSON that parsers read in different ways, extensions, another type.
func (s side) plain(token string) bool {
	parts := strings.Split(token, ".")
	for i, part := range parts[:min(2, len(parts))] {
		text, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") {
			return false
		}
		members, err := strictjson.Object(text, 16<<10)
		if err != nil {
			return false
		}
		for name, raw := range members {
			if name != strings.ToLower(name) {
				return false // go-oidc takes it for the other
			}
			typ := strings.ToLower(strings.Trim(string(raw), `"`))
			if i == 0 && name != "alg" && name != "kid" && (name != "typ" || !slices.Contains(s.types, typ)) {
				return false
			}
		}
		if i == 0 && string(members["kid"]) != `"`+keyID+`"` {
			return false
		}
	}
	return !strings.ContainsAny(parts[len(parts)-1], "\r\n")
}

func readable(token string) string {
	var b strings.Builder
	for i, part := range strings.Split(token, ".") {
		if text, err := base64.RawURLEncoding.DecodeString(part); err == nil && i < 2 {
			part = string(text)
		}
		b.WriteString(" | " + part)
	}
	return b.String()
}

func has(c jwt.MapClaims, name string) bool { _, ok := c[name]; return ok }

func number(c jwt.MapClaims, name string) (float64, bool) { n, ok := c[name].(float64); return n, ok }

func audience(c jwt.MapClaims, want string) bool {
	list, ok := c["aud"].([]any)
	return c["aud"] == want || ok && slices.Contains(list, any(want))
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwks(key *rsa.PrivateKey) []byte {
	set, _ := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "kid": keyID, "alg": "RS256", "use": "sig", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB",
	}}})
	return set
}

type transport func(*http.Request) []byte

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return response(r, f(r)), nil }

func serve(body []byte) *http.Client {
	return &http.Client{Transport: transport(func(*http.Request) []byte { return body })}
}

func response(r *http.Request, body []byte) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}
}
