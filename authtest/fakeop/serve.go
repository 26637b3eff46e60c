package fakeop

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Endpoint names a part of the provider.
type Endpoint string

// The endpoints.
const (
	EndpointDiscovery  Endpoint = "discovery"
	EndpointJWKS       Endpoint = "jwks"
	EndpointAuthorize  Endpoint = "authorize"
	EndpointLogin      Endpoint = "login" // where the login page posts its form
	EndpointToken      Endpoint = "token"
	EndpointUserInfo   Endpoint = "userinfo"
	EndpointRevocation Endpoint = "revocation"
	EndpointEndSession Endpoint = "end_session"
	EndpointPAR        Endpoint = "par" // pushed authorization requests (RFC 9126)
	EndpointAvatar     Endpoint = "avatar"
)

// The paths of the endpoints, below the issuer's.
const (
	pathDiscovery  = "/.well-known/openid-configuration"
	pathJWKS       = "/jwks"
	pathAuthorize  = "/authorize"
	pathLogin      = "/login"
	pathToken      = "/token"
	pathUserInfo   = "/userinfo"
	pathRevocation = "/revoke"
	pathEndSession = "/logout"
	pathPAR        = "/par"
	pathAvatar     = "/avatar/"
)

const maxForm = 64 << 10

// Response is an answer of the provider before it is written.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// call is one request on its way through the provider.
type call struct {
	r        *http.Request
	endpoint Endpoint
	path     string // below the issuer's
	query    url.Values
	form     url.Values // of the body alone
	faults   Faults
}

// params returns what the request says by query and body together.
func (c *call) params() url.Values {
	all := make(url.Values, len(c.query)+len(c.form))
	for _, v := range []url.Values{c.query, c.form} {
		for name, values := range v {
			all[name] = append(all[name], values...)
		}
	}
	return all
}

// ServeHTTP serves all endpoints.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Only the issuer's own host, so that a page of a name that someone points at loopback cannot talk to the provider.
	if !strings.EqualFold(r.Host, p.host) {
		http.Error(w, "not the host of the issuer", http.StatusMisdirectedRequest)
		return
	}
	endpoint, ok := p.route(r.URL.EscapedPath())
	if !ok {
		http.NotFound(w, r)
		return
	}
	c, err := newCall(w, r, endpoint)
	c.path = strings.TrimPrefix(r.URL.EscapedPath(), p.path)
	c.faults = p.record(c)
	if before := c.faults.Before[endpoint]; before != nil && before(w, r) {
		return
	}
	var resp *Response
	if err != nil {
		resp = oauthError(http.StatusBadRequest, "invalid_request", "malformed request")
	} else {
		resp = p.answer(c)
	}
	if resp.Header == nil {
		resp.Header = make(http.Header)
	}
	if answer := c.faults.Answer[endpoint]; answer != nil {
		answer(resp)
	}
	resp.write(w)
}

func (p *Provider) route(path string) (Endpoint, bool) {
	path, ok := strings.CutPrefix(path, p.path)
	if !ok {
		return "", false
	}
	switch path {
	case pathDiscovery:
		return EndpointDiscovery, true
	case pathJWKS:
		return EndpointJWKS, true
	case pathAuthorize:
		return EndpointAuthorize, true
	case pathLogin:
		return EndpointLogin, true
	case pathToken:
		return EndpointToken, true
	case pathUserInfo:
		return EndpointUserInfo, true
	case pathRevocation:
		return EndpointRevocation, true
	case pathEndSession:
		return EndpointEndSession, true
	case pathPAR:
		return EndpointPAR, true
	}
	return EndpointAvatar, strings.HasPrefix(path, pathAvatar)
}

func newCall(w http.ResponseWriter, r *http.Request, endpoint Endpoint) (*call, error) {
	c := &call{r: r, endpoint: endpoint, query: url.Values{}, form: url.Values{}}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if query != nil {
		c.query = query
	}
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	}
	err = errors.Join(err, r.ParseForm())
	if r.PostForm != nil {
		c.form = r.PostForm
	}
	return c, err
}

func (p *Provider) answer(c *call) *Response {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	both := []string{http.MethodGet, http.MethodPost}
	serve := func(f func(*call) *Response, methods []string) *Response {
		if slices.Contains(methods, c.r.Method) {
			return f(c)
		}
		return &Response{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {strings.Join(methods, ", ")}}}
	}
	switch c.endpoint {
	case EndpointDiscovery:
		return serve(p.discovery, get)
	case EndpointJWKS:
		return serve(p.jwks, get)
	case EndpointAuthorize:
		return serve(p.authorize, both)
	case EndpointLogin:
		return serve(p.login, post)
	case EndpointToken:
		return serve(p.token, post)
	case EndpointUserInfo:
		return serve(p.userInfo, both)
	case EndpointRevocation:
		return serve(p.revocation, post)
	case EndpointEndSession:
		return serve(p.endSession, both)
	case EndpointPAR:
		return serve(p.par, post)
	}
	return serve(p.avatar, get)
}

func (resp *Response) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range resp.Header {
		h[name] = values
	}
	if h.Get("X-Content-Type-Options") == "" {
		h.Set("X-Content-Type-Options", "nosniff")
	}
	w.WriteHeader(resp.Status)
	_, _ = w.Write(resp.Body)
}

// jsonResponse encodes v. What a fault put into v that is not JSON becomes a server error that says so.
func jsonResponse(status int, v any) *Response {
	body, err := json.Marshal(v)
	if err != nil {
		return &Response{Status: http.StatusInternalServerError, Header: http.Header{}, Body: []byte("fakeop: " + err.Error())}
	}
	return &Response{Status: status, Header: http.Header{
		"Content-Type":  {"application/json"},
		"Cache-Control": {"no-store"},
	}, Body: body}
}

// oauthError is an error answer of RFC 6749, section 5.2.
func oauthError(status int, code, description string) *Response {
	return jsonResponse(status, map[string]any{"error": code, "error_description": description})
}
