package main

import (
	"crypto/rand"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// The people who have an account. To the application, Ada of Acme and somebody called ada at Globex would be two users.
var (
	acmePeople = []fakeop.User{
		{Subject: "ada", Name: "Ada Lindqvist", Email: "ada@acme.test", EmailVerified: true},
		{Subject: "ben", Name: "Ben Okafor", Email: "ben@acme.test"},
		{Subject: "mallory", Name: "Mallory Finch", Email: "mallory@acme.test", EmailVerified: true},
	}
	globexPeople = []fakeop.User{
		{Subject: "1042", Name: "Gus Tanaka", Email: "gus@globex.test", EmailVerified: true},
	}
)

// fakeProvider is an identity provider of this process, and the application's registration with it.
type fakeProvider struct {
	*site
	client kvoauth.Client
}

// newFakeProvider starts to listen for a provider at which the application at appURL is registered.
//
// The provider is at 127.0.0.1 and the application at localhost. Cookies know hosts but not ports, so only two names
// keep theirs apart, and make the way back from the provider the cross-site navigation that it is in real life.
func newFakeProvider(id, name, appURL string, people []fakeop.User) (*fakeProvider, error) {
	s, err := listenAs("127.0.0.1", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	secret := rand.Text()
	op, err := fakeop.New(fakeop.Config{
		Issuer: s.url,
		Name:   name,
		Users:  people,
		Clients: []fakeop.Client{{
			ID: "quickstart", Name: "Quickstart", Secret: secret,
			// The common callback is for the first provider, and each other one has its own.
			RedirectURIs: []string{
				appURL + auth.DefaultBasePath + "/callback", appURL + auth.DefaultBasePath + "/callback/" + id,
			},
			PostLogoutRedirectURIs: []string{appURL + auth.DefaultBasePath + "/signout/callback"},
			// No refresh token, since the application does not ask for one: after a restart the fakes would not know it,
			// and a refresh that is refused ends the session.
			RequireOfflineAccess: true,
		}},
	})
	if err != nil {
		s.close()
		return nil, err
	}
	s.handler = op
	return &fakeProvider{site: s, client: kvoauth.Client{
		Provider: providers.Provider{ID: id, DisplayName: name, Kind: providers.OIDC, Issuer: s.url},
		ClientID: "quickstart", ClientSecret: auth.NewSecret(secret),
		PostLogoutRedirectURL: appURL + auth.DefaultBasePath + "/signout/callback", // who signs out does so there too
	}}, nil
}
