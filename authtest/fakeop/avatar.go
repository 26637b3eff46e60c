package fakeop

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// avatarURL is the user's own picture or the one that the provider draws.
func (p *Provider) avatarURL(u *User) template.URL {
	if u.Picture != "" {
		return template.URL(u.Picture) //nolint:gosec // given by the test or the demonstration itself
	}
	return template.URL(p.base + pathAvatar + url.PathEscape(u.Subject) + ".svg") //nolint:gosec // escaped above
}

// avatar draws the initials of a user on a colour of their own.
func (p *Provider) avatar(c *call) *Response {
	name := strings.TrimPrefix(c.r.URL.EscapedPath(), p.path+pathAvatar)
	name, ok := strings.CutSuffix(name, ".svg")
	subject, err := url.PathUnescape(name)
	u, known := p.user(subject)
	if !ok || err != nil || !known {
		return &Response{Status: http.StatusNotFound}
	}
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(u.initials())) // a bytes.Buffer takes everything
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(subject))
	hue := hash.Sum32() % 360
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96" role="img">`+
		`<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="hsl(%d,62%%,56%%)"/><stop offset="1" stop-color="hsl(%d,66%%,38%%)"/></linearGradient></defs>`+
		`<rect width="96" height="96" fill="url(#g)"/>`+
		`<text x="48" y="50" fill="#fff" font-family="system-ui,sans-serif" font-size="38" font-weight="600" text-anchor="middle" dominant-baseline="central">%s</text></svg>`,
		hue, (hue+40)%360, text.String())
	return &Response{Status: http.StatusOK, Body: []byte(svg), Header: http.Header{
		"Content-Type":                 {"image/svg+xml"},
		"Cache-Control":                {"public, max-age=3600"},
		"Content-Security-Policy":      {"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"},
		"Cross-Origin-Resource-Policy": {"cross-origin"}, // the application shows it on its own pages
	}}
}

func (u *User) initials() string {
	words := strings.Fields(u.Name)
	if len(words) == 0 {
		words = []string{u.Subject}
	}
	if len(words) > 2 {
		words = []string{words[0], words[len(words)-1]}
	}
	var b strings.Builder
	for _, w := range words {
		r, _ := utf8.DecodeRuneInString(w)
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
