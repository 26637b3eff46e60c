package main

import (
	"bytes"
	"embed"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
)

//go:embed static
var staticFiles embed.FS

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("").Parse(pageSource))

// pages draws the pages of the application.
type pages struct {
	backend      *kvoauth.Backend
	signInPath   string
	providerURLs map[string]string // by id
}

// policy is the Content-Security-Policy. It allows the pages what they need: our own style sheet, and the pictures of
// providers. A form's answer may be a redirect to the provider, and browsers ask form-action about those too.
func (p *pages) policy() string {
	origins := strings.Join(slices.Sorted(maps.Values(p.providerURLs)), " ")
	return "default-src 'none'; style-src 'self'; img-src 'self' " + origins + "; form-action 'self' " + origins +
		"; base-uri 'none'; frame-ancestors 'none'"
}

// view is what a page shows.
type view struct {
	Title    string
	Notice   *notice
	Choices  []choice  // if nobody is signed in
	Wanted   bool      // there is a page to go on to
	User     *person   // if somebody is
	Sessions []session // the caller's own one first
}

// choice is a button of the sign-in page.
type choice struct{ Name, Initial, URL string }

// person is who is signed in.
type person struct {
	Name, Email, Picture, Subject, Provider string
	EmailVerified                           bool
	Roles, Scopes                           []string
}

func (p *pages) home(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	a, ok := auth.FromContext(r.Context())
	v := view{Title: "Sign in", Notice: noticeOf(query, ok)}
	if !ok {
		v.Choices = p.choices(query.Get("returnTo"))
		v.Wanted = query.Get("returnTo") != ""
		p.write(w, http.StatusOK, "signedout", v)
		return
	}
	sessions, err := p.backend.ListSessions(r.Context(), a.Session.UserID)
	if err != nil {
		p.unavailable(w)
		return
	}
	v.User = p.person(a)
	v.Title = v.User.Name
	now := time.Now()
	v.Sessions = append(v.Sessions, newSession(a.Session, now, true))
	for _, s := range sessions {
		if s.ID != a.Session.ID {
			v.Sessions = append(v.Sessions, newSession(s, now, false))
		}
	}
	p.write(w, http.StatusOK, "signedin", v)
}

// private is behind RequireAuth, so there is somebody.
func (p *pages) private(w http.ResponseWriter, r *http.Request) {
	a, ok := auth.FromContext(r.Context())
	if !ok {
		p.unavailable(w)
		return
	}
	p.write(w, http.StatusOK, "private", view{Title: "Members only", User: p.person(a)})
}

// choices are the links that start a sign-in. The handler checks returnTo when it gets it back.
func (p *pages) choices(returnTo string) []choice {
	var list []choice
	for _, info := range p.backend.Providers() {
		q := url.Values{"providerId": {info.ID}}
		if returnTo != "" {
			q.Set("returnTo", returnTo)
		}
		list = append(list, choice{info.DisplayName, initial(info.DisplayName), p.signInPath + "?" + q.Encode()})
	}
	return list
}

func (p *pages) person(a *auth.Authentication) *person {
	who := &a.Principal
	verified, _ := who.Claims["email_verified"].(bool)
	u := &person{
		Name: who.Claim("name"), Email: who.Claim("email"), EmailVerified: verified, Picture: p.picture(a),
		Subject: who.Subject, Roles: who.Roles, Scopes: who.Scopes,
	}
	if u.Name == "" {
		u.Name = who.Subject
	}
	for _, info := range p.backend.Providers() {
		if info.ID == a.Session.ProviderID {
			u.Provider = info.DisplayName
		}
	}
	return u
}

// picture is where the provider draws one. An application would show who.Claim("picture"), which is https or is not
// there; these fakes have http alone, and after a restart they are elsewhere than when the session began.
func (p *pages) picture(a *auth.Authentication) string {
	provider, ok := p.providerURLs[a.Session.ProviderID]
	if !ok {
		return ""
	}
	return provider + "/avatar/" + url.PathEscape(a.Principal.Claim("sub")) + ".svg"
}

// Initial stands for a picture that there is not.
func (p *person) Initial() string { return initial(p.Name) }

func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) { // "(Ada)" is A
			return strings.ToUpper(string(r))
		}
	}
	return ""
}

// write draws a page before it answers, so that a mistake in it does not become half an answer. The middleware has seen
// to it that no cache keeps the page: going back after a sign-out asks again.
func (p *pages) write(w http.ResponseWriter, status int, name string, v view) {
	var body bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&body, name, v); err != nil {
		http.Error(w, "the page cannot be drawn", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser may be gone
}

func (p *pages) unavailable(w http.ResponseWriter) {
	p.write(w, http.StatusServiceUnavailable, "message", view{Title: "Not available", Notice: &notice{
		Bad: true, Title: "That is not available at the moment", Text: "Try again in a little while.",
	}})
}
