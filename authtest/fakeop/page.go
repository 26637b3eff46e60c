package fakeop

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

type pageUser struct {
	Subject, Name, Email string
	Picture              template.URL // a data: URL is one that html/template would refuse
	Hinted               bool
}

type pageData struct {
	Nonce       string
	Provider    string
	Title       string
	Text        string
	Client      string
	Action      string
	Interaction string
	Users       []pageUser
	Scopes      []string
	Params      url.Values
}

// page renders a page that loads nothing but images and cannot be framed. Forms on it lead to the provider and formTo.
func (p *Provider) page(status int, name string, formTo []string, data pageData) *Response {
	data.Nonce, data.Provider = newToken(), p.cfg.Name
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		return serverError(err)
	}
	policy := []string{
		"default-src 'none'",
		"style-src 'nonce-" + data.Nonce + "'",
		"script-src 'nonce-" + data.Nonce + "'",
		"img-src 'self' data: https:",
		"form-action 'self' " + strings.Join(formTo, " "),
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}
	return &Response{Status: status, Body: body.Bytes(), Header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {strings.Join(policy, "; ")},
		"Cache-Control":           {"no-store"},
		"Referrer-Policy":         {"no-referrer"},
		"X-Frame-Options":         {"DENY"},
	}}
}

// message tells the person something that the application must not be told.
func (p *Provider) message(status int, title, text string) *Response {
	return p.page(status, "message.html", nil, pageData{Title: title, Text: text})
}

// formPostPage carries the answer to the client in a form that sends itself (OAuth 2.0 Form Post Response Mode).
func (p *Provider) formPostPage(a *authRequest, params url.Values) *Response {
	return p.page(http.StatusOK, "formpost.html", a.client.origins(), pageData{
		Title: "Signing in", Client: a.client.displayName(), Action: a.redirectURI, Params: params,
	})
}
