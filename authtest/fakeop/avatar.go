package fakeop

import (
	"bytes"
	"cmp"
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

// initials returns the first letters of the first and the last word of the name. What stands in brackets in it, such as a
// nickname or a company, is no part of it.
func (u *User) initials() string {
	name := cmp.Or(u.Name, u.Subject)
	for _, text := range []string{outsideBrackets(name), name, u.Subject} {
		if letters := firstLetters(text); len(letters) > 0 {
			if len(letters) > 2 {
				letters = []rune{letters[0], letters[len(letters)-1]}
			}
			return string(letters)
		}
	}
	r, _ := utf8.DecodeRuneInString(name)
	return string(r)
}

// firstLetters returns the first letter or digit of each word that has one, as a capital.
func firstLetters(text string) []rune {
	var letters []rune
	for word := range strings.FieldsSeq(text) {
		if i := strings.IndexFunc(word, isAlphanumeric); i >= 0 {
			r, _ := utf8.DecodeRuneInString(word[i:])
			letters = append(letters, unicode.ToUpper(r))
		}
	}
	return letters
}

func isAlphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// outsideBrackets returns text without what is in round or square brackets.
func outsideBrackets(text string) string {
	depth := 0
	return strings.Map(func(r rune) rune {
		switch r {
		case '(', '[':
			depth++
			return ' '
		case ')', ']':
			depth = max(0, depth-1)
			return ' '
		}
		if depth > 0 {
			return -1
		}
		return r
	}, text)
}
