package kvoauth_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// twoOPs is a stub at two issuers: https://idp.test, and https://other.test, which says the same of itself.
type twoOPs struct{ *stubOP }

// RoundTrip implements http.RoundTripper.
func (o twoOPs) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := o.stubOP.RoundTrip(r)
	if err == nil && r.URL.Host == "other.test" && strings.HasPrefix(r.URL.Path, "/.well-known/") {
		doc := bytes.ReplaceAll(o.discovery, []byte("idp.test"), []byte("other.test"))
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(doc)), int64(len(doc))
	}
	return res, err
}

// twoSignIns is a browser with a sign-in at each of two providers under way, and with a session.
type twoSignIns struct {
	op            *stubOP
	backend       *kvoauth.Backend
	first, second *started
	session       string // credential
}

func newTwoSignIns(t *testing.T) *twoSignIns {
	t.Helper()
	s := newStubOP(t)
	kv, err := store.NewMemory(store.MemoryConfig{Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	client := func(id string) kvoauth.Client {
		return kvoauth.Client{ClientID: stubClient, Provider: providers.Provider{ID: id, Issuer: "https://" + id + ".test", SigningAlgs: []string{"EdDSA"}}}
	}
	b, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients: []kvoauth.Client{client("idp"), client("other")}, PrimaryProvider: "idp", RedirectURL: "https://app.test/api/v1/auth/callback", KV: kv,
		Keys: []auth.Key{auth.GenerateKey()}, HTTPClient: &http.Client{Transport: twoOPs{s}}, Now: func() time.Time { return s.now }, CachedSessions: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	created, err := b.CreateSession(t.Context(), auth.CreateSessionParams{Subject: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	return &twoSignIns{op: s, backend: b, first: startAt(t, b, "idp"), second: startAt(t, b, "other"), session: created.Cookies[0].Value}
}

func startAt(t *testing.T, b *kvoauth.Backend, provider string) *started {
	t.Helper()
	d, err := b.SignIn(httptest.NewRequest(http.MethodGet, "/", nil), auth.SignInParams{ProviderID: provider})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(d.Location)
	if err != nil {
		t.Fatal(err)
	}
	return &started{b, d.State, u.Query().Get("nonce"), d.Cookies[0].Name, d.Cookies[0].Value}
}

// fill replaces what a seed names.
func (w *twoSignIns) fill(s string) string {
	return strings.NewReplacer(
		"$NAME2", w.second.cookie, "$SECRET2", w.second.secret, "$STATE2", w.second.state,
		"$NAME", w.first.cookie, "$SECRET", w.first.secret, "$STATE", w.first.state, "$SESSION", w.session,
	).Replace(s)
}

// FuzzTransaction is F-TXN: an answer of the first provider is let in if and only if its state is the one that was issued,
// the browser has the one cookie of it, it comes to that provider's callback, and in time.
func FuzzTransaction(f *testing.F) {
	for _, c := range [][3]string{
		{"$NAME=$SECRET", "$STATE", ""}, {"$NAME=$SECRET", "$STATE", "idp"}, {"$NAME=$SECRET", "$STATE", "other"}, {"$NAME=$SECRET; $NAME2=$SECRET2", "$STATE", ""},
		{"$NAME=$SECRET2", "$STATE", ""}, {"$NAME2=$SECRET2", "$STATE2", ""}, {"$NAME2=$SECRET2", "$STATE2", "idp"}, {"$NAME2=$SECRET", "$STATE2", ""},
		{"$NAME=$SESSION", "$STATE", ""}, {"__Host-ns_session=$SECRET", "$STATE", ""}, {"$NAME=$STATE", "$STATE", ""}, {"$NAME=$SECRET", "$SECRET", ""},
		{"$NAME=$SECRET", "$STATEA", ""}, {"$NAME=$SECRET", "", ""}, {`$NAME="$SECRET"`, "$STATE", ""}, {"$NAME=$SECRET; $NAME=$SECRET", "$STATE", ""},
	} {
		for _, seconds := range []uint16{0, 599, 600} {
			f.Add(c[0], c[1], c[2], seconds)
		}
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, cookies, state, provider string, seconds uint16) {
		w := newTwoSignIns(t)
		cookies, state = w.fill(cookies), w.fill(state)
		age := time.Duration(seconds) * time.Second
		w.op.now = w.op.now.Add(age)
		w.op.token, _ = json.Marshal(map[string]any{"access_token": "at", "token_type": "bearer", "id_token": w.op.goodToken(w.first.nonce)})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", cookies)
		result, err := w.backend.HandleCallback(r, auth.CallbackParams{Values: url.Values{"code": {"c"}, "state": {state}}, ProviderID: provider})
		w.op.settled([]byte(state), result, err)
		fuzzcheck.Discreet(t, err, cookies, w.first.secret, w.second.secret, w.session)
		may := state == w.first.state && (provider == "" || provider == "idp") && age < kvoauth.DefaultSignInTimeout &&
			onlyCookie(cookies, w.first.cookie) == w.first.secret
		if result != nil && !may {
			t.Errorf("signed in with %q, state %q, at %q, after %v", cookies, state, provider, age)
		}
		if result == nil && may && plainCookies(cookies) {
			t.Errorf("not signed in with %q, state %q, at %q, after %v: %v", cookies, state, provider, age, err)
		}
	})
}
