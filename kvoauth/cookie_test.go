package kvoauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// attributes returns those of a cookie on the wire, without name, value and lifetime.
func attributes(c *http.Cookie) string {
	_, rest, _ := strings.Cut(c.String(), ";")
	var kept []string
	for a := range strings.SplitSeq(rest, "; ") {
		if !strings.HasPrefix(strings.TrimSpace(a), "Max-Age") {
			kept = append(kept, strings.TrimSpace(a))
		}
	}
	return strings.Join(kept, "; ")
}

func TestCookiesOfASignIn(t *testing.T) {
	for name, c := range map[string]struct {
		backend     func(*kvoauth.Config)
		provider    func(*fakeop.Config)
		session     string
		transaction string
		sessionAttr string
		txnAttr     string
	}{
		"https": {
			session: "__Host-ns_session", transaction: "__Host-ns_txn_",
			sessionAttr: "Path=/; HttpOnly; Secure; SameSite=Lax", txnAttr: "Path=/; HttpOnly; Secure; SameSite=Lax",
		},
		"form_post": {
			backend: func(c *kvoauth.Config) { c.Clients[0].Provider.ResponseMode = "form_post" },
			session: "__Host-ns_session", transaction: "__Host-ns_txn_",
			sessionAttr: "Path=/; HttpOnly; Secure; SameSite=Lax", txnAttr: "Path=/; HttpOnly; Secure; SameSite=None",
		},
		"http on loopback": {
			backend: func(c *kvoauth.Config) {
				c.RedirectURL, c.InsecureAllowHTTP = "http://localhost:8094/api/v1/auth/callback", true
			},
			provider: func(c *fakeop.Config) {
				c.Clients[0].RedirectURIs = []string{"http://localhost:8094/api/v1/auth/callback"}
			},
			session: "ns_session", transaction: "ns_txn_",
			sessionAttr: "Path=/; HttpOnly; SameSite=Lax", txnAttr: "Path=/; HttpOnly; SameSite=Lax",
		},
		"insecure allowed and https used": {
			backend: func(c *kvoauth.Config) { c.InsecureAllowHTTP = true },
			session: "__Host-ns_session", transaction: "__Host-ns_txn_",
			sessionAttr: "Path=/; HttpOnly; Secure; SameSite=Lax", txnAttr: "Path=/; HttpOnly; Secure; SameSite=Lax",
		},
		"a name of the application": {
			backend: func(c *kvoauth.Config) { c.CookieName, c.InsecureCookieName = "sid", true },
			session: "sid", transaction: "__Host-ns_txn_",
			sessionAttr: "Path=/; HttpOnly; Secure; SameSite=Lax", txnAttr: "Path=/; HttpOnly; Secure; SameSite=Lax",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{backend: c.backend, provider: c.provider})
			redirect, err := g.SignIn(request(), auth.SignInParams{})
			if err != nil {
				t.Fatal(err)
			}
			txn := redirect.Cookies[0]
			if !strings.HasPrefix(txn.Name, c.transaction) || attributes(txn) != c.txnAttr || txn.MaxAge != 600 {
				t.Errorf("transaction: %s; %s; %d", txn.Name, attributes(txn), txn.MaxAge)
			}
			r, p := g.answer(redirect, "alice")
			result, err := g.HandleCallback(r, p)
			if err != nil {
				t.Fatal(err)
			}
			cookies := result.Redirect.Cookies
			if len(cookies) != 2 {
				t.Fatalf("%d cookies, want 2", len(cookies))
			}
			if gone := cookies[0]; gone.Name != txn.Name || gone.MaxAge != -1 || gone.Value != "" || attributes(gone) != c.txnAttr {
				t.Errorf("the transaction's cookie is not removed: %s; %s", gone.Name, attributes(gone))
			}
			live := cookies[1]
			if live.Name != c.session || attributes(live) != c.sessionAttr || live.MaxAge != int(kvoauth.DefaultAbsoluteTimeout/time.Second) || len(live.Value) != 43 {
				t.Errorf("session: %s; %s; %d", live.Name, attributes(live), live.MaxAge)
			}
			out, err := g.SignOut(request(live), auth.SignOutParams{})
			if err != nil || len(out.Cookies) != 1 {
				t.Fatalf("%d cookies, %v", len(out.Cookies), err)
			}
			if gone := out.Cookies[0]; gone.Name != live.Name || gone.MaxAge != -1 || gone.Value != "" || attributes(gone) != attributes(live) {
				t.Errorf("the session's cookie is not removed: %s; %s", gone.Name, attributes(gone))
			}
			for _, c := range append(cookies, txn) {
				if n := len(c.String()); n > 4096 {
					t.Errorf("%s takes %d bytes", c.Name, n)
				}
			}
		})
	}
}

func TestCookieOfCreatedSession(t *testing.T) {
	g := newRig(t, rigOptions{})
	for _, c := range []struct {
		lifetime time.Duration
		seconds  int
	}{{0, 7 * 86400}, {time.Hour, 3600}, {48 * time.Hour, 2 * 86400}, {30 * 24 * time.Hour, 7 * 86400}, {10 * time.Millisecond, 1}} {
		created, err := g.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "alice", Lifetime: c.lifetime})
		if err != nil {
			t.Fatal(err)
		}
		if got := created.Cookies[0].MaxAge; got != c.seconds {
			t.Errorf("lifetime %v: Max-Age %d, want %d", c.lifetime, got, c.seconds)
		}
	}
}

func TestCookieNames(t *testing.T) {
	g := newRig(t, rigOptions{})
	for name, ok := range map[string]bool{
		"sid": true, "__Host-sid": true, "__Secure-sid": true, "": true, strings.Repeat("n", 256): true,
		"a b": false, "a;b": false, "a=b": false, "ü": false, "\x00": false, strings.Repeat("n", 257): false,
		"__Host-ns_txn_": false, "__Host-ns_txn_abcdefghijkl": false,
	} {
		c := g.config
		c.CookieName, c.InsecureCookieName = name, true
		if _, err := kvoauth.NewKvOAuthBackend(c); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		c.InsecureCookieName = false
		if _, err := kvoauth.NewKvOAuthBackend(c); (err == nil) != (ok && (name == "" || strings.HasPrefix(name, "__Host-"))) {
			t.Errorf("%q without InsecureCookieName: %v", name, err)
		}
		c.RedirectURL, c.InsecureAllowHTTP = "http://127.0.0.1/callback", true
		if strings.HasPrefix(name, "__") {
			if _, err := kvoauth.NewKvOAuthBackend(c); err == nil {
				t.Errorf("%q is accepted over http", name)
			}
		}
	}
}

// TestCookieHeaders is COOK-01, COOK-05 to COOK-07. %s stands for a live credential.
func TestCookieHeaders(t *testing.T) {
	const name = kvoauth.DefaultCookieName
	many := strings.Repeat("x=y; ", 4001)
	for header, want := range map[string]auth.Code{
		name + "=%s":                               "",
		"a=b; " + name + "=%s; c=d":                "",
		"x=%%; y=%%zz; " + name + "=%s":            "",
		"; ; ;" + name + "=%s;;":                   "",
		"$Version=1; " + name + "=%s":              "",
		"caf\u00e9=1; \"quoted\"; " + name + "=%s": "",
		"other=" + name + "; " + name + "=%s":      "",
		"":                                         auth.CodeNoCredential,
		name:                                       auth.CodeCredentialMalformed,
		strings.ToLower(name) + "=%s":              auth.CodeNoCredential,
		strings.ToUpper(name) + "=%s":              auth.CodeNoCredential,
		"ns_session=%s":                            auth.CodeNoCredential,
		"__Secure-ns_session=%s":                   auth.CodeNoCredential,
		"\u2000" + name + "=%s":                    auth.CodeNoCredential,
		"\x00" + name + "=%s":                      auth.CodeNoCredential,
		name + "x=%s":                              auth.CodeNoCredential,
		"x" + name + "=%s":                         auth.CodeNoCredential,
		many + name + "=%s":                        auth.CodeNoCredential,
		name + "=":                                 auth.CodeCredentialMalformed,
		name + "=\"%s\"":                           auth.CodeCredentialMalformed,
		name + "=%s; " + name + "=%s":              auth.CodeCredentialMalformed,
		name + "=%s; " + name + "=":                auth.CodeCredentialMalformed,
		name + "=x; " + name + "=%s":               auth.CodeCredentialMalformed,
		name + "=%s%%20":                           auth.CodeCredentialMalformed,
		name + "=%%":                               auth.CodeCredentialMalformed,
		name + "=%s=":                              auth.CodeCredentialMalformed,
		name + "=" + strings.Repeat("A", 42):       auth.CodeCredentialMalformed,
		name + "=" + strings.Repeat("A", 44):       auth.CodeCredentialMalformed,
		name + "=" + strings.Repeat("A", 8192):     auth.CodeCredentialMalformed,
		name + "=" + strings.Repeat("A", 43):       auth.CodeSessionNotFound,
		name + "=" + strings.Repeat("A", 42) + "+": auth.CodeSessionNotFound,
	} {
		g := newRig(t, rigOptions{})
		credential, _ := g.create("alice")
		text := strings.ReplaceAll(strings.ReplaceAll(header, "%s", credential), "%%", "%")
		r := httptest.NewRequest(http.MethodGet, "https://app.test/", nil)
		r.Header.Set("Cookie", text)
		_, err := g.Authenticate(r)
		if got := auth.CodeOf(err); got != want {
			t.Errorf("%.80q: %q, want %q", header, got, want)
		}
		if want == auth.CodeCredentialMalformed && !rejected(err, want) {
			t.Errorf("%.60q: the cookie is not removed", header)
		}
		if _, ok := g.SessionID(r); ok != (want == "" || want == auth.CodeSessionNotFound) {
			t.Errorf("%.60q: SessionID says %t", header, ok)
		}
		out, err := g.SignOut(r, auth.SignOutParams{})
		if err != nil || !clears(out.Cookies) {
			t.Errorf("%.60q: sign-out: %v", header, err)
		}
	}
}

// TestSeveralCookieHeaders: HTTP/2 splits them (RFC 9113, section 8.2.3).
func TestSeveralCookieHeaders(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, _ := g.create("alice")
	r := httptest.NewRequest(http.MethodGet, "https://app.test/", nil)
	r.Header["Cookie"] = []string{"a=b", kvoauth.DefaultCookieName + "=" + credential, "c=d"}
	if _, err := g.Authenticate(r); err != nil {
		t.Error(err)
	}
	r.Header["Cookie"] = append(r.Header["Cookie"], kvoauth.DefaultCookieName+"="+credential)
	if _, err := g.Authenticate(r); auth.CodeOf(err) != auth.CodeCredentialMalformed {
		t.Errorf("twice: %v", err)
	}
}

// TestNoHeaderCarriesASession is ADV-29.
func TestNoHeaderCarriesASession(t *testing.T) {
	g := newRig(t, rigOptions{})
	credential, s := g.create("alice")
	r := httptest.NewRequest(http.MethodGet, "https://app.test/?session="+credential+"&"+kvoauth.DefaultCookieName+"="+credential, nil)
	for _, h := range []string{"Authorization", "X-Session", "X-Session-Id", kvoauth.DefaultCookieName, "Set-Cookie", "Cookie2"} {
		r.Header.Set(h, credential)
		r.Header.Add(h, kvoauth.DefaultCookieName+"="+credential)
		r.Header.Add(h, "Bearer "+s.ID)
	}
	if _, err := g.Authenticate(r); auth.CodeOf(err) != auth.CodeNoCredential {
		t.Error(err)
	}
}
