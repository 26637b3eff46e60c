package fakeop

import (
	"net/http"
	"net/url"
	"slices"
)

// endSession signs the browser out at the provider (OpenID Connect RP-Initiated Logout 1.0, section 2). Without a
// genuine id_token_hint anyone could have sent the browser here, so it is required of a browser that is signed in.
func (p *Provider) endSession(c *call) *Response {
	params := c.params()
	if client, ok := p.client(params.Get("client_id")); ok && !params.Has("id_token_hint") && p.session(c.r) == nil {
		return p.afterSignOut(client, params)
	}
	h, err := p.openHint(params.Get("id_token_hint"))
	if err != nil {
		return p.message(http.StatusBadRequest, "Not signed out", "The application did not send a valid id_token_hint.")
	}
	client, ok := p.client(h.Audience)
	if !ok || params.Has("client_id") && params.Get("client_id") != client.ID {
		return p.message(http.StatusBadRequest, "Not signed out", "The id_token_hint is of another application.")
	}
	p.forget(h.SID)
	resp := p.afterSignOut(client, params)
	expired := p.cookie("")
	expired.MaxAge = -1
	resp.Header.Add("Set-Cookie", expired.String())
	return resp
}

func (p *Provider) afterSignOut(client *Client, params url.Values) *Response {
	uri := params.Get("post_logout_redirect_uri")
	if uri == "" {
		return p.message(http.StatusOK, "Signed out", "You are signed out of "+p.cfg.Name+".")
	}
	if !slices.Contains(client.PostLogoutRedirectURIs, uri) {
		return p.message(http.StatusBadRequest, "Signed out", "The post_logout_redirect_uri is not registered for this application.")
	}
	u, err := url.Parse(uri)
	if err != nil {
		return serverError(err)
	}
	if state := params.Get("state"); state != "" {
		query := u.Query()
		query.Set("state", state)
		u.RawQuery = query.Encode()
	}
	return redirectTo(u.String())
}

// forget ends the session and what was granted in it.
func (p *Provider) forget(sid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for value, s := range p.grants.sessions {
		if s.sid == sid {
			delete(p.grants.sessions, value)
		}
	}
	for _, t := range p.grants.refresh {
		// offline_access is the user's leave to go on without them (OpenID Connect Core 1.0, section 11).
		if t.grant.sid == sid && !t.grant.has("offline_access") {
			t.grant.revoked = true
		}
	}
}
