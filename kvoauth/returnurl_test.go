package kvoauth_test

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
)

// returnURLs are cases of F-RET: on each line a JSON string, after a plus when it is a place to go to and a minus when not,
// for the application at https://app.test, whose callback is /api/v1/auth/callback, and the allowed origins
// https://www.example.com and https://other.example:8443.
//
//go:embed testdata/returnurls.txt
var returnURLs []byte

type returnURLCase struct {
	raw string
	ok  bool
}

func returnURLCases(t testing.TB) (cases []returnURLCase) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(returnURLs))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		var raw string
		if err := json.Unmarshal([]byte(line[1:]), &raw); err != nil || line[0] != '+' && line[0] != '-' {
			t.Fatalf("%s: %v", line, err)
		}
		cases = append(cases, returnURLCase{raw, line[0] == '+'})
	}
	for _, long := range []string{"/" + strings.Repeat("a", 8<<10), "https://www.example.com/" + strings.Repeat("a", 8<<10), strings.Repeat("/", 8<<10)} {
		cases = append(cases, returnURLCase{long, false})
	}
	return append(cases, returnURLCase{"/" + strings.Repeat("a", 2047), true}, returnURLCase{"/" + strings.Repeat("a", 2048), false})
}

func returnOrigins(c *kvoauth.Config) {
	c.ReturnOrigins = []string{"https://www.example.com", "https://other.example:8443/"}
	c.DefaultReturnURL = "/default"
}

func TestReturnURLs(t *testing.T) {
	g := newRig(t, rigOptions{backend: returnOrigins})
	cases := returnURLCases(t)
	if len(cases) < 150 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		_, err := g.SignIn(request(), auth.SignInParams{ReturnTo: c.raw})
		if c.ok && err != nil || !c.ok && auth.CodeOf(err) != auth.CodeReturnURLRejected {
			t.Errorf("sign-in, %.80q: %v, want accepted: %t", c.raw, err, c.ok)
		}
		if err != nil && len(c.raw) > 3 && strings.Contains(err.Error(), c.raw) {
			t.Errorf("%.80q: the error repeats it", c.raw)
		}
		want := "/default"
		if c.ok {
			want = c.raw
		}
		for name, r := range map[string]*http.Request{"nobody": request(), "dead": request(session(strings.Repeat("A", 43)))} {
			out, err := g.SignOut(r, auth.SignOutParams{ReturnTo: c.raw})
			if err != nil || out.Location != want {
				t.Errorf("sign-out of %s, %.80q: %.80q, %v", name, c.raw, out.Location, err)
			}
		}
		if origin := browserOrigin(c.raw); c.ok && !allowedOrigin(origin) {
			t.Errorf("%.80q is accepted, and a browser goes to %q", c.raw, origin)
		}
	}
}

// TestReturnURLOfTheCallback: the callback leads where the sign-in asked to, and nowhere else.
func TestReturnURLOfTheCallback(t *testing.T) {
	g := newRig(t, rigOptions{backend: returnOrigins})
	for raw, want := range map[string]string{"": "/default", "/orders?x=1#top": "/orders?x=1#top", "https://www.example.com/a": "https://www.example.com/a"} {
		redirect, err := g.SignIn(request(), auth.SignInParams{ReturnTo: raw})
		if err != nil {
			t.Fatal(err)
		}
		r, p := g.answer(redirect, "alice")
		r.URL.RawQuery = "redirectTo=https://evil.test/&returnTo=https://evil.test/"
		p.Values.Set("returnTo", "https://evil.test/")
		p.Values.Set("redirectTo", "https://evil.test/")
		result, err := g.HandleCallback(r, p)
		if err != nil || result.Redirect.Location != want {
			t.Errorf("%q: %q, %v", raw, result.Redirect.Location, err)
		}
		if strings.Contains(result.Redirect.Location, credential(result)) {
			t.Error("the return URL carries the credential") // ADV-11
		}
	}
}

// TestReturnURLOfASecondCallback: a provider's own redirect URL is a callback too.
func TestReturnURLOfASecondCallback(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) { c.Clients[0].RedirectURL = "https://app.test/api/v1/auth/callback/fake" }})
	for _, raw := range []string{
		"/api/v1/auth/callback", "/api/v1/auth/callback/", "/api/v1/auth/callback?x", "/api/v1/auth/callback#x", "/api/v1/auth/%63allback",
		"/api/v1/auth/callback/fake", "/api/v1/auth/x/../callback/fake", "https://app.test/api/v1/auth/callback/fake", "//app.test/api/v1/auth/callback",
	} {
		if _, err := g.SignIn(request(), auth.SignInParams{ReturnTo: raw}); auth.CodeOf(err) != auth.CodeReturnURLRejected {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestReturnURLConfig(t *testing.T) {
	g := newRig(t, rigOptions{})
	for _, c := range []struct {
		origin, standard string
		insecure, ok     bool
	}{
		{"https://www.example.com", "", false, true}, {"https://www.example.com/", "/x", false, true}, {"https://www.example.com:8443", "", false, true},
		{"https://www.example.com", "https://www.example.com/x", false, true}, {"http://localhost:3000", "", true, true},
		{"http://localhost:3000", "", false, false}, {"https://www.example.com/path", "", false, false}, {"https://u@www.example.com", "", false, false},
		{"https://www.example.com?x", "", false, false}, {"https://www.example.com#x", "", false, false}, {"www.example.com", "", false, false},
		{"*", "", false, false}, {"null", "", false, false}, {"javascript:alert(1)", "", false, false}, {"https://", "", false, false}, {"", "", false, false},
		{"https://www.example.com", "https://evil.test/", false, false}, {"https://www.example.com", "//evil.test", false, false},
		{"https://www.example.com", "/api/v1/auth/callback", false, false},
	} {
		conf := g.config
		conf.ReturnOrigins, conf.DefaultReturnURL, conf.InsecureAllowHTTP = []string{c.origin}, c.standard, c.insecure
		if _, err := kvoauth.NewKvOAuthBackend(conf); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// FuzzReturnURL is F-RET: whatever is accepted, a browser resolves to an allowed origin.
func FuzzReturnURL(f *testing.F) {
	for _, c := range returnURLCases(f) {
		if len(c.raw) < 200 {
			f.Add(c.raw)
		}
	}
	g := newRig(f, rigOptions{backend: returnOrigins})
	f.Fuzz(func(t *testing.T, raw string) {
		out, err := g.SignOut(request(), auth.SignOutParams{ReturnTo: raw})
		if err != nil {
			t.Fatal(err)
		}
		if origin := browserOrigin(out.Location); !allowedOrigin(origin) {
			t.Errorf("%q: the browser is sent to %q at %q", raw, out.Location, origin)
		}
		if out.Location != raw && out.Location != "/default" {
			t.Errorf("%q: sent to %q", raw, out.Location)
		}
	})
}

func allowedOrigin(origin string) bool {
	return origin == "https://app.test" || origin == "https://www.example.com" || origin == "https://other.example:8443"
}

// browserOrigin returns the origin of raw as a browser resolves it at the callback, by the rules of the URL standard for
// special schemes (https://url.spec.whatwg.org/#url-parsing), or "" when it is no URL or has an opaque origin. It is
// written from the standard's states and shares nothing with what it judges.
func browserOrigin(raw string) string {
	s := strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	scheme, rest, ok := browserScheme(s)
	slash := func(i int) bool { return i < len(rest) && (rest[i] == '/' || rest[i] == '\\') }
	switch {
	case !ok: // no scheme state
		rest, scheme = s, "https"
		if !slash(0) || !slash(1) {
			return "https://app.test"
		}
	case scheme == "https": // special relative or authority state, with the base's own scheme
		if !strings.HasPrefix(rest, "//") {
			if slash(0) && slash(1) {
				break
			}
			return "https://app.test"
		}
	case scheme == "http" || scheme == "ws" || scheme == "wss" || scheme == "ftp":
	default:
		return ""
	}
	return browserAuthority(scheme, strings.TrimLeft(rest, `/\`))
}

func browserScheme(s string) (scheme, rest string, ok bool) {
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case c >= 'a' && c <= 'z':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || strings.IndexByte("+-.", s[i]) >= 0):
		case i > 0 && s[i] == ':':
			return strings.ToLower(s[:i]), s[i+1:], true
		default:
			return "", "", false
		}
	}
	return "", "", false
}

func browserAuthority(scheme, s string) string {
	if i := strings.IndexAny(s, `/\?#`); i >= 0 {
		s = s[:i]
	}
	s = s[strings.LastIndexByte(s, '@')+1:]
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], strings.TrimLeft(s[i+1:], "0")
	}
	host = strings.ToLower(percentDecoded(host))
	if host == "" || strings.ContainsAny(host, " #/:<>?@\\^|%") && host[0] != '[' || strings.Trim(port, "0123456789") != "" {
		return ""
	}
	if port == map[string]string{"https": "443", "http": "80", "wss": "443", "ws": "80", "ftp": "21"}[scheme] {
		port = ""
	}
	if port != "" {
		port = ":" + port
	}
	return scheme + "://" + host + port
}

func percentDecoded(s string) string {
	const digits = "0123456789abcdef"
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := strings.IndexByte(digits, s[i+1]|0x20), strings.IndexByte(digits, s[i+2]|0x20)
			if high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
