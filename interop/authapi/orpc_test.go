package authapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// orpcClient is oRPC's client from npm.
type orpcClient struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Reader
}

type orpcAnswer struct {
	Output  map[string]any
	Kinds   map[string]string // of the session's members, in JavaScript
	Error   *orpcError
	Failure string
	Cookies []string
}

type orpcError struct {
	Defined bool
	Code    string
	Status  int
	Message string
	Data    map[string]any
}

func (c *orpcClient) call(name string, input any) orpcAnswer {
	c.t.Helper()
	message := map[string]any{"name": name}
	if input != nil {
		message["input"] = input
	}
	line, err := json.Marshal(message)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c.in, "%s\n", line); err != nil {
		c.t.Fatal(err)
	}
	text, err := c.out.ReadBytes('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	var a orpcAnswer
	if err := json.Unmarshal(text, &a); err != nil || a.Failure != "" {
		c.t.Fatalf("%s: %s, %v", name, text, err)
	}
	return a
}

func (c *orpcClient) must(name string, input any) orpcAnswer {
	c.t.Helper()
	a := c.call(name, input)
	if a.Error != nil {
		c.t.Fatalf("%s: %+v", name, *a.Error)
	}
	return a
}

func (c *orpcClient) fails(name string, input any, status int, code, reason string) {
	c.t.Helper()
	a := c.call(name, input)
	if a.Error == nil {
		c.t.Errorf("%s is answered with %v", name, a.Output)
		return
	}
	got, _ := a.Error.Data["reason"].(string)
	if !a.Error.Defined || a.Error.Status != status || a.Error.Code != code || got != reason || a.Error.Message == "" {
		c.t.Errorf("%s: %+v, want %d %s %s", name, *a.Error, status, code, reason)
	}
}

// TestORPC calls every procedure with oRPC's own client: inputs, outputs, dates, errors, cookies.
func TestORPC(t *testing.T) {
	e, site := kvOAuth(t)
	op := provider(t, e, site)
	e["NETSCRIPT_AUTH_KV"] = "memory"
	start(t, e)
	in, out := script(t, "@orpc/client", map[string]string{"url": site}, "authapi", "orpc.mjs")
	c := &orpcClient{t, in, out}

	if a := c.must("describe", nil); a.Output["backend"] != "kv-oauth" {
		t.Errorf("describe %v", a.Output)
	}
	if a := c.must("providers", map[string]any{}); !strings.Contains(fmt.Sprint(a.Output["providers"]), "default") {
		t.Errorf("providers %v", a.Output)
	}
	for _, name := range []string{"me", "session"} {
		a := c.must(name, nil)
		if a.Output["authenticated"] != false || len(a.Output) != 1 {
			t.Errorf("%s of nobody: %v", name, a.Output)
		}
	}
	c.fails("sessions", nil, 401, "UNAUTHORIZED", "no_credential")
	c.fails("signin", map[string]any{"providerId": "unknown"}, 422, "VALIDATION_ERROR", "unknown_provider")
	c.fails("signin", map[string]any{"redirectTo": "https://evil.example/"}, 422, "VALIDATION_ERROR", "return_url_rejected")
	c.fails("signin", map[string]any{"loginHint": map[string]any{"$date": "2026-01-01T00:00:00Z"}}, 422, "VALIDATION_ERROR", "validation")
	c.fails("signin", map[string]any{"scopes": "openid"}, 422, "VALIDATION_ERROR", "validation")
	c.fails("callback", map[string]any{"code": "x", "state": "y"}, 400, "AUTH_CALLBACK_INVALID", "callback_invalid")
	if a := c.call("nothing", nil); a.Error == nil || a.Error.Code != "NOT_FOUND" || a.Error.Status != 404 {
		t.Errorf("an unknown procedure: %+v", a)
	}

	started := c.must("signin", map[string]any{"redirectTo": "/welcome", "state": "mine", "loginHint": "erin", "scopes": []string{}})
	to, _ := started.Output["redirectUrl"].(string)
	if started.Output["started"] != true || to == "" || len(started.Cookies) != 1 {
		t.Fatalf("signin %+v", started)
	}
	cb := op.Login(t, visit(t, site).http, to, "erin")
	input := map[string]any{}
	for name := range cb.Response {
		input[name] = cb.Response.Get(name)
	}
	done := c.must("callback", input)
	if done.Output["subject"] != "erin" || done.Output["redirectTo"] != "/welcome" || done.Output["state"] != "mine" || !slices.Equal(done.Cookies, []string{"ns_session"}) {
		t.Fatalf("callback %+v", done)
	}
	c.fails("callback", input, 400, "AUTH_CALLBACK_INVALID", "transaction_missing")

	me := c.must("me", map[string]any{})
	session, _ := me.Output["session"].(map[string]any)
	user, _ := me.Output["user"].(map[string]any)
	if user["id"] != "erin" || user["email"] != "erin@example.com" || session["subject"] != "erin" {
		t.Errorf("me %v", me.Output)
	}
	for _, name := range []string{"issuedAt", "expiresAt"} { // the original's contract has dates as texts of RFC 3339
		text, _ := session[name].(string)
		if when, err := time.Parse(time.RFC3339, text); err != nil || !strings.HasSuffix(text, "Z") || when.IsZero() || me.Kinds[name] != "string" {
			t.Errorf("%s is %q, a %s", name, text, me.Kinds[name])
		}
	}
	if a := c.must("session", map[string]any{"sessionId": "somebody-else"}); a.Output["authenticated"] != true {
		t.Errorf("session %v", a.Output)
	}
	list, _ := c.must("sessions", nil).Output["sessions"].([]any)
	if len(list) != 1 {
		t.Errorf("sessions %v", list)
	}
	foreign := strings.Repeat("A", 43)
	c.fails("revokeSession", map[string]any{"sessionId": foreign}, 403, "FORBIDDEN", "forbidden")
	c.fails("signout", map[string]any{"sessionId": foreign}, 403, "FORBIDDEN", "forbidden")
	if a := c.must("session", nil); a.Output["authenticated"] != true {
		t.Error("a foreign sessionId ended the session")
	}
	if a := c.must("signout", map[string]any{"redirectTo": "/bye"}); a.Output["signedOut"] != true || a.Output["sessionId"] != session["id"] || a.Output["redirectTo"] != "/bye" || len(a.Cookies) != 0 {
		t.Errorf("signout %+v", a)
	}
	if a := c.must("me", nil); a.Output["authenticated"] != false {
		t.Errorf("after the sign-out: %v", a.Output)
	}
}
