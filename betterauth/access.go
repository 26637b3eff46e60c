package betterauth

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

// Statements are what a role may do: actions by resource, as in better-auth's access control.
type Statements map[string][]string

// Allows reports whether s grants every action of every resource of request. As in better-auth, a request that asks for
// nothing, or for no action of a resource, is not granted.
func (s Statements) Allows(request Statements) bool {
	for resource, actions := range request {
		granted, ok := s[resource]
		if !ok || len(actions) == 0 {
			return false
		}
		for _, action := range actions {
			if !slices.Contains(granted, action) {
				return false
			}
		}
	}
	return len(request) > 0
}

// DefaultRoles are better-auth's roles of an organization: owner, admin and member. The caller owns the result.
func DefaultRoles() map[string]Statements {
	crud := func() []string { return []string{"create", "read", "update", "delete"} }
	write := func() []string { return []string{"create", "update", "delete"} }
	return map[string]Statements{
		"owner":  {"organization": {"update", "delete"}, "member": write(), "invitation": {"create", "cancel"}, "team": write(), "ac": crud()},
		"admin":  {"organization": {"update"}, "member": write(), "invitation": {"create", "cancel"}, "team": write(), "ac": crud()},
		"member": {"organization": {}, "member": {}, "invitation": {}, "team": {}, "ac": {"read"}},
	}
}

// DefaultUserRoles are the roles of better-auth's admin plugin: admin and user. The caller owns the result.
func DefaultUserRoles() map[string]Statements {
	return map[string]Statements{
		"admin": {
			"user":    {"create", "list", "set-role", "ban", "impersonate", "delete", "set-password", "set-email", "set-phone", "get", "update"},
			"session": {"list", "revoke", "delete"},
		},
		"user": {"user": {}, "session": {}},
	}
}

// permissions are the statements of each role of a member. They are not merged: one role must grant all that a request
// asks for.
type permissions []Statements

// adminScopePrefix begins the scopes of the roles of the admin plugin.
const adminScopePrefix = "admin:"

// scopes are all single permissions, as "resource:action", sorted. Those that read as a permission of the admin plugin are
// left out: only a role of the user gives them.
func (p permissions) scopes() []string {
	var all []string
	for _, s := range p {
		for resource, actions := range s {
			for _, action := range actions {
				if scope := resource + ":" + action; !strings.HasPrefix(scope, adminScopePrefix) {
					all = append(all, scope)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// merged is the union of s and others, as a role is that is both configured and stored.
func (s Statements) merged(others []Statements) Statements {
	if len(others) == 0 {
		return s
	}
	all := Statements{}
	for _, one := range append([]Statements{s}, others...) {
		for resource, actions := range one {
			all[resource] = append(all[resource], actions...)
		}
	}
	return all
}

var errPermission = errors.New("a stored permission is not an object of lists of texts")

// parseStatements reads what better-auth stores as a permission.
func parseStatements(text string) (Statements, error) {
	members, err := strictjson.Object([]byte(text), 0)
	if err != nil {
		return nil, errPermission
	}
	s := make(Statements, len(members))
	for resource, raw := range members {
		var actions []*string
		if json.Unmarshal(raw, &actions) != nil || actions == nil {
			return nil, errPermission
		}
		s[resource] = []string{}
		for _, action := range actions {
			if action == nil {
				return nil, errPermission
			}
			s[resource] = append(s[resource], *action)
		}
	}
	return s, nil
}

// HasPermission reports whether the member behind a, who came from this backend, may do all of request in the active
// organization: one of the member's roles must grant all of it, as with better-auth's has-permission. Checking several
// scopes of the principal is not the same: those may come from different roles. The answer is as old as a.
func (b *Backend) HasPermission(a *auth.Authentication, request Statements) bool {
	if a == nil {
		return false
	}
	granted, _ := a.Principal.Claims[claimPermissions].(map[string]any)
	for _, role := range granted {
		if statementsOf(role).Allows(request) {
			return true
		}
	}
	return false
}

// UserHasPermission reports whether the roles of the user behind a, who came from this backend, grant all of request, as
// with the admin plugin's has-permission: one role must grant all of it. The answer is as old as a.
func (b *Backend) UserHasPermission(a *auth.Authentication, request Statements) bool {
	if a == nil || b.conf.admin == nil {
		return false
	}
	if slices.Contains(b.conf.admin.UserIDs, a.Principal.Subject) {
		return true
	}
	return slices.ContainsFunc(a.Principal.Roles, func(role string) bool { return b.conf.admin.Roles[role].Allows(request) })
}

// adminScopes are the single permissions of a user's roles.
func (b *Backend) adminScopes(roles []string) []string {
	var scopes []string
	for _, role := range roles {
		for resource, actions := range b.conf.admin.Roles[role] {
			for _, action := range actions {
				scopes = append(scopes, adminScopePrefix+resource+":"+action)
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// claim is the permissions by role, in the form that claims have.
func (p permissions) claim(roles []string) map[string]any {
	byRole := make(map[string]any, len(p))
	for i, s := range p {
		resources := make(map[string]any, len(s))
		for resource, actions := range s {
			list := make([]any, 0, len(actions))
			for _, action := range actions {
				list = append(list, action)
			}
			resources[resource] = list
		}
		byRole[roles[i]] = resources
	}
	return byRole
}

func statementsOf(claim any) Statements {
	resources, _ := claim.(map[string]any)
	s := make(Statements, len(resources))
	for resource, v := range resources {
		list, _ := v.([]any)
		s[resource] = []string{}
		for _, action := range list {
			if text, ok := action.(string); ok {
				s[resource] = append(s[resource], text)
			}
		}
	}
	return s
}
