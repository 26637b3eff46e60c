package kvoauth_test

import (
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
)

// TestCallbackOfAnotherProvider gives two providers callbacks of their own (RFC 9700, section 4.4.2.2): an answer that
// comes by another one, or by the common one, is not the answer of the provider that was asked.
func TestCallbackOfAnotherProvider(t *testing.T) {
	own := func(id string) string { return authtest.RedirectURI + "/" + id }
	first := newIDP(t, authtest.ProviderConfig{ID: "first", RedirectURI: own("first")})
	other := newIDP(t, authtest.ProviderConfig{ID: "other", Issuer: "https://other.test", RedirectURI: own("other")})
	w := newWorld(t, first, func(c *kvoauth.Config) {
		for i := range c.Clients {
			c.Clients[i].RedirectURL, c.Clients[i].Provider.RequireIss = own(c.Clients[i].Provider.ID), false
		}
	}, other)
	for _, tt := range []struct {
		name, target string
		code         auth.Code
	}{
		{"its own", own("other"), ""},
		{"another's", own("first"), auth.CodeIssuerMismatch},
		{"nobody's", own("third"), auth.CodeIssuerMismatch},
		{"the common one", authtest.RedirectURI, auth.CodeIssuerMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			other.Reset()
			b := w.browser()
			cb := w.begin(b, "providerId", "other")
			cb.URL = strings.Replace(cb.URL, own("other"), tt.target, 1)
			if got := w.finish(b, cb); got.reason != string(tt.code) {
				t.Fatalf("%d %q, want %q", got.status, got.reason, tt.code)
			}
			if signedIn := b.SignedIn(); signedIn != (tt.code == "") {
				t.Errorf("signed in: %v", signedIn)
			}
			if exchanged := other.Count(fakeop.EndpointToken) != 0; exchanged != (tt.code == "") {
				t.Errorf("the code was sent to the provider: %v", exchanged)
			}
		})
	}
}
