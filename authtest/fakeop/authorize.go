package fakeop

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	modeQuery    = "query"
	modeFormPost = "form_post"
	// interactionLife is how long a login page may stay open.
	interactionLife = 30 * time.Minute
)

// authRequest is an authorization request whose client and redirect URI are genuine.
type authRequest struct {
	client      *Client
	redirectURI string
	mode        string
	state       string
	nonce       string
	challenge   string
	jkt         string // dpop_jkt (RFC 9449, section 10); empty: not said
	scopes      []string
	prompts     []string
	maxAge      time.Duration // negative: not asked for
	acrValues   []string
	loginHint   string
	expires     time.Time
}

// authError is an error that the client is told of by way of the browser (RFC 6749, section 4.1.2.1).
type authError struct{ code, description string }

func (p *Provider) authorize(c *call) *Response {
	a, resp := p.request(c)
	if resp != nil {
		return resp
	}
	s := p.session(c.r)
	if slices.Contains(a.prompts, "none") {
		if e := p.silent(a, s); e != nil {
			return p.deny(c, a, *e)
		}
		return p.grantCode(c, a, s)
	}
	if p.cfg.SingleSignOn && len(a.prompts) == 0 && p.silent(a, s) == nil {
		return p.grantCode(c, a, s)
	}
	return p.loginPage(a)
}

// request reads the authorization request, from its parameters or as it was pushed.
func (p *Provider) request(c *call) (*authRequest, *Response) {
	params := c.params()
	if strings.HasPrefix(params.Get("request_uri"), requestURIPrefix) {
		return p.takePushed(params)
	}
	a, resp := p.returnAddress(params)
	if resp != nil {
		return nil, resp
	}
	if p.cfg.RequirePushedAuthorization {
		return nil, p.deny(c, a, authError{"invalid_request", "authorization requests must be pushed"})
	}
	if e := p.parseAuthRequest(a, params); e != nil {
		return nil, p.deny(c, a, *e)
	}
	return a, nil
}

// returnAddress finds where the answer goes. As long as client and redirect URI are not proven nothing is redirected
// (RFC 6749, section 3.1.2.4): the person is told instead.
func (p *Provider) returnAddress(params url.Values) (*authRequest, *Response) {
	for name, values := range params {
		if len(values) > 1 && (name == "client_id" || name == "redirect_uri") {
			return nil, p.message(http.StatusBadRequest, "Bad request", "The application sent a parameter twice.")
		}
	}
	client, ok := p.client(params.Get("client_id"))
	if !ok {
		return nil, p.message(http.StatusBadRequest, "Unknown application", "No application is registered under this client_id.")
	}
	uri := params.Get("redirect_uri")
	if !slices.Contains(client.RedirectURIs, uri) {
		return nil, p.message(http.StatusBadRequest, "Redirect URI mismatch", "The redirect_uri of the request is not registered for this application.")
	}
	a := &authRequest{client: client, redirectURI: uri, mode: modeQuery, maxAge: -1, expires: p.cfg.Now().Add(interactionLife)}
	if params.Get("response_mode") == modeFormPost {
		a.mode = modeFormPost
	}
	if len(params["state"]) == 1 {
		a.state = params.Get("state")
	}
	return a, nil
}

func (p *Provider) parseAuthRequest(a *authRequest, params url.Values) *authError {
	for name, values := range params {
		if len(values) > 1 {
			return &authError{"invalid_request", name + " was sent twice"} // RFC 6749, section 3.1
		}
	}
	switch {
	case params.Get("response_type") != "code":
		return &authError{"unsupported_response_type", "only code is supported"}
	case params.Has("request"):
		return &authError{"request_not_supported", "request objects are not supported"}
	case params.Has("request_uri"):
		return &authError{"request_uri_not_supported", "request objects are not supported"}
	case params.Has("response_mode") && params.Get("response_mode") != a.mode:
		return &authError{"invalid_request", "the response_mode is not supported"}
	}
	a.challenge = params.Get("code_challenge")
	sum, err := base64.RawURLEncoding.Strict().DecodeString(a.challenge)
	if params.Get("code_challenge_method") != "S256" || err != nil || len(sum) != 32 {
		return &authError{"invalid_request", "PKCE with S256 is required"} // RFC 7636, section 4.4.1
	}
	for _, scope := range strings.Fields(params.Get("scope")) {
		if slices.Contains(p.cfg.Scopes, scope) && !slices.Contains(a.scopes, scope) {
			a.scopes = append(a.scopes, scope)
		}
	}
	a.acrValues = strings.Fields(params.Get("acr_values"))
	a.jkt = params.Get("dpop_jkt")
	a.nonce, a.loginHint = params.Get("nonce"), params.Get("login_hint")
	return a.parsePrompt(params)
}

func (a *authRequest) parsePrompt(params url.Values) *authError {
	a.prompts = strings.Fields(params.Get("prompt"))
	if len(a.prompts) > 1 && slices.Contains(a.prompts, "none") {
		return &authError{"invalid_request", "prompt none excludes others"}
	}
	if !params.Has("max_age") {
		return nil
	}
	seconds, err := strconv.ParseInt(params.Get("max_age"), 10, 32)
	if err != nil || seconds < 0 {
		return &authError{"invalid_request", "max_age is not a number of seconds"}
	}
	a.maxAge = time.Duration(seconds) * time.Second
	return nil
}

// silent says why a request cannot be answered without asking the person, or nil.
func (p *Provider) silent(a *authRequest, s *session) *authError {
	switch {
	case s == nil,
		a.maxAge >= 0 && p.cfg.Now().Sub(s.authTime) > a.maxAge,
		p.acr(a) != "" && !slices.Contains(a.acrValues, s.acr),
		a.loginHint != "" && !s.user.matches(a.loginHint):
		return &authError{"login_required", "the person has to sign in"}
	}
	return nil
}

// acr returns the class under which a person signs in.
func (p *Provider) acr(a *authRequest) string {
	for _, v := range a.acrValues {
		if slices.Contains(p.cfg.ACRValues, v) {
			return v
		}
	}
	return ""
}

func (u *User) matches(loginHint string) bool {
	return u.Subject == loginHint || u.Email != "" && strings.EqualFold(u.Email, loginHint)
}

// grantCode answers with an authorization code.
func (p *Provider) grantCode(c *call, a *authRequest, s *session) *Response {
	now := p.cfg.Now()
	value := newToken()
	p.mu.Lock()
	p.sweep(now)
	p.grants.codes[value] = &code{
		grant:       &grant{client: a.client, user: s.user, scopes: a.scopes, authTime: s.authTime, acr: s.acr, sid: s.sid},
		redirectURI: a.redirectURI, challenge: a.challenge, jkt: a.jkt, nonce: a.nonce, expires: now.Add(p.cfg.CodeLife),
	}
	p.mu.Unlock()
	return p.callback(c, a, url.Values{"code": {value}})
}

func (p *Provider) deny(c *call, a *authRequest, e authError) *Response {
	return p.callback(c, a, url.Values{"error": {e.code}, "error_description": {e.description}})
}

// callback sends the browser back to the client, with the issuer (RFC 9207, section 2).
func (p *Provider) callback(c *call, a *authRequest, params url.Values) *Response {
	if a.state != "" {
		params.Set("state", a.state)
	}
	params.Set("iss", p.cfg.Issuer)
	if c.faults.Callback != nil {
		c.faults.Callback(params)
	}
	if a.mode == modeFormPost {
		return p.formPostPage(a, params)
	}
	u, err := url.Parse(a.redirectURI)
	if err != nil {
		return serverError(err)
	}
	query := u.Query()
	for name, values := range params {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	return redirectTo(u.String())
}

// redirectTo is a 303, which does not send a form on (RFC 9700, section 4.12).
func redirectTo(location string) *Response {
	return &Response{Status: http.StatusSeeOther, Header: http.Header{
		"Location":        {location},
		"Cache-Control":   {"no-store"},
		"Referrer-Policy": {"no-referrer"},
	}}
}
