package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/netscript/auth/authtest/fakeop"
)

// TestSignIn signs in at a fake. It must give no refresh token: after a restart it would refuse it, and so end a session
// that was kept.
func TestSignIn(t *testing.T) {
	app, acme := startApplication(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	page := ask(t, client, http.MethodGet, app.url+"/api/v1/auth/signin?providerId=acme", nil)
	if !strings.Contains(page, "<title>Sign in - Acme ID</title>") {
		t.Errorf("the provider does not say its name: %s", page)
	}
	action := regexp.MustCompile(`<form method="post" action="([^"]*)">`).FindStringSubmatch(page)
	field := regexp.MustCompile(`name="interaction" value="([^"]*)"`).FindStringSubmatch(page)
	if action == nil || field == nil {
		t.Fatalf("no login page: %s", page)
	}
	page = ask(t, client, http.MethodPost, action[1], url.Values{"interaction": {field[1]}, "user": {"ada"}})
	for _, want := range []string{`<h1 id="name">Ada Lindqvist</h1>`, `src="` + acme.url + `/avatar/ada.svg"`, ">admin<"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if n := acme.handler.(*fakeop.Provider).RefreshTokens("ada"); n != 0 {
		t.Errorf("the provider gave %d refresh tokens", n)
	}
}

// startApplication serves the application, with one provider, until the test ends.
func startApplication(t *testing.T) (*site, *fakeProvider) {
	t.Helper()
	app, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	acme, err := newFakeProvider("acme", "Acme ID", app.url, acmePeople)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := storeFlags{}.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	backend, err := newBackend(app.url, sessions, acme.client)
	if err != nil {
		t.Fatal(err)
	}
	if app.handler, err = newApplication(backend, map[string]string{"acme": acme.url}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, app, acme.site) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		sessions.close()
	})
	return app, acme
}

// ask sends a request as a browser that navigates, and returns the page that it ends on.
func ask(t *testing.T, client *http.Client, method, target string, form url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", target, resp.StatusCode, text, err)
	}
	return string(text)
}
