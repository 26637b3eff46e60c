package fakeop

import "net/http"

// revocation ends a token (RFC 7009, section 2). Revoking a refresh token ends everything of that grant. A token that
// the provider does not know is as good as revoked.
func (p *Provider) revocation(c *call) *Response {
	client, resp := p.authenticateClient(c)
	if resp != nil {
		return resp
	}
	value := c.form.Get("token")
	if value == "" {
		return oauthError(http.StatusBadRequest, "invalid_request", "token is missing")
	}
	if !p.revoke(client, value) {
		return oauthError(http.StatusBadRequest, "invalid_grant", "the token is another client's")
	}
	return &Response{Status: http.StatusOK, Header: http.Header{"Cache-Control": {"no-store"}}}
}

// revoke is false for a token of another client.
func (p *Provider) revoke(client *Client, value string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.grants.refresh[value]; ok {
		if t.grant.client != client {
			return false
		}
		t.grant.revoked = true
		return true
	}
	if t, ok := p.grants.access[value]; ok {
		if t.grant.client != client {
			return false
		}
		delete(p.grants.access, value)
	}
	return true
}
