package auth_test

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
)

const maxBodyRead = 64<<10 + 1 // the byte behind the limit tells that there is more

// FuzzFormPost is F-FP: what a provider's form says is in the body alone, in one encoding, and is read up to the limit. A
// body goes on without end if endless.
func FuzzFormPost(f *testing.F) {
	for _, seed := range []struct{ contentType, encoding, query, body string }{
		{asForm, "", "", "code=c&state=s"}, {asForm, "", "code=q&state=q", "code=c&state=s"}, {asForm, "", "code=q", "state=s"},
		{asForm + ";charset=UTF-8", "", "", "code=c"}, {asForm + "; charset=utf-16", "", "", "code=c"}, {asForm, "gzip", "", "code=c"},
		{asForm, "identity", "", "code=c"}, {"multipart/form-data; boundary=x", "", "", "--x\r\n\r\n--x--"}, {"text/plain", "", "", "code=c"},
		{asForm, "", "", "code=a&code=b"}, {asForm, "", "", "a;b=c"}, {asForm, "", "", "code=%zz"}, {asForm, "", "", "code=%ff"}, {asForm, "", "", "code=a+b%2B"},
		{asJSON, "", "code=q", `{"code":"c"}`}, {"application/x-www-form-urlencoded, text/plain", "", "", "code=c"}, {"", "", "", "code=c"},
	} {
		f.Add(seed.contentType, seed.encoding, seed.query, seed.body, false)
		f.Add(seed.contentType, seed.encoding, seed.query, seed.body, true)
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, contentType, encoding, query, body string, endless bool) {
		sent := &countedBody{text: body, endless: endless && body != ""}
		b := working()
		w := do(newHandler(t, b, auth.HandlerConfig{}), formPost(contentType, encoding, query, sent))
		if sent.read > maxBodyRead {
			t.Errorf("%d bytes were read", sent.read)
		}
		want, ok := formValues(contentType, encoding, body)
		if sent.endless || len(body) > 64<<10 {
			ok = false
		}
		if contentMedia(contentType) == asJSON && !sent.endless {
			return // FuzzAPI's
		}
		if ok != (len(b.callbacks) == 1) || ok != (w.Code < 400) || len(b.callbacks) > 1 {
			t.Fatalf("%q, %q, %q: status %d, %d callbacks", contentType, encoding, body, w.Code, len(b.callbacks))
		}
		if !ok {
			return
		}
		if got := b.callbacks[0]; got.Mode != auth.ResponseModeFormPost || len(want)+len(got.Values) > 0 && !reflect.DeepEqual(got.Values, want) {
			t.Errorf("%q with the query %q is %+v", body, query, got)
		}
	})
}

// countedBody counts what is read of it.
type countedBody struct {
	text    string
	endless bool
	read    int
}

func (b *countedBody) Read(p []byte) (int, error) {
	at := b.read
	if b.endless {
		at %= len(b.text)
	}
	if at >= len(b.text) {
		return 0, io.EOF
	}
	n := copy(p, b.text[at:])
	b.read += n
	return n, nil
}

func formPost(contentType, encoding, query string, body io.Reader) *http.Request {
	r := request(http.MethodPost, base+"/callback", "")
	r.URL.RawQuery = query
	r.Body = io.NopCloser(body)
	r.Header = http.Header{"Content-Type": {contentType}, "Accept": {asJSON}}
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return r
}

func contentMedia(contentType string) string {
	media, _, _ := mime.ParseMediaType(contentType)
	return media
}

// formValues reads a form by the rules of the URL standard for application/x-www-form-urlencoded, and refuses where a
// reader would have to guess. No body at all has no values.
func formValues(contentType, encoding, body string) (url.Values, bool) {
	if body == "" {
		return nil, true
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset, has := params["charset"]
	if err != nil || media != asForm || has && !strings.EqualFold(charset, "utf-8") || encoding != "" && encoding != "identity" {
		return nil, false
	}
	values := url.Values{}
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, okName := formText(name)
		value, okValue := formText(value)
		if !okName || !okValue || strings.Contains(pair, ";") {
			return nil, false
		}
		values.Add(name, value)
	}
	return values, true
}

func formText(s string) (string, bool) {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+':
			out = append(out, ' ')
		case '%':
			octet, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8)
			if err != nil || i+3 > len(s) {
				return "", false
			}
			out = append(out, byte(octet))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out), utf8.Valid(out)
}
