package auth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
)

// FuzzAPI is F-API: it sends bodies to the routes that read one. Whatever they hold, the answer is well formed, is never an error of
// the server, and the backend hears only what a strict reader would have read.
func FuzzAPI(f *testing.F) {
	for _, body := range []string{
		"", "{}", "[]", "null", `"x"`, `{"providerId":"one","redirectTo":"/a","scopes":["a"],"state":"s","everywhere":true,"sessionId":"s1"}`,
		`{"providerId":"one","providerId":"two"}`, `{"a":{"b":1,"b":2}}`, `{"providerId":1e400}`, `{"providerId":1}`, `{"scopes":[1]}`, `{"scopes":{}}`,
		`{"everywhere":"true"}`, `{"code":["a"]}`, `{"code":"a","state":"b"}`, "{} {}", "{}x", "\ufeff{}", "{\x00}\x00", `{"state":"\ud800"}`, "{\"state\":\"\xff\"}",
		`{"subject":"bob","userId":"bob","principal":{"sub":"bob"}}`, strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), strings.Repeat("[", 10000),
		"providerId=one&scopes=a+b&state=s", "code=a&code=b", "a=%zz", "a;b=c", "%00=%ff", `{"x":` + strings.Repeat("9", 1000) + "}",
	} {
		for i := range fuzzRoutes {
			for j := range fuzzTypes {
				f.Add(uint8(i), uint8(j), body)
			}
		}
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, route, media uint8, body string) {
		path, contentType := fuzzRoutes[int(route)%len(fuzzRoutes)], fuzzTypes[int(media)%len(fuzzTypes)]
		var b *fakeBackend
		var w *httptest.ResponseRecorder
		fuzzcheck.Bounded(t, len(body), func() {
			b = working()
			w = do(newHandler(t, b, auth.HandlerConfig{}), request("POST", base+path, body, "Content-Type", contentType, "Accept", "application/json"))
		})
		checkAnswer(t, w)
		if w.Code != http.StatusOK {
			if b.asked() != 0 {
				t.Errorf("status %d, and the backend was asked", w.Code)
			}
			return
		}
		if contentType == asJSON && body != "" {
			checkHeard(t, b, body)
		}
	})
}

var (
	fuzzRoutes = []string{"/signin", "/callback", "/signout"}
	fuzzTypes  = []string{asJSON, asForm, "text/plain", "application/json; charset=utf-16", ""}
)

func checkAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if !slices.Contains([]int{200, 413, 415, 422}, w.Code) {
		t.Errorf("status %d", w.Code)
	}
	if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != asJSON || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answer %q with %v", w.Body, w.Header())
	}
	if w.Code != 200 {
		wireError(t, w)
		if w.Body.Len() > 1<<10 {
			t.Errorf("an error of %d bytes", w.Body.Len())
		}
	}
}

// checkHeard reads body with encoding/json, and compares what the backend was told.
func checkHeard(t *testing.T, b *fakeBackend, body string) {
	t.Helper()
	var members map[string]any
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&members); err != nil {
		t.Fatalf("%q was accepted: %v", body, err)
	}
	text := func(name string) string {
		if v, ok := members[name]; ok {
			s, isText := v.(string)
			if !isText {
				t.Errorf("%s: %v was accepted", name, v)
			}
			return s
		}
		return ""
	}
	for _, p := range b.signIns {
		if p.ProviderID != text("providerId") || p.State != text("state") || p.LoginHint != text("loginHint") {
			t.Errorf("heard %+v of %q", p, body)
		}
	}
	for _, p := range b.callbacks {
		if p.Values.Get("code") != text("code") || p.Values.Get("state") != text("state") || p.Mode != auth.ResponseModeJSON {
			t.Errorf("heard %+v of %q", p, body)
		}
	}
	for _, p := range b.signOuts {
		if everywhere, _ := members["everywhere"].(bool); p.Everywhere != everywhere || p.SessionID != text("sessionId") {
			t.Errorf("heard %+v of %q", p, body)
		}
	}
}

// FuzzRequest is F-API, and F-CBQ for what stands before the callback's query: it sends any request line and headers: nothing panics, and every answer carries its headers.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/me", "text/html;q=0.5, application/json", "", "Bearer a b")
	f.Add("POST", "/callback?code=a&state=b", "*/*", asForm, "")
	f.Add("HEAD", "/signin?providerId=%00", "text/html;q=x", "a/b;c", "Bearer")
	f.Add("DELETE", "/sessions/%2e%2e", "", asJSON, "Basic Og==")
	f.Add("OPTIONS", "//", ",", ";", "\t")
	f.Fuzz(func(t *testing.T, method, target, accept, contentType, authorization string) {
		if method == "" || strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			return
		}
		r, err := http.NewRequest(method, "https://app.example"+base+target, strings.NewReader("a=b"))
		if err != nil {
			return
		}
		r.Header = http.Header{"Accept": {accept}, "Content-Type": {contentType}, "Authorization": {authorization}}
		w := do(newHandler(t, working(), auth.HandlerConfig{}), r)
		checkHeaders(t, w.Header())
		if w.Code >= 500 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
