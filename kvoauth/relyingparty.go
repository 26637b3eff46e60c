package kvoauth

import (
	"cmp"
	"context"
	"net/http"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/netscript/auth"
	"github.com/netscript/auth/providers"
)

// relyingParty is this application in its role towards one provider.
type relyingParty struct {
	Client
	metadata   *fetched[*metadata]
	keys       *keySet      // for ID tokens
	logoutKeys *keySet      // the same, for logout tokens
	http       *http.Client // for requests with an access token or with none
	client     *http.Client // for forms with the client's credentials
	token      *http.Client // for those of the token endpoint
	algs       []string     // accepted for ID tokens
	revoker    *revoker
	nonces     dpopNonces
	primary    bool // its subjects are not qualified
	*settings
}

func newRelyingParty(c Client, s *settings) *relyingParty {
	rp := &relyingParty{Client: c, settings: s, primary: c.Provider.ID == s.PrimaryProvider, algs: c.Provider.SigningAlgs}
	rp.http = newProviderClient(s.HTTPClient)
	rp.http.Transport = &dpopTransport{rp, rp.http.Transport}
	rp.client = newProviderClient(s.HTTPClient)
	rp.client.Transport = &dpopTransport{rp, &clientTransport{rp, rp.client.Transport}}
	rp.token = newProviderClient(s.HTTPClient)
	rp.token.Transport = &tokenTransport{rp.client.Transport}
	rp.metadata = &fetched[*metadata]{timeout: rp.http.Timeout, now: s.Now}
	rp.metadata.fetch = func(ctx context.Context) (*metadata, error) {
		return fetchMetadata(ctx, rp.http, c.Provider, s.InsecureAllowHTTP)
	}
	if len(rp.algs) == 0 {
		rp.algs = []string{string(jose.RS256)} // OpenID Connect Core 1.0, section 3.1.3.7, step 7
	}
	rp.keys = &keySet{fetched: &fetched[[]jose.JSONWebKey]{timeout: rp.http.Timeout, now: s.Now}}
	for _, a := range rp.algs {
		rp.keys.algs = append(rp.keys.algs, jose.SignatureAlgorithm(a))
	}
	rp.keys.fetch = func(ctx context.Context) ([]jose.JSONWebKey, error) {
		m, err := rp.metadata.get(ctx)
		if err != nil {
			return nil, err
		}
		return fetchKeys(ctx, rp.http, m.jwks)
	}
	rp.logoutKeys = rp.keys.apart()
	return rp
}

// grantee names this client at this provider. A refresh token is bound to the client that it was issued to, and is sent to
// nobody but the server that issued it (RFC 6749, section 10.4): a definition that keeps its id and changes its issuer is
// another server.
func (rp *relyingParty) grantee() string {
	issuer := cmp.Or(rp.Provider.Issuer, rp.Provider.TenantIssuer, rp.Provider.TokenEndpoint)
	return issuer + "\x00" + rp.ClientID // no URL has a zero byte
}

func (rp *relyingParty) isOIDC() bool { return rp.Provider.Kind == providers.OIDC }

func (rp *relyingParty) mode() auth.ResponseMode {
	if rp.Provider.ResponseMode == string(auth.ResponseModeFormPost) {
		return auth.ResponseModeFormPost
	}
	return auth.ResponseModeQuery
}

// oauth2 returns the configuration of golang.org/x/oauth2. It knows no secret: clientTransport authenticates the client.
// The style is given, because left to itself the package tries two and sends a code twice.
func (rp *relyingParty) oauth2(m *metadata, redirectURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: rp.ClientID, RedirectURL: redirectURL,
		Endpoint: oauth2.Endpoint{AuthURL: m.authorization, TokenURL: m.token, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// info describes the provider to a sign-in page.
func (rp *relyingParty) info() auth.ProviderInfo {
	return auth.ProviderInfo{
		ID: rp.Provider.ID, DisplayName: rp.Provider.DisplayName, Kind: string(rp.Provider.Kind),
		Capabilities: []string{"interactive"},
	}
}
