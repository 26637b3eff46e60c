package oidcprovider

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Callback is the request by which the provider sends the browser back to the
// application. Login does not send it.
type Callback struct {
	// Method is GET for the response mode query and POST for form_post.
	Method string
	// URL is the redirect URI, with the response as its query for GET.
	URL *url.URL
	// Response holds the response parameters in both modes.
	Response url.Values
}

// Login walks from an authorization URL through the provider's login and consent
// pages as user, whatever pages it shows, and returns where the provider sends
// the browser. The client needs a cookie jar; with the same jar a second
// login meets the provider's session and no login page. Like a browser, it
// follows redirects at the provider only.
func (s *Server) Login(t testing.TB, client *http.Client, authorizationURL, user string) *Callback {
	t.Helper()
	callback, err := s.walk(t, client, authorizationURL, user)
	if err != nil {
		t.Fatalf("login at oidc-provider: %v", err)
	}
	return callback
}

// Logout walks from an end_session_endpoint URL through the provider's
// confirmation page with the user's consent, and returns where the provider
// sends the browser.
func (s *Server) Logout(t testing.TB, client *http.Client, endSessionURL string) *Callback {
	t.Helper()
	callback, err := s.walk(t, client, endSessionURL, "")
	if err != nil {
		t.Fatalf("logout at oidc-provider: %v", err)
	}
	return callback
}

// walk follows the provider's pages until one leads elsewhere.
func (s *Server) walk(t testing.TB, client *http.Client, startURL, user string) (*Callback, error) {
	if client.Jar == nil {
		return nil, errors.New("the http.Client has no cookie jar")
	}
	browser := *client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, startURL, nil)
	if err != nil {
		return nil, err
	}
	const mostPages = 12
	for range mostPages {
		next, err := s.step(&browser, req, user)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(next.URL.String(), s.Issuer+"/") {
			return newCallback(next)
		}
		req = next
	}
	return nil, fmt.Errorf("still at the provider after %d pages", mostPages)
}

// step makes one request and returns the one a user's browser would make next.
func (s *Server) step(browser *http.Client, req *http.Request, user string) (*http.Request, error) {
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if location, err := resp.Location(); err == nil {
		return http.NewRequestWithContext(req.Context(), http.MethodGet, location.String(), nil)
	}
	form, err := parseForm(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s answered %s: %w", req.URL.Path, resp.Status, err)
	}
	if form.values.Has("login") {
		form.values.Set("login", user)
		form.values.Set("password", "any")
	}
	if form.id == "op.logoutForm" {
		form.values.Set("logout", "yes") // what its first button sends
	}
	action, err := req.URL.Parse(form.action)
	if err != nil {
		return nil, err
	}
	next, err := http.NewRequestWithContext(req.Context(), http.MethodPost, action.String(), strings.NewReader(form.values.Encode()))
	if err != nil {
		return nil, err
	}
	next.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return next, nil
}

func newCallback(req *http.Request) (*Callback, error) {
	c := &Callback{Method: req.Method, URL: req.URL, Response: req.URL.Query()}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		if c.Response, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

type form struct {
	id     string
	action string
	values url.Values
}

// parseForm returns the page's only form that posts.
func parseForm(page io.Reader) (form, error) {
	root, err := html.Parse(page)
	if err != nil {
		return form{}, err
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || !strings.EqualFold(attr(n, "method"), "post") {
			continue
		}
		f := form{id: attr(n, "id"), action: attr(n, "action"), values: url.Values{}}
		for in := range n.Descendants() {
			if in.Type == html.ElementNode && in.Data == "input" && attr(in, "name") != "" {
				f.values.Add(attr(in, "name"), attr(in, "value"))
			}
		}
		return f, nil
	}
	return form{}, errors.New("a page without a form")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
