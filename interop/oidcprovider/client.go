package oidcprovider

import "encoding/json"

// Client is a registered OAuth client. The JSON names are those of OpenID
// Connect Dynamic Client Registration 1.0, section 2.
type Client struct {
	ID string `json:"client_id"`
	// Secret is the client's password. If empty, the client is public and must
	// use PKCE.
	Secret string `json:"client_secret,omitempty"`
	// AuthMethod is how the client authenticates at the token endpoint. If empty,
	// it is client_secret_basic with a Secret and none without.
	AuthMethod string `json:"token_endpoint_auth_method"`
	// AuthSigningAlg is the algorithm of client assertions. If empty, any.
	AuthSigningAlg string `json:"token_endpoint_auth_signing_alg,omitempty"`
	// JWKS holds the client's public keys, for private_key_jwt.
	JWKS json.RawMessage `json:"jwks,omitempty"`
	// DPoPBound refuses token requests without a DPoP proof.
	DPoPBound bool `json:"dpop_bound_access_tokens,omitempty"`
	// RedirectURIs are compared exactly.
	RedirectURIs []string `json:"redirect_uris"`
	// PostLogoutRedirectURIs are where RP-initiated logout may lead to.
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// BackchannelLogoutURI receives logout tokens. If empty, none are sent.
	BackchannelLogoutURI string `json:"backchannel_logout_uri,omitempty"`
	// BackchannelLogoutSessionRequired puts sid into ID tokens and logout tokens.
	BackchannelLogoutSessionRequired bool `json:"backchannel_logout_session_required,omitempty"`
	// GrantTypes are the allowed grants. If nil, authorization_code and
	// refresh_token.
	GrantTypes []string `json:"grant_types"`
	// IDTokenAlg signs ID tokens. If empty, RS256; ES256 works too.
	IDTokenAlg string `json:"id_token_signed_response_alg,omitempty"`
}

// DefaultClients returns one client of each kind, all with the same redirect
// URIs: "basic" and "post", named after how they send their secret, and "public".
func DefaultClients(redirectURIs ...string) []Client {
	return []Client{
		{ID: "basic", Secret: "basic-secret", AuthMethod: "client_secret_basic", RedirectURIs: redirectURIs},
		{ID: "post", Secret: "post-secret", AuthMethod: "client_secret_post", RedirectURIs: redirectURIs},
		{ID: "public", RedirectURIs: redirectURIs},
	}
}

func (c Client) withDefaults() Client {
	if c.AuthMethod == "" {
		c.AuthMethod = "client_secret_basic"
		if c.Secret == "" {
			c.AuthMethod = "none"
		}
	}
	if c.GrantTypes == nil {
		c.GrantTypes = []string{"authorization_code", "refresh_token"}
	}
	return c
}
