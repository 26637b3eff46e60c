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
	if !known || !client.allows(method) || method != AuthNone && !client.secretIs(secret) {
		resp := oauthError(http.StatusUnauthorized, "invalid_client", "client authentication failed")
		if method == AuthBasic {
			resp.Header.Set("Www-Authenticate", `Basic realm="fakeop"`)
		}
		return nil, resp
	}
	return client, nil
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
	case basic && c.form.Has("client_secret"):
		return "", "", "", false
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
