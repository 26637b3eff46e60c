package providers

import (
	"cmp"
	"maps"
	"slices"
)

// Kind is how a provider says who the user is.
type Kind string

const (
	// OIDC is an OpenID provider. It issues ID tokens, and their verified claims are the identity.
	OIDC Kind = "oidc"
	// OAuth is an OAuth 2.0 server without ID tokens. The answer of its UserInfo endpoint is the identity.
	OAuth Kind = "oauth"
)

// ClientAuth is how the client authenticates at the token endpoint. The zero value means: ClientSecretBasic if
// a secret is configured, PrivateKeyJWT if signing keys are, ClientAuthNone otherwise.
type ClientAuth string

// The ways to authenticate.
const (
	ClientSecretBasic ClientAuth = "client_secret_basic" // RFC 6749 section 2.3.1, HTTP Basic
	ClientSecretPost  ClientAuth = "client_secret_post"  // RFC 6749 section 2.3.1, form parameters
	ClientAuthNone    ClientAuth = "none"                // public client, PKCE only
	ClientSecretJWT   ClientAuth = "client_secret_jwt"   // OpenID Connect Core section 9, HS256 with the secret
	PrivateKeyJWT     ClientAuth = "private_key_jwt"     // OpenID Connect Core section 9
	// SignedSecret sends a client secret as ClientSecretPost does, which is a JWT that the client signs for each
	// request with ES256, in the name of Provider.AssertionIssuer. It is Apple's way and no standard.
	SignedSecret ClientAuth = "signed_secret"
)

// AssertionAudience is what a client names as the audience of the assertions by which it authenticates.
type AssertionAudience string

const (
	// AudienceIssuer is the issuer identifier, as FAPI 2.0 and the revision of RFC 7523 want it. It is the default:
	// a malicious provider cannot have an assertion made that is good at another.
	AudienceIssuer AssertionAudience = "issuer"
	// AudienceTokenEndpoint is the URL of the token endpoint, for providers that accept nothing else. It is also
	// what is used where there is no Issuer.
	AudienceTokenEndpoint AssertionAudience = "token_endpoint"
)

// TenantPlaceholder stands for the tenant in Provider.TenantIssuer.
const TenantPlaceholder = "{tenantid}"

// Provider describes one identity provider. Start from a preset or from Define; a literal that skipped both
// must pass Validate before it is used. Slices and maps belong to whoever built the value; Define copies them.
type Provider struct {
	// ID names the provider in URLs, records and configuration: [a-z0-9][a-z0-9-]{0,62}. Stored identities
	// refer to it, so it must not change later.
	ID string
	// DisplayName is for a sign-in page. If empty, Define uses ID.
	DisplayName string
	// Kind is OIDC or OAuth. If empty, Define uses OIDC.
	Kind Kind

	// Issuer is the exact issuer identifier, compared byte for byte: some end in a slash, most do not. For
	// OIDC it is required unless TenantIssuer is set. For OAuth it is the RFC 9207 iss that the provider
	// sends; if empty, it sends none.
	Issuer string
	// TenantIssuer replaces Issuer for a provider that signs for many tenants, each under an issuer of its
	// own: the issuer with TenantPlaceholder as one path segment, filled from the ID token's tid claim. The
	// authorization, token and JWKS endpoints must then be explicit. If empty, there is one Issuer.
	TenantIssuer string
	// AllowedTenants lists the tenants whose users may sign in. Required with TenantIssuer.
	AllowedTenants []string
	// InsecureAnyTenant lets users of every tenant in, in place of AllowedTenants. Anyone can open a tenant
	// and administers all claims in it, e-mail included: an application that trusts any claim but the subject
	// can be taken over ("nOAuth").
	InsecureAnyTenant bool

	// Endpoints. For OIDC an empty one comes from discovery, and an explicit one wins over discovery. For
	// OAuth the authorization, token and UserInfo endpoints are required, and an empty one does not exist.
	AuthorizationEndpoint string
	TokenEndpoint         string
	UserInfoEndpoint      string
	JWKSURI               string
	// PushedAuthorizationEndpoint is where authorization requests are pushed to (RFC 9126).
	PushedAuthorizationEndpoint string
	RevocationEndpoint          string // RFC 7009 only, not a revocation call of some other form
	EndSessionEndpoint          string // OpenID Connect RP-Initiated Logout
	// RevocationEndsConsent: revoking one token withdraws all that the user has granted the application, on every
	// device, and the next sign-in asks for consent again. Signing out then revokes no token. If false, revoking a token
	// ends what was granted with it.
	RevocationEndsConsent bool
	// LogoutRedirectParam is the parameter in which EndSessionEndpoint (also a discovered one) takes the
	// return URL. If empty, post_logout_redirect_uri. With another name the request also needs client_id.
	LogoutRedirectParam string
	// EmailEndpoint answers the same bearer token with a JSON list of {email, primary, verified}, as GitHub's
	// /user/emails does. If set, it is the only source of the e-mail address. If empty, there is none.
	EmailEndpoint string
	// UserInfoHeader is sent with the UserInfo and e-mail requests, besides Authorization. May be nil.
	UserInfoHeader map[string]string

	// Scopes are asked for unless the sign-in asks for others. If nil, Define uses openid, profile and email
	// for OIDC and none for OAuth.
	Scopes []string
	// ScopeSeparator splits the granted scope in the token response. If empty, a space (RFC 6749 section
	// 3.3); "," is the only other one.
	ScopeSeparator string
	// ClientAuth is how the client authenticates. If empty, it depends on what is configured.
	ClientAuth ClientAuth
	// AssertionAudience is the aud of client assertions (ClientSecretJWT, PrivateKeyJWT, SignedSecret). If empty,
	// AudienceIssuer.
	AssertionAudience AssertionAudience
	// AssertionIssuer is the iss of a SignedSecret, and required for it: Apple's team id. Otherwise it must be empty.
	AssertionIssuer string
	// AuthParams are added to the authorization request. The parameters that carry the protocol itself are
	// refused. With max_age or acr_values, an ID token that does not say that they were honored is refused too (OpenID
	// Connect Core 1.0 section 3.1.3.7, steps 12 and 13): they are for kind OIDC. What a claims
	// parameter asks for is not looked for in the answer. May be nil.
	AuthParams map[string]string
	// ResponseMode is "" (query) or "form_post".
	ResponseMode string
	// PushedAuthorization: authorization requests are pushed to the provider, and the browser carries a reference to
	// them (RFC 9126). If false, the provider's metadata decides.
	PushedAuthorization bool
	// PostedUser: the provider posts the person's name to the callback, in a form field named user that it does not
	// sign. See PostedClaims. Only with ResponseMode form_post. If false, there is no such field.
	PostedUser bool
	// SigningAlgs are the accepted signature algorithms of ID tokens. If nil, RS256 only.
	SigningAlgs []string
	// RequireIss: the provider sends the RFC 9207 iss on every authorization response, so that one without
	// it is refused. If false, the provider's metadata decides, and an iss that is present must match.
	RequireIss bool

	// Mapping says how the provider's answer becomes an identity. The zero value is OpenID Connect's own
	// form.
	Mapping Mapping
}

// Define completes and checks the description of a provider that has no preset. It fills what the fields'
// comments say it fills, and copies slices and maps, so that p may be reused. The errors are those of
// Provider.Validate.
func Define(p Provider) (Provider, error) {
	p = p.complete()
	if err := p.Validate(); err != nil {
		return Provider{}, err
	}
	return p, nil
}

// DefineInsecure is Define for a provider on the developer's own machine: it accepts what
// Provider.ValidateInsecure accepts.
func DefineInsecure(p Provider) (Provider, error) {
	p = p.complete()
	if err := p.ValidateInsecure(); err != nil {
		return Provider{}, err
	}
	return p, nil
}

func (p Provider) complete() Provider {
	p = p.clone()
	p.DisplayName = cmp.Or(p.DisplayName, p.ID)
	p.Kind = cmp.Or(p.Kind, OIDC)
	if p.Scopes == nil && p.Kind == OIDC {
		p.Scopes = openIDScopes()
	}
	return p
}

func openIDScopes() []string { return []string{"openid", "profile", "email"} }

func (p Provider) clone() Provider {
	p.AllowedTenants = slices.Clone(p.AllowedTenants)
	p.UserInfoHeader = maps.Clone(p.UserInfoHeader)
	p.Scopes = slices.Clone(p.Scopes)
	p.AuthParams = maps.Clone(p.AuthParams)
	p.SigningAlgs = slices.Clone(p.SigningAlgs)
	p.Mapping.Claims = maps.Clone(p.Mapping.Claims)
	for name, paths := range p.Mapping.Claims {
		p.Mapping.Claims[name] = slices.Clone(paths)
	}
	return p
}
