package kvoauth_test

import (
	"slices"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// TestInitiatedSignIn: a sign-in that a provider initiates goes to that provider, if it is a configured one, and back to
// no other site.
func TestInitiatedSignIn(t *testing.T) {
	g := newRig(t, rigOptions{backend: func(c *kvoauth.Config) {
		github := kvoauth.Client{Provider: providers.GitHub(), ClientID: "app", ClientSecret: auth.NewSecret("secret")}
		c.PrimaryProvider = c.Clients[0].Provider.ID
		c.Clients = slices.Insert(c.Clients, 0, github)
	}})
	own := g.idp.Definition().ID
	for _, tt := range []struct {
		name string
		p    auth.SignInParams
		want string // the provider; empty: refused
		code auth.Code
	}{
		{"nothing named", auth.SignInParams{}, "github", ""},
		{"CONF-T01 its issuer", auth.SignInParams{Issuer: g.idp.Issuer(), ReturnTo: "/orders"}, own, ""},
		{"its issuer and id", auth.SignInParams{Issuer: g.idp.Issuer(), ProviderID: own}, own, ""},
		{"its issuer and another's id", auth.SignInParams{Issuer: g.idp.Issuer(), ProviderID: "github"}, "", auth.CodeUnknownProvider},
		{"CONF-T01 another issuer", auth.SignInParams{Issuer: g.idp.Issuer() + "1"}, "", auth.CodeUnknownProvider},
		{"a shorter issuer", auth.SignInParams{Issuer: g.idp.Issuer()[:len(g.idp.Issuer())-1]}, "", auth.CodeUnknownProvider},
		{"CONF-T01 a foreign target", auth.SignInParams{Issuer: g.idp.Issuer(), ReturnTo: "https://evil.test/"}, "", auth.CodeReturnURLRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			redirect, err := g.SignIn(request(), tt.p)
			if auth.CodeOf(err) != tt.code {
				t.Fatalf("error %v, want %q", err, tt.code)
			}
			if err == nil && redirect.ProviderID != tt.want {
				t.Errorf("sent to %s, want %s", redirect.ProviderID, tt.want)
			}
		})
	}
}
