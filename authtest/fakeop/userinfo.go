package fakeop

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// userInfo answers with the claims that the token's scopes allow (OpenID Connect Core 1.0, sections 5.3 and 5.4). The
// token is taken from the Authorization header alone (RFC 6750, section 2.1).
func (p *Provider) userInfo(c *call) *Response {
	if c.query.Has("access_token") || c.form.Has("access_token") {
		return oauthError(http.StatusBadRequest, "invalid_request", "the access token belongs in the Authorization header")
	}
	scheme, value, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if len(c.r.Header.Values("Authorization")) != 1 || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP") {
		return unauthorized(`Bearer realm="fakeop"`)
	}
	t := p.accessToken(value)
	if t == nil {
		return unauthorized(`Bearer realm="fakeop", error="invalid_token"`)
	}
	if (t.grant.jkt != "") != strings.EqualFold(scheme, "DPoP") {
		return unauthorized(`Bearer realm="fakeop", error="invalid_token"`) // RFC 9449, section 7.2
	}
	if t.grant.jkt != "" {
		if resp := p.boundProof(c, t, value); resp != nil {
			return resp
		}
	}
	claims := p.userClaims(t)
	if c.faults.UserInfo != nil {
		c.faults.UserInfo(claims)
	}
	return jsonResponse(http.StatusOK, claims)
}

func unauthorized(challenge string) *Response {
	return &Response{Status: http.StatusUnauthorized, Header: http.Header{
		"Www-Authenticate": {challenge},
		"Cache-Control":    {"no-store"},
	}}
}

// accessToken returns the token if it is good now, or nil.
func (p *Provider) accessToken(value string) *accessToken {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.grants.access[value]
	if !ok || t.grant.revoked || !p.cfg.Now().Before(t.expires) {
		return nil
	}
	return t
}

func (p *Provider) userClaims(t *accessToken) map[string]any {
	u := t.grant.user
	claims := maps.Clone(u.Claims)
	if claims == nil {
		claims = make(map[string]any)
	}
	claims["sub"] = u.Subject
	if slices.Contains(t.scopes, "profile") {
		if u.Name != "" {
			claims["name"] = u.Name
		}
		claims["picture"] = string(p.avatarURL(u))
	}
	if slices.Contains(t.scopes, "email") && u.Email != "" {
		claims["email"], claims["email_verified"] = u.Email, u.EmailVerified
	}
	return claims
}
