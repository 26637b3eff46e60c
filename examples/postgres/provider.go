package main

import (
	"crypto/rand"
	"net/http"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// newFakeProvider returns an identity provider at issuer where anybody signs in as one of two people, and the registration
// of the application at appURL with it. A real one is such as
//
//	kvoauth.Client{Provider: providers.GitHub(), ClientID: "...", ClientSecret: auth.NewSecret("...")}
func newFakeProvider(issuer, appURL string) (http.Handler, kvoauth.Client, error) {
	secret := rand.Text()
	op, err := fakeop.New(fakeop.Config{
		Issuer: issuer,
		Users: []fakeop.User{
			{Subject: "ada", Name: "Ada Lindqvist", Email: "ada@acme.test", EmailVerified: true},
			{Subject: "ben", Name: "Ben Okafor", Email: "ben@acme.test"},
		},
		Clients: []fakeop.Client{{
			ID: "postgres", Name: "The PostgreSQL example", Secret: secret,
			RedirectURIs:           []string{appURL + auth.DefaultBasePath + "/callback"},
			PostLogoutRedirectURIs: []string{appURL + "/"},
			// The provider forgets what it granted with the process, and the sessions stay: so no refresh tokens.
			RequireOfflineAccess: true,
		}},
	})
	return op, kvoauth.Client{
		Provider: providers.Provider{ID: "acme", DisplayName: "Acme ID", Kind: providers.OIDC, Issuer: issuer},
		ClientID: "postgres", ClientSecret: auth.NewSecret(secret),
	}, err
}
