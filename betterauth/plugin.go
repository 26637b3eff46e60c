package betterauth

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Plugin is a plugin of better-auth that the server has, and that this backend is to honour. A plugin that is not listed
// is not honoured: its headers are not read, nor are its tables. Plugins are made by the functions of this package.
type Plugin interface {
	id() string
	configure(*settings) error
}

// single returns the one configuration, or the zero value for none.
func single[T any](config []T) (T, error) {
	var zero T
	switch len(config) {
	case 0:
		return zero, nil
	case 1:
		return config[0], nil
	}
	return zero, errors.New("more than one configuration")
}

// configurePlugins lets each plugin add what it needs.
func (s *settings) configurePlugins() []error {
	var errs []error
	seen := map[string]bool{}
	for i, p := range s.Plugins {
		if p == nil {
			errs = append(errs, fmt.Errorf("Plugins[%d] is nil", i))
			continue
		}
		if seen[p.id()] {
			errs = append(errs, fmt.Errorf("Plugins[%d]: %s is listed twice", i, p.id()))
			continue
		}
		seen[p.id()] = true
		if err := p.configure(s); err != nil {
			errs = append(errs, fmt.Errorf("Plugins[%d]: %s: %w", i, p.id(), err))
		}
	}
	return errs
}

// BearerConfig configures [Bearer].
type BearerConfig struct {
	// InsecureAcceptUnsigned accepts the bare session token, as better-auth does unless requireSignature is set: whoever
	// can read the session table, a backup or a log of it can then act as every user. If false, only signed tokens are.
	InsecureAcceptUnsigned bool
}

// Bearer returns the plugin for Authorization: Bearer with a session's signed token, the value of the response header
// set-auth-token. A token that is good takes the place of the session cookie. At most one configuration is taken.
func Bearer(config ...BearerConfig) Plugin { return bearerPlugin{config} }

type bearerPlugin struct{ config []BearerConfig }

func (bearerPlugin) id() string { return "bearer" }

func (p bearerPlugin) configure(s *settings) error {
	c, err := single(p.config)
	s.bearer = &c
	return err
}

// AdminConfig configures [Admin].
type AdminConfig struct {
	// DefaultRole is the role of a user whose role is NULL. If empty, "user".
	DefaultRole string
	// Roles are the roles that the server's configuration defines. If nil, [DefaultUserRoles]; a server with roles of its
	// own must be mirrored here.
	Roles map[string]Statements
	// UserIDs is adminUserIds: users to whom [Backend.UserHasPermission] grants everything. They have no scopes for it.
	UserIDs []string
	// InsecureAllowBanned admits banned users whose sessions or API keys still exist, as better-auth does: it enforces a
	// ban by deleting the sessions, so that a ban written in SQL, or the person's API keys, are passed over.
	InsecureAllowBanned bool
}

// Admin returns the plugin for user roles, bans and impersonation. The principal gets the user's roles; in a session, a
// scope "admin:user:ban" for each single permission of those, which no organization can hand out; and the claim
// impersonatedBy in a session in which an administrator acts as the user. At most one configuration is taken.
func Admin(config ...AdminConfig) Plugin { return adminPlugin{config} }

type adminPlugin struct{ config []AdminConfig }

func (adminPlugin) id() string { return "admin" }

func (p adminPlugin) configure(s *settings) error {
	c, err := single(p.config)
	if c.DefaultRole == "" {
		c.DefaultRole = "user"
	}
	if c.Roles == nil {
		c.Roles = DefaultUserRoles()
	}
	roles := make(map[string]Statements, len(c.Roles))
	for name, granted := range c.Roles {
		roles[name] = maps.Clone(granted)
	}
	c.Roles, c.UserIDs = roles, slices.Clone(c.UserIDs)
	s.admin = &c
	s.sessionColumns = append(s.sessionColumns, "impersonatedBy")
	s.userColumns = append(s.userColumns, "role", "banned", "banReason", "banExpires")
	s.addNeed("plugin admin", modelSession, "impersonatedBy")
	s.addNeed("plugin admin", modelUser, "role", "banned", "banReason", "banExpires")
	return err
}

// TwoFactor returns the plugin for two-factor authentication. The principal gets the claim twoFactorEnabled. A sign-in
// whose second factor is missing has no session, and so needs no check: its cookie is not one of a session.
func TwoFactor() Plugin { return columnsPlugin{"two-factor", []string{"twoFactorEnabled"}} }

// Username returns the plugin for user names. The principal gets the claims username and preferred_username.
func Username() Plugin { return columnsPlugin{"username", []string{"username", "displayUsername"}} }

// Anonymous returns the plugin for anonymous users. The principal gets the claim isAnonymous.
func Anonymous() Plugin { return columnsPlugin{"anonymous", []string{"isAnonymous"}} }

// columnsPlugin only adds columns of the user.
type columnsPlugin struct {
	name    string
	columns []string
}

func (p columnsPlugin) id() string { return p.name }

func (p columnsPlugin) configure(s *settings) error {
	s.userColumns = append(s.userColumns, p.columns...)
	s.addNeed("plugin "+p.name, modelUser, p.columns...)
	for _, c := range p.columns {
		s.userFlags[c] = true
	}
	return nil
}

// MultiSession returns the plugin for several sessions in one browser. Its cookies never authenticate; a sign-out ends
// the sessions of those that are signed, and clears them.
func MultiSession() Plugin { return multiSessionPlugin{} }

type multiSessionPlugin struct{}

func (multiSessionPlugin) id() string { return "multi-session" }

func (multiSessionPlugin) configure(s *settings) error {
	s.multiSession = true
	return nil
}

// bearerToken returns what follows "Bearer " in the request, if its scheme is that.
func bearerToken(h http.Header) string {
	const scheme = "bearer "
	value := h.Get("Authorization")
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return ""
	}
	return textproto.TrimString(value[len(scheme):])
}

// bearerCookie returns the value that takes the place of the session cookie, or "". As at the server, a token that fails
// here leaves the cookie in force, and one that is not signed counts even if no session has it.
func (b *Backend) bearerCookie(h http.Header) (value string, unsigned string) {
	if b.conf.bearer == nil {
		return "", ""
	}
	token := bearerToken(h)
	switch {
	case token == "" || len(token) > maxSigned:
	case !strings.Contains(token, "."):
		if b.conf.bearer.InsecureAcceptUnsigned {
			return "", token
		}
	default:
		if decoded := decodeURI(token); b.conf.secrets.signedLoosely(decoded) {
			return decoded, ""
		}
	}
	return "", ""
}
