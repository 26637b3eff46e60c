package betterauth

import (
	"errors"
	"maps"
)

// OrganizationConfig configures [Organization].
type OrganizationConfig struct {
	// Roles are the roles that the server's configuration defines. If nil, [DefaultRoles]; a server with roles of its own
	// must be mirrored here.
	Roles map[string]Statements
	// Teams reads the active team. If false, no team is known: its tables need not exist.
	Teams bool
	// DynamicAccessControl also reads the roles that organizations define themselves, with a second statement. If false,
	// only Roles count.
	DynamicAccessControl bool
}

// Organization returns the plugin for better-auth's organizations. The membership in the session's active organization is
// read with the session: the organization may have removed the person since.
//
// The principal gets the claims organizationId, teamId, memberId, organizationRoles and organizationPermissions; a role
// "organization:owner" for the member role owner, so that no organization can hand out a role of the application; and a
// scope "project:create" for each single permission, but for those of a resource "admin". At most one configuration is taken; none is the defaults.
func Organization(config ...OrganizationConfig) Plugin {
	return organizationPlugin{config}
}

type organizationPlugin struct{ config []OrganizationConfig }

func (organizationPlugin) id() string { return "organization" }

func (p organizationPlugin) configure(s *settings) error {
	c, err := single(p.config)
	if err != nil {
		return err
	}
	if c.Roles == nil {
		c.Roles = DefaultRoles()
	}
	roles := make(map[string]Statements, len(c.Roles))
	for name, granted := range c.Roles {
		if name == "" {
			return errors.New("Roles has a role without a name")
		}
		roles[name] = maps.Clone(granted)
	}
	c.Roles = roles
	s.organization = &c
	s.sessionColumns = append(s.sessionColumns, "activeOrganizationId")
	s.addNeed("plugin organization", modelSession, "activeOrganizationId")
	s.addNeed("plugin organization", modelMember, "id", "organizationId", "userId", "role")
	if c.Teams {
		s.sessionColumns = append(s.sessionColumns, "activeTeamId")
		s.addNeed("plugin organization (teams)", modelSession, "activeTeamId")
		s.addNeed("plugin organization (teams)", modelTeam, "id", "organizationId")
		s.addNeed("plugin organization (teams)", modelTeamMember, "teamId", "userId")
	}
	if c.DynamicAccessControl {
		s.addNeed("plugin organization (dynamic access control)", modelOrgRole, "organizationId", "role", "permission")
	}
	return nil
}

// permissionsOf are the statements of each of roles. A role that nobody defines grants nothing.
func (c *OrganizationConfig) permissionsOf(roles []string, dynamic map[string][]Statements) permissions {
	p := make(permissions, len(roles))
	for i, role := range roles {
		p[i] = c.Roles[role].merged(dynamic[role])
	}
	return p
}
