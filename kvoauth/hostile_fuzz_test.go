package kvoauth_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// stubOP answers with fixed bytes, so that a fuzz target decides about each of them.
type stubOP struct {
	t                                *testing.T
	transport                        http.RoundTripper // what the backend asks, if it is not the stub itself
	last                             *kvoauth.Backend
	discovery, jwks, token, userInfo []byte
	tokenCalls                       atomic.Int32
	key                              ed25519.PrivateKey
	now                              time.Time
}

const (
	stubIssuer = "https://idp.test"
	stubClient = "test-client"
)

func newStubOP(t *testing.T) *stubOP {
	s := &stubOP{t: t, key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), now: time.Unix(1_800_000_000, 0)}
	s.transport = s
	s.discovery = []byte(stubDiscovery)
	s.jwks = []byte(`{"keys":[` + s.jwk() + `]}`)
	s.userInfo = []byte(`{"sub":"alice"}`)
	return s
}

const stubDiscovery = `{"issuer":"https://idp.test","authorization_endpoint":"https://idp.test/authorize","token_endpoint":"https://idp.test/token",` +
	`"userinfo_endpoint":"https://idp.test/userinfo","jwks_uri":"https://idp.test/jwks"}`

func (s *stubOP) jwk() string {
	return `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + b64(s.key.Public().(ed25519.PublicKey)) + `"}`
}

// RoundTrip implements http.RoundTripper.
func (s *stubOP) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte("{}")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		body = s.discovery
	case "/jwks":
		body = s.jwks
	case "/token":
		s.tokenCalls.Add(1)
		body = s.token
	case "/userinfo":
		body = s.userInfo
	}
	if r.URL.Scheme != "https" {
		s.t.Errorf("a request to %q", r.URL)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

func (s *stubOP) backend() *kvoauth.Backend {
	s.t.Helper()
	kv, err := store.NewMemory(store.MemoryConfig{Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:     []kvoauth.Client{{Provider: providers.Provider{ID: "idp", Issuer: stubIssuer, SigningAlgs: []string{"EdDSA"}}, ClientID: stubClient}},
		RedirectURL: "https://app.test/api/v1/auth/callback", KV: kv, Keys: []auth.Key{auth.GenerateKey()}, HTTPClient: &http.Client{Transport: s.transport},
		Now: func() time.Time { return s.now }, CachedSessions: -1,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.last = b
	return b
}

// started is a sign-in under way.
type started struct {
	backend        *kvoauth.Backend
	state, nonce   string
	cookie, secret string
}

// start begins a sign-in; nil if the provider's documents do not allow one.
func (s *stubOP) start() *started {
	s.t.Helper()
	b := s.backend()
	d, err := b.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{})
	if err != nil {
		return nil
	}
	u, err := url.Parse(d.Location)
	if err != nil || u.Scheme != "https" {
		s.t.Fatalf("the authorization request goes to %q", d.Location)
	}
	return &started{b, d.State, u.Query().Get("nonce"), d.Cookies[0].Name, d.Cookies[0].Value}
}

func (st *started) callback(values url.Values) (*auth.CallbackResult, error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: st.cookie, Value: st.secret})
	return st.backend.HandleCallback(r, auth.CallbackParams{Values: values})
}

// goodClaims is the payload of an ID token that is right.
func (s *stubOP) goodClaims(nonce string) map[string]any {
	return map[string]any{
		"iss": stubIssuer, "sub": "alice", "aud": stubClient, "exp": s.now.Add(time.Hour).Unix(), "iat": s.now.Unix(), "nonce": nonce,
	}
}

func (s *stubOP) goodToken(nonce string) string {
	return signWith(s.t, s.key, map[string]any{"alg": "EdDSA", "kid": "k"}, s.goodClaims(nonce))
}

// settled requires what holds for every answer: one token call at most, and a session only for a subject.
func (s *stubOP) settled(input []byte, result *auth.CallbackResult, err error) {
	s.t.Helper()
	if n := s.tokenCalls.Load(); n > 1 {
		s.t.Errorf("%d token calls", n)
	}
	if (err == nil) == (result == nil) {
		s.t.Fatalf("result %v, error %v", result, err)
	}
	fuzzcheck.Discreet(s.t, err, string(input))
	if err != nil && len(input) > 8 && strings.Contains(err.Error(), string(input)) {
		s.t.Errorf("the error repeats the input: %v", err)
	}
	if result != nil && (result.Session.Subject == "" || result.Principal.Subject != result.Session.Subject) {
		s.t.Errorf("a session of %q", result.Session.Subject)
	}
}

// members decodes an object, numbers of any size included.
func members(doc []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var m map[string]any
	return m, d.Decode(&m) == nil
}

// FuzzHostileIDToken is F-JWT: signed bytes sign somebody in only if they are, read by exact names, an ID token for us.
func FuzzHostileIDToken(f *testing.F) {
	for _, payload := range []string{
		`{"iss":"https://idp.test","sub":"alice","aud":"test-client","exp":1800003600,"iat":1800000000,"nonce":"$NONCE"}`,
		`{"iss":"https://idp.test","sub":"alice","aud":["test-client"],"azp":"test-client","exp":1.8000036e9,"iat":1800000000,"nonce":"$NONCE"}`,
		`{"ISS":"https://idp.test","Sub":"alice","aud":"test-client","exp":"1800003600","iat":1800000000,"nonce":"$NONCE"}`,
		`{"iss":"https://idp.test","sub":"alice","sub":"bob","aud":"test-client","exp":1800003600,"iat":1800000000,"nonce":"$NONCE"}`,
	} {
		f.Add([]byte(`{"alg":"EdDSA","kid":"k"}`), []byte(payload), true)
		f.Add([]byte(`{"alg":"EdDSA","kid":"k","typ":"JWT"}`), []byte(payload), false)
	}
	f.Add([]byte(`{"alg":"none"}`), []byte(`{}`), false)
	f.Add([]byte(`{"alg":"EdDSA","crit":["x"]}`), []byte(`a.b.c`), false)
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, header, payload []byte, signed bool) {
		s := newStubOP(t)
		st := s.start()
		payload = bytes.ReplaceAll(payload, []byte("$NONCE"), []byte(st.nonce))
		token := string(payload) // the whole token is the input
		if signed {
			token = b64(header) + "." + b64(payload)
			token += "." + b64(signature(t, s.key, []byte(token)))
		}
		s.token, _ = json.Marshal(map[string]any{"access_token": "at", "token_type": "bearer", "id_token": token})
		result, err := st.callback(url.Values{"code": {"c"}, "state": {st.state}})
		s.settled(payload, result, err)
		if result == nil {
			return
		}
		claims, ok := members(payload)
		if !signed || !ok {
			t.Fatalf("signed in by %q", token)
		}
		number, _ := claims["exp"].(json.Number)
		exp, _ := number.Float64()
		aud, _ := claims["aud"].([]any)
		if claims["iss"] != stubIssuer || claims["sub"] != result.Session.Subject || claims["nonce"] != st.nonce ||
			claims["aud"] != stubClient && !slices.Contains(aud, any(stubClient)) || exp+skew.Seconds() <= float64(s.now.Unix()) {
			t.Errorf("signed in by %q", payload)
		}
	})
}

// FuzzHostileTokenResponse is F-TOK: only an answer that has, by exact names, an access token of the type Bearer and the ID
// token of a person, and no error, signs somebody in.
func FuzzHostileTokenResponse(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"at","token_type":"bearer","id_token":"$TOKEN"}`,
		`{"access_token":"at","token_type":"bearer","id_token":"$TOKEN","expires_in":"3600","scope":"a b","refresh_token":"r"}`,
		`{"access_token":"at","token_type":"bearer","id_token":"$TOKEN","expires_in":1e308}`,
		`{"access_token":"at","token_type":"bearer","id_token":"$TOKEN","expires_in":-9223372036854775808}`,
		`{"access_token":"at","token_type":"bearer","id_token":"$TOKEN","x":2e700}`, `{"error":"invalid_grant","access_token":"at"}`, `[]`, `null`, `{"access_token":["at"]}`, `{"access_token":"at","access_token":"b"}`, `<html>`,
	} {
		f.Add([]byte(body))
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newStubOP(t)
		st := s.start()
		good := s.goodToken(st.nonce)
		s.token = bytes.ReplaceAll(body, []byte("$TOKEN"), []byte(good))
		result, err := st.callback(url.Values{"code": {"c"}, "state": {st.state}})
		s.settled(body, result, err)
		if result == nil {
			return
		}
		answer, ok := members(s.token)
		if !ok || answer["id_token"] != good || answer["error"] != nil && answer["error"] != "" ||
			result.Session.Subject != "alice" {
			t.Errorf("signed in by %q", body)
		}
		kind, _ := answer["token_type"].(string)
		if at, _ := answer["access_token"].(string); at == "" || !strings.EqualFold(kind, "bearer") {
			t.Errorf("signed in by %q", body)
		}
	})
}

// FuzzHostileJWKS is F-JWKS: a key set makes a good token verify only if it holds the key.
func FuzzHostileJWKS(f *testing.F) {
	for _, set := range []string{
		`{"keys":[$KEY]}`, `{"keys":[{"kty":"x"},$KEY]}`, `{"keys":[{"kty":"oct","k":"AAAA","kid":"k"}]}`, `{"keys":[]}`, `{"keys":null}`, `{"keys":{}}`, `[]`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"k"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"k"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`, `{"keys":[7,null,"x",[]]}`,
	} {
		f.Add([]byte(set))
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, set []byte) {
		s := newStubOP(t)
		key := s.jwk()
		s.jwks = bytes.ReplaceAll(set, []byte("$KEY"), []byte(key))
		st := s.start()
		s.token, _ = json.Marshal(map[string]any{"access_token": "at", "token_type": "bearer", "id_token": s.goodToken(st.nonce)})
		result, err := st.callback(url.Values{"code": {"c"}, "state": {st.state}})
		s.settled(set, result, err)
		x := b64(s.key.Public().(ed25519.PublicKey))
		if result != nil && !bytes.Contains(s.jwks, []byte(x)) && !bytes.Contains(s.jwks, []byte(`\`)) {
			t.Errorf("a token verified with %q", set)
		}
	})
}

// FuzzHostileDiscovery is F-DISC: a sign-in starts only with a document of the issuer whose addresses are all https.
func FuzzHostileDiscovery(f *testing.F) {
	f.Add([]byte(stubDiscovery))
	for _, replace := range [][2]string{
		{"https://idp.test/token", "http://idp.test/token"}, {"https://idp.test/authorize", "javascript:alert(1)"}, {`"issuer"`, `"Issuer"`},
		{"https://idp.test/jwks", "file:///etc/passwd"}, {"{", "[{"}, {`"https://idp.test"`, `"https://idp.test/"`}, {"https://idp.test/userinfo", "//x"},
		{"{", `{"code_challenge_methods_supported":["plain"],`},
	} {
		f.Add([]byte(strings.Replace(stubDiscovery, replace[0], replace[1], 1)))
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := newStubOP(t)
		s.discovery = doc
		st := s.start()
		if st == nil {
			return
		}
		m, ok := members(doc)
		if !ok || m["issuer"] != stubIssuer {
			t.Fatalf("a sign-in started with %q", doc)
		}
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri"} {
			if u, ok := m[name].(string); !ok || !strings.HasPrefix(strings.ToLower(u), "https://") {
				t.Errorf("%s %q", name, u)
			}
		}
		s.token = []byte(`{}`)
		result, err := st.callback(url.Values{"code": {"c"}, "state": {st.state}, "iss": {stubIssuer}})
		if s.settled(doc, result, err); result != nil {
			t.Error("signed in")
		}
	})
}

// FuzzHostileCallback is F-CBQ: the code is redeemed once at most, and only for the state of this browser.
func FuzzHostileCallback(f *testing.F) {
	for _, query := range []string{
		"code=c&state=$STATE", "code=&code=x&state=$STATE", "code=c&state=$STATE&state=$STATE", "code=c&state=$STATE&iss=", "code=c&state=$STATE&error=x",
		"code=c&state=$STATE&iss=https://idp.test", "state=$STATE;code=c", "code=c&state=$STATE%00", "error=access_denied&state=$STATE", "error=x&state=$STATE", "response=e30.e30.", "code=%ff&state=$STATE",
		"code=c&st%61te=$STATE", "code=c&State=$STATE", "code=a+b%2B&state=$STATE",
	} {
		f.Add(query)
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, query string) {
		s := newStubOP(t)
		st := s.start()
		s.token, _ = json.Marshal(map[string]any{"access_token": "at", "token_type": "bearer", "id_token": s.goodToken(st.nonce)})
		h, err := auth.NewHandler(st.backend, auth.HandlerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		query = strings.ReplaceAll(query, "$STATE", st.state)
		for range 2 {
			r := httptest.NewRequest(http.MethodGet, callbackPath, nil)
			r.URL.RawQuery = query
			r.AddCookie(&http.Cookie{Name: st.cookie, Value: st.secret})
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			values, _ := url.ParseQuery(query)
			calls := s.tokenCalls.Load()
			if calls > 1 || calls == 1 && (!slices.Equal(values["state"], []string{st.state}) || len(values["code"]) != 1 || values.Get("error") != "") {
				t.Fatalf("%d token calls for %q", calls, query)
			}
			if rec.Code == http.StatusFound && calls != 1 || rec.Code >= 500 && values.Get("error") == "" {
				t.Fatalf("status %d for %q", rec.Code, query)
			}
		}
	})
}
