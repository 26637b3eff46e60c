package quickstart_test

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/netscript/auth/interop/browser"
)

func TestQuickstart(t *testing.T) {
	exe := build(t)
	tests := []struct {
		name string
		test func(t *testing.T, site string)
	}{
		{"sign in and out", signInAndOut},
		{"second provider", secondProvider},
		{"two tabs at once", twoTabs},
		{"cancelled", cancelled},
		{"refused", refused},
		{"expired", expired},
		{"sign out everywhere", signOutEverywhere},
		{"end another session", endAnotherSession},
		{"page for members", pageForMembers},
		{"return elsewhere", returnElsewhere},
		{"raw answer", rawAnswer},
		{"other name of the host", otherName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, start(t, exe).url) })
	}
	t.Run("stop", func(t *testing.T) {
		p := start(t, exe)
		newVisitor(t, p.url).signIn(acme, "ada")
		unused, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://")) // as browsers open them ahead of need
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unused.Close() }()
		p.stop(t)
	})
}

func signInAndOut(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.isSignedOut()
	v.shoot("signed-out")
	v.shootPhone("signed-out-phone")
	v.prefers("dark")
	v.shoot("signed-out-dark")
	v.prefers("light")

	v.Follow(acme)
	v.sees("h1", "Sign in")
	v.shoot("provider")
	v.shootPhone("provider-phone")
	v.prefers("dark")
	v.shoot("provider-dark")
	v.prefers("light")
	v.Follow(person("ada"))

	v.isAt("/")
	v.sees("#name", "Ada Lindqvist")
	v.reads("#email", "ada@acme.test \nverified")
	v.reads("#roles", "admin")
	v.reads("#scopes", "email")
	if !v.pictureLoaded() {
		t.Error("the picture is broken")
	}
	if names := v.cookieNames(); len(names) != 1 || names[0] != "ns_session" {
		t.Errorf("the browser has the cookies %v, want the session's alone", names)
	}
	v.shoot("signed-in")
	v.shootPhone("signed-in-phone")
	v.prefers("dark")
	v.shoot("signed-in-dark")
	v.prefers("light")

	v.reload()
	v.sees("#name", "Ada Lindqvist")

	v.Follow("#signout")
	v.isAt("/?done=signed-out")
	v.reads("#notice", "You are signed out")
	v.isSignedOut()
	v.shoot("signed-out-notice")

	v.Back()
	v.isAt("/")
	v.isSignedOut() // and not the page that was here before
}

func secondProvider(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.signIn(globex, "1042")
	v.sees("#name", "Gus Tanaka")
	v.reads(".facts", "urn:netscript:globex:1042")
	if !v.pictureLoaded() {
		t.Error("the picture is broken")
	}
}

func twoTabs(t *testing.T, site string) {
	b := browser.Start(t, browser.Options{})
	one, two := visit(t, b, site), visit(t, b, site)
	one.Follow(acme)
	two.Follow(acme)
	one.Follow(person("ben"))
	one.isAt("/")
	one.sees("#name", "Ben Okafor")
	two.Follow(person("ada"))
	two.isAt("/")
	two.sees("#name", "Ada Lindqvist")
	one.reload()
	one.sees("#name", "Ada Lindqvist") // a browser has one session
}

func cancelled(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.Follow(acme)
	v.Follow(`button[name="deny"]`)
	v.isAt("/?error=access_denied")
	v.reads("#notice", "The sign-in was cancelled")
	v.isSignedOut()
	v.shoot("cancelled")
}

func refused(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.signIn(acme, "mallory")
	v.isAt("/?error=sign_in_denied")
	v.reads("#notice", "You cannot sign in here")
	if strings.Contains(v.Text("body"), "the account is suspended") {
		t.Error("the page shows why, which is the application's own business")
	}
	v.isSignedOut()
	v.shoot("refused")
	v.prefers("dark")
	v.shoot("refused-dark")
}

// expired comes back from the provider twice: first with a transaction that is used up, then with none.
func expired(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.Follow(acme)
	state := v.param("state")
	answer := site + "/api/v1/auth/callback?" + url.Values{
		"code": {"unknown"}, "state": {state}, "iss": {"http://127.0.0.1"},
	}.Encode()
	transaction := v.cookies()
	if len(transaction) != 1 {
		t.Fatalf("%d cookies during a sign-in, want the transaction's alone", len(transaction))
	}
	v.Follow(person("ada"))
	v.sees("#name", "Ada Lindqvist")
	v.setCookie(transaction[0])
	v.Open(answer)
	v.isAt("/?error=transaction_invalid")
	v.reads("#notice", "The sign-in took too long")
	v.sees("#name", "Ada Lindqvist") // a failed sign-in does not end the session that there is
	v.Follow("#signout")

	v.Open(answer)
	v.isAt("/?error=transaction_missing")
	v.reads("#notice", "This sign-in cannot be finished")
	v.isSignedOut()
	v.shoot("expired")
}

func signOutEverywhere(t *testing.T, site string) {
	one, two := newVisitor(t, site), newVisitor(t, site)
	one.signIn(acme, "ada")
	two.signIn(acme, "ada")
	if n := two.count(".sessions li"); n != 2 {
		t.Errorf("%d sessions, want those of two browsers", n)
	}
	two.reads(".sessions li:first-child", "this browser")
	two.shoot("two-sessions")
	two.Follow("#everywhere")
	two.isAt("/?done=signed-out-everywhere")
	two.reads("#notice", "signed out everywhere")
	two.isSignedOut()
	two.shoot("signed-out-everywhere")
	one.reload()
	one.isSignedOut()
}

func endAnotherSession(t *testing.T, site string) {
	one, two, ben := newVisitor(t, site), newVisitor(t, site), newVisitor(t, site)
	ben.signIn(acme, "ben")
	one.signIn(globex, "1042")
	two.signIn(globex, "1042")
	two.Follow(".sessions li:nth-child(2) button")
	two.isAt("/?done=session-ended")
	two.sees("#name", "Gus Tanaka")
	if n := two.count(".sessions li"); n != 1 {
		t.Errorf("%d sessions, want the own one alone", n)
	}
	two.shoot("session-ended")
	one.reload()
	one.isSignedOut()
	ben.reload()
	ben.sees("#name", "Ben Okafor")
	ben.reads("#email", "not verified")
}

func pageForMembers(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.Open(site + "/private")
	v.isAt("/?returnTo=%2Fprivate")
	v.sees("h1", "Sign in to go on")
	v.shoot("sign-in-to-go-on")
	v.signIn(globex, "1042")
	v.isAt("/private")
	v.sees("h1", "Members only")
	v.shoot("members-only")
}

func returnElsewhere(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.Open(site + "/?returnTo=" + url.QueryEscape("https://elsewhere.example/"))
	v.Follow(acme)
	v.isAt("/?error=return_url_rejected")
	v.isSignedOut()
	v.shoot("return-elsewhere")
}

func rawAnswer(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.signIn(acme, "ada")
	v.Follow(`.links a[href="/api/v1/auth/me"]`)
	v.reads("body", `"displayName":"Ada Lindqvist"`)
}

func otherName(t *testing.T, site string) {
	v := newVisitor(t, site)
	v.Open(strings.Replace(site, "localhost", "127.0.0.1", 1) + "/?done=signed-out")
	v.isAt("/?done=signed-out")
}
