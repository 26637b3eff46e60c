package fakeop

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// verifierForm is RFC 7636, section 4.1.
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

func (p *Provider) token(c *call) *Response {
	client, resp := p.authenticateClient(c)
	if resp != nil {
		return resp
	}
	jkt, resp := p.proof(c, "")
	if resp != nil {
		return resp
	}
	if jkt == "" && client.RequireDPoP {
		return oauthError(http.StatusBadRequest, "invalid_dpop_proof", "a proof is required")
	}
	switch c.form.Get("grant_type") {
	case "authorization_code":
		return p.redeemCode(c, client, jkt)
	case "refresh_token":
		return p.redeemRefreshToken(c, client, jkt)
	case "":
		return oauthError(http.StatusBadRequest, "invalid_request", "grant_type is missing")
	}
	return oauthError(http.StatusBadRequest, "unsupported_grant_type", "only authorization_code and refresh_token")
}

// redeemCode exchanges a code (RFC 6749, section 4.1.3).
func (p *Provider) redeemCode(c *call, client *Client, jkt string) *Response {
	g, nonce, problem := p.takeCode(c, client, jkt)
	if problem == "" && !p.bind(g, jkt) {
		problem = "the proof is of another key"
	}
	if problem != "" {
		return oauthError(http.StatusBadRequest, "invalid_grant", problem)
	}
	withRefresh := !client.RequireOfflineAccess || g.has("offline_access")
	return p.issue(c, g, g.scopes, nonce, withRefresh)
}

// takeCode consumes the code. Whoever presents a code a second time, or with the wrong verifier, may have stolen it:
// what was issued for it ends (RFC 6749, section 4.1.2).
func (p *Provider) takeCode(c *call, client *Client, jkt string) (g *grant, nonce, problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entry, ok := p.grants.codes[c.form.Get("code")]
	if !ok {
		return nil, "", "the code is unknown"
	}
	if entry.used {
		entry.grant.revoked = true
		return nil, "", "the code was used before"
	}
	entry.used = true
	switch {
	case entry.grant.client != client:
		return nil, "", "the code is another client's"
	case !p.cfg.Now().Before(entry.expires):
		return nil, "", "the code has expired"
	case c.form.Get("redirect_uri") != entry.redirectURI:
		return nil, "", "the redirect_uri is not that of the authorization request"
	case entry.jkt != "" && jkt != entry.jkt:
		return nil, "", "the proof is of another key than dpop_jkt"
	case !verifies(c.form.Get("code_verifier"), entry.challenge):
		return nil, "", "the code_verifier does not match"
	}
	return entry.grant, entry.nonce, ""
}

func verifies(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return verifierForm.MatchString(verifier) && subtle.ConstantTimeCompare([]byte(encode(sum[:])), []byte(challenge)) == 1
}

// redeemRefreshToken exchanges a refresh token (RFC 6749, section 6; OpenID Connect Core 1.0, section 12).
func (p *Provider) redeemRefreshToken(c *call, client *Client, jkt string) *Response {
	g, problem := p.takeRefreshToken(c.form.Get("refresh_token"), client, jkt)
	if problem != "" {
		return oauthError(http.StatusBadRequest, "invalid_grant", problem)
	}
	scopes := g.scopes
	if c.form.Has("scope") {
		scopes = strings.Fields(c.form.Get("scope"))
		for _, s := range scopes {
			if !g.has(s) {
				return oauthError(http.StatusBadRequest, "invalid_scope", "more than was granted")
			}
		}
	}
	return p.issue(c, g, scopes, "", !client.StaticRefreshTokens)
}

// takeRefreshToken consumes the token. A second use means that two parties hold it, and ends the whole family (RFC
// 9700, section 4.14.2).
func (p *Provider) takeRefreshToken(value string, client *Client, jkt string) (*grant, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.grants.refresh[value]
	if !ok || t.grant.client != client {
		return nil, "the refresh token is unknown"
	}
	if t.used {
		t.grant.revoked = true
		return nil, "the refresh token was used before"
	}
	if t.grant.jkt != jkt {
		return nil, "the proof is of another key"
	}
	if !t.live(p.cfg.Now()) {
		return nil, "the refresh token has ended"
	}
	t.used = !client.StaticRefreshTokens
	return t.grant, ""
}

// issue makes the token answer (RFC 6749, section 5.1; OpenID Connect Core 1.0, section 3.1.3.3).
func (p *Provider) issue(c *call, g *grant, scopes []string, nonce string, withRefresh bool) *Response {
	access := newToken()
	kind := "Bearer"
	if g.jkt != "" {
		kind = "DPoP"
	}
	answer := map[string]any{
		"access_token": access,
		"token_type":   kind,
		"expires_in":   int64(p.cfg.AccessTokenLife / time.Second),
		"scope":        strings.Join(scopes, " "),
	}
	if slices.Contains(scopes, "openid") {
		idToken, err := p.idToken(c, g, access, nonce)
		if err != nil {
			return serverError(err)
		}
		answer["id_token"] = idToken
	}
	refresh := ""
	if withRefresh {
		refresh = newToken()
		answer["refresh_token"] = refresh
	}
	p.keep(g, scopes, access, refresh)
	if c.faults.TokenResponse != nil {
		c.faults.TokenResponse(answer)
	}
	return jsonResponse(http.StatusOK, answer)
}

func (p *Provider) keep(g *grant, scopes []string, access, refresh string) {
	now := p.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grants.access[access] = &accessToken{grant: g, scopes: scopes, expires: now.Add(p.cfg.AccessTokenLife)}
	if refresh == "" {
		return
	}
	t := &refreshToken{grant: g}
	if p.cfg.RefreshTokenLife > 0 {
		t.expires = now.Add(p.cfg.RefreshTokenLife)
	}
	p.grants.refresh[refresh] = t
}
