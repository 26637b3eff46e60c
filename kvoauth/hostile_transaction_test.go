package kvoauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
)

func formPost(c *kvoauth.Config) { c.Clients[0].Provider.ResponseMode = "form_post" }

// TestHostileForeignBrowser: an answer that another browser fetched signs nobody in and destroys nothing (R9700-02,
// ADV-13, ADV-17, NS-01, NS-26).
func TestHostileForeignBrowser(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	attacker, victim := w.browser(), w.browser()
	cb := w.begin(attacker)
	state := cb.Values().Get("state")
	name := "__Host-ns_txn_" + state[:12]

	w.refused(w.finish(victim, cb), auth.CodeTransactionMissing)
	w.begin(victim) // now the victim has a transaction of its own
	w.refused(w.finish(victim, cb), auth.CodeTransactionMissing)
	for what, value := range map[string]string{
		"the state": state, "another secret": strings.Repeat("A", 43), "nothing": "", "too much": attacker.Cookie(name).Value + "A",
	} {
		victim.SetCookie(&http.Cookie{Name: name, Value: value, Path: "/", Secure: true})
		a := w.finish(victim, cb)
		if w.refused(a, auth.CodeTransactionMissing); t.Failed() {
			t.Fatalf("with %s in the cookie", what)
		}
	}
	w.calls(0, 0)
	if n := w.kv.transactions(); n != 2 {
		t.Errorf("%d transactions are left, want both", n)
	}
	w.signedIn(attacker, w.finish(attacker, cb), "alice")
}

// TestHostileDoubleCookie: of two cookies of one name a sibling domain may have planted one, and either may come first
// (COOK-06).
func TestHostileDoubleCookie(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	cb := w.begin(b)
	own := b.Cookies()[0]
	planted := &http.Cookie{Name: own.Name, Value: strings.Repeat("A", 43)}
	for _, cookies := range [][]*http.Cookie{{own, planted}, {planted, own}, {own, own}} {
		r := httptest.NewRequest(http.MethodGet, cb.URL, nil)
		for _, c := range cookies {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		if _, err := w.backend.HandleCallback(r, auth.CallbackParams{Values: cb.Values()}); auth.CodeOf(err) != auth.CodeTransactionMissing {
			t.Errorf("error %v", err)
		}
	}
	w.calls(0, 0)
	w.signedIn(b, w.finish(b, cb), "alice")
}

// TestHostileReplay: of fifty deliveries of one answer one signs in, and the code is redeemed once (R9700-15, ADV-20).
func TestHostileReplay(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	cb := w.begin(b)
	cookies := b.Cookies()
	deliver := func() *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, cb.URL, nil)
		r.Header.Set("Accept", "application/json")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		w.app.ServeHTTP(rec, r)
		return rec
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[int]int{}
	for range 50 {
		wg.Go(func() {
			rec := deliver()
			mu.Lock()
			defer mu.Unlock()
			seen[rec.Code]++
			if rec.Code != http.StatusFound && !strings.Contains(rec.Body.String(), string(auth.CodeTransactionInvalid)) {
				t.Errorf("a replay was answered %s", rec.Body)
			}
		})
	}
	wg.Wait()
	if seen[http.StatusFound] != 1 || seen[http.StatusBadRequest] != 49 {
		t.Errorf("answers by status: %v", seen)
	}
	w.calls(1, 1)
	if n := w.kv.sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	if rec := deliver(); rec.Code != http.StatusBadRequest {
		t.Errorf("a late replay was answered %d", rec.Code)
	}
	w.calls(1, 1)
	w.silent(nil)
}

// TestHostileReplayAfterFailure: a sign-in that failed cannot be tried again with the same answer.
func TestHostileReplayAfterFailure(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	idp.SetFaults(fakeop.Faults{IDToken: setClaim("nonce", marker)})
	w := newWorld(t, idp, nil)
	b := w.browser()
	cb := w.begin(b)
	cookies := b.Cookies()
	a := w.finish(b, cb)
	w.refused(a, auth.CodeNonceMismatch)
	if len(a.cookies) != 1 || a.cookies[0].MaxAge >= 0 || !a.cookies[0].Secure || a.cookies[0].Path != "/" || !a.cookies[0].HttpOnly {
		t.Errorf("cookies of the failure: %v", a.cookies)
	}
	idp.SetFaults(fakeop.Faults{})
	w.refused(w.finish(b, cb), auth.CodeTransactionMissing)
	for _, c := range cookies {
		b.SetCookie(&http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: true})
	}
	w.refused(w.finish(b, cb), auth.CodeTransactionInvalid)
	w.calls(1, 0)
}

// TestHostileExpired: the transaction's own time decides, not the store's.
func TestHostileExpired(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for name, after := range map[string]time.Duration{"just in time": kvoauth.DefaultSignInTimeout - time.Second, "too late": kvoauth.DefaultSignInTimeout} {
		for _, forgetful := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, store expires %t", name, forgetful), func(t *testing.T) {
				idp.SetFaults(fakeop.Faults{})
				w := newWorld(t, idp, func(c *kvoauth.Config) {
					if forgetful {
						return
					}
					timeless, err := store.NewMemory(store.MemoryConfig{})
					if err != nil {
						t.Fatal(err)
					}
					c.KV.(*ledger).KV = timeless
				})
				b := w.browser()
				authorization := b.StartSignIn()
				w.clock.advance(after)
				a := w.finish(b, b.Authorize(authorization, "alice"))
				if name == "just in time" {
					w.signedIn(b, a, "alice")
					return
				}
				w.refused(a, auth.CodeTransactionInvalid)
				w.calls(0, 0)
			})
		}
	}
}

// TestHostileHead: HEAD starts and consumes nothing, which link previews rely on.
func TestHostileHead(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	cb := w.begin(b)
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		r := httptest.NewRequest(method, cb.URL, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if res := b.Do(r); res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d", method, res.StatusCode)
		}
	}
	before := w.kv.sets
	if res := b.Do(httptest.NewRequest(http.MethodHead, auth.DefaultBasePath+"/signin", nil)); res.StatusCode != http.StatusMethodNotAllowed || w.kv.sets != before {
		t.Errorf("HEAD on signin: status %d", res.StatusCode)
	}
	w.calls(0, 0)
	w.signedIn(b, w.finish(b, cb), "alice")
}

// TestHostileTabs: several sign-ins of one browser at once all work, and their parts do not mix (COOK-09, NS-18).
func TestHostileTabs(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	first, second, third := w.begin(b), w.begin(b), w.begin(b)
	mixed := first.Values()
	mixed.Set("code", second.Values().Get("code"))
	w.refused(w.deliver(b, mixed), auth.CodeCodeRejected) // the provider finds that the verifier is not the code's
	w.calls(1, 0)
	if n := w.kv.transactions(); n != 2 {
		t.Errorf("%d transactions are left, want those of the other tabs", n)
	}
	w.signedIn(b, w.finish(b, third), "alice")
	w.refusedSignedIn(w.finish(b, second), auth.CodeCodeRejected) // its code was spent above
}

// refusedSignedIn is refused for a browser that is signed in already.
func (w *world) refusedSignedIn(a *answer, code auth.Code) {
	w.t.Helper()
	if a.reason != string(code) || w.kv.sessions() != 1 {
		w.t.Errorf("reason %q with %d sessions, want %q with one", a.reason, w.kv.sessions(), code)
	}
	w.silent(a)
}

// TestHostileAbandoned: a ninth sign-in under way gives up the oldest, so that the Cookie header stays small.
func TestHostileAbandoned(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	w := newWorld(t, idp, nil)
	b := w.browser()
	var tabs []*authtest.Callback
	for range 12 {
		tabs = append(tabs, w.begin(b))
	}
	if n := len(b.Cookies()); n != 8 {
		t.Errorf("%d cookies, want 8", n)
	}
	w.refused(w.finish(b, tabs[0]), auth.CodeTransactionMissing)
	w.refused(w.finish(b, tabs[3]), auth.CodeTransactionMissing)
	for _, tab := range []*authtest.Callback{tabs[4], tabs[11]} {
		w.signedIn(b, w.finish(b, tab), "alice")
	}
}

// TestHostileSwappedProvider: the answer of one provider to the sign-in of another (R9700-04, R9207-01, NS-03, ADV-21).
func TestHostileSwappedProvider(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	evil := newIDP(t, authtest.ProviderConfig{ID: "evil", Issuer: "https://evil.test"})
	for _, swap := range []struct{ own, other string }{{"fake", "evil"}, {"evil", "fake"}} {
		t.Run(swap.own, func(t *testing.T) {
			w := newWorld(t, idp, nil, evil)
			b := w.browser()
			own, other := w.begin(b, "providerId", swap.own), w.begin(b, "providerId", swap.other)
			mixed := own.Values()
			mixed.Set("iss", other.Values().Get("iss"))
			mixed.Set("code", other.Values().Get("code"))
			w.refused(w.deliver(b, mixed), auth.CodeIssuerMismatch)
			w.calls(0, 0)
			if n := w.kv.transactions(); n != 1 {
				t.Errorf("%d transactions are left, want the other one", n)
			}
		})
	}
}

// TestHostileProviderPath: an answer at the callback route of another provider (R9700-05, CONF-N24).
func TestHostileProviderPath(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	evil := newIDP(t, authtest.ProviderConfig{ID: "evil", Issuer: "https://evil.test"})
	for path, want := range map[string]auth.Code{"evil": auth.CodeIssuerMismatch, "unknown": auth.CodeIssuerMismatch, "fake": "", "": ""} {
		w := newWorld(t, idp, nil, evil)
		b := w.browser()
		cb := w.begin(b)
		r := httptest.NewRequest(http.MethodGet, cb.URL, nil)
		for _, c := range b.Cookies() {
			r.AddCookie(c)
		}
		_, err := w.backend.HandleCallback(r, auth.CallbackParams{Values: cb.Values(), ProviderID: path})
		if auth.CodeOf(err) != want {
			t.Errorf("at the callback of %q: %v", path, err)
		}
		if want != "" {
			w.calls(0, 0)
		}
	}
}

// TestHostileResponseMode: the answer must come the way it was asked for (section 1.1, NS-62).
func TestHostileResponseMode(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	t.Run("form_post as asked", func(t *testing.T) {
		w := newWorld(t, idp, formPost)
		b := w.browser()
		cb := w.begin(b)
		if cb.Form == nil {
			t.Fatal("form_post was not asked for")
		}
		if page := b.Finish(cb); page.Status >= 500 || !b.SignedIn() { // a cross-site POST, with what SameSite leaves of the cookies
			t.Errorf("status %d", page.Status)
		}
	})
	asQuery := func(v url.Values) (string, string, url.Values) {
		return http.MethodGet, authtest.AppOrigin + callbackPath + "?" + v.Encode(), nil
	}
	asForm := func(v url.Values) (string, string, url.Values) {
		return http.MethodPost, authtest.AppOrigin + callbackPath, v
	}
	for _, row := range []struct {
		name      string
		configure func(*kvoauth.Config)
		how       func(url.Values) (string, string, url.Values)
		left      int
	}{
		{"query instead of form_post", formPost, asQuery, 0},
		{"form_post instead of query", nil, asForm, 0},
		{"form without anything, all in the query", formPost, func(v url.Values) (string, string, url.Values) {
			return http.MethodPost, authtest.AppOrigin + callbackPath + "?" + v.Encode(), url.Values{}
		}, 1},
		{"state in the form, code in the query", formPost, func(v url.Values) (string, string, url.Values) {
			return http.MethodPost, authtest.AppOrigin + callbackPath + "?" + v.Encode(), url.Values{"state": v["state"], "iss": v["iss"]}
		}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, idp, row.configure)
			b := w.browser()
			cb := w.begin(b)
			method, target, form := row.how(cb.Values())
			w.refused(w.send(b, method, target, form), auth.CodeCallbackInvalid)
			w.calls(0, 0)
			if n := w.kv.transactions(); n != row.left {
				t.Errorf("%d transactions are left, want %d", n, row.left)
			}
		})
	}
	t.Run("JSON instead of form_post", func(t *testing.T) {
		w := newWorld(t, idp, formPost)
		b := w.browser()
		values := w.begin(b).Values()
		page := b.PostJSON(callbackPath, map[string]string{"code": values.Get("code"), "state": values.Get("state"), "iss": values.Get("iss")})
		if page.Status != http.StatusBadRequest || w.kv.sessions() != 0 {
			t.Errorf("status %d", page.Status)
		}
		w.calls(0, 0)
	})
	t.Run("CONF-X01", func(t *testing.T) {
		w := newWorld(t, idp, formPost)
		b := w.browser()
		w.refused(w.finish(b, b.Deny(b.StartSignIn())), auth.CodeAccessDenied)
		w.calls(0, 0)
	})
}
