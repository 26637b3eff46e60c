package fakeop

import (
	"crypto"
	"crypto/subtle"
	"errors"
	"maps"
	"net/url"
	"slices"
)

// AuthMethod is how a client proves itself at the token endpoint (OpenID Connect Core 1.0, section 9).
type AuthMethod string

// The methods that the provider knows.
const (
	AuthBasic AuthMethod = "client_secret_basic"
	AuthPost  AuthMethod = "client_secret_post"
	AuthNone  AuthMethod = "none"
	// AuthSecretJWT and AuthKeyJWT are assertions signed with HS256 and the secret, or with one of the client's keys.
	AuthSecretJWT AuthMethod = "client_secret_jwt"
	AuthKeyJWT    AuthMethod = "private_key_jwt"
	// AuthSignedSecret is Apple's: a client secret, sent in the form, that is a JWT signed with one of the client's keys.
	AuthSignedSecret AuthMethod = "signed_secret"
)

// Client is a registered relying party.
type Client struct {
	// ID is the client id. Required.
	ID string
	// Secret is the client secret. If empty, the client is public.
	Secret string
	// Name is shown on the login page. If empty, the ID.
	Name string
	// AuthMethod is the only one that is accepted. If empty, basic and post for a client with a secret, else none.
	AuthMethod AuthMethod
	// Keys are the client's public keys by key id (kid), for AuthKeyJWT and AuthSignedSecret. If nil, there are none.
	Keys map[string]crypto.PublicKey
	// AssertionAudience is the one aud that is accepted in assertions. If empty, the issuer and the endpoints' URLs are.
	AssertionAudience string
	// RequireDPoP refuses token requests without a DPoP proof (RFC 9449). If false, who sends one gets bound tokens.
	RequireDPoP bool
	// SecretIssuer is the iss of an AuthSignedSecret, which needs one.
	SecretIssuer string
	// RedirectURIs are compared byte for byte (RFC 9700, section 2.1). At least one is required.
	RedirectURIs []string
	// PostLogoutRedirectURIs are where the browser may be sent after it signed out here. If nil, nowhere.
	PostLogoutRedirectURIs []string
	// IDTokenAlg signs the ID tokens: RS256 or ES256. If empty, RS256.
	IDTokenAlg string
	// AuthorizedParty adds the azp claim to the ID tokens. If false, they have none.
	AuthorizedParty bool
	// RequireOfflineAccess gives a refresh token only when offline_access was granted. If false, every code brings one.
	RequireOfflineAccess bool
	// StaticRefreshTokens keeps a refresh token good after its use, as several large providers do. If false, each use
	// brings a new one, and a second use of the old one revokes them all.
	StaticRefreshTokens bool
}

func (c *Client) validate() error {
	if c.ID == "" || len(c.RedirectURIs) == 0 {
		return errors.New("ID and RedirectURIs are required")
	}
	switch c.AuthMethod {
	case "":
	case AuthBasic, AuthPost, AuthSecretJWT:
		if c.Secret == "" {
			return errors.New("the AuthMethod needs a secret")
		}
	case AuthNone:
		if c.Secret != "" {
			return errors.New("a client with a secret must use it")
		}
	case AuthKeyJWT, AuthSignedSecret:
		if c.Secret != "" || len(c.Keys) == 0 || (c.AuthMethod == AuthSignedSecret) != (c.SecretIssuer != "") {
			return errors.New("the AuthMethod needs Keys and no secret, and a SecretIssuer if it is AuthSignedSecret")
		}
	default:
		return errors.New("unknown AuthMethod")
	}
	if c.IDTokenAlg != "" && c.IDTokenAlg != algRS256 && c.IDTokenAlg != algES256 {
		return errors.New("IDTokenAlg must be RS256 or ES256")
	}
	for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
		if u, err := url.Parse(uri); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" {
			return errors.New("a redirect URI is not an absolute http or https URL without fragment")
		}
	}
	return nil
}

func (c *Client) displayName() string {
	if c.Name == "" {
		return c.ID
	}
	return c.Name
}

func (c *Client) allows(m AuthMethod) bool {
	if c.AuthMethod != "" {
		return m == c.AuthMethod
	}
	if m == AuthSecretJWT || m == AuthKeyJWT || m == AuthSignedSecret {
		return false
	}
	return (m == AuthNone) == (c.Secret == "")
}

func (c *Client) secretIs(s string) bool {
	return subtle.ConstantTimeCompare([]byte(c.Secret), []byte(s)) == 1
}

// origins returns where a form on the provider's pages may lead. Browsers apply form-action to the whole chain of
// redirects after a form, so the origin of every registered URI is in it.
func (c *Client) origins() []string {
	var list []string
	for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
		u, err := url.Parse(uri)
		if err != nil {
			continue
		}
		if o := u.Scheme + "://" + u.Host; !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
}

func cloneClients(clients []Client) []Client {
	clients = slices.Clone(clients)
	for i := range clients {
		clients[i].Keys = maps.Clone(clients[i].Keys)
		clients[i].RedirectURIs = slices.Clone(clients[i].RedirectURIs)
		clients[i].PostLogoutRedirectURIs = slices.Clone(clients[i].PostLogoutRedirectURIs)
	}
	return clients
}
