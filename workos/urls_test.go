package workos_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/workos"
)

type httpVector struct {
	Request *struct {
		Method, Path string
		Headers      map[string]string
		Body         any
	}
	Result map[string]any
}

// notOurs are the vectors of what this package does not do.
var notOurs = map[string]string{
	"authorization_urls":          "people sign in by the front end's code: no authorization request is made here",
	"http/code_confidential":      "the application exchanges the code; what it makes of the answer is tested by TestSealedExchangeVectors",
	"http/code_oauth_tokens":      "the same",
	"http/code_confidential_pkce": "the application exchanges the code, and this answer is not sealed",
	"http/code_public_pkce":       "the same",
	"http/code_public_nopkce":     "the application exchanges the code",
}

// Every vector of URLs and requests has a test, or a reason not to.
func TestURLVectorsAreUsed(t *testing.T) {
	tested := []string{"jwks_url", "logout_urls", "session_logout", "http/revoke_session", "http/list_sessions"}
	all := load[map[string]json.RawMessage](t, "urls-and-http.json")
	var requests map[string]json.RawMessage
	if err := json.Unmarshal(all["http"], &requests); err != nil {
		t.Fatal(err)
	}
	delete(all, "http")
	delete(all, "meta")
	for name := range requests {
		all["http/"+name] = nil
	}
	for name := range all {
		if !slices.Contains(tested, name) && notOurs[name] == "" {
			t.Errorf("%s has no test", name)
		}
	}
	for name := range notOurs {
		if _, ok := all[name]; !ok || slices.Contains(tested, name) {
			t.Errorf("%s is not among the vectors, or is tested", name)
		}
	}
}

func TestLogoutURLVectors(t *testing.T) {
	key := newTestKeys(t)["main"]
	b, _ := tokenBackend(t, nil)
	for name, v := range load[struct {
		Vectors map[string]any `json:"logout_urls"`
	}](t, "urls-and-http.json").Vectors {
		want, ok := v.(string)
		u, err := url.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		token := key.sign(t, nil, with(baseClaims(testNow), map[string]any{"sid": u.Query().Get("session_id")}))
		got, err := b.LogoutURL(cookieRequest(sealTest(t, sessionJSON(token))), u.Query().Get("return_to"))
		if got != want || (err == nil) != ok || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %q (%v), want %q", name, got, err, want)
		}
	}
}

func loadHTTP(t *testing.T) map[string]httpVector {
	return load[struct{ HTTP map[string]httpVector }](t, "urls-and-http.json").HTTP
}

// The SDK asks for five sessions because it was told to; how many are asked for at once here is a choice.
func TestSessionRequestVectors(t *testing.T) {
	v := loadHTTP(t)
	var got *http.Request
	var body []byte
	b := mustNew(t, workos.Config{
		ClientID: testClient, CookiePasswords: testPasswords, APIKey: auth.NewSecret("sk_test_vectors"), Now: func() time.Time { return testNow },
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r
			body, _ = io.ReadAll(r.Body)
			return answer(200, `{"data":[],"list_metadata":{}}`), nil
		})},
	})
	id := v["revoke_session"].Request.Body.(map[string]any)["session_id"].(string)
	userID := v["list_sessions"].Result["data"].([]any)[0].(map[string]any)["userId"].(string)
	for name, call := range map[string]func() error{
		"revoke_session": func() error { return b.RevokeSession(t.Context(), id) },
		"list_sessions":  func() error { _, err := b.ListSessions(t.Context(), userID); return err },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
		want := v[name].Request
		path, query, _ := strings.Cut(want.Path, "?")
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got.Method != want.Method || got.URL.Path != path || got.URL.Query().Get("order") != q.Get("order") || got.Header.Get("Authorization") != want.Headers["authorization"] {
			t.Errorf("%s: %s %s, want %+v", name, got.Method, got.URL, want)
		}
		if want.Body == "" {
			if len(body) > 0 {
				t.Errorf("%s has the body %q", name, body)
			}
			continue
		}
		var sent any
		if json.Unmarshal(body, &sent) != nil || !reflect.DeepEqual(sent, want.Body) || got.Header.Get("Content-Type") != want.Headers["content-type"] {
			t.Errorf("%s sends %q, want %v", name, body, want.Body)
		}
	}
}

// The answer to an exchange that the application made is sealed as the SDK seals it, the members in the same order.
func TestSealedExchangeVectors(t *testing.T) {
	b, _ := tokenBackend(t, nil)
	sealed := 0
	for name, v := range loadHTTP(t) {
		want, ok := v.Result["sealed_payload"]
		if !ok {
			continue
		}
		sealed++
		text := func(member string) string { s, _ := v.Result[member].(string); return s }
		user, _ := v.Result["user"].(map[string]any)
		impersonator, _ := v.Result["impersonator"].(map[string]any)
		c, err := b.SessionCookie(workos.SessionData{
			OrganizationID: text("organizationId"), User: user, AccessToken: auth.NewSecret(text("accessToken")),
			RefreshToken: auth.NewSecret(text("refreshToken")), AuthenticationMethod: text("authenticationMethod"), Impersonator: impersonator,
		})
		if err != nil {
			t.Fatal(err)
		}
		plaintext, err := workos.IronUnseal(strings.TrimSuffix(c.Value, "~2"), testPasswords, testNow)
		if err != nil {
			t.Fatal(err)
		}
		var payload any
		if json.Unmarshal(plaintext, &payload) != nil || !reflect.DeepEqual(payload, want) {
			t.Errorf("%s: %s, want %v", name, plaintext, want)
		}
		order, _ := v.Result["sealed_payload_keys_in_order"].([]any)
		if got := members(t, plaintext); !equalTexts(got, order) {
			t.Errorf("%s: the members are %v, want %v", name, got, order)
		}
	}
	if sealed == 0 {
		t.Error("no vector has a seal")
	}
}

// members returns the names in an object as they are written.
func members(t *testing.T, object []byte) (names []string) {
	d := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}
