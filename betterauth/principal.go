package betterauth

import (
	"maps"
	"slices"
	"strings"

	"github.com/netscript/auth"
)

// The names of claims beside those of OpenID Connect and of additional fields.
const (
	claimSession       = "sessionId"
	claimNeedsRefresh  = "needsRefresh" // of the session only
	claimOrganization  = "organizationId"
	claimTeam          = "teamId"
	claimMember        = "memberId"
	claimMemberRoles   = "organizationRoles"
	claimPermissions   = "organizationPermissions"
	claimImpersonator  = "impersonatedBy"
	claimTwoFactor     = "twoFactorEnabled"
	claimAnonymous     = "isAnonymous"
	claimUsername      = "username"
	claimPreferredName = "preferred_username"
	claimBanned        = "banned"
	claimKeyID         = "apiKeyId"
	claimKeyName       = "apiKeyName"
)

const (
	organizationRolePrefix = "organization:"
	maxUserAgent           = 256
)

// MapPrincipal implements [auth.PrincipalMapperPort].
func (b *Backend) MapPrincipal(s *auth.Session) auth.Principal {
	claims := s.Claims
	if _, due := claims[claimNeedsRefresh]; due {
		claims = maps.Clone(claims)
		delete(claims, claimNeedsRefresh)
	}
	return auth.Principal{Subject: s.Subject, Scopes: s.Scopes, Roles: s.Roles, Scheme: auth.SchemeCustom, Claims: claims}
}

// authentication is the answer to a request with this session.
func (b *Backend) authentication(rec *record) *auth.Authentication {
	s := b.sessionOf(&rec.session)
	s.Claims = b.claimsOf(&rec.user)
	addFields(s.Claims, rec.session.extra)
	s.Claims[claimSession] = rec.session.id
	if b.conf.admin != nil && rec.session.impersonatedBy != "" {
		s.Claims[claimImpersonator] = rec.session.impersonatedBy
	}
	s.Roles = b.userRoles(&rec.user)
	if b.conf.admin != nil {
		s.Scopes = b.adminScopes(s.Roles)
	}
	if m := rec.member; m != nil {
		s.Roles = append(s.Roles, prefixed(m.roles)...)
		s.Scopes = append(s.Scopes, m.permissions.scopes()...)
		addMember(s.Claims, m)
	}
	return &auth.Authentication{Principal: b.MapPrincipal(s), Session: s}
}

// sessionOf is the part of a session that does not depend on its user.
func (b *Backend) sessionOf(s *session) *auth.Session {
	issued := s.createdAt
	if issued.IsZero() || issued.After(s.expiresAt) {
		issued = s.expiresAt.Add(-b.conf.Session.ExpiresIn) // when it was renewed last, at the earliest
	}
	out := &auth.Session{
		ID: s.id, UserID: s.userID, AccountID: s.userID, Subject: s.userID, ProviderID: Name, State: auth.SessionActive,
		IssuedAt: issued, ExpiresAt: s.expiresAt, UserAgent: clip(deref(s.userAgent)),
	}
	if s.updatedAt.After(s.createdAt) {
		out.RefreshedAt = s.updatedAt
	}
	return out
}

// Fresh reports whether a session, which came from this backend, is as young as the server asks for what is delicate: to
// list somebody's sessions, to delete an account. Nothing here asks for it by itself.
func (b *Backend) Fresh(s *auth.Session) bool {
	age := b.conf.Session.FreshAge
	return s != nil && (age < 0 || b.conf.Now().Sub(s.IssuedAt) < age)
}

func clip(s string) string {
	if len(s) > maxUserAgent {
		s = s[:maxUserAgent]
	}
	return strings.ToValidUTF8(s, "")
}

// claimsOf are the claims about the user, by their OpenID Connect names where there is one (OpenID Connect Core 1.0,
// section 5.1).
func (b *Backend) claimsOf(u *user) map[string]any {
	c := make(map[string]any, 8) // one group of a map: most users have no more
	addFields(c, u.extra)
	addText(c, "name", u.name)
	addText(c, "email", u.email)
	addText(c, "picture", deref(u.image))
	if u.email != "" {
		c["email_verified"] = u.emailVerified
	}
	if b.conf.userFlags["twoFactorEnabled"] {
		c[claimTwoFactor] = u.twoFactor
	}
	if b.conf.userFlags["isAnonymous"] {
		c[claimAnonymous] = u.anonymous
	}
	if b.conf.userFlags["username"] {
		addText(c, claimUsername, u.username)
		addText(c, claimPreferredName, u.displayUsername)
	}
	if b.conf.admin != nil && b.conf.admin.InsecureAllowBanned && u.bannedAt(b.conf.Now()) {
		c[claimBanned] = true
	}
	return c
}

// addFields adds additional fields. They come first, so that none stands for one of ours.
func addFields(c, extra map[string]any) {
	for name, v := range extra {
		if _, ours := c[name]; !ours && !slices.Contains(ownClaims, name) {
			c[name] = v
		}
	}
}

// ownClaims are never taken from additional fields.
var ownClaims = []string{
	"token", "name", "email", "email_verified", "picture", claimSession, claimNeedsRefresh, claimOrganization, claimTeam, claimMember,
	claimMemberRoles, claimPermissions, claimImpersonator, claimTwoFactor, claimAnonymous, claimUsername, claimPreferredName,
	claimBanned, claimKeyID, claimKeyName,
}

func addText(c map[string]any, name, value string) {
	if value != "" {
		c[name] = value
	}
}

func addMember(c map[string]any, m *member) {
	c[claimOrganization] = m.organizationID
	c[claimMember] = m.id
	roles := make([]any, 0, len(m.roles))
	for _, role := range m.roles {
		roles = append(roles, role)
	}
	c[claimMemberRoles] = roles
	c[claimPermissions] = m.permissions.claim(m.roles)
	addText(c, claimTeam, m.teamID)
}

// userRoles are the roles of the admin plugin, which does not trim them. Those that read as roles of an organization are
// left out: only a membership gives them.
func (b *Backend) userRoles(u *user) []string {
	if b.conf.admin == nil {
		return nil
	}
	list := b.conf.admin.DefaultRole
	if u.role != nil {
		list = *u.role
	}
	var roles []string
	for role := range strings.SplitSeq(list, ",") {
		if role != "" && !strings.HasPrefix(role, organizationRolePrefix) && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

func prefixed(roles []string) []string {
	out := make([]string, 0, len(roles))
	for _, role := range roles {
		if role = organizationRolePrefix + role; !slices.Contains(out, role) {
			out = append(out, role)
		}
	}
	return out
}

// withRefresh is a with the word that the session is due.
func withRefresh(a *auth.Authentication) *auth.Authentication {
	s := *a.Session
	s.Claims = maps.Clone(s.Claims)
	s.Claims[claimNeedsRefresh] = true
	return &auth.Authentication{Principal: a.Principal, Session: &s}
}
