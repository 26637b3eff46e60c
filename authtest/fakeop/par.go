package fakeop

import (
	"net/http"
	"net/url"
	"time"
)

const (
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	pushedLife       = time.Minute
)

// par takes an authorization request from the client itself (RFC 9126, section 2).
func (p *Provider) par(c *call) *Response {
	client, resp := p.authenticateClient(c)
	if resp != nil {
		return resp
	}
	if c.form.Has("request_uri") || c.form.Get("client_id") != client.ID {
		return oauthError(http.StatusBadRequest, "invalid_request", "a pushed request has the client's own client_id and no request_uri")
	}
	params := cloneValues(c.form)
	a, resp := p.returnAddress(params)
	if resp != nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "the redirect_uri is not registered")
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		params.Del(name)
	}
	if e := p.parseAuthRequest(a, params); e != nil {
		return oauthError(http.StatusBadRequest, e.code, e.description)
	}
	jkt, resp := p.proof(c, "")
	if resp != nil {
		return resp
	}
	if jkt != "" && a.jkt != "" && jkt != a.jkt {
		return oauthError(http.StatusBadRequest, "invalid_dpop_proof", "dpop_jkt is of another key")
	}
	if jkt != "" {
		a.jkt = jkt
	}
	uri := requestURIPrefix + newToken()
	a.expires = p.cfg.Now().Add(pushedLife)
	p.mu.Lock()
	p.sweep(p.cfg.Now())
	p.grants.pushed[uri] = a
	p.mu.Unlock()
	return jsonResponse(http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(pushedLife / time.Second)})
}

// takePushed returns a request that was pushed, once. Nothing but the client and the reference may come with it.
func (p *Provider) takePushed(params url.Values) (*authRequest, *Response) {
	uri := params.Get("request_uri")
	p.mu.Lock()
	a, ok := p.grants.pushed[uri]
	delete(p.grants.pushed, uri)
	p.mu.Unlock()
	now := p.cfg.Now()
	if !ok || !now.Before(a.expires) || len(params) != 2 || params.Get("client_id") != a.client.ID || len(params["client_id"]) != 1 {
		return nil, p.message(http.StatusBadRequest, "Bad request", "The request_uri is unknown, or more came with it than the client_id.")
	}
	a.expires = now.Add(interactionLife)
	return a, nil
}
