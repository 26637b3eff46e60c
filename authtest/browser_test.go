package authtest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth/authtest"
)

// echo sets the cookie of its query and says what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	for _, c := range r.URL.Query()["set"] {
		w.Header().Add("Set-Cookie", c)
	}
	if to := r.URL.Query().Get("to"); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	_ = r.ParseForm()
	_, _ = fmt.Fprintf(w, "%s %s form=%s cookie=%s origin=%s site=%s", r.Method, r.URL.Path, r.PostForm.Encode(),
		strings.Join(r.Header["Cookie"], "|"), r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site"))
}

func cookieNames(b *authtest.Browser) []string {
	names := []string{}
	for _, c := range b.Cookies() {
		names = append(names, c.Name)
	}
	return names
}

func TestBrowserAcceptsCookiesAsBrowsersDo(t *testing.T) {
	tests := []struct {
		set  string
		want bool
	}{
		{"a=1", true},
		{"__Host-a=1; Secure; Path=/", true},
		{"__Host-a=1; Path=/", false},
		{"__Host-a=1; Secure; Path=/x", false},
		{"__Host-a=1; Secure; Path=/; Domain=app.test", false},
		{"__hOST-a=1; Path=/", false},
		{"__Secure-a=1", false},
		{"__Secure-a=1; Secure", true},
		{"a=1; SameSite=None", false},
		{"a=1; SameSite=None; Secure", true},
		{"a=1; Domain=app.test", true},
		{"a=1; Domain=evil.test", false},
		{"a=1; Domain=test", false},
		{"a=1; Max-Age=0", false},
		{"a=1; Max-Age=-5", false},
		{"a=1; Max-Age=60", true},
		{"a=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT", false},
		{"a=" + strings.Repeat("x", 4096), false},
	}
	for _, tt := range tests {
		t.Run(tt.set[:min(len(tt.set), 60)], func(t *testing.T) {
			b := authtest.NewBrowser(t, http.HandlerFunc(echo))
			b.Get("/?set=" + url.QueryEscape(tt.set))
			if got := len(b.Cookies()) == 1; got != tt.want {
				t.Errorf("kept: %v", got)
			}
		})
	}
}

func TestBrowserRefusesSecureCookiesOverHTTP(t *testing.T) {
	for scheme, want := range map[string]bool{"http": false, "https": true} {
		err := authtest.Admits(&url.URL{Scheme: scheme, Host: "localhost", Path: "/"}, &http.Cookie{Name: "a", Value: "1", Secure: true})
		if (err == nil) != want {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestBrowserSameSite(t *testing.T) {
	b := authtest.NewBrowser(t, http.HandlerFunc(echo))
	for _, c := range []string{"strict=1; SameSite=Strict", "lax=1; SameSite=Lax", "none=1; SameSite=None; Secure", "default=1"} {
		b.Get("/?set=" + url.QueryEscape(c))
	}
	tests := []struct {
		name string
		page *authtest.Page
		want string
	}{
		{"typed", b.Get("/"), "strict=1; lax=1; none=1; default=1 origin= site=none"},
		{"link elsewhere", b.Visit("/"), "lax=1; none=1; default=1 origin= site=cross-site"},
		{"own form", b.Post("/", url.Values{}), "strict=1; lax=1; none=1; default=1 origin=https://app.test site=same-origin"},
		{"form elsewhere", b.PostFrom("https://evil.test", "/", url.Values{}), "none=1 origin=https://evil.test site=cross-site"},
		{"form of a sibling", b.PostFrom("https://www.app.test", "/", url.Values{}), "strict=1; lax=1; none=1; default=1 origin=https://www.app.test site=same-site"},
		{"script", b.PostJSON("/", 1), "strict=1; lax=1; none=1; default=1 origin=https://app.test site=same-origin"},
	}
	for _, tt := range tests {
		if !strings.HasSuffix(tt.page.Body, "cookie="+tt.want) {
			t.Errorf("%s: %s", tt.name, tt.page.Body)
		}
	}
}

func TestBrowserRedirectsAndPaths(t *testing.T) {
	b := authtest.NewBrowser(t, http.HandlerFunc(echo))
	page := b.Post("/start?to=/end", url.Values{"x": {"1"}})
	if page.URL.Path != "/end" || !strings.HasPrefix(page.Body, "GET /end form= ") {
		t.Errorf("after a 303: %s %s", page.URL, page.Body)
	}
	b.Get("/?set=" + url.QueryEscape("deep=1; Path=/deep"))
	if slices.Contains(cookieNames(b), "deep") || !strings.Contains(b.Get("/deep/er").Body, "deep=1") || strings.Contains(b.Get("/deeper").Body, "deep=1") {
		t.Error("a cookie ignores its path")
	}
	b.SetCookie(&http.Cookie{Name: "planted", Value: "v", Path: "/", HttpOnly: true})
	if c := b.Cookie("planted"); c == nil || c.Value != "v" || !c.HttpOnly || b.Cookie("none") != nil {
		t.Errorf("planted cookie: %v", c)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, "/thing", nil)
	if resp := b.Do(r); resp.StatusCode != http.StatusOK || resp.Request.URL.Host != "app.test" {
		t.Errorf("Do: %v", resp)
	}
}

func TestTwoBrowsersShareNothing(t *testing.T) {
	app := http.HandlerFunc(echo)
	a, b := authtest.NewBrowser(t, app), authtest.NewBrowser(t, app)
	a.Get("/?set=mine=1")
	if len(a.Cookies()) != 1 || len(b.Cookies()) != 0 {
		t.Errorf("cookies: %v and %v", a.Cookies(), b.Cookies())
	}
}
