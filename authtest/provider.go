package authtest

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/providers"
)

// Where the application and the provider are, unless they are told otherwise. The names resolve nowhere (RFC 6761).
const (
	AppOrigin   = "https://app.test"
	Issuer      = "https://idp.test"
	RedirectURI = AppOrigin + auth.DefaultBasePath + "/callback"
	// PostLogoutRedirectURI is registered too.
	PostLogoutRedirectURI = AppOrigin + auth.DefaultBasePath + "/signout/callback"
)

// ProviderConfig configures [NewProvider]. The zero value is complete.
type ProviderConfig struct {
	// ID is the provider's id. If empty, "fake".
	ID string
	// Issuer is the issuer identifier. If empty, [Issuer]. Two providers of one test need two.
	Issuer string
	// RedirectURI is the client's redirect URI. If empty, [RedirectURI].
	RedirectURI string
	// Configure is called with the provider's whole configuration before the provider is made: clients, users, lifetimes,
	// the clock. The first client is the one of [Provider.ClientID]. If nil, nothing is changed.
	Configure func(*fakeop.Config)
}

// Provider is a fake OpenID provider that is reachable in the process alone. Its users are alice, bob and carol; the
// e-mail address of carol is not verified.
type Provider struct {
	*fakeop.Provider
	// ClientID and ClientSecret are those of the client that is registered.
	ClientID     string
	ClientSecret auth.Secret

	id        string
	algs      []string
	transport *Transport
	t         testing.TB
}

// NewProvider returns a provider. It fails the test when the configuration is wrong.
func NewProvider(t testing.TB, c ProviderConfig) *Provider {
	t.Helper()
	redirect := cmp.Or(c.RedirectURI, RedirectURI)
	home := AppOrigin
	if u, err := url.Parse(redirect); err == nil {
		home = originOf(u)
	}
	cfg := fakeop.Config{
		Issuer: cmp.Or(c.Issuer, Issuer),
		Clients: []fakeop.Client{{
			ID: "test-client", Secret: "test-client-secret", Name: "Test application",
			RedirectURIs: []string{redirect}, PostLogoutRedirectURIs: []string{home, home + "/", home + auth.DefaultBasePath + "/signout/callback"},
		}},
		Users: []fakeop.User{
			{Subject: "alice", Name: "Alice Example", Email: "alice@example.test", EmailVerified: true},
			{Subject: "bob", Name: "Bob Example", Email: "bob@example.test", EmailVerified: true},
			{Subject: "carol", Name: "Carol Example", Email: "carol@example.test"},
		},
	}
	if c.Configure != nil {
		c.Configure(&cfg)
	}
	op, err := fakeop.New(cfg)
	if err != nil {
		t.Fatalf("authtest: %v", err)
	}
	issuer, err := url.Parse(op.Issuer())
	if err != nil {
		t.Fatalf("authtest: %v", err)
	}
	client := cfg.Clients[0]
	p := &Provider{Provider: op, ClientID: client.ID, ClientSecret: auth.NewSecret(client.Secret), id: cmp.Or(c.ID, "fake"), t: t}
	if client.IDTokenAlg != "" {
		p.algs = []string{client.IDTokenAlg}
	}
	p.transport = NewTransport(map[string]http.Handler{originOf(issuer): op})
	return p
}

// Client returns an HTTP client that reaches this provider and nothing else.
func (p *Provider) Client() *http.Client { return &http.Client{Transport: p.transport} }

// Definition returns the provider's description.
func (p *Provider) Definition() providers.Provider {
	p.t.Helper()
	define := providers.Define
	if strings.HasPrefix(p.Issuer(), "http:") {
		define = providers.DefineInsecure
	}
	d, err := define(providers.Provider{ID: p.id, DisplayName: "Fake provider", Kind: providers.OIDC, Issuer: p.Issuer(), SigningAlgs: p.algs})
	if err != nil {
		p.t.Fatalf("authtest: %v", err)
	}
	return d
}

// ClientFor returns an HTTP client that reaches all of the providers.
func ClientFor(list ...*Provider) *http.Client {
	handlers := make(map[string]http.Handler)
	for _, p := range list {
		maps.Copy(handlers, p.transport.handlers)
	}
	return &http.Client{Transport: NewTransport(handlers)}
}
