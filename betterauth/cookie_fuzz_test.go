package betterauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
)

// FuzzSignedCookie is F-BAC: a Cookie header in which $SIGNED is a session's token with its signature, percent-encoded as
// the server does it, and $TOKEN and $MAC are the two alone, is that session if and only if the server's way to read it
// says so. So is $DOTTED, whose token has dots. $OTHER is signed and no token.
func FuzzSignedCookie(f *testing.F) {
	const name = cookieName
	for _, seed := range []string{
		name + "=$SIGNED", name + "=$TOKEN", name + "=$TOKEN.$MAC", name + "=.$MAC", name + "=$TOKEN.", name + "=a.$TOKEN.$MAC", name + "=$TOKEN.x.$MAC", name + "=$TOKEN..$MAC",
		name + `="$SIGNED"`, name + "= $SIGNED ", name + "=x; " + name + "=$SIGNED", name + "=$SIGNED; " + name + "=x", "better-auth.session_token=$SIGNED",
		"__Host-better-auth.session_token=$SIGNED", "__secure-better-auth.session_token=$SIGNED", name + ".0=$SIGNED", name + "=$SIGNED%zz", name + "=%2524TOKEN",
		name + "=$TOKEN%2E$MAC", name + "=$TOKEN%252E$MAC", name + "=$TOKEN+.$MAC", name + "; " + name + "=$SIGNED", "=" + name + "=$SIGNED", name + "=$SIGNED%00", name + "=$OTHER", name + "=$DOTTED",
	} {
		f.Add(seed, uint8(0), "")
	}
	f.Add(name+"=$TOKEN.$MAC", uint8(43), "")
	f.Add(name+"=$TOKEN.$MAC", uint8(43), "A")
	f.Add(name+"=$TOKEN.$MAC", uint8(42), "B")
	r := newRig(f, engines()[0], nil)
	token := r.session(r.user("alice"), nil)
	dotted := r.session("user-alice", map[string]any{"token": "a.session.token.with.dots"})
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, header string, at uint8, change string) {
		mac := strings.TrimPrefix(sign(token), token+".")
		if i := int(at) % len(mac); at > 0 {
			mac = mac[:i] + change + mac[i+1:]
		}
		header = strings.NewReplacer("$SIGNED", url.QueryEscape(sign(token)), "$TOKEN", token, "$MAC", mac, "$OTHER", url.QueryEscape(sign("other")), "$DOTTED", url.QueryEscape(sign(dotted))).Replace(header)
		var a *auth.Authentication
		var err error
		fuzzcheck.Bounded(t, len(header), func() {
			a, err = r.Authenticate(&http.Request{Method: http.MethodGet, URL: &url.URL{}, Header: http.Header{"Cookie": {header}}})
		})
		fuzzcheck.Discreet(t, err, header, token, testSecret)
		signed := modelSignedCookie(header, name)
		want := signed == token || signed == dotted
		if want != (err == nil) || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%q: %v, want accepted: %t", header, err, want)
		}
		if err == nil && a.Principal.Subject != "user-alice" {
			t.Errorf("%q is %q", header, a.Principal.Subject)
		}
	})
}

// modelSignedCookie reads the first pair of that name as better-call does, and returns what is signed. What is longer than a
// browser's cookie is none.
func modelSignedCookie(header, name string) string {
	for pair := range strings.SplitSeq(header, ";") {
		own, value, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(own) != name {
			continue
		}
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, `"`) {
			value = value[1:max(1, len(value)-1)]
		}
		if plain, err := url.PathUnescape(value); err == nil && utf8.ValidString(plain) {
			value = plain
		}
		i := strings.LastIndex(value, ".")
		if i < 1 || len(value) > 4096 || len(value)-i-1 != 44 || !strings.HasSuffix(value, "=") {
			return ""
		}
		m := hmac.New(sha256.New, []byte(testSecret))
		m.Write([]byte(value[:i]))
		// The last character has two bits that encode nothing.
		want := base64.RawStdEncoding.EncodeToString(m.Sum(nil))
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		got := value[i+1 : len(value)-1]
		last := strings.IndexByte(alphabet, got[42])
		if got[:42] != want[:42] || last < 0 || last>>2 != strings.IndexByte(alphabet, want[42])>>2 {
			return ""
		}
		return value[:i]
	}
	return ""
}
