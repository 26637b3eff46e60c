package quickstart_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/netscript/auth/interop/browser"
)

const width, height = 1024, 860

// visitor is a person at one tab, who visits the site at url.
type visitor struct {
	*browser.Tab
	t   *testing.T
	url string
}

// visit opens the site at url in a tab of b.
func visit(t *testing.T, b *browser.Browser, url string) *visitor {
	t.Helper()
	v := &visitor{Tab: b.NewTab(), t: t, url: url}
	v.size(width, height)
	v.Open(url)
	return v
}

// newVisitor is visit with a browser profile of its own.
func newVisitor(t *testing.T, url string) *visitor {
	t.Helper()
	return visit(t, browser.Start(t, browser.Options{}), url)
}

// The first provider on the sign-in page, and the second.
const (
	acme   = ".choices li:nth-child(1) a"
	globex = ".choices li:nth-child(2) a"
)

// person is the button of a person on the provider's page.
func person(subject string) string { return `button[name="user"][value="` + subject + `"]` }

func (v *visitor) signIn(provider, subject string) {
	v.t.Helper()
	v.Follow(provider)
	v.Follow(person(subject))
}

// sees compares what an element shows.
func (v *visitor) sees(selector, want string) {
	v.t.Helper()
	if got := v.Text(selector); got != want {
		v.t.Errorf("%s shows %q, want %q", selector, got, want)
	}
}

// reads looks for text in an element.
func (v *visitor) reads(selector, want string) {
	v.t.Helper()
	if got := v.Text(selector); !strings.Contains(got, want) {
		v.t.Errorf("%s shows %q, want %q in it", selector, got, want)
	}
}

// isAt compares path and query of the address.
func (v *visitor) isAt(want string) {
	v.t.Helper()
	if got := v.URL(); got != v.url+want {
		v.t.Errorf("the browser is at %s, want %s", got, v.url+want)
	}
}

// isSignedOut expects the sign-in page, and that the browser holds no cookie of the site.
func (v *visitor) isSignedOut() {
	v.t.Helper()
	v.Text(acme)
	if n := v.count("#name"); n != 0 {
		v.t.Error("the page still shows who was signed in")
	}
	if names := v.cookieNames(); len(names) != 0 {
		v.t.Errorf("the browser still has the cookies %v", names)
	}
}

func (v *visitor) reload() {
	v.t.Helper()
	browser.Run(v.Tab, "reload", chromedp.Reload())
}

// count returns how many elements match, now.
func (v *visitor) count(selector string) int {
	v.t.Helper()
	return browser.Run(v.Tab, "count "+selector, chromedp.Evaluate[int](fmt.Sprintf("document.querySelectorAll(%q).length", selector)))
}

// pictureLoaded reports whether the picture of the page is not a broken one, which is what a Content-Security-Policy
// makes of it.
func (v *visitor) pictureLoaded() bool {
	v.t.Helper()
	return browser.Run(v.Tab, "look at the picture", chromedp.Evaluate[bool](`document.querySelector("img.picture").naturalWidth > 0`))
}

// overflow returns by how many pixels the page is wider than the window.
func (v *visitor) overflow() int {
	v.t.Helper()
	return browser.Run(v.Tab, "measure", chromedp.Evaluate[int]("document.documentElement.scrollWidth - window.innerWidth"))
}

// shoot takes a screenshot, as tall as the page.
func (v *visitor) shoot(name string) {
	v.t.Helper()
	v.shootAt(name, width, height)
}

// shootPhone takes it at the width of a phone, where nothing may stick out.
func (v *visitor) shootPhone(name string) {
	v.t.Helper()
	v.size(375, 740)
	if n := v.overflow(); n > 0 {
		v.t.Errorf("on a phone the page is %d pixels too wide", n)
	}
	v.shootAt(name, 375, 740)
	v.size(width, height)
}

func (v *visitor) shootAt(name string, w, h int64) {
	v.t.Helper()
	full := browser.Run(v.Tab, "measure", chromedp.Evaluate[int64]("document.documentElement.scrollHeight"))
	v.size(w, max(h, full))
	v.Screenshot("quickstart-" + name)
	v.size(w, h)
}

func (v *visitor) size(w, h int64) {
	v.t.Helper()
	browser.Run(v.Tab, "size the window", chromedp.EmulateViewport(w, h))
}

// prefers sets the colour scheme: "dark" or "light".
func (v *visitor) prefers(scheme string) {
	v.t.Helper()
	browser.Run(v.Tab, "prefer "+scheme, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// cookies returns what the browser would send to the site.
func (v *visitor) cookies() []*network.Cookie {
	v.t.Helper()
	return browser.Run(v.Tab, "read the cookies", func(ctx context.Context, t *chromedp.Target) ([]*network.Cookie, error) {
		r, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{v.url}})
		return r.Cookies, err
	})
}

func (v *visitor) cookieNames() []string {
	v.t.Helper()
	var names []string
	for _, c := range v.cookies() {
		names = append(names, c.Name)
	}
	return names
}

// setCookie gives the browser a cookie of the site.
func (v *visitor) setCookie(c *network.Cookie) {
	v.t.Helper()
	browser.Run(v.Tab, "set a cookie", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{
			Name: c.Name, Value: c.Value, URL: v.url, Path: c.Path, SameSite: c.SameSite,
		})
		return err
	}))
}

// param returns a query parameter of the address.
func (v *visitor) param(name string) string {
	v.t.Helper()
	u, err := url.Parse(v.URL())
	if err != nil {
		v.t.Fatal(err)
	}
	return u.Query().Get(name)
}
