package kvoauth_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
)

func TestCreateSession(t *testing.T) {
	g := newRig(t, rigOptions{})
	created, err := g.CreateSession(t.Context(), auth.CreateSessionParams{
		Subject: "alice", Scopes: []string{"read"}, Roles: []string{"clerk"}, Claims: map[string]any{"department": "sales"},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := g.Authenticate(request(created.Cookies...))
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Principal{
		Subject: "alice", Scopes: []string{"read"}, Roles: []string{"clerk"}, Scheme: auth.SchemeCustom,
		Claims: map[string]any{"department": "sales"},
	}
	if !reflect.DeepEqual(a.Principal, want) {
		t.Errorf("%+v, want %+v", a.Principal, want)
	}
	s := created.Session
	if s.ProviderID != "fake" || s.UserID != "alice" || s.AccountID != "alice" || s.State != auth.SessionActive || !s.IssuedAt.Equal(g.clock.Now()) {
		t.Errorf("%+v", s)
	}
	if !reflect.DeepEqual(a.Session, s) {
		t.Errorf("read: %+v\ncreated: %+v", a.Session, s)
	}
}

func TestCreateSessionIsChecked(t *testing.T) {
	g := newRig(t, rigOptions{})
	for name, c := range map[string]struct {
		params auth.CreateSessionParams
		code   auth.Code
	}{
		"no subject":       {auth.CreateSessionParams{}, auth.CodeValidation},
		"reserved subject": {auth.CreateSessionParams{Subject: "urn:netscript:other:alice"}, auth.CodeValidation},
		"negative":         {auth.CreateSessionParams{Subject: "alice", Lifetime: -1}, auth.CodeValidation},
		"too short":        {auth.CreateSessionParams{Subject: "alice", Lifetime: time.Microsecond}, auth.CodeValidation},
		"provider":         {auth.CreateSessionParams{Subject: "alice", ProviderID: "x"}, auth.CodeUnknownProvider},
		"channel":          {auth.CreateSessionParams{Subject: "alice", Claims: map[string]any{"c": make(chan int)}}, auth.CodeInternal},
		"huge integer":     {auth.CreateSessionParams{Subject: "alice", Claims: map[string]any{"c": uint64(1 << 63)}}, auth.CodeInternal},
	} {
		if created, err := g.CreateSession(t.Context(), c.params); auth.CodeOf(err) != c.code || created != nil {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if list, err := g.ListSessions(t.Context(), "alice"); err != nil || len(list) != 0 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}

func TestCreateSessionLifetime(t *testing.T) {
	g := newRig(t, rigOptions{})
	for lifetime, ends := range map[time.Duration]time.Duration{
		time.Hour: time.Hour, time.Second: time.Second, 1000 * time.Hour: kvoauth.DefaultAbsoluteTimeout,
	} {
		created, err := g.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice", Lifetime: lifetime})
		if err != nil {
			t.Fatal(err)
		}
		c := credentialIn(created.Cookies)
		step := kvoauth.DefaultIdleTimeout / 2
		for ends > step {
			g.clock.advance(step)
			ends -= step
			g.mustBe(c, "")
		}
		g.clock.advance(ends - time.Millisecond)
		g.mustBe(c, "")
		g.clock.advance(time.Millisecond)
		if g.whoIs(c) == "" {
			t.Errorf("lifetime %v: lives on", lifetime)
		}
	}
}

// TestCreateSessionOwnsNothing changes everything that the caller passed, and finds the session as it was.
func TestCreateSessionOwnsNothing(t *testing.T) {
	g := newRig(t, rigOptions{})
	number := json.Number("12")
	inner := map[string]any{"n": number}
	list := []any{number, "x"}
	texts := []string{"a", "b"}
	params := auth.CreateSessionParams{
		Subject: "alice", Scopes: []string{"s"}, Roles: []string{"r"},
		Claims: map[string]any{"inner": inner, "list": list, "texts": texts, "n": number},
	}
	created, err := g.CreateSession(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"inner": map[string]any{"n": number}, "list": []any{number, "x"}, "texts": []string{"a", "b"}, "n": number,
	}
	if !reflect.DeepEqual(params.Claims, want) {
		t.Errorf("the caller's claims have changed: %v", params.Claims)
	}
	before, err := json.Marshal(created.Session)
	if err != nil {
		t.Fatal(err)
	}
	inner["n"], list[1], texts[0], params.Scopes[0], params.Roles[0] = "changed", "changed", "changed", "changed", "changed"
	params.Claims["new"] = true
	after, err := json.Marshal(created.Session)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("the session has changed with its caller's values:\n%s\n%s", before, after)
	}
	if !strings.Contains(string(before), `"n":12`) {
		t.Errorf("a number is no number: %s", before)
	}
}

func TestSessionByID(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, s := g.create("alice")
	got, err := g.SessionByID(t.Context(), s.ID)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, id := range []string{"", "x", credential, s.ID[:42], s.ID + "A", s.ID[:42] + "\n", strings.Repeat("A", 43), "../" + s.ID} {
		if _, err := g.SessionByID(t.Context(), id); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestListSessions(t *testing.T) {
	g := newRig(t, rigOptions{})
	var want []string
	for range 5 {
		_, s := g.create("alice")
		want = append([]string{s.ID}, want...)
		g.clock.advance(time.Second)
	}
	g.create("bob")
	list, err := g.ListSessions(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, s.ID)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v, the newest first", got, want)
	}
	if list, err := g.ListSessions(t.Context(), "nobody"); err != nil || list == nil || len(list) != 0 {
		t.Errorf("of nobody: %v, %v", list, err)
	}
}

func TestRevoke(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, s := g.create("alice")
	other, _ := g.create("alice")
	for range 2 {
		if err := g.RevokeSession(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"", "x", strings.Repeat("A", 43), other} {
		if err := g.RevokeSession(t.Context(), id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	g.mustBe(credential, auth.CodeSessionNotFound)
	g.mustBe(other, "")
	for _, want := range []int{1, 0} {
		if n, err := g.RevokeSessions(t.Context(), "alice"); err != nil || n != want {
			t.Errorf("ended %d, %v, want %d", n, err, want)
		}
	}
	g.mustBe(other, auth.CodeSessionNotFound)
	if n, err := g.RevokeSessions(t.Context(), "nobody"); err != nil || n != 0 {
		t.Errorf("of nobody: %d, %v", n, err)
	}
}

// TestRevokeRecordThatIsNotOurs: what stands under a handle is removed, whatever it is.
func TestRevokeRecordThatIsNotOurs(t *testing.T) {
	g := newRig(t, rigOptions{})
	_, s := g.create("alice")
	g.put(sessionKey(s.ID), []byte("garbage"))
	if err := g.RevokeSession(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if g.stored(sessionKey(s.ID)) != nil {
		t.Error("it is still there")
	}
}
