package fakeop

import (
	"net/http"
	"net/url"
)

// authenticateClient finds the client that a request of the token or revocation endpoint comes from (RFC 6749, section
// 2.3). It answers instead when there is none.
func (p *Provider) authenticateClient(c *call) (*Client, *Response) {
	id, secret, method, ok := c.credentials()
	if !ok {
		return nil, oauthError(http.StatusBadRequest, "invalid_request", "a parameter is repeated, or two ways of client authentication are mixed")
	}
	client, known := p.client(id)
	if known && method == AuthPost && client.AuthMethod == AuthSignedSecret {
		method = AuthSignedSecret
	}
	if !known || !client.allows(method) || !p.proves(client, method, secret) {
		resp := oauthError(http.StatusUnauthorized, "invalid_client", "client authentication failed")
		if method == AuthBasic {
			resp.Header.Set("Www-Authenticate", `Basic realm="fakeop"`)
		}
		return nil, resp
	}
	return client, nil
}

// proves reports whether the credential that came by method is the client's.
func (p *Provider) proves(client *Client, method AuthMethod, credential string) bool {
	switch method {
	case AuthNone:
		return true
	case AuthSecretJWT, AuthKeyJWT:
		return p.checkAssertion(client, credential) == nil
	case AuthSignedSecret:
		return p.checkSignedSecret(client, credential) == nil
	}
	return client.secretIs(credential)
}

// credentials reads what the client says of itself. It is not ok to say it in two ways.
func (c *call) credentials() (id, secret string, method AuthMethod, ok bool) {
	for _, values := range c.form {
		if len(values) > 1 {
			return "", "", "", false
		}
	}
	bodyID := c.form.Get("client_id")
	user, password, basic := c.r.BasicAuth()
	switch {
	case basic && c.form.Has("client_secret"), c.form.Has("client_assertion") && (basic || c.form.Has("client_secret")):
		return "", "", "", false
	case c.form.Has("client_assertion"):
		return c.assertionCredentials(bodyID)
	case basic:
		// Both halves are form-encoded before Basic is applied (RFC 6749, section 2.3.1).
		id, errID := url.QueryUnescape(user)
		secret, errSecret := url.QueryUnescape(password)
		consistent := bodyID == "" || bodyID == id
		return id, secret, AuthBasic, errID == nil && errSecret == nil && consistent
	case c.form.Has("client_secret"):
		return bodyID, c.form.Get("client_secret"), AuthPost, true
	}
	return bodyID, "", AuthNone, true
}

// assertionCredentials reads a client assertion. Who the client is its sub says, and client_id may repeat (RFC 7521,
// section 4.2).
func (c *call) assertionCredentials(bodyID string) (id, secret string, method AuthMethod, ok bool) {
	raw := c.form.Get("client_assertion")
	t, err := parseToken(raw)
	if err != nil || c.form.Get("client_assertion_type") != assertionType || bodyID != "" && bodyID != t.text("sub") {
		return "", "", "", false
	}
	method = AuthKeyJWT
	if t.alg() == algHS256 {
		method = AuthSecretJWT
	}
	return t.text("sub"), raw, method, true
}
