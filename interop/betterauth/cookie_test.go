package betterauth

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// cookieBatch is how many Cookie headers the server reads at once.
const (
	cookieBatch   = 500
	cookieBatches = 6
)

// TestCookieHeaders is F-BAC: of any Cookie header the server and this library read the same session, or none. Both get
// the bytes as they are.
func TestCookieHeaders(t *testing.T) {
	w := newWorld(t, place{engine: "sqlite"}, 1)
	one, other := w.signUp(), w.signUp()
	const name = "better-auth.session_token"
	f := &headerForger{random: rand.New(rand.NewPCG(1, 2)), name: name, one: one.cookies[name], other: other.cookies[name]}
	accepted := 0
	for range cookieBatches {
		headers := make([]string, cookieBatch)
		sent := make([]string, cookieBatch)
		for i := range headers {
			headers[i] = f.header()
			sent[i] = latin1(headers[i])
		}
		var theirs []*string
		w.server.control("sessionsOf", map[string]any{"cookies": sent}, &theirs)
		for i, header := range headers {
			want := ""
			if theirs[i] != nil {
				want = *theirs[i]
				accepted++
			}
			if us, _, _ := w.ours(http.Header{"Cookie": {header}}); us.session != want {
				t.Errorf("%q is the session %q here, and %q there", header, us.session, want)
			}
		}
	}
	t.Logf("%d headers, %d accepted", cookieBatch*cookieBatches, accepted)
	if accepted < cookieBatch*cookieBatches/20 {
		t.Error("too few are accepted: the test proves nothing")
	}
}

// latin1 gives each byte as a character, as Node has the headers of a request.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// headerForger makes Cookie headers that are nearly right.
type headerForger struct {
	random           *rand.Rand
	name, one, other string // the cookie, and its value for two people, as the server has set it
}

func (f *headerForger) pick(list ...string) string { return list[f.random.IntN(len(list))] }

func (f *headerForger) header() string {
	pairs := []string{f.pair()}
	for f.random.IntN(2) == 0 {
		pair := f.pick(f.pair(), "a=b", "a", "=", "", "a=%", f.name, f.name+"=", `a="b;c"`)
		if f.random.IntN(2) == 0 {
			pairs = append(pairs, pair)
		} else {
			pairs = append([]string{pair}, pairs...)
		}
	}
	header := strings.Join(pairs, f.pick("; ", ";", " ; ", "; ", ";\t"))
	for f.random.IntN(4) == 0 {
		i := f.random.IntN(len(header) + 1)
		j := min(len(header), i+f.random.IntN(3))
		header = header[:i] + f.pick(".", "=", "%", "%2E", "%3D", "+", "%2B", " ", `"`, ";", ",", "%zz", "%c3%28", "%00", "\xe9", "A", "", "%25") + header[j:]
	}
	return header
}

func (f *headerForger) pair() string {
	value := f.pick(f.one, f.one, f.other)
	plain := decoded(value)
	dot := strings.LastIndexByte(plain, '.')
	token, mac := plain[:dot], plain[dot+1:]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	spare := mac[:42] + string(alphabet[strings.IndexByte(alphabet, mac[42])^1]) + "="
	value = f.pick(value, value, value, value, plain, strings.ReplaceAll(value, "%", "%25"), `"`+value+`"`, `"`+value, " "+value+" ", token, token+".", "."+mac, token+"."+spare,
		token+"."+strings.TrimSuffix(mac, "="), token+"."+mac+"=", token+"."+strings.NewReplacer("+", "-", "/", "_").Replace(mac), token+".x."+mac, "x."+plain,
		strings.ToLower(value), strings.ReplaceAll(value, "%2B", "+"), strings.ReplaceAll(value, "%3D", "="))
	name := f.pick(f.name, f.name, f.name, f.name, f.name, f.name, "__Secure-"+f.name, "__Host-"+f.name, strings.ToUpper(f.name), f.name+".0", " "+f.name, f.name+" ", `"`+f.name+`"`)
	return name + "=" + value
}
