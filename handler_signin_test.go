package auth_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
	asHTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
)

func TestSignInInputs(t *testing.T) {
	full := auth.SignInParams{ProviderID: "two", ReturnTo: "/orders", LoginHint: "a@example.com", Scopes: []string{"a", "b:c"}, State: "mine"}
	noState := full
	noState.State = ""
	tests := []struct {
		name string
		r    *http.Request
		want auth.SignInParams
	}{
		{"GET", request("GET", base+"/signin?providerId=two&returnTo=/orders&loginHint=a%40example.com&scopes=a+b:c", ""), noState},
		{"GET with the other name", request("GET", base+"/signin?providerId=two&redirectTo=/orders&loginHint=a%40example.com&scopes=a+b:c", ""), noState},
		{"CONF-T01 GET that a provider initiates", request("GET", base+"/signin?iss=https%3A%2F%2Fidp.test&login_hint=alice&target_link_uri=%2Forders", ""),
			auth.SignInParams{Issuer: "https://idp.test", LoginHint: "alice", ReturnTo: "/orders"}},
		{"GET: no state from a link", request("GET", base+"/signin?state=evil", ""), auth.SignInParams{}},
		{"GET: a link links no account", request("GET", base+"/signin?link=true&providerId=two", ""), auth.SignInParams{ProviderID: "two"}},
		{"POST that links", request("POST", base+"/signin", `{"link":true}`, "Content-Type", asJSON), auth.SignInParams{Link: true}},
		{"POST JSON", request("POST", base+"/signin", `{"providerId":"two","redirectTo":"/orders","loginHint":"a@example.com","scopes":["a","b:c"],"state":"mine","x":[1]}`, "Content-Type", asJSON), full},
		{"POST JSON with charset", request("POST", base+"/signin", `{"state":"mine"}`, "Content-Type", "application/json; charset=UTF-8"), auth.SignInParams{State: "mine"}},
		{"POST form", request("POST", base+"/signin", "providerId=two&returnTo=%2Forders&loginHint=a%40example.com&scopes=a%20b:c&state=mine", "Content-Type", asForm), full},
		{"POST: not from the query", request("POST", base+"/signin?providerId=two&returnTo=/evil", "", "Content-Type", asForm), auth.SignInParams{}},
		{"POST without anything", request("POST", base+"/signin", ""), auth.SignInParams{}},
		{"identity fields are ignored", request("POST", base+"/signin", `{"userId":"bob","subject":"bob","sessionId":"s-bob"}`, "Content-Type", asJSON), auth.SignInParams{}},
		{"GET: an authentication", request("GET", base+"/signin?prompt=login+consent&maxAge=300&acrValues=gold+urn:x:silver", ""),
			auth.SignInParams{Prompt: "login consent", MaxAge: 5 * time.Minute, ACRValues: []string{"gold", "urn:x:silver"}}},
		{"GET: an authentication now", request("GET", base+"/signin?maxAge=0", ""), auth.SignInParams{MaxAge: auth.ReauthenticateNow}},
		{"GET: none, of some age", request("GET", base+"/signin?prompt=none&maxAge=1", ""), auth.SignInParams{Prompt: "none", MaxAge: time.Second}},
		{"POST JSON: an authentication", request("POST", base+"/signin", `{"prompt":"login","maxAge":0,"acrValues":["gold"]}`, "Content-Type", asJSON),
			auth.SignInParams{Prompt: "login", MaxAge: auth.ReauthenticateNow, ACRValues: []string{"gold"}}},
		{"POST form: an authentication", request("POST", base+"/signin", "prompt=login&maxAge=2147483647&acrValues=gold", "Content-Type", asForm),
			auth.SignInParams{Prompt: "login", MaxAge: (1<<31 - 1) * time.Second, ACRValues: []string{"gold"}}},
		{"POST JSON: names are case-sensitive", request("POST", base+"/signin", `{"ProviderID":"two"}`, "Content-Type", asJSON), auth.SignInParams{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := working()
			w := do(newHandler(t, b, auth.HandlerConfig{}), tt.r)
			if w.Code >= 400 {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			if len(b.signIns) != 1 || !reflect.DeepEqual(b.signIns[0], tt.want) {
				t.Errorf("asked for %+v, want %+v", b.signIns, tt.want)
			}
		})
	}
}

// A server never hands over a nil body, a test or a wrapper may.
func TestSignInWithoutBody(t *testing.T) {
	r := request("POST", base+"/signin", "", "Content-Type", asJSON)
	r.Body = nil
	wantStatus(t, do(newHandler(t, working(), auth.HandlerConfig{}), r), 200)
}

func TestSignInAnswers(t *testing.T) {
	started := `{"started":true,"providerId":"one","redirectUrl":"https://op.example/authorize?state=xyz","state":"xyz"}`
	tests := []struct {
		name   string
		r      *http.Request
		status int
		body   string
	}{
		{"GET", request("GET", base+"/signin", ""), 302, ""},
		{"GET that accepts JSON", request("GET", base+"/signin", "", "Accept", asJSON), 302, ""},
		{"POST form", request("POST", base+"/signin", "a=b", "Content-Type", asForm, "Accept", asHTML), 303, ""},
		{"POST form that accepts anything", request("POST", base+"/signin", "a=b", "Content-Type", asForm, "Accept", "*/*"), 303, ""},
		{"POST form that asks for JSON", request("POST", base+"/signin", "a=b", "Content-Type", asForm, "Accept", asJSON), 200, started},
		{"POST form that refuses JSON", request("POST", base+"/signin", "a=b", "Content-Type", asForm, "Accept", "application/json;q=0"), 303, ""},
		{"POST form with a weight that is none", request("POST", base+"/signin", "a=b", "Content-Type", asForm, "Accept", "application/json;q=2, application/json;q=x"), 303, ""},
		{"POST form that prefers HTML", request("POST", base+"/signin", "a=b", "Content-Type", asForm, "Accept", "text/html, application/json;q=0.5"), 303, ""},
		{"POST JSON", request("POST", base+"/signin", "{}", "Content-Type", asJSON, "Accept", "*/*"), 200, started},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := do(newHandler(t, working(), auth.HandlerConfig{}), tt.r)
			wantStatus(t, w, tt.status)
			wantCookies(t, w, &http.Cookie{Name: "__Host-ns_txn", Value: "t1", Path: "/", Secure: true, HttpOnly: true})
			if tt.body != "" {
				wantJSON(t, w, tt.body)
				return
			}
			if got := w.Header().Get("Location"); got != "https://op.example/authorize?state=xyz" || w.Body.Len() != 0 {
				t.Errorf("Location %q, body %q", got, w.Body)
			}
		})
	}
}

func TestSignInBadInput(t *testing.T) {
	form := func(body string) *http.Request {
		return request("POST", base+"/signin", body, "Content-Type", asForm)
	}
	json := func(body string) *http.Request {
		return request("POST", base+"/signin", body, "Content-Type", asJSON)
	}
	tests := []struct {
		name  string
		r     *http.Request
		field string // "": the form as a whole
	}{
		{"number for a string", json(`{"providerId":1}`), "providerId"},
		{"null for a string", json(`{"redirectTo":null}`), "redirectTo"},
		{"string for a list", json(`{"scopes":"a b"}`), "scopes"},
		{"null for a list", json(`{"scopes":null}`), "scopes"},
		{"a scope outside ASCII", json(`{"scopes":["\u00e9"]}`), "scopes"},
		{"a scope with a quote", json(`{"scopes":["a\""]}`), "scopes"},
		{"a scope with a control", form("scopes=a%01b"), "scopes"},
		{"list with a number", json(`{"scopes":["a",1]}`), "scopes"},
		{"two scopes in one", json(`{"scopes":["a b"]}`), "scopes"},
		{"an empty scope", json(`{"scopes":[""]}`), "scopes"},
		{"an unknown prompt", json(`{"prompt":"LOGIN"}`), "prompt"},
		{"a prompt twice", form("prompt=login+login"), "prompt"},
		{"prompts by a comma", form("prompt=login,consent"), "prompt"},
		{"prompts by two spaces", form("prompt=login++consent"), "prompt"},
		{"prompt none and another", form("prompt=none+login"), "prompt"},
		{"CONF-G09", request("GET", base+"/signin?prompt=none&maxAge=0", ""), "prompt"},
		{"a list of prompts", json(`{"prompt":["login"]}`), "prompt"},
		{"an age that is text", json(`{"maxAge":"60"}`), "maxAge"},
		{"an age with a fraction", json(`{"maxAge":1.5}`), "maxAge"},
		{"an age with an exponent", json(`{"maxAge":1e3}`), "maxAge"},
		{"a negative age", json(`{"maxAge":-1}`), "maxAge"},
		{"an age of null", json(`{"maxAge":null}`), "maxAge"},
		{"a long age", form("maxAge=2147483648"), "maxAge"},
		{"an age with a zero before it", form("maxAge=060"), "maxAge"},
		{"an age with a sign", form("maxAge=%2B60"), "maxAge"},
		{"an empty age", form("maxAge="), "maxAge"},
		{"an age with a unit", form("maxAge=5m"), "maxAge"},
		{"two ages", form("maxAge=60&maxAge=0"), "maxAge"},
		{"text for classes", json(`{"acrValues":"gold"}`), "acrValues"},
		{"two classes in one", json(`{"acrValues":["gold silver"]}`), "acrValues"},
		{"an empty class", json(`{"acrValues":[""]}`), "acrValues"},
		{"a class with a quote", form("acrValues=gold%22"), "acrValues"},
		{"a class that is too long", form("acrValues=" + strings.Repeat("x", 256)), "acrValues"},
		{"too many classes", form("acrValues=" + strings.Repeat("x+", 17)), "acrValues"},
		{"long state", json(`{"state":"` + strings.Repeat("x", 1025) + `"}`), "state"},
		{"both names of the return URL", json(`{"returnTo":"/a","redirectTo":"/b"}`), "returnTo"},
		{"form field twice", form("providerId=one&providerId=two"), "providerId"},
		{"query field twice", request("GET", base+"/signin?returnTo=/a&returnTo=/b", ""), "returnTo"},
		{"trailing data", json(`{} {}`), ""},
		{"not an object", json(`[]`), ""},
		{"cut off", json(`{"providerId":`), ""},
		{"repeated member", json(`{"providerId":"one","providerId":"two"}`), ""},
		{"repeated member by escape", json(`{"state":"a","\u0073tate":"b"}`), ""},
		{"repeated member inside", json(`{"x":{"a":1,"a":2}}`), ""},
		{"deep", json(`{"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`), ""},
		{"byte order mark", json("\ufeff{}"), ""},
		{"UTF-16", json("\xff\xfe{\x00}\x00"), ""},
		{"broken form", form("providerId=%zz"), ""},
		{"semicolon form", form("a=b;c=d"), ""},
		{"form not UTF-8", form("state=%ff"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := working()
			w := do(newHandler(t, b, auth.HandlerConfig{}), tt.r)
			data := wantError(t, w, 422, "VALIDATION_ERROR", auth.CodeValidation)
			fields, _ := data["fieldErrors"].(map[string]any)
			formErrors, _ := data["formErrors"].([]any)
			if tt.field == "" && (len(fields) != 0 || len(formErrors) != 1) || tt.field != "" && (len(formErrors) != 0 || len(fields) != 1 || fields[tt.field] == nil) {
				t.Errorf("data %v", data)
			}
			if b.asked() != 0 {
				t.Error("the backend was asked")
			}
		})
	}
}

func TestBodiesThatAreNotInput(t *testing.T) {
	big := `{"x":"` + strings.Repeat("x", 64<<10) + `"}`
	tests := []struct {
		name   string
		body   string
		types  []string
		status int
		code   string
	}{
		{"too large", big, []string{"Content-Type", asJSON}, 413, "PAYLOAD_TOO_LARGE"},
		{"too large form", "x=" + big, []string{"Content-Type", asForm}, 413, "PAYLOAD_TOO_LARGE"},
		{"too large and unknown", big, []string{"Content-Type", "x/y"}, 413, "PAYLOAD_TOO_LARGE"},
		{"plain text", "{}", []string{"Content-Type", "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"multipart", "--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"no type", "{}", nil, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"two types", "{}", []string{"Content-Type", asJSON, "Content-Type", asForm}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"other charset", "{}", []string{"Content-Type", "application/json; charset=utf-16"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"compressed", "{}", []string{"Content-Type", asJSON, "Content-Encoding", "gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
	}
	for _, route := range []string{"/signin", "/callback", "/signout"} {
		for _, tt := range tests {
			t.Run(route+" "+tt.name, func(t *testing.T) {
				b := working()
				w := do(newHandler(t, b, auth.HandlerConfig{}), request("POST", base+route, tt.body, tt.types...))
				wantError(t, w, tt.status, tt.code, auth.CodeValidation)
				if b.asked() != 0 {
					t.Error("the backend was asked")
				}
			})
		}
	}
	exact := `{"x":"` + strings.Repeat("x", 64<<10-8) + `"}`
	wantStatus(t, do(newHandler(t, working(), auth.HandlerConfig{}), request("POST", base+"/signin", exact, "Content-Type", asJSON)), 200)
}
