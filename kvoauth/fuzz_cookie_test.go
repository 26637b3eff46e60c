package kvoauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
	"github.com/netscript/auth/kvoauth"
)

// FuzzCookieHeader is F-COOK: what is accepted is the text that was issued, under its name, which no other pair has,
// whatever stands around it.
func FuzzCookieHeader(f *testing.F) {
	const name = kvoauth.DefaultCookieName
	for _, seed := range []string{
		name + "=CRED", "a=%; " + name + "=CRED", name + "=CRED; " + name + "=CRED", name + "=\"CRED\"", "; ;", "$Version=1",
		name + " =CRED", " " + name + "=CRED ", name + "=CRED\x00", "__host-ns_session=CRED", name + "=CRED," + name + "=CRED", "=" + name + "=CRED",
		name + "=x\x00; " + name + "=CRED", name + "; " + name + "=CRED", "a=b;" + name + "=CRED;c", "\u2000" + name + "=CRED", name + "=CRED; b=\"",
	} {
		f.Add(seed)
	}
	g := newRig(f, rigOptions{})
	credential, s := g.create("alice")
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, header string) {
		header = strings.ReplaceAll(header, "CRED", credential)
		r := httptest.NewRequest(http.MethodGet, "https://app.test/", nil)
		r.Header.Set("Cookie", header)
		var a, again *auth.Authentication
		var err, err2 error
		fuzzcheck.Bounded(t, len(header), func() { a, err = g.Authenticate(r) })
		fuzzcheck.Discreet(t, err, header, credential)
		issued := onlyCookie(header, name) == credential
		if err == nil && (a.Session.ID != s.ID || !issued) {
			t.Errorf("%q authenticates", header)
		}
		if err != nil && issued && plainCookies(header) {
			t.Errorf("%q: %v", header, err)
		}
		if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%q: %v", header, err)
		}
		if again, err2 = g.Authenticate(r); (err == nil) != (err2 == nil) || a != again {
			t.Errorf("%q: not deterministic", header)
		}
	})
}

// onlyCookie returns the value of the one pair of that name, as the server's algorithm of RFC 6265 splits the header, or ""
// when there is none or more than one.
func onlyCookie(header, name string) (value string) {
	found := 0
	for pair := range strings.SplitSeq(header, ";") {
		n, v, _ := strings.Cut(strings.Trim(pair, " \t\r\n"), "=")
		if strings.Trim(n, " \t\r\n") == name {
			found++
			value = v
		}
	}
	if found != 1 {
		return ""
	}
	return value
}

// cookieString is the grammar of RFC 6265, section 4.2.1.
var cookieString = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+=[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]*" +
	"(; [!#$%&'*+.^_`|~0-9A-Za-z-]+=[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]*)*$")

// plainCookies reports whether header is what a browser sends.
func plainCookies(header string) bool {
	return cookieString.MatchString(header) && strings.Count(header, ";") < 200
}
