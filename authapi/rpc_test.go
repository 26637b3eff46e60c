package authapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth/authapi"
	"github.com/netscript/auth/authtest"
)

const rpcBase = "/api/rpc/v1/auth"

type rpcAnswer struct {
	JSON map[string]any
	Meta []any
}

func rpc(t testing.TB, b *authtest.Browser, name string, input any) (int, map[string]any) {
	t.Helper()
	page := b.PostJSON(rpcBase+"/"+name, map[string]any{"json": input, "meta": []any{}})
	var a rpcAnswer
	decode(t, []byte(page.Body), &a)
	if a.Meta == nil || a.JSON == nil {
		t.Errorf("%s answers %s", name, page.Body)
	}
	return page.Status, a.JSON
}

func TestRPC(t *testing.T) {
	_, alice := signedIn(t, kvOAuthEnv(), nil)
	status, me := rpc(t, alice, "me", map[string]any{})
	session, _ := me["session"].(map[string]any)
	if status != 200 || me["authenticated"] != true || session["subject"] != "alice" {
		t.Fatalf("me: %d %v", status, me)
	}
	if issued, _ := session["issuedAt"].(string); !strings.HasSuffix(issued, "Z") {
		t.Errorf("issuedAt %v is not the text that the contract has", session["issuedAt"])
	}
	status, list := rpc(t, alice, "sessions", nil)
	if sessions, _ := list["sessions"].([]any); status != 200 || len(sessions) != 1 {
		t.Errorf("sessions: %d %v", status, list)
	}
	for name, id := range map[string]any{"of nobody": strings.Repeat("A", 43), "a number": 7, "none": nil, "dots": "..", "a path": "a/b"} {
		want := 422
		if name == "of nobody" {
			want = 403
		}
		if status, body := rpc(t, alice, "revokeSession", map[string]any{"sessionId": id}); status != want {
			t.Errorf("revoke, %s: %d %v", name, status, body)
		}
	}
	if status, body := rpc(t, alice, "revokeSession", map[string]any{"sessionId": session["id"]}); status != 200 || body["revoked"] != true {
		t.Errorf("revoke: %d %v", status, body)
	}
	if alice.Cookie("__Host-ns_session") != nil {
		t.Error("the cookie is still there")
	}
	for _, name := range []string{"me", "session"} {
		status, nobody := rpc(t, alice, name, nil)
		if len(nobody) != 1 || status != 200 || nobody["authenticated"] != false {
			t.Errorf("%s of nobody: %d %v", name, status, nobody)
		}
	}
	status, failed := rpc(t, alice, "sessions", nil)
	if status != 401 || failed["code"] != "UNAUTHORIZED" || failed["defined"] != true || failed["status"] != 401.0 {
		t.Errorf("sessions of nobody: %d %v", status, failed)
	}
}

// TestRPCSignIn signs in through the mirror alone, with the cookies of its answers.
func TestRPCSignIn(t *testing.T) {
	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
	o := options(t, kvOAuthEnv())
	o.HTTPClient = idp.Client()
	b := authtest.NewBrowser(t, newService(t, o), idp)
	status, started := rpc(t, b, "signin", map[string]any{"redirectTo": "/welcome", "state": "mine"})
	if status != 200 {
		t.Fatalf("signin: %d %v", status, started)
	}
	answer := b.Authorize(started["redirectUrl"].(string), "alice")
	input := map[string]any{}
	for name := range answer.Values() {
		input[name] = answer.Values().Get(name)
	}
	status, done := rpc(t, b, "callback", input)
	if status != 200 || done["redirectTo"] != "/welcome" || done["state"] != "mine" || done["subject"] != "alice" {
		t.Fatalf("callback: %d %v", status, done)
	}
	if c := b.Cookie("__Host-ns_session"); c == nil || !c.HttpOnly {
		t.Errorf("cookie %v", c)
	}
	if status, again := rpc(t, b, "callback", input); status != 400 || again["code"] != "AUTH_CALLBACK_INVALID" {
		t.Errorf("callback again: %d %v", status, again)
	}
	if status, out := rpc(t, b, "signout", map[string]any{"everywhere": true}); status != 200 || out["signedOut"] != true {
		t.Errorf("signout: %d %v", status, out)
	}
}

func TestRPCRefused(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv()))
	tests := []struct {
		name, method, path, media, body string
		status                          int
		code                            string
	}{
		{"unknown procedure", "POST", "/nothing", "application/json", "{}", 404, "NOT_FOUND"},
		{"a path of the contract", "POST", "/sessions/x", "application/json", "{}", 404, "NOT_FOUND"},
		{"encoded", "POST", "/%6de", "application/json", "{}", 404, "NOT_FOUND"},
		{"verify is not mirrored", "POST", "/verify", "application/json", "{}", 404, "NOT_FOUND"},
		{"GET", "GET", "/me", "", "", 405, "METHOD_NOT_ALLOWED"},
		{"a form", "POST", "/signout", "application/x-www-form-urlencoded", "json=1", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"no media type", "POST", "/signout", "", "{}", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"a list", "POST", "/signout", "application/json", "[]", 422, "VALIDATION_ERROR"},
		{"repeated", "POST", "/signout", "application/json", `{"json":{},"json":{"everywhere":true}}`, 422, "VALIDATION_ERROR"},
		{"a date", "POST", "/signout", "application/json", `{"json":{"redirectTo":"2026-01-01"},"meta":[[1,"redirectTo"]]}`, 422, "VALIDATION_ERROR"},
		{"meta is no list", "POST", "/signout", "application/json", `{"json":{},"meta":{}}`, 422, "VALIDATION_ERROR"},
		{"input is a list", "POST", "/signout", "application/json", `{"json":[1]}`, 422, "VALIDATION_ERROR"},
		{"undefined", "POST", "/signout", "application/json", `{"json":null,"meta":[[3]]}`, 200, ""},
		{"no body", "POST", "/me", "", "", 200, ""},
		{"no input", "POST", "/me", "application/json", "{}", 200, ""},
		{"not the contract's input", "POST", "/signin", "application/json", `{"json":{"scopes":"openid"}}`, 422, "VALIDATION_ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := do(s, tt.method, rpcBase+tt.path, tt.body, "Content-Type", tt.media)
			var a rpcAnswer
			decode(t, w.Body.Bytes(), &a)
			code, _ := a.JSON["code"].(string)
			if w.Code != tt.status || code != tt.code || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %s, %v", w.Code, w.Body, w.Header())
			}
		})
	}
	w := do(s, "POST", rpcBase+"/signout", `{"json":{}}`, "Content-Type", "application/json", "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
	if w.Code != http.StatusForbidden {
		t.Errorf("cross-site: %d %s", w.Code, w.Body)
	}
}

// FuzzRPC is F-API for the oRPC wire form: no body is an error of the server, and every answer has its envelope.
func FuzzRPC(f *testing.F) {
	for _, body := range []string{"", "{}", `{"json":{},"meta":[]}`, `{"json":null,"meta":[[3]]}`, `{"meta":[[1,"a"]]}`, `{"json":{"sessionId":"x"}}`, `{"json":{"a":1,"a":2}}`, "[]", "{\"json\":\"\\ud800\"}"} {
		for i := range 4 {
			f.Add(uint8(i), body)
		}
	}
	s, err := authapi.New(f.Context(), options(f, kvOAuthEnv()))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	names := []string{"callback", "signout", "me", "revokeSession"}
	f.Fuzz(func(t *testing.T, i uint8, body string) {
		w := do(s, "POST", rpcBase+"/"+names[int(i)%len(names)], body, "Content-Type", "application/json")
		var a rpcAnswer
		decode(t, w.Body.Bytes(), &a)
		if w.Code >= 500 || a.Meta == nil || a.JSON == nil {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
