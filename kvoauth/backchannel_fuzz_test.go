package kvoauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
	"github.com/netscript/auth/kvoauth"
)

// FuzzHostileLogoutToken is F-LOT: only a token that, by exact names, has the type and the event of a logout, no nonce, a
// jti and somebody or some session that it is for, is obeyed, and it ends a session only of whom it names.
func FuzzHostileLogoutToken(f *testing.F) {
	const event = `"events":{"http://schemas.openid.net/event/backchannel-logout":{}}`
	const rest = `"iss":"https://idp.test","aud":"test-client","exp":1800000120,"iat":1800000000,`
	header := []byte(`{"alg":"EdDSA","kid":"k","typ":"logout+jwt"}`)
	for _, payload := range []string{
		`{` + rest + event + `,"jti":"1","sub":"alice"}`,
		`{` + rest + event + `,"jti":"1","sid":"s"}`,
		`{` + rest + event + `,"jti":"1","sid":["s"],"sub":"alice"}`,
		`{` + rest + event + `,"sub":"alice"}`,
		`{` + rest + event + `,"jti":"1","sub":"alice","nonce":"n"}`,
		`{` + rest + event + `,"jti":"1","SUB":"alice"}`,
		`{` + rest + event + `,"jti":"1","sub":"bob","sub":"alice"}`,
		`{` + rest + `"events":null,"jti":"1","sub":"alice"}`,
		`{` + rest + `"events":["http://schemas.openid.net/event/backchannel-logout"],"jti":"1","sub":"alice"}`,
		`{` + rest + `"events":{"http://schemas.openid.net/event/backchannel-logout":null},"jti":"1","sub":"alice"}`,
		`{` + rest + `"events":{"http://schemas.openid.net/event/foobar":{}},"jti":"1","sub":"alice"}`,
		`{"iss":"https://idp.test","sub":"alice","aud":"test-client","exp":1800003600,"iat":1800000000,"nonce":"n","sid":"s"}`, // an ID token
	} {
		f.Add(header, []byte(payload), true)
		f.Add([]byte(`{"alg":"EdDSA","kid":"k","typ":"JWT"}`), []byte(payload), true)
	}
	f.Add([]byte(`{"alg":"none","typ":"logout+jwt"}`), []byte(`a.b.`), false)
	f.Add(header, []byte(`....`), false)
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, header, payload []byte, signed bool) {
		s := newStubOP(t)
		b := s.backend()
		created, err := b.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		token := string(payload) // the whole token is the input
		if signed {
			token = b64(header) + "." + b64(payload)
			token += "." + b64(signature(t, s.key, []byte(token)))
		}
		err = b.BackChannelLogout(t.Context(), token)
		fuzzcheck.Discreet(t, err, token)
		lives := signedInAt(b, created.Cookies[0])
		if err != nil {
			if !errors.Is(err, auth.ErrRejected) || !lives {
				t.Errorf("%v, and the session lives: %v", err, lives)
			}
			return
		}
		h, okHeader := members(header)
		c, ok := members(payload)
		if !signed || !ok || !okHeader || !logoutByTheBook(h, c) {
			t.Fatalf("obeyed: %q %q", header, payload)
		}
		if sid, _ := c["sid"].(string); lives != (sid != "" || c["sub"] != "alice") {
			t.Errorf("the session lives: %v, after %q", lives, payload)
		}
	})
}

func signedInAt(b *kvoauth.Backend, c *http.Cookie) bool {
	_, err := b.Authenticate(request(c))
	return err == nil
}

// logoutByTheBook reports whether a token may be obeyed, apart from its times.
func logoutByTheBook(header, c map[string]any) bool {
	typ, _ := header["typ"].(string)
	events, _ := c["events"].(map[string]any)
	event, isObject := events[logoutEvent].(map[string]any)
	_, nonce := c["nonce"]
	jti, _ := c["jti"].(string)
	sub, _ := c["sub"].(string)
	sid, _ := c["sid"].(string)
	_, exp := c["exp"].(json.Number)
	_, iat := c["iat"].(json.Number)
	return strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), "logout+jwt") && isObject && event != nil && !nonce &&
		jti != "" && (sub != "" || sid != "") && exp && iat && c["iss"] == stubIssuer
}
