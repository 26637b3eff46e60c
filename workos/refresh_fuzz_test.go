package workos_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
	"github.com/netscript/auth/workos"
)

// FuzzRefreshAnswer is F-TOK and F-WWW for WorkOS: an answer renews a session only with a token that verifies, of the same
// user as the answer says, and ends one only by saying invalid_grant. Nothing of it is in the error.
func FuzzRefreshAnswer(f *testing.F) {
	const whole = `{"user":{"id":"` + testUser + `"},"access_token":"TOKEN","refresh_token":"rt_2"}`
	for _, seed := range []struct {
		status uint16
		after  string
		body   string
	}{
		{200, "", whole}, {200, "", `{"user":{"id":"user_2"},"access_token":"TOKEN","refresh_token":"rt_2"}`}, {200, "", `{"user":{"id":7},"access_token":"TOKEN"}`},
		{200, "", `{"error":"invalid_grant"}`}, {400, "", `{"error":"invalid_grant","error_description":"c4nary"}`}, {401, "", `{"error":"invalid_grant"}`},
		{400, "", `{"error":["invalid_grant"]}`}, {403, "", `{"code":"mfa_challenge"}`}, {429, "99999999999", "c4nary"}, {503, "Wed, 21 Oct 2099 07:28:00 GMT", "<html>"},
		{201, "", whole}, {302, "", whole}, {200, "", whole + whole}, {200, "", "\ufeff" + whole},
	} {
		f.Add(seed.status, seed.after, []byte(seed.body))
	}
	key := newTestKeys(f)["main"]
	token := key.sign(f, nil, baseClaims(testNow))
	jwks := []byte(`{"keys":[` + key.jwk + `]}`)
	cookie := sealTest(f, sessionJSON(token))
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, status uint16, after string, body []byte) {
		status = 200 + (status-200)%400
		body = bytes.ReplaceAll(body, []byte("TOKEN"), []byte(token))
		synctest.Test(t, func(t *testing.T) {
			b := mustNew(t, workos.Config{
				ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret("sk_test_secret"), Now: func() time.Time { return testNow },
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodGet {
						return fuzzResponse(r, http.StatusOK, nil, jwks), nil
					}
					return fuzzResponse(r, int(status), http.Header{"Retry-After": {after}}, body), nil
				})},
			})
			a, err := b.Refresh(cookieRequest(cookie), workos.RefreshParams{})
			fuzzcheck.Discreet(t, err, after+string(body), "c4nary", "rt_1", "sk_test_secret", token)
			checkRefreshed(t, status, body, token, a, err)
		})
	})
}

func fuzzResponse(r *http.Request, status int, header http.Header, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}
}

func checkRefreshed(t *testing.T, status uint16, body []byte, token string, a *auth.Authentication, err error) {
	t.Helper()
	var m map[string]any
	isJSON := json.Unmarshal(body, &m) == nil
	user, _ := m["user"].(map[string]any)
	good := isJSON && status == http.StatusOK && user["id"] == testUser && m["access_token"] == token && m["refresh_token"] != nil && m["refresh_token"] != ""
	if err == nil && (!good || a.Principal.Subject != testUser || a.Session.ID != testSession) {
		t.Errorf("%d %q renews: %+v", status, body, a.Session)
	}
	if code := auth.CodeOf(err); code == auth.CodeSessionRevoked && (status != http.StatusBadRequest || m["error"] != "invalid_grant") {
		t.Errorf("%d %q ends the session", status, body)
	}
}
