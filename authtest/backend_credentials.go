package authtest

import (
	"net/http"
	"strings"
)

// minSecret is how long a text must be to be looked for: shorter ones occur by chance.
const minSecret = 8

// apiKeyHeader is where API keys are customarily sent.
const apiKeyHeader = "X-Api-Key"

// again returns a copy of a request, to be sent once more.
func again(r *http.Request) *http.Request {
	c := r.Clone(r.Context())
	c.Body = http.NoBody
	return c
}

// credentials returns the texts in r that prove something.
func credentials(r *http.Request) []string {
	var list []string
	for _, c := range r.Cookies() {
		list = append(list, c.Value)
	}
	for _, v := range r.Header.Values("Authorization") {
		_, token, _ := strings.Cut(v, " ")
		list = append(list, token)
	}
	return append(list, r.Header.Values(apiKeyHeader)...)
}

// withCredentials returns a copy of r in which change has been applied to every credential.
func withCredentials(r *http.Request, change func(string) string) *http.Request {
	c := again(r)
	cookies := c.Cookies()
	c.Header.Del("Cookie")
	for _, cookie := range cookies {
		c.AddCookie(&http.Cookie{Name: cookie.Name, Value: change(cookie.Value), Quoted: cookie.Quoted})
	}
	for i, v := range c.Header["Authorization"] {
		scheme, token, _ := strings.Cut(v, " ")
		c.Header["Authorization"][i] = scheme + " " + change(token)
	}
	for i, v := range c.Header[apiKeyHeader] {
		c.Header[apiKeyHeader][i] = change(v)
	}
	return c
}

// forgeries returns requests that resemble r and prove nothing.
func forgeries(r *http.Request) map[string]*http.Request {
	return map[string]*http.Request{
		"credential with one character changed": withCredentials(r, func(s string) string {
			if s == "" {
				return "x"
			}
			b := []byte(s)
			if i := len(b) / 2; b[i] == 'A' {
				b[i] = 'B'
			} else {
				b[i] = 'A'
			}
			return string(b)
		}),
		"half a credential":   withCredentials(r, func(s string) string { return s[:len(s)/2] }),
		"credential and more": withCredentials(r, func(s string) string { return s + "AAAA" }),
		"empty credential":    withCredentials(r, func(string) string { return "" }),
		"random credential":   withCredentials(r, func(s string) string { return strings.Repeat("Zz9", len(s)/3+1) }),
		"huge credential":     withCredentials(r, func(string) string { return strings.Repeat("A", 64<<10) }),
		"strange characters":  withCredentials(r, func(string) string { return "%00%zz..//*$" }),
	}
}
