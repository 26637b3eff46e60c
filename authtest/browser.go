package authtest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
)

const maxRedirects = 20

// Browser is one person's browser. It follows redirects, keeps cookies as browsers do (prefixes, Secure and SameSite
// included), and sends the Origin and Sec-Fetch headers that servers use against cross-site requests. It runs no script.
// Every method fails the test when a request gets no answer at all; what the answer says is for the test to judge.
//
// A Browser may be used from several goroutines, as several tabs.
type Browser struct {
	// BasePath is where the application's auth handler is. If empty, [auth.DefaultBasePath].
	BasePath string

	t         testing.TB
	app       *url.URL
	transport *Transport
	jar       jar
}

// Page is what a browser ends up with.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
}

// NewBrowser returns a browser of a person who has not visited the application. The application is at [AppOrigin], each
// provider at its issuer, and nothing else exists.
func NewBrowser(t testing.TB, app http.Handler, idps ...*Provider) *Browser {
	t.Helper()
	handlers := map[string]http.Handler{AppOrigin: app}
	for _, p := range idps {
		maps.Copy(handlers, p.transport.handlers)
	}
	home, err := url.Parse(AppOrigin + "/")
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{t: t, app: home, transport: NewTransport(handlers)}
}

// Get visits an address as if the person had typed it: a path of the application or an absolute URL.
func (b *Browser) Get(target string) *Page {
	b.t.Helper()
	return b.navigate(navigation{method: http.MethodGet, target: b.resolve(target)})
}

// Visit follows a link on a page of another site, as one in an e-mail or on an attacker's page.
func (b *Browser) Visit(target string) *Page {
	b.t.Helper()
	return b.navigate(navigation{method: http.MethodGet, target: b.resolve(target), from: "https://elsewhere.test"})
}

// Post submits a form of the application's own page.
func (b *Browser) Post(target string, form url.Values) *Page {
	b.t.Helper()
	return b.PostFrom(AppOrigin, target, form)
}

// PostFrom submits a form on a page of origin, such as "https://evil.test".
func (b *Browser) PostFrom(origin, target string, form url.Values) *Page {
	b.t.Helper()
	return b.navigate(navigation{method: http.MethodPost, target: b.resolve(target), from: origin, form: form})
}

// PostJSON sends v as JSON from a script on the application's own page, and returns the answer without following a
// redirect.
func (b *Browser) PostJSON(target string, v any) *Page {
	b.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		b.t.Fatalf("authtest: %v", err)
	}
	r := b.request(http.MethodPost, b.resolve(target), bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Origin", AppOrigin)
	setFetch(r, "same-origin", "cors", "empty")
	return b.fetch(r)
}

// GetJSON asks for target from a script on the application's own page and decodes the answer into v. It fails the test
// when the status is not 200.
func (b *Browser) GetJSON(target string, v any) {
	b.t.Helper()
	r := b.request(http.MethodGet, b.resolve(target), nil)
	r.Header.Set("Accept", "application/json")
	setFetch(r, "same-origin", "cors", "empty")
	b.fetch(r).JSON(b.t, v)
}

// Do sends r with the browser's cookies, as a same-site request, keeps those of the answer, and follows no redirect.
// Headers are r's own.
func (b *Browser) Do(r *http.Request) *http.Response {
	b.t.Helper()
	r = r.Clone(r.Context())
	r.RequestURI = ""
	r.URL = b.app.ResolveReference(r.URL)
	return b.send(r, sending{})
}

// Cookie returns the application's cookie of that name with its attributes, or nil.
func (b *Browser) Cookie(name string) *http.Cookie { return b.jar.find(b.app, name, time.Now()) }

// Cookies returns what the browser would send to the application.
func (b *Browser) Cookies() []*http.Cookie { return b.jar.get(b.app, sending{}, time.Now()) }

// SetCookie plants a cookie as if the application had set it. It fails the test when a browser would refuse it.
func (b *Browser) SetCookie(c *http.Cookie) {
	b.t.Helper()
	if err := b.jar.set(b.app, c, time.Now()); err != nil {
		b.t.Fatalf("authtest: cookie %s: %v", c.Name, err)
	}
}

// JSON decodes the page into v. It fails the test when the status is not 200.
func (p *Page) JSON(t testing.TB, v any) {
	t.Helper()
	if p.Status != http.StatusOK {
		t.Fatalf("authtest: %s answered %d: %s", p.URL.Path, p.Status, p.Body)
	}
	if err := json.Unmarshal([]byte(p.Body), v); err != nil {
		t.Fatalf("authtest: %s: %v in %q", p.URL.Path, err, p.Body)
	}
}

// navigation is one step of the person's way, with the redirects it leads to.
type navigation struct {
	method string
	target *url.URL
	from   string // origin of the page that caused it; empty: the person typed the address
	opaque bool   // that page hides where it is (Referrer-Policy: no-referrer)
	form   url.Values
	single bool // do not follow redirects
}

func (b *Browser) navigate(n navigation) *Page {
	b.t.Helper()
	crossSite := false
	for range maxRedirects {
		crossSite = crossSite || n.relation() == "cross-site"
		resp := b.send(b.navigationRequest(n, crossSite), sending{crossSite: crossSite, safe: n.method == http.MethodGet})
		location := resp.Header.Get("Location")
		if n.single || location == "" || resp.StatusCode < 300 || resp.StatusCode > 399 {
			return b.page(resp)
		}
		_ = resp.Body.Close()
		next, err := n.target.Parse(location)
		if err != nil {
			b.t.Fatalf("authtest: %s redirects to an address that is not one: %v", n.target.Path, err)
		}
		n.target = next
		if resp.StatusCode < http.StatusTemporaryRedirect {
			n.method, n.form = http.MethodGet, nil
		}
	}
	b.t.Fatalf("authtest: more than %d redirects, the last one to %s", maxRedirects, originOf(n.target))
	return nil
}

func (b *Browser) navigationRequest(n navigation, crossSite bool) *http.Request {
	b.t.Helper()
	var body io.Reader
	if n.form != nil {
		body = strings.NewReader(n.form.Encode())
	}
	r := b.request(n.method, n.target, body)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	relation := n.relation()
	if crossSite {
		relation = "cross-site"
	}
	setFetch(r, relation, "navigate", "document")
	if n.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		origin := n.from
		if n.opaque {
			origin = "null"
		}
		r.Header.Set("Origin", origin)
	}
	return r
}

// relation is the Sec-Fetch-Site of a step.
func (n navigation) relation() string {
	if n.from == "" {
		return "none"
	}
	from, err := url.Parse(n.from)
	switch {
	case err != nil || siteOf(from) != siteOf(n.target):
		return "cross-site"
	case originOf(from) != originOf(n.target):
		return "same-site"
	}
	return "same-origin"
}

func setFetch(r *http.Request, site, mode, dest string) {
	r.Header.Set("Sec-Fetch-Site", site)
	r.Header.Set("Sec-Fetch-Mode", mode)
	r.Header.Set("Sec-Fetch-Dest", dest)
}

func (b *Browser) request(method string, target *url.URL, body io.Reader) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, target.String(), body)
	if err != nil {
		b.t.Fatalf("authtest: %v", err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (authtest)")
	return r
}

func (b *Browser) send(r *http.Request, how sending) *http.Response {
	b.t.Helper()
	for _, c := range b.jar.get(r.URL, how, time.Now()) {
		r.AddCookie(c)
	}
	resp, err := b.transport.RoundTrip(r)
	if err != nil {
		b.t.Fatalf("authtest: %s %s%s: %v", r.Method, originOf(r.URL), r.URL.Path, err)
	}
	for _, c := range resp.Cookies() {
		if err := b.jar.set(r.URL, c, time.Now()); err != nil {
			b.t.Logf("authtest: the browser refuses the cookie %s: %v", c.Name, err)
		}
	}
	return resp
}

// fetch sends a script's same-origin request.
func (b *Browser) fetch(r *http.Request) *Page {
	b.t.Helper()
	resp := b.send(r, sending{})
	defer resp.Body.Close()
	return b.page(resp)
}

func (b *Browser) page(resp *http.Response) *Page {
	b.t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("authtest: %s: %v", resp.Request.URL.Path, err)
	}
	_ = resp.Body.Close()
	return &Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

func (b *Browser) resolve(target string) *url.URL {
	b.t.Helper()
	u, err := b.app.Parse(target)
	if err != nil {
		b.t.Fatalf("authtest: %v", err)
	}
	return u
}

func (b *Browser) base() string {
	if b.BasePath == "" {
		return auth.DefaultBasePath
	}
	return b.BasePath
}
