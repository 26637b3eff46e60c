package auth

import (
	"context"
	"net/http"
	"slices"
)

// Principal is who is asking, in words that do not depend on the provider or the backend.
type Principal struct {
	// Subject identifies the user: stable, never empty for an authenticated request, and never an e-mail address that
	// merely happens to be unique. Compare it byte for byte. Where one user may have linked several accounts, each has a
	// subject of its own, and Session.UserID is the user.
	Subject string
	// Scopes are what the credential grants. Scopes that were requested but not granted are not in it.
	Scopes []string
	// Roles are the application's roles, as the backend or its mapping function gave them.
	Roles []string
	// Scheme is how the request proved it.
	Scheme Scheme
	// Claims are verified facts about the user, by their OpenID Connect names (name, email, email_verified, picture, ...)
	// where one exists (OpenID Connect Core 1.0, section 5.1). Values are string, bool, int64, float64, json.Number, []any
	// and map[string]any. The map may be shared between requests and must not be modified.
	Claims map[string]any
}

// Scheme is how a request was authenticated.
type Scheme string

// The schemes of this module.
const (
	SchemeCustom        Scheme = "custom" // a backend's own session
	SchemeBearer        Scheme = "bearer" // an Authorization: Bearer token (RFC 6750)
	SchemeAPIKey        Scheme = "api-key"
	SchemeTrustedHeader Scheme = "trusted-header" // identity headers of a configured proxy
)

// HasScopes reports whether p has every one of scopes.
func (p *Principal) HasScopes(scopes ...string) bool { return containsAll(p.Scopes, scopes) }

// HasRoles reports whether p has every one of roles.
func (p *Principal) HasRoles(roles ...string) bool { return containsAll(p.Roles, roles) }

// Claim returns the string claim of that name, or "" when it is absent or not a string.
func (p *Principal) Claim(name string) string {
	s, _ := p.Claims[name].(string)
	return s
}

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// Authentication is the outcome of a successful [AuthenticatorPort.Authenticate]. It may be shared between requests
// and must not be modified.
type Authentication struct {
	Principal Principal
	// Session is the session behind the request, or nil when there is none, as with an API key.
	Session *Session
	// Cookies, if any, are set on the response before its body is written: the session was renewed.
	Cookies []*http.Cookie
}

type contextKey struct{}

// NewContext returns a context that carries a, as [RequireAuth] makes it for the handlers it guards.
func NewContext(ctx context.Context, a *Authentication) context.Context {
	return context.WithValue(ctx, contextKey{}, a)
}

// FromContext returns the authentication that a middleware of this package put into ctx. It is false outside such a
// middleware and for a request that a rule let through anonymously.
func FromContext(ctx context.Context) (*Authentication, bool) {
	a, ok := ctx.Value(contextKey{}).(*Authentication)
	return a, ok && a != nil
}
