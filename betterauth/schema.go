package betterauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Naming is how the tables and columns are called that [Schema.Tables] does not name.
type Naming int

const (
	// BetterAuthNaming is better-auth's own: the tables user, session, organizationRole, and columns in camelCase.
	BetterAuthNaming Naming = iota
	// NetScriptNaming is NetScript's: the tables auth_users, auth_sessions, auth_organization_roles, and columns in
	// snake_case.
	NetScriptNaming
	// SnakeNaming has better-auth's tables and columns in snake_case, as its generator for Drizzle writes them.
	SnakeNaming
)

// Schema names the tables and columns. The zero value is better-auth's default. The tables need not have columns that
// are not read: only those of the enabled plugins are.
type Schema struct {
	// Naming is the convention. If zero, [BetterAuthNaming].
	Naming Naming
	// Tables renames tables and columns, by better-auth's name of the model: user, session, member, teamMember, team,
	// organizationRole, jwks or apikey. If nil, nothing is renamed.
	Tables map[string]Table
}

// Table renames a table and its columns.
type Table struct {
	// Name of the table, with its schema in front if it needs one, as "auth.session". If empty, by the convention.
	Name string
	// Columns are the names of columns by better-auth's name of the field, as {"userId": "user_ref"}. If nil, by the
	// convention.
	Columns map[string]string
}

// The models that are read, by better-auth's names.
const (
	modelUser       = "user"
	modelSession    = "session"
	modelMember     = "member"
	modelTeam       = "team"
	modelTeamMember = "teamMember"
	modelOrgRole    = "organizationRole"
	modelJWKS       = "jwks"
	modelAPIKey     = "apikey"
)

// modelFields lists the fields of each model that are ever read.
var modelFields = map[string][]string{
	modelUser: {"id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt", "role", "banned", "banReason", "banExpires",
		"twoFactorEnabled", "username", "displayUsername", "isAnonymous"},
	modelSession: {"id", "expiresAt", "token", "createdAt", "updatedAt", "ipAddress", "userAgent", "userId", "activeOrganizationId",
		"activeTeamId", "impersonatedBy"},
	modelMember:     {"id", "organizationId", "userId", "role"},
	modelTeam:       {"id", "organizationId"},
	modelTeamMember: {"teamId", "userId"},
	modelOrgRole:    {"organizationId", "role", "permission"},
	modelJWKS:       {"id", "publicKey", "expiresAt", "alg"},
	modelAPIKey:     apiKeyFields,
}

// netScriptTables are NetScript's names. Those of plugins follow the pattern of the four that it has.
var netScriptTables = map[string]string{
	modelUser: "auth_users", modelSession: "auth_sessions", modelMember: "auth_members", modelTeam: "auth_teams",
	modelTeamMember: "auth_team_members", modelOrgRole: "auth_organization_roles", modelJWKS: "auth_jwks", modelAPIKey: "auth_apikeys",
}

// timeFields hold points in time.
var timeFields = map[string]bool{
	"expiresAt": true, "createdAt": true, "updatedAt": true, "banExpires": true, "lastRefillAt": true, "lastRequest": true,
}

// table is a table with all its names, checked.
type table struct {
	name    string
	columns map[string]string // the fields of the model, and additional ones
}

// resolve checks the schema and returns all tables by model. extra are additional fields by model.
func (s Schema) resolve(extra map[string][]string) (map[string]table, error) {
	if s.Naming < BetterAuthNaming || s.Naming > SnakeNaming {
		return nil, errors.New("Schema.Naming is no Naming")
	}
	for _, model := range slices.Sorted(maps.Keys(s.Tables)) {
		if modelFields[model] == nil {
			return nil, fmt.Errorf("Schema.Tables[%q] is no model that is read", model)
		}
	}
	tables := make(map[string]table, len(modelFields))
	for model, fields := range modelFields {
		t, err := s.table(model, slices.Concat(fields, extra[model]))
		if err != nil {
			return nil, err
		}
		tables[model] = t
	}
	return tables, nil
}

func (s Schema) table(model string, fields []string) (table, error) {
	custom := s.Tables[model]
	t := table{name: custom.Name, columns: make(map[string]string, len(fields))}
	if t.name == "" {
		t.name = s.Naming.table(model)
	}
	for part := range strings.SplitSeq(t.name, ".") {
		if !validIdentifier(part) {
			return t, fmt.Errorf("Schema.Tables[%q].Name is not a plain name", model)
		}
	}
	for _, field := range fields {
		t.columns[field] = s.Naming.column(field)
	}
	for field, column := range custom.Columns {
		if t.columns[field] == "" {
			return t, fmt.Errorf("Schema.Tables[%q].Columns names a field that is not read", model)
		}
		t.columns[field] = column
	}
	for field, column := range t.columns {
		if !validIdentifier(column) {
			return t, fmt.Errorf("Schema.Tables[%q]: the column of %q is not a plain name", model, field)
		}
	}
	return t, nil
}

func (n Naming) table(model string) string {
	switch n {
	case NetScriptNaming:
		return netScriptTables[model]
	case SnakeNaming:
		return snake(model)
	}
	return model
}

func (n Naming) column(field string) string {
	if n == BetterAuthNaming {
		return field
	}
	return snake(field)
}

// snake turns camelCase into snake_case.
func snake(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

const maxIdentifier = 63 // PostgreSQL's limit, the lowest

// validIdentifier keeps names from outside the program's text out of statements: what is left needs no escaping in any
// dialect, and is no placeholder of gorm's.
func validIdentifier(s string) bool {
	if s == "" || len(s) > maxIdentifier || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
