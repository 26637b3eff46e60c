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
)

// start runs the program and returns its address.
func start(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, 0, in) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	said := make([]byte, 200)
	n, err := out.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(regexp.MustCompile(`http://\S+`).FindString(string(said[:n])), "/")
}

func TestSignInAndOut(t *testing.T) {
	base := start(t)
	for user, want := range map[string]struct {
		name   string
		orders int
	}{"user_alice": {"Alice Example", 200}, "user_bob": {"Bob Example", 403}} {
		jar, _ := cookiejar.New(nil)
		c := &http.Client{Jar: jar}
		get := func(path string) (int, string) { return read(t)(c.Get(base + path)) }
		if status, _ := get("/api/orders"); status != 401 {
			t.Errorf("%s: orders for nobody: %d", user, status)
		}
		if status, _ := read(t)(c.PostForm(base+"/login", url.Values{"user": {user}})); status != 200 {
			t.Errorf("%s: sign-in: %d", user, status)
		}
		if _, body := get("/"); !strings.Contains(body, want.name) {
			t.Errorf("%s: page %s", user, body)
		}
		if status, body := get("/api/orders"); status != want.orders || status == 200 && body != "orders of Alice Example in org_acme\n" {
			t.Errorf("%s: orders: %d %s", user, status, body)
		}
		if _, body := get("/api/v1/auth/me"); !strings.Contains(body, user) {
			t.Errorf("%s: me: %s", user, body)
		}
		if status, _ := read(t)(c.PostForm(base+"/api/v1/auth/signout", nil)); status != 200 {
			t.Errorf("%s: sign-out: %d", user, status)
		}
		if status, _ := get("/api/orders"); status != 401 {
			t.Errorf("%s: orders after the sign-out: %d", user, status)
		}
	}
}

func TestNobodyElseSignsIn(t *testing.T) {
	base := start(t)
	if status, _ := read(t)(http.PostForm(base+"/login", url.Values{"user": {"user_mallory"}})); status != 400 {
		t.Errorf("status %d", status)
	}
}

func read(t *testing.T) func(*http.Response, error) (int, string) {
	return func(res *http.Response, err error) (int, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
}
