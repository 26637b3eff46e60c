package providers

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Validate reports everything that is wrong with p, or nil. The messages name fields and never repeat their
// values. Issuer and endpoints must be https.
func (p Provider) Validate() error { return p.validate(false) }

// ValidateInsecure is Validate, but accepts http for loopback hosts (localhost and names under it, 127.0.0.0/8,
// ::1), for a provider on the developer's own machine. Other users of that machine can then read codes and
// tokens.
func (p Provider) ValidateInsecure() error { return p.validate(true) }

func (p Provider) validate(allowHTTP bool) error {
	v := violations{allowHTTP: allowHTTP}
	v.identity(p)
	v.issuer(p)
	v.endpoints(p)
	v.authorization(p)
	v.userInfo(p)
	if len(v.errs) == 0 {
		return nil
	}
	return fmt.Errorf("providers: invalid provider: %w", errors.Join(v.errs...))
}

// violations collects what is wrong with a Provider.
type violations struct {
	allowHTTP bool
	errs      []error
}

func (v *violations) addf(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(format, args...))
}

func (v *violations) identity(p Provider) {
	if !validID(p.ID) {
		v.addf("ID must match [a-z0-9][a-z0-9-]{0,62}")
	}
	if strings.ContainsFunc(p.DisplayName, unicode.IsControl) {
		v.addf("DisplayName has a control character")
	}
	if p.Kind != OIDC && p.Kind != OAuth {
		v.addf("Kind must be %q or %q", OIDC, OAuth)
	}
	if p.RequireIss && p.Issuer == "" && p.TenantIssuer == "" {
		v.addf("RequireIss needs an Issuer to compare with")
	}
}

func (v *violations) issuer(p Provider) {
	if p.Issuer != "" {
		v.issuerURL("Issuer", p.Issuer)
	}
	if p.TenantIssuer == "" {
		if p.Kind == OIDC && p.Issuer == "" {
			v.addf("Issuer is required for kind oidc; a provider without ID tokens is of kind oauth")
		}
		if len(p.AllowedTenants) > 0 || p.InsecureAnyTenant {
			v.addf("AllowedTenants and InsecureAnyTenant need a TenantIssuer; nothing would enforce them")
		}
		return
	}
	v.tenants(p)
}

func (v *violations) tenants(p Provider) {
	if p.Kind != OIDC || p.Issuer != "" {
		v.addf("TenantIssuer is for kind oidc and replaces Issuer")
	}
	// The placeholder must be in the path: a tenant must not choose the host.
	before, after, found := strings.Cut(p.TenantIssuer, TenantPlaceholder)
	base, err := url.Parse(before)
	if !found || err != nil || !strings.HasSuffix(base.Path, "/") || after != "" && after[0] != '/' {
		v.addf("TenantIssuer must have %s once, as a path segment", TenantPlaceholder)
	}
	// The placeholder itself is not a legal URL; what fills it must be.
	v.issuerURL("TenantIssuer", strings.Replace(p.TenantIssuer, TenantPlaceholder, "t", 1))
	switch {
	case len(p.AllowedTenants) == 0 && !p.InsecureAnyTenant:
		v.addf("AllowedTenants is required with TenantIssuer: anyone can open a tenant")
	case len(p.AllowedTenants) > 0 && p.InsecureAnyTenant:
		v.addf("AllowedTenants and InsecureAnyTenant exclude each other")
	}
	for _, t := range p.AllowedTenants {
		if !validTenant(t) {
			v.addf("AllowedTenants must match [A-Za-z0-9_-]{1,128}")
		}
	}
	if p.AuthorizationEndpoint == "" || p.TokenEndpoint == "" || p.JWKSURI == "" {
		v.addf("TenantIssuer needs explicit authorization, token and JWKS endpoints: discovery cannot confirm a template")
	}
}

// endpointFields lists every URL of p that is fetched or redirected to.
func (p Provider) endpointFields() []struct{ name, value string } {
	return []struct{ name, value string }{
		{"AuthorizationEndpoint", p.AuthorizationEndpoint},
		{"TokenEndpoint", p.TokenEndpoint},
		{"UserInfoEndpoint", p.UserInfoEndpoint},
		{"JWKSURI", p.JWKSURI},
		{"PushedAuthorizationEndpoint", p.PushedAuthorizationEndpoint},
		{"RevocationEndpoint", p.RevocationEndpoint},
		{"EndSessionEndpoint", p.EndSessionEndpoint},
		{"EmailEndpoint", p.EmailEndpoint},
	}
}

func (v *violations) endpoints(p Provider) {
	for _, f := range p.endpointFields() {
		if f.value == "" {
			continue
		}
		if _, err := v.checkURL(f.value); err != nil {
			v.addf("%s %w", f.name, err)
		}
	}
	if p.Kind != OAuth {
		return
	}
	if p.AuthorizationEndpoint == "" || p.TokenEndpoint == "" || p.UserInfoEndpoint == "" {
		v.addf("kind oauth needs AuthorizationEndpoint, TokenEndpoint and UserInfoEndpoint")
	}
	if p.JWKSURI != "" || p.SigningAlgs != nil {
		v.addf("JWKSURI and SigningAlgs are for kind oidc")
	}
}

// issuerURL checks an issuer identifier: OpenID Connect Core section 2 allows no query and no fragment.
func (v *violations) issuerURL(field, raw string) {
	u, err := v.checkURL(raw)
	switch {
	case err != nil:
		v.addf("%s %w", field, err)
	case strings.Contains(raw, "?") || u.RawQuery != "":
		v.addf("%s must not have a query", field)
	}
}

func (v *violations) checkURL(raw string) (*url.URL, error) {
	// Bytes that URL parsers disagree about, or that a browser rewrites, never occur in a proper endpoint.
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\\"<>^`{|}", r) }) {
		return nil, errors.New("has a character that a URL must escape")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return nil, errors.New("is not an absolute URL")
	}
	switch {
	case u.Scheme == "http" && (!v.allowHTTP || !loopback(u.Hostname())):
		return nil, errors.New("must be https (http only on a loopback host, and only when insecure HTTP is allowed)")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must be https")
	case u.User != nil:
		return nil, errors.New("must not carry user information")
	case strings.Contains(raw, "#"):
		return nil, errors.New("must not have a fragment")
	}
	return u, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback()
}

func (v *violations) authorization(p Provider) {
	for name := range p.AuthParams {
		v.param("AuthParams", name)
	}
	v.assurance(p)
	// A query in the endpoint is kept (RFC 6749 section 3.1), so it must not set a protocol parameter either.
	if u, err := url.Parse(p.AuthorizationEndpoint); err == nil {
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			v.addf("AuthorizationEndpoint has a malformed query")
		}
		for name := range query {
			v.param("AuthorizationEndpoint", name)
			if isOneOf(assuranceParams[:], name) {
				v.addf("AuthorizationEndpoint sets prompt, max_age or acr_values: set them in AuthParams")
			}
		}
	}
	v.scopes(p)
	if p.ResponseMode != "" && p.ResponseMode != "form_post" {
		v.addf(`ResponseMode must be "" or "form_post"`)
	}
	if p.PushedAuthorization && p.PushedAuthorizationEndpoint == "" && (p.Kind == OAuth || p.Issuer == "") {
		v.addf("PushedAuthorization needs a PushedAuthorizationEndpoint where there is no discovery")
	}
	if p.PostedUser && (p.ResponseMode != "form_post" || p.Kind != OIDC) {
		v.addf("PostedUser is for kind oidc with ResponseMode form_post")
	}
	if p.LogoutRedirectParam != "" && !paramName(p.LogoutRedirectParam) {
		v.addf("LogoutRedirectParam must be letters, digits, '-', '.' and '_'")
	}
	v.clientAuth(p)
	if p.SigningAlgs != nil && len(p.SigningAlgs) == 0 {
		v.addf("SigningAlgs is empty, so that no ID token would be accepted")
	}
	for _, alg := range p.SigningAlgs {
		// No "none", and no HMAC: its key would be the client secret.
		if !slices.Contains(signingAlgs[:], alg) {
			v.addf("SigningAlgs has an unknown or symmetric algorithm")
		}
	}
}

func (v *violations) clientAuth(p Provider) {
	switch p.ClientAuth {
	case "", ClientSecretBasic, ClientSecretPost, ClientSecretJWT, ClientAuthNone, PrivateKeyJWT, SignedSecret:
	default:
		v.addf("ClientAuth is unknown")
	}
	switch p.AssertionAudience {
	case "", AudienceIssuer, AudienceTokenEndpoint:
	default:
		v.addf("AssertionAudience is unknown")
	}
	if p.AssertionAudience == AudienceIssuer && p.Issuer == "" {
		v.addf("AssertionAudience needs an Issuer")
	}
	if (p.ClientAuth == SignedSecret) != (p.AssertionIssuer != "") {
		v.addf("AssertionIssuer is for ClientAuth signed_secret, which needs it")
	}
}

func (v *violations) scopes(p Provider) {
	if p.Kind == OIDC && !slices.Contains(p.Scopes, "openid") {
		v.addf("Scopes must have openid for kind oidc (OpenID Connect Core section 3.1.2.1)")
	}
	for i, s := range p.Scopes {
		if !scopeToken(s) {
			v.addf("Scopes must be scope tokens of RFC 6749 section 3.3, one per element")
		}
		if slices.Contains(p.Scopes[:i], s) {
			v.addf("Scopes has a scope twice")
		}
	}
	if p.ScopeSeparator != "" && p.ScopeSeparator != " " && p.ScopeSeparator != "," {
		v.addf("ScopeSeparator must be a space or a comma")
	}
}

func (v *violations) userInfo(p Provider) {
	for name, value := range p.UserInfoHeader {
		if !headerName(name) || slices.ContainsFunc(ownHeaders[:], func(h string) bool { return strings.EqualFold(h, name) }) {
			v.addf("UserInfoHeader has a name that is malformed or set by the caller")
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			v.addf("UserInfoHeader has a value with a control character")
		}
	}
	if p.Kind == OIDC && (p.Mapping.Subject != "" || p.EmailEndpoint != "") {
		v.addf("Mapping.Subject and EmailEndpoint are for kind oauth: with OpenID Connect the subject is sub, and the ID token vouches for the rest")
	}
	if p.Mapping.EmailConfirmed && (p.Mapping.EmailVerified != "" || p.EmailEndpoint != "") {
		v.addf("Mapping.EmailConfirmed excludes Mapping.EmailVerified and EmailEndpoint")
	}
	if err := p.Mapping.check(); err != nil {
		v.errs = append(v.errs, err)
	}
}

// reservedParams are the authorization request parameters that carry the protocol: PKCE, state, nonce, where
// the answer goes, and whatever could replace the whole request (RFC 9101, RFC 9126) or belongs to the token
// request. A setting that could overwrite one would switch a protection off.
var reservedParams = [...]string{
	"client_assertion", "client_assertion_type", "client_id", "client_secret", "code", "code_challenge",
	"code_challenge_method", "code_verifier", "dpop_jkt", "error", "grant_type", "id_token_hint", "iss", "nonce",
	"redirect_uri", "refresh_token", "registration", "request", "request_uri", "response", "response_mode",
	"response_type", "scope", "state",
}

// signingAlgs are the asymmetric algorithms of RFC 7518 section 3.1 and RFC 8037.
var signingAlgs = [...]string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// ownHeaders are set by whoever sends the request.
var ownHeaders = [...]string{
	"Authorization", "Connection", "Content-Length", "Cookie", "DPoP", "Host", "Proxy-Authorization", "Transfer-Encoding",
}

// param checks a parameter name.
func (v *violations) param(field, name string) {
	if !paramName(name) {
		v.addf("%s has a parameter name other than letters, digits, '-', '.' and '_' (RFC 6749 section 8.2)", field)
	}
	if isOneOf(reservedParams[:], name) {
		v.addf("%s sets a reserved parameter", field)
	}
}

func validID(s string) bool {
	return len(s) >= 1 && len(s) <= 63 && s[0] != '-' && only(s, func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	})
}

func validTenant(s string) bool {
	return len(s) >= 1 && len(s) <= 128 && only(s, func(c byte) bool { return alnum(c) || c == '-' || c == '_' })
}

func paramName(s string) bool {
	return s != "" && only(s, func(c byte) bool { return alnum(c) || c == '-' || c == '.' || c == '_' })
}

// headerName allows fewer names than RFC 9110 section 5.6.2 does; no provider asks for the others.
func headerName(s string) bool {
	return s != "" && only(s, func(c byte) bool { return alnum(c) || c == '-' || c == '_' })
}

// scopeToken is the grammar of RFC 6749 section 3.3.
func scopeToken(s string) bool {
	return s != "" && only(s, func(c byte) bool { return c >= 0x21 && c <= 0x7e && c != '"' && c != '\\' })
}

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
