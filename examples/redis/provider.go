package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// provider is where people sign in.
type provider struct {
	client kvoauth.Client
	note   string           // for who has started the program
	op     *fakeop.Provider // nil if it is a real one
	close  func()
}

// chooseProvider takes the provider that the environment names. If it names none, it starts a fake.
func chooseProvider(ctx context.Context, getenv func(string) string, appURL string) (*provider, error) {
	issuer, id, secret := getenv("NETSCRIPT_AUTH_ISSUER"), getenv("NETSCRIPT_AUTH_CLIENT_ID"), getenv("NETSCRIPT_AUTH_CLIENT_SECRET")
	switch {
	case issuer == "" && id == "" && secret == "":
		return startFake(ctx, appURL)
	case issuer == "" || id == "" || secret == "": // half a configuration is a mistake, and no wish for a fake
		return nil, errors.New("NETSCRIPT_AUTH_ISSUER, NETSCRIPT_AUTH_CLIENT_ID and NETSCRIPT_AUTH_CLIENT_SECRET go together: set all or none")
	}
	// Of known providers there are presets: providers.Google(), providers.GitHub(), ...
	return &provider{client: kvoauth.Client{
		Provider: providers.Provider{ID: "sso", DisplayName: "Single sign-on", Kind: providers.OIDC, Issuer: issuer},
		ClientID: id, ClientSecret: auth.NewSecret(secret),
	}, note: "People sign in at " + issuer + ".", close: func() {}}, nil
}

// startFake serves an identity provider where anybody signs in as one of two people. It is at 127.0.0.1 and the
// application at localhost: cookies know hosts but not ports, so the two need two names.
func startFake(ctx context.Context, appURL string) (*provider, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	issuer, secret := "http://"+listener.Addr().String(), rand.Text()
	op, err := fakeop.New(fakeop.Config{
		Issuer: issuer,
		Name:   "Acme ID",
		Users: []fakeop.User{
			{Subject: "ada", Name: "Ada Lindqvist", Email: "ada@acme.test", EmailVerified: true},
			{Subject: "ben", Name: "Ben Okafor", Email: "ben@acme.test"},
		},
		Clients: []fakeop.Client{{
			ID: "redis", Name: "The Redis example", Secret: secret,
			RedirectURIs: []string{appURL + auth.DefaultBasePath + "/callback"},
			// No refresh tokens: the fake of another instance would not know them, and a refresh that is refused ends the
			// session.
			RequireOfflineAccess: true,
		}},
	})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: op, ReadHeaderTimeout: readHeaderTimeout}
	go func() { _ = server.Serve(listener) }()
	return &provider{client: kvoauth.Client{
		Provider: providers.Provider{ID: "acme", DisplayName: "Acme ID", Kind: providers.OIDC, Issuer: issuer},
		ClientID: "redis", ClientSecret: auth.NewSecret(secret),
	}, note: "The provider is a fake: no password is asked for.", op: op, close: func() { _ = server.Close() }}, nil
}
