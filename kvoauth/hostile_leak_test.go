package kvoauth_test

import (
	"context"
	"fmt"
	"io"
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

// readerOfAll is a store that keeps everything that was ever written to it, as somebody who can read it would.
type readerOfAll struct {
	store.KV
	mu   sync.Mutex
	text strings.Builder
}

func (k *readerOfAll) keep(key string, value []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, _ = k.text.WriteString(key + "\n" + string(value) + "\n")
}

func (k *readerOfAll) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	k.keep(key, value)
	return k.KV.Set(ctx, key, value, ttl)
}

func (k *readerOfAll) CompareAndSwap(ctx context.Context, key string, prev, next []byte, ttl time.Duration) (bool, error) {
	k.keep(key, next)
	return k.KV.CompareAndSwap(ctx, key, prev, next, ttl)
}

// TestHostileLeaks goes through a session's whole life and looks for what belongs to the provider and to the backend alone
// in everything that anybody else gets to see: answers, redirects, cookies, logs and the store (R9700-21, R7636-02, NS-02,
// ADV-11, ADV-85, ASVS 10.1.1).
func TestHostileLeaks(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	var mu sync.Mutex
	var tokens []string
	idp.SetFaults(fakeop.Faults{TokenResponse: func(a map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			tokens = append(tokens, a[name].(string))
		}
	}})
	kept := new(readerOfAll)
	w := newWorld(t, idp, func(c *kvoauth.Config) { kept.KV, c.KV = c.KV, kept })
	b := w.browser()
	var said strings.Builder
	visit := func(method, target string, form url.Values) {
		r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		res := b.Do(r)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&said, target, res.Status, res.Header, string(body))
	}
	const at = auth.DefaultBasePath
	authorization := b.StartSignIn("returnTo", "/orders")
	began := fmt.Sprint(authorization, b.Cookies())
	visit(http.MethodGet, b.Authorize(authorization, "alice").URL, nil)
	credential := b.Cookie(kvoauth.DefaultCookieName).Value
	if !strings.Contains(said.String(), "Location:[/orders]") {
		t.Errorf("the return URL is not what was asked for: %s", said.String())
	}
	cookies := said.String() // the one place where the credential belongs
	said.Reset()
	for range 2 {
		for _, route := range []string{"/me", "/session", "/sessions", "/providers", "/describe"} {
			visit(http.MethodGet, at+route, nil)
		}
		w.clock.advance(56 * time.Minute) // and now with new tokens
	}
	w.refreshed(1)
	visit(http.MethodPost, at+"/signout", url.Values{"everywhere": {"true"}})

	if len(tokens) != 6 {
		t.Fatalf("%d tokens, want those of the sign-in and of one refresh", len(tokens))
	}
	verifier := ""
	for _, r := range idp.Requests() {
		verifier += r.Form.Get("code_verifier")
	}
	if len(verifier) < 43 {
		t.Fatalf("verifier %q", verifier)
	}
	places := map[string]string{"the beginning": began, "the callback": cookies, "the answers": said.String(), "the log": w.log.String(), "the store": kept.text.String()}
	for place, text := range places {
		for _, secret := range append(tokens, verifier, idp.ClientSecret.Reveal()) {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %.30q", place, secret)
			}
		}
		if place != "the callback" && strings.Contains(text, credential) {
			t.Errorf("%s holds the session's credential", place)
		}
		if place == "the store" && (strings.Contains(text, "alice") || strings.Contains(text, "Alice")) {
			t.Error("the store can be read")
		}
	}
	if strings.Count(cookies, credential) != 1 || !strings.Contains(cookies, kvoauth.DefaultCookieName+"="+credential) {
		t.Error("the callback says the credential elsewhere than in the cookie")
	}
}

// TestHostileProviderHeaders: nothing of the head of a provider's answer gets into one of ours (NS-60).
func TestHostileProviderHeaders(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	hostile := func(r *fakeop.Response) {
		for name, value := range map[string]string{
			"Set-Cookie": kvoauth.DefaultCookieName + "=" + marker + "; Path=/; Secure", "X-Hostile": marker, "Location": "https://" + marker + ".test/",
			"Access-Control-Allow-Origin": "*", "Clear-Site-Data": `"*"`, "Refresh": "0; url=https://" + marker, "Content-Security-Policy": "default-src *; report-uri /" + marker,
		} {
			r.Header.Set(name, value)
		}
	}
	idp.SetFaults(fakeop.Faults{Answer: map[fakeop.Endpoint]func(*fakeop.Response){
		fakeop.EndpointDiscovery: hostile, fakeop.EndpointJWKS: hostile, fakeop.EndpointToken: hostile, fakeop.EndpointUserInfo: hostile,
	}})
	w := newWorld(t, idp, nil)
	b := w.browser()
	begun := w.send(b, http.MethodGet, auth.DefaultBasePath+"/signin", nil)
	done := w.finish(b, b.Authorize(begun.header.Get("Location"), "alice"))
	w.signedIn(b, done, "alice")
	w.clock.advance(56 * time.Minute)
	refreshed := w.send(b, http.MethodGet, auth.DefaultBasePath+"/me", nil)
	for name, a := range map[string]*answer{"sign-in": begun, "callback": done, "refresh": refreshed} {
		if text := fmt.Sprint(a.header, a.body); strings.Contains(text, marker) || a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Clear-Site-Data") != "" {
			t.Errorf("%s: %s", name, text)
		}
	}
	w.refreshed(1)
}
