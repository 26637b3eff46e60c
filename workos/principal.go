package workos

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netscript/auth"
)

// The names of our claims. A claim of the access token never stands under one of them.
const (
	claimOrganization = "organizationId"
	claimSession      = "sessionId"
	claimMethod       = "authenticationMethod"
	claimEntitlements = "entitlements"
	claimFlags        = "featureFlags"
	claimImpersonator = "impersonator"
	claimUser         = "workosUser"
	claimToken        = "accessTokenClaims" // of the session only: the verified claims of the token as they are
)

// MapPrincipal implements [auth.PrincipalMapperPort]: the session's claims without those of the access token.
func (b *Backend) MapPrincipal(s *auth.Session) auth.Principal { return principalOf(s) }

func principalOf(s *auth.Session) auth.Principal {
	claims := maps.Clone(s.Claims)
	delete(claims, claimToken)
	return auth.Principal{Subject: s.Subject, Scopes: s.Scopes, Roles: s.Roles, Scheme: auth.SchemeCustom, Claims: claims}
}

// sessionOf is the session that verified claims speak of: permissions are its scopes, role and roles its roles.
func sessionOf(c claims) *auth.Session {
	subject := c.text("sub")
	s := &auth.Session{
		ID: c.text("sid"), UserID: subject, AccountID: subject, Subject: subject, ProviderID: Name, State: auth.SessionActive,
		Scopes: c.list("permissions"), Roles: rolesOf(c), Claims: make(map[string]any, 20),
	}
	s.ExpiresAt, _ = c.time("exp")
	if iat, ok := c["iat"].(float64); ok && iat >= 0 && iat <= float64(s.ExpiresAt.Unix()) {
		s.IssuedAt = time.Unix(int64(iat), 0).UTC()
	}
	if s.ID != "" {
		s.Claims[claimSession] = s.ID
	}
	s.Claims[claimToken] = map[string]any(c)
	s.Claims[claimEntitlements] = anyList(c, "entitlements")
	s.Claims[claimFlags] = anyList(c, "feature_flags")
	if org := c.text("org_id"); org != "" {
		s.Claims[claimOrganization] = org
	}
	// RFC 8693, section 4.1: who acts for the subject.
	if act, ok := c["act"].(map[string]any); ok {
		s.Claims[claimImpersonator] = map[string]any{"email": act["sub"], "reason": nil}
	}
	return s
}

// rolesOf is role and then roles, each once.
func rolesOf(c claims) []string {
	roles := c.list("roles")
	role := c.text("role")
	if role == "" && len(roles) < 2 {
		return roles
	}
	all := make([]string, 0, len(roles)+1)
	for _, r := range append([]string{role}, roles...) {
		if r != "" && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// anyList is a list of texts in the form that claims have.
func anyList(c claims, name string) []any {
	list := []any{}
	for _, s := range c.list(name) {
		list = append(list, s)
	}
	return list
}

// addSealed adds what the sealed content says of the session and the user. WorkOS or the front end wrote it; the seal
// and the binding of the token's sub to the user's id are its proof.
func addSealed(s *auth.Session, p payload, user map[string]any) {
	if method := p.text("authenticationMethod"); method != "" {
		s.Claims[claimMethod] = method
	}
	if who := p["impersonator"]; who != nil {
		s.Claims[claimImpersonator] = who
	}
	s.Claims[claimUser] = user
	addUser(s.Claims, user)
}

// addUser adds the user's claims by their OpenID Connect names (OpenID Connect Core 1.0, section 5.1).
func addUser(c map[string]any, user map[string]any) {
	for _, n := range [...][2]string{
		{"email", "email"}, {"name", "name"}, {"given_name", "firstName"}, {"family_name", "lastName"},
		{"picture", "profilePictureUrl"}, {"locale", "locale"},
	} {
		if v, ok := user[n[1]].(string); ok && v != "" {
			c[n[0]] = v
		}
	}
	if verified, ok := user["emailVerified"].(bool); ok {
		c["email_verified"] = verified
	}
	if _, ok := c["name"]; !ok {
		given, _ := c["given_name"].(string)
		family, _ := c["family_name"].(string)
		if name := strings.TrimSpace(given + " " + family); name != "" {
			c["name"] = name
		}
	}
}
