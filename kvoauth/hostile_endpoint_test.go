package kvoauth_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

const elsewhere = "https://elsewhere.test/"

func cut(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"access_token":"` + marker))
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func large(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"x":"` + marker))
	for range 20 {
		if _, err := w.Write([]byte(strings.Repeat("x", 1<<20))); err != nil {
			return true
		}
	}
	_, _ = w.Write([]byte(`"}`))
	return true
}

// brokenAnswers are what any endpoint of a provider may answer, and what that must mean.
var brokenAnswers = []struct {
	name string
	hook fakeop.Hook
	code auth.Code
}{
	{"hangs", fakeop.Hang(), auth.CodeProviderUnavailable},
	{"breaks off", cut, auth.CodeProviderUnavailable},
	{"500", fakeop.Reply(500, "application/json", `{"error":"`+marker+`"}`), auth.CodeProviderUnavailable},
	{"503 with HTML", fakeop.Reply(503, "text/html", "<h1>"+marker), auth.CodeProviderUnavailable},
	{"404", fakeop.Reply(404, "text/html", marker), auth.CodeProviderInvalid},
	{"403", fakeop.Reply(403, "text/plain", marker), auth.CodeProviderInvalid},
	{"HTML", fakeop.Reply(200, "text/html", "<h1>"+marker), auth.CodeProviderInvalid},
	{"empty", fakeop.Reply(200, "application/json", ""), auth.CodeProviderInvalid},
	{"no content", fakeop.Reply(204, "application/json", ""), auth.CodeProviderInvalid},
	{"array", fakeop.Reply(200, "application/json", `["`+marker+`"]`), auth.CodeProviderInvalid},
	{"null", fakeop.Reply(200, "application/json", `null`), auth.CodeProviderInvalid},
	{"truncated", fakeop.Reply(200, "application/json", `{"a":"`+marker), auth.CodeProviderInvalid},
	{"duplicate members", fakeop.Reply(200, "application/json", `{"a":1,"a":"`+marker+`"}`), auth.CodeProviderInvalid},
	{"deep", fakeop.Reply(200, "application/json", strings.Repeat(`{"a":`, 10000)+"1"+strings.Repeat("}", 10000)), auth.CodeProviderInvalid},
	{"endless", fakeop.Endless(), auth.CodeProviderInvalid},
	{"20 MB", large, auth.CodeProviderInvalid},
	{"301", fakeop.Redirect(301, elsewhere+marker), auth.CodeProviderInvalid},
	{"302", fakeop.Redirect(302, elsewhere+marker), auth.CodeProviderInvalid},
	{"303", fakeop.Redirect(303, elsewhere+marker), auth.CodeProviderInvalid},
	{"307", fakeop.Redirect(307, elsewhere+marker), auth.CodeProviderInvalid},
	{"308", fakeop.Redirect(308, elsewhere+marker), auth.CodeProviderInvalid},
	{"307 with JSON", func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Location", elsewhere)
		return fakeop.Reply(307, "application/json", `{}`)(w, r)
	}, auth.CodeProviderInvalid},
	{"redirect to nowhere", func(w http.ResponseWriter, r *http.Request) bool {
		return fakeop.Reply(302, "application/json", `{}`)(w, r)
	}, auth.CodeProviderInvalid},
}

// patience gives a provider that never answers little time.
func patience(name string) func(*kvoauth.Config) {
	return func(c *kvoauth.Config) {
		if name == "hangs" {
			c.HTTPClient.Timeout = 80 * time.Millisecond
		}
	}
}

// TestHostileEndpoints: whatever an endpoint answers, nobody is signed in, nothing is sent elsewhere, and no later
// endpoint is asked (R9700-19, CONF-N17, CONF-N18, NS-42).
func TestHostileEndpoints(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	publishedKeys(t, idp.Provider) // made now, so that no timeout falls on their making
	for _, at := range []struct {
		endpoint        fakeop.Endpoint
		token, userInfo int
	}{{fakeop.EndpointDiscovery, 0, 0}, {fakeop.EndpointToken, 1, 0}, {fakeop.EndpointJWKS, 1, 0}, {fakeop.EndpointUserInfo, 1, 1}} {
		for _, broken := range brokenAnswers {
			t.Run(string(at.endpoint)+" "+broken.name, func(t *testing.T) {
				idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{at.endpoint: broken.hook}})
				w := newWorld(t, idp, patience(broken.name))
				b := w.browser()
				var a *answer
				if at.endpoint == fakeop.EndpointDiscovery {
					a = w.send(b, http.MethodGet, auth.DefaultBasePath+"/signin", nil)
				} else {
					a = w.finish(b, w.begin(b))
				}
				code := broken.code
				if broken.name == "redirect to nowhere" && at.endpoint == fakeop.EndpointToken {
					code = auth.CodeProviderRefused // a status that is no success, with JSON
				}
				w.refused(a, code)
				w.calls(at.token, at.userInfo)
				if n := w.kv.transactions(); n != 0 {
					t.Errorf("%d transactions are left", n)
				}
				for _, u := range w.egress.targets() {
					if strings.HasPrefix(u, elsewhere) {
						t.Error("a redirect was followed")
					}
				}
			})
		}
	}
}

// TestHostileTimeout: without a timeout of the configuration's a provider that never answers gets ten seconds (NS-42).
func TestHostileTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp := newIDP(t, authtest.ProviderConfig{})
		idp.SetFaults(fakeop.Faults{Before: map[fakeop.Endpoint]fakeop.Hook{fakeop.EndpointDiscovery: fakeop.Hang()}})
		w := newWorld(t, idp, nil)
		begun := time.Now()
		w.refused(w.send(w.browser(), http.MethodGet, auth.DefaultBasePath+"/signin", nil), auth.CodeProviderUnavailable)
		if took := time.Since(begun); took != kvoauth.DefaultProviderTimeout {
			t.Errorf("it took %s", took)
		}
	})
}

// TestHostileEmailEndpoint: the second call of a provider without ID tokens is as guarded as the first.
func TestHostileEmailEndpoint(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(inUserInfo("id", 42))
	serve := func(h fakeop.Hook) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r) })
	}
	for _, broken := range brokenAnswers {
		if broken.name == "array" {
			continue // a list with a text in it, which is no address
		}
		t.Run(broken.name, func(t *testing.T) {
			w := newWorld(t, idp, func(c *kvoauth.Config) {
				oauthOnly(idp)(c)
				patience(broken.name)(c)
			})
			w.egress.mail = serve(broken.hook)
			b := w.browser()
			a := w.finish(b, w.begin(b))
			code := broken.code
			switch broken.name { // 200 with what is no list of addresses
			case "HTML", "empty", "null", "truncated", "duplicate members", "deep":
				code = auth.CodeIdentityInvalid
			}
			w.refused(a, code)
		})
	}
	for name, row := range map[string]struct{ list, email string }{
		"primary and verified": {`[{"email":"a@example.test","primary":false,"verified":true},{"email":"b@example.test","primary":true,"verified":true}]`, "b@example.test"},
		"not verified":         {`[{"email":"b@example.test","primary":true,"verified":false}]`, ""},
		"verified by a text":   {`[{"email":"b@example.test","primary":true,"verified":"true"}]`, ""},
		"none":                 {`[]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, idp, oauthOnly(idp))
			w.egress.mail = serve(fakeop.Reply(200, "application/json", row.list))
			b := w.browser()
			s := w.signedIn(b, w.finish(b, w.begin(b)), "42")
			if email, _ := s.Session.Claims["email"].(string); email != row.email || (s.Session.Claims["email_verified"] == true) != (row.email != "") {
				t.Errorf("claims %v", s.Session.Claims)
			}
		})
	}
}

// TestHostileCertificate: a server that cannot prove its name gets no request, and there is no way to allow it (R6749-08).
func TestHostileCertificate(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, func(c *kvoauth.Config) {
		c.HTTPClient = nil
		c.Clients[0].Provider = providers.Provider{ID: "fake", Issuer: server.URL}
	})
	w.refused(w.send(w.browser(), http.MethodGet, auth.DefaultBasePath+"/signin", nil), auth.CodeProviderUnavailable)
	if asked.Load() != 0 {
		t.Error("the server was asked")
	}
}
