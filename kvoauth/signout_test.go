package kvoauth_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store/storetest"
)

func TestSignOut(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, _ := g.create("alice")
	other, _ := g.create("alice")
	out, err := g.SignOut(request(session(credential)), auth.SignOutParams{})
	if err != nil || !clears(out.Cookies) || out.Location != "/" {
		t.Fatalf("%+v, %v", out, err)
	}
	g.mustBe(credential, auth.CodeSessionNotFound)
	g.mustBe(other, "")
	if g.seen(auth.EventSignedOut) != 1 || g.seen(auth.EventSessionRevoked) != 1 {
		t.Error("the events do not say so")
	}
	if list, err := g.ListSessions(t.Context(), "alice"); err != nil || len(list) != 1 {
		t.Errorf("%d sessions left, %v", len(list), err)
	}
	out, err = g.SignOut(request(session(credential)), auth.SignOutParams{}) // again
	if err != nil || !clears(out.Cookies) {
		t.Errorf("a second time: %v", err)
	}
}

func TestSignOutOfNobody(t *testing.T) {
	g := newRig(t, rigOptions{})
	_, s := g.create("alice")
	for name, r := range map[string]*http.Request{
		"no cookie":  request(),
		"malformed":  request(session("x")),
		"two":        request(session(strings.Repeat("A", 43)), session(strings.Repeat("A", 43))),
		"dead":       request(session(strings.Repeat("A", 43))),
		"only other": request(&http.Cookie{Name: "a", Value: "b"}),
	} {
		if out, err := g.SignOut(r, auth.SignOutParams{}); err != nil || !clears(out.Cookies) {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range []auth.SignOutParams{{SessionID: s.ID}, {Everywhere: true}, {SessionID: s.ID, Everywhere: true}} {
			out, err := g.SignOut(r, p)
			if !errors.Is(err, auth.ErrUnauthenticated) || out == nil || !clears(out.Cookies) {
				t.Errorf("%s, %+v: %v", name, p, err)
			}
		}
	}
	if _, err := g.SessionByID(t.Context(), s.ID); err != nil {
		t.Errorf("somebody else's session has ended: %v", err)
	}
}

func TestSignOutOfAnotherSession(t *testing.T) {
	g := newRig(t, rigOptions{})
	mine, s := g.create("alice")
	second, s2 := g.create("alice")
	_, foreign := g.create("bob")
	for name, id := range map[string]string{
		"foreign": foreign.ID, "unknown": strings.Repeat("A", 43), "no handle": "x", "a credential": second,
	} {
		out, err := g.SignOut(request(session(mine)), auth.SignOutParams{SessionID: id, Everywhere: true})
		if auth.CodeOf(err) != auth.CodeForbidden || out == nil || len(out.Cookies) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := g.SessionByID(t.Context(), foreign.ID); err != nil {
		t.Errorf("the foreign session has ended: %v", err)
	}
	g.mustBe(mine, "")
	g.mustBe(second, "")
	out, err := g.SignOut(request(session(mine)), auth.SignOutParams{SessionID: s2.ID})
	if err != nil || len(out.Cookies) != 0 {
		t.Errorf("%v, %d cookies", err, len(out.Cookies))
	}
	g.mustBe(second, auth.CodeSessionNotFound)
	g.mustBe(mine, "")
	out, err = g.SignOut(request(session(mine)), auth.SignOutParams{SessionID: s.ID}) // its own, named
	if err != nil || !clears(out.Cookies) {
		t.Error(err)
	}
	g.mustBe(mine, auth.CodeSessionNotFound)
}

// TestSignOutWithADeadSession: who is not signed in any more cannot end another session.
func TestSignOutWithADeadSession(t *testing.T) {
	g := newRig(t, rigOptions{})
	dead, _ := g.create("alice")
	g.clock.advance(kvoauth.DefaultIdleTimeout)
	live, s := g.create("alice")
	for _, p := range []auth.SignOutParams{{SessionID: s.ID}, {Everywhere: true}} {
		out, err := g.SignOut(request(session(dead)), p)
		if !errors.Is(err, auth.ErrUnauthenticated) || !clears(out.Cookies) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	g.mustBe(live, "")
}

func TestSignOutEverywhere(t *testing.T) {
	for _, named := range []bool{false, true} {
		g := newRig(t, rigOptions{})
		mine, _ := g.create("alice")
		others := make([]string, 5)
		var last *auth.Session
		for i := range others {
			others[i], last = g.create("alice")
		}
		foreign, _ := g.create("bob")
		p := auth.SignOutParams{Everywhere: true}
		if named {
			p.SessionID = last.ID
		}
		out, err := g.SignOut(request(session(mine)), p)
		if err != nil || !clears(out.Cookies) {
			t.Fatal(err)
		}
		for _, c := range append(others, mine) {
			g.mustBe(c, auth.CodeSessionNotFound)
		}
		g.mustBe(foreign, "")
		again, _ := g.create("alice")
		g.mustBe(again, "")
	}
}

// TestSignOutEverywhereWithoutIndex: the store has lost it. The session that asks ends all the same.
func TestSignOutEverywhereWithoutIndex(t *testing.T) {
	g := newRig(t, rigOptions{})
	mine, _ := g.create("alice")
	g.breaks(func(op storetest.Op, key string) storetest.Fault {
		if key[:2] == "u:" {
			_ = g.memory.Delete(t.Context(), key)
		}
		return storetest.None
	})
	if _, err := g.SignOut(request(session(mine)), auth.SignOutParams{Everywhere: true}); err != nil {
		t.Fatal(err)
	}
	g.mustBe(mine, auth.CodeSessionNotFound)
}

func TestSignOutReturnURL(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) {
		c.DefaultReturnURL, c.ReturnOrigins = "/bye", []string{"https://www.example.com"}
	}})
	for raw, want := range map[string]string{
		"": "/bye", "/x": "/x", "https://www.example.com/y": "https://www.example.com/y",
		"https://evil.test/": "/bye", "//evil.test": "/bye", "/api/v1/auth/callback": "/bye",
	} {
		for _, cookies := range [][]*http.Cookie{nil, {session("x")}, {session(strings.Repeat("A", 43))}} {
			out, err := g.SignOut(request(cookies...), auth.SignOutParams{ReturnTo: raw})
			if err != nil || out.Location != want {
				t.Errorf("%q: %q, %v, want %q", raw, out.Location, err, want)
			}
		}
	}
}

// TestSignOutWhileTheStoreIsDown: the browser forgets, and is told that the server may not have.
func TestSignOutWhileTheStoreIsDown(t *testing.T) {
	for _, p := range []auth.SignOutParams{{}, {Everywhere: true}} {
		g := newRig(t, rigOptions{})
		mine, _ := g.create("alice")
		g.breaks(storetest.Always(storetest.Fail))
		out, err := g.SignOut(request(session(mine)), p)
		if !undecided(err) || auth.CodeOf(err) != auth.CodeStoreUnavailable {
			t.Errorf("%+v: %v", p, err)
		}
		if out == nil || !clears(out.Cookies) || out.Location == "" {
			t.Errorf("%+v: no redirect that clears the cookie", p)
		}
		if g.seen(auth.EventSignedOut) != 0 {
			t.Error("an event says that it is signed out")
		}
		g.breaks(nil)
		g.mustBe(mine, "") // it was said so
	}
}

// TestReplayOnEveryRoute presents a dead credential to all of the handler's routes.
func TestReplayOnEveryRoute(t *testing.T) {
	g := newRig(t, rigOptions{})
	h, err := auth.NewHandler(g.Backend, auth.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(string){
		"signed out": func(c string) {
			if _, err := g.SignOut(request(session(c)), auth.SignOutParams{}); err != nil {
				t.Fatal(err)
			}
		},
		"expired": func(string) { g.clock.advance(kvoauth.DefaultIdleTimeout + time.Second) },
	} {
		credential, s := g.create("alice")
		end(credential)
		live, other := g.create("alice")
		browser := authtest.NewBrowser(t, h, g.idp)
		plant := func() {
			browser.SetCookie(&http.Cookie{Name: kvoauth.DefaultCookieName, Value: credential, Path: "/", Secure: true, HttpOnly: true})
		}
		plant()
		if browser.SignedIn() {
			t.Errorf("%s: /session", name)
		}
		if browser.Cookie(kvoauth.DefaultCookieName) != nil {
			t.Errorf("%s: the cookie is not removed", name)
		}
		for _, route := range []string{"/me", "/sessions", "/verify"} {
			plant()
			if page := browser.Get(auth.DefaultBasePath + route); strings.Contains(page.Body, "alice") || strings.Contains(page.Body, `"authenticated":true`) {
				t.Errorf("%s: %s: %d %s", name, route, page.Status, page.Body)
			}
		}
		for _, form := range []url.Values{{"sessionId": {other.ID}}, {"sessionId": {s.ID}}, {"everywhere": {"true"}}} {
			plant()
			browser.Post(auth.DefaultBasePath+"/signout", form)
		}
		g.mustBe(live, "")
		g.mustBe(credential, auth.CodeSessionNotFound)
	}
}
