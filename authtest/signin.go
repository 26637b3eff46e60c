package authtest

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Callback is a provider's answer on its way to the application.
type Callback struct {
	// URL is where it goes: with the answer in its query, unless there is a Form.
	URL string
	// Form is the answer of response mode form_post. If nil, the response mode is query.
	Form url.Values

	from   string // origin of the page that sends it
	opaque bool
}

// Values returns the parameters of the answer.
func (c *Callback) Values() url.Values {
	if c.Form != nil {
		return c.Form
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return url.Values{}
	}
	return u.Query()
}

// SignIn signs the user in: from the application's sign-in route through the provider's page and back. query are names
// and values for the route, such as "providerId", "other". It returns the page that the person ends up on, and fails the
// test unless the application then says that the browser is signed in.
func (b *Browser) SignIn(user string, query ...string) *Page {
	b.t.Helper()
	page := b.Finish(b.Authorize(b.StartSignIn(query...), user))
	if !b.SignedIn() {
		b.t.Fatalf("authtest: %s is not signed in; the sign-in ended at %s%s with status %d: %s",
			user, originOf(page.URL), page.URL.Path, page.Status, page.Body)
	}
	return page
}

// SignOut signs out by a form of the application's page and follows where that leads. It fails the test unless the
// application then says that the browser is not signed in.
func (b *Browser) SignOut() *Page {
	b.t.Helper()
	page := b.Post(b.base()+"/signout", url.Values{})
	if b.SignedIn() {
		b.t.Fatalf("authtest: still signed in; the sign-out ended at %s%s with status %d: %s",
			originOf(page.URL), page.URL.Path, page.Status, page.Body)
	}
	return page
}

// SignedIn reports what the application's session route says. It fails the test when that is not a clear answer.
func (b *Browser) SignedIn() bool {
	b.t.Helper()
	var answer struct {
		Authenticated *bool `json:"authenticated"`
	}
	b.GetJSON(b.base()+"/session", &answer)
	if answer.Authenticated == nil {
		b.t.Fatal("authtest: the session route does not say whether the browser is signed in")
	}
	return *answer.Authenticated
}

// StartSignIn asks the application's sign-in route and returns the authorization URL that it sends the browser to,
// without going there. query are names and values, as for [Browser.SignIn].
func (b *Browser) StartSignIn(query ...string) string {
	b.t.Helper()
	values := make(url.Values)
	for i := 0; i+1 < len(query); i += 2 {
		values.Add(query[i], query[i+1])
	}
	target := b.resolve(b.base() + "/signin")
	target.RawQuery = values.Encode()
	page := b.navigate(navigation{method: http.MethodGet, target: target, single: true})
	location := page.Header.Get("Location")
	if page.Status < 300 || page.Status > 399 || location == "" {
		b.t.Fatalf("authtest: the sign-in route answered %d: %s", page.Status, page.Body)
	}
	return location
}

// Authorize visits the authorization URL, signs the user in at the fake provider's page, and returns the provider's
// answer without delivering it.
func (b *Browser) Authorize(authorizationURL, user string) *Callback {
	b.t.Helper()
	return b.choose(authorizationURL, "user", user)
}

// Deny visits the authorization URL and says no.
func (b *Browser) Deny(authorizationURL string) *Callback {
	b.t.Helper()
	return b.choose(authorizationURL, "deny", "1")
}

// Finish delivers the provider's answer as the provider's page does, which is a cross-site request, and follows where
// that leads. The answer may be one that another browser has got.
func (b *Browser) Finish(c *Callback) *Page {
	b.t.Helper()
	n := navigation{method: http.MethodGet, target: b.resolve(c.URL), from: c.from, opaque: c.opaque}
	if c.Form != nil {
		n.method, n.form = http.MethodPost, c.Form
	}
	return b.navigate(n)
}

// choose presses a button on the login page.
func (b *Browser) choose(authorizationURL, button, value string) *Callback {
	b.t.Helper()
	n := navigation{method: http.MethodGet, target: b.resolve(authorizationURL), from: AppOrigin, single: true}
	page := b.navigate(n)
	if c := b.redirected(page); c != nil {
		return c // the provider has answered without asking
	}
	action, fields := b.form(page)
	fields.Set(button, value)
	answer := b.navigate(navigation{
		method: http.MethodPost, target: action, from: originOf(page.URL), opaque: hidesReferrer(page), form: fields, single: true,
	})
	if c := b.redirected(answer); c != nil {
		return c
	}
	action, fields = b.form(answer)
	return &Callback{URL: action.String(), Form: fields, from: originOf(answer.URL), opaque: hidesReferrer(answer)}
}

func (b *Browser) redirected(page *Page) *Callback {
	location := page.Header.Get("Location")
	if page.Status < 300 || page.Status > 399 || location == "" {
		return nil
	}
	return &Callback{URL: location, from: originOf(page.URL), opaque: hidesReferrer(page)}
}

func hidesReferrer(p *Page) bool {
	return strings.EqualFold(p.Header.Get("Referrer-Policy"), "no-referrer")
}

var (
	formAction  = regexp.MustCompile(`<form [^>]*\baction="([^"]*)"`)
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form reads the form of a fake provider's page.
func (b *Browser) form(page *Page) (action *url.URL, fields url.Values) {
	b.t.Helper()
	m := formAction.FindStringSubmatch(page.Body)
	if page.Status != http.StatusOK || m == nil {
		b.t.Fatalf("authtest: %s%s is not a page of the fake provider with a form: status %d: %s",
			originOf(page.URL), page.URL.Path, page.Status, page.Body)
	}
	action, err := page.URL.Parse(html.UnescapeString(m[1]))
	if err != nil {
		b.t.Fatalf("authtest: %v", err)
	}
	fields = make(url.Values)
	for _, m := range hiddenInput.FindAllStringSubmatch(page.Body, -1) {
		fields.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return action, fields
}
