package kvoauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
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
)

// faultyOP is a stub that answers at one place in another way.
type faultyOP struct {
	*stubOP
	path   string
	answer rawAnswer
	asked  atomic.Int32 // at that place
}

// rawAnswer is what an HTTP server may say.
type rawAnswer struct {
	status    int
	media     string
	challenge string // WWW-Authenticate
	body      []byte
}

// RoundTrip implements http.RoundTripper.
func (o *faultyOP) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := o.stubOP.RoundTrip(r)
	if err == nil && r.URL.Path == o.path {
		o.asked.Add(1)
		res.StatusCode = o.answer.status
		res.Header = http.Header{"Content-Type": {o.answer.media}, "Www-Authenticate": {o.answer.challenge}, "Location": {"https://evil.test/"}}
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(o.answer.body)), -1
	}
	return res, err
}

// FuzzHostileUserInfo is F-UI: UserInfo adds to the ID token only when it is an object that speaks of the same subject, by
// the exact name, and never changes who it is.
func FuzzHostileUserInfo(f *testing.F) {
	for _, doc := range []string{
		`{"sub":"alice"}`, `{"sub":"bob"}`, `{}`, `{"sub":""}`, `{"sub":null}`, `{"sub":7}`, `{"sub":["alice"]}`, `{"SUB":"alice"}`, `{"sub":"alice","sub":"bob"}`,
		`{"sub":"alice","Sub":"bob","email":"a@b.example","email_verified":"true"}`, `{"sub":"alice","email":"a@b@c","email_verified":1}`,
		`{"sub":"alice","iss":"https://evil.test","sessionId":"x","providerId":"x"}`, `{"sub":"alice","id":9007199254740993,"n":1e400}`,
		`{"sub":"alice"} {}`, `[{"sub":"alice"}]`, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.", "{\"sub\":\"alice\",\"name\":\"\xff\"}", `{"sub":"ali\u0063e"}`,
	} {
		f.Add([]byte(doc))
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := newStubOP(t)
		s.userInfo = doc
		st := s.start()
		s.token, _ = json.Marshal(map[string]any{"access_token": "at", "token_type": "bearer", "id_token": s.goodToken(st.nonce)})
		result, err := st.callback(url.Values{"code": {"c"}, "state": {st.state}})
		s.settled(doc, result, err)
		if result == nil {
			return
		}
		m, ok := members(doc)
		if !ok || m["sub"] != "alice" || result.Session.Subject != "alice" || result.Principal.Claims["providerId"] != "idp" {
			t.Errorf("signed in as %q by %q", result.Session.Subject, doc)
		}
		if iss, ok := result.Principal.Claims["iss"]; ok && iss != stubIssuer {
			t.Errorf("iss is %v by %q", iss, doc)
		}
		if _, ok := result.Principal.Claims["sessionId"]; ok && m["sessionId"] != nil {
			t.Errorf("the provider named the session: %q", doc)
		}
	})
}

var answerPlaces = []string{"/token", "/userinfo", "/jwks", "/.well-known/openid-configuration"}

// FuzzHostileAnswer is F-WWW: whatever a provider answers with another status than 200 signs nobody in, costs no more than
// it must, is asked once, and nothing of it is in the error.
func FuzzHostileAnswer(f *testing.F) {
	for i := range answerPlaces {
		for _, a := range []rawAnswer{
			{400, "application/json", "", []byte(`{"error":"invalid_grant","error_description":"c4nary"}`)},
			{401, "application/json", `Bearer realm="` + strings.Repeat(`\"`, 999) + `", error="invalid_token"`, []byte(`{"error":"invalid_client"}`)},
			{429, "text/html", "Basic , Digest nonce=\"", []byte("<html>")}, {302, "", "", nil}, {503, "application/json", ",,,,=", []byte(`{"error":"server_error"}`)},
			{400, "application/x-www-form-urlencoded", "", []byte("error=invalid_grant")}, {400, "application/json", "", []byte(`{"error":["x"],"error":{}}`)},
			{201, "application/json", "", []byte(`{"access_token":"at","token_type":"bearer","id_token":"a.b.c"}`)}, {206, "application/json", "", []byte("$GOOD")},
		} {
			f.Add(uint8(i), uint16(a.status), a.media, a.challenge, a.body)
		}
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, place uint8, status uint16, media, challenge string, body []byte) {
		if status = 200 + (status-200)%400; status == http.StatusOK {
			return // the targets for what is said with 200
		}
		var s *faultyOP
		var result *auth.CallbackResult
		var err error
		fuzzcheck.Bounded(t, len(body)+len(challenge), func() {
			s = &faultyOP{stubOP: newStubOP(t), path: answerPlaces[int(place)%len(answerPlaces)]}
			s.transport = s
			s.answer = rawAnswer{int(status), media, challenge, bytes.ReplaceAll(body, []byte("$GOOD"), s.good(s.path))}
			result, err = s.signIn()
		})
		fuzzcheck.Discreet(t, err, challenge+string(body), "c4nary")
		// Every 2xx is a success to golang.org/x/oauth2; there the token decides, and nobody has made a good one.
		if err == nil || result != nil || s.asked.Load() != 1 {
			t.Errorf("%d at %s: %v, %v, asked %d times", status, s.path, result, err, s.asked.Load())
		}
	})
}

// good is what would be right at a place, if it did not come with another status.
func (s *stubOP) good(path string) []byte {
	switch path {
	case "/userinfo":
		return s.userInfo
	case "/jwks":
		return s.jwks
	case "/token":
		return nil // depends on the sign-in
	}
	return s.discovery
}

// signIn makes a sign-in from its start to its end.
func (s *stubOP) signIn() (*auth.CallbackResult, error) {
	b := s.backend()
	d, err := b.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(d.Location)
	if err != nil {
		return nil, err
	}
	st := &started{b, d.State, u.Query().Get("nonce"), d.Cookies[0].Name, d.Cookies[0].Value}
	if s.token == nil {
		s.token, _ = json.Marshal(map[string]any{
			"access_token": "at", "token_type": "bearer", "id_token": s.goodToken(st.nonce), "refresh_token": "rt", "expires_in": 3600,
		})
	}
	return st.callback(url.Values{"code": {"c"}, "state": {st.state}})
}

var endings = []string{"invalid_grant", "bad_verification_code", "bad_refresh_token"}

// FuzzHostileRefresh is F-TOK and F-WWW for a refresh: a session ends by the provider's word only when it says so plainly or
// gives an ID token that is not this person's, and otherwise lives on as the same one.
func FuzzHostileRefresh(f *testing.F) {
	for _, a := range []rawAnswer{
		{200, "application/json", "", []byte(`{"access_token":"at2","token_type":"Bearer","expires_in":3600,"refresh_token":"rt2"}`)},
		{200, "application/json", "", []byte(`{"access_token":"at2","token_type":"Bearer","id_token":"a.b.c"}`)},
		{200, "application/json", "", []byte(`{"error":"invalid_grant"}`)}, {400, "application/json", "", []byte(`{"error":"invalid_grant"}`)},
		{400, "text/html", "", []byte(`{"error":"invalid_grant"}`)}, {400, "application/json", "", []byte(`{"Error":"invalid_grant"}`)}, {500, "application/json", "", []byte(`{"error":"invalid_grant"}`)},
		{400, "application/json", "", []byte(`{"error":"bad_refresh_token"}`)}, {400, "application/json", "", []byte(`{"error":"invalid_client"}`)}, {429, "text/plain", "", nil},
		{200, "application/json", "", []byte(`{"access_token":"at2","token_type":"mac","expires_in":-1}`)}, {200, "application/json", "", []byte(`{"access_token":"at2","token_type":"Bearer","expires_in":1e308}`)},
	} {
		f.Add(uint16(a.status), a.media, a.body)
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, status uint16, media string, body []byte) {
		s := &faultyOP{stubOP: newStubOP(t), answer: rawAnswer{status: 200 + int((status-200)%400), media: media, body: body}}
		s.transport = s
		in, err := s.signIn()
		if err != nil {
			t.Fatal(err)
		}
		s.path, s.now = "/token", s.now.Add(57*time.Minute)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(in.Redirect.Cookies[len(in.Redirect.Cookies)-1])
		a, err := s.last.Authenticate(r)
		fuzzcheck.Discreet(t, err, string(body), r.Header.Get("Cookie"))
		if s.asked.Load() != 1 {
			t.Errorf("asked %d times", s.asked.Load())
		}
		m, isJSON := members(body)
		said, _ := m["error"].(string)
		kind, _, _ := mime.ParseMediaType(media)
		isJSON = isJSON && (strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json") || kind == "text/javascript")
		ends := isJSON && s.answer.status < 500 && (slices.Contains(endings, said) || m["id_token"] != nil)
		if err != nil && (!ends || !errors.Is(err, auth.ErrUnauthenticated)) {
			t.Errorf("%d %q %q: %v", s.answer.status, media, body, err)
		}
		if err == nil && (a.Session.ID != in.Session.ID || a.Principal.Subject != "alice") {
			t.Errorf("%d %q: %+v", s.answer.status, body, a.Session)
		}
	})
}
