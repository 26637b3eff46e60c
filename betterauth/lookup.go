package betterauth

import (
	"context"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netscript/auth"
)

// statements are the queries about sessions.
type statements struct {
	byToken, byUser, byID statement
	standing              statement // of a user, for a session that came from elsewhere
	roles                 statement // of an organization
	refresh               string
	end                   string // of a row that is preserved
	delete, deleteByUser  string
	deleteExpired         string
}

// statement is a query.
type statement struct {
	selection *selection
	text      string // with question marks
	bound     string // with the database's own placeholders
	given     bool   // its parameters are ids from elsewhere: one that no row can have finds none
}

// givenID is q for ids that come from elsewhere.
func (q statement) givenID() statement {
	q.given = true
	return q
}

// statement makes a query, with its placeholders as gorm would write them: it would go through the whole text each time.
func (d *database) statement(s *selection, text string) statement {
	q := statement{selection: s, text: text, bound: text}
	placeholder := map[string]string{postgres: "$", sqlserver: "@p"}[d.dialect.name]
	for n := 1; placeholder != "" && strings.Contains(q.bound, "?"); n++ {
		q.bound = strings.Replace(q.bound, "?", placeholder+strconv.Itoa(n), 1)
	}
	return q
}

// The columns that every configuration reads.
var (
	sessionCore = []string{"id", "expiresAt", "token", "createdAt", "updatedAt", "ipAddress", "userAgent", "userId"}
	userCore    = []string{"id", "name", "email", "emailVerified", "image"}
	userTimes   = []string{"createdAt", "updatedAt"} // for session_data alone
)

func newStatements(d *database, c *settings) *statements {
	q := &statements{}
	sessions, users := d.table(modelSession), d.table(modelUser)
	session := func(field string) string { return d.column("", modelSession, field) }

	full := d.newSelection()
	d.add(full, "s", modelSession, c.sessionColumns...)
	d.add(full, "u", modelUser, c.userColumns...)
	from := " FROM " + sessions + " s INNER JOIN " + users + " u ON " +
		d.column("u", modelUser, "id") + " = " + d.column("s", modelSession, "userId")
	from += d.joinMember(full, c, "s."+d.dialect.quote(d.tables[modelSession].columns["userId"]),
		d.column("s", modelSession, "activeOrganizationId"), d.column("s", modelSession, "activeTeamId"))
	q.byToken = d.statement(full, "SELECT "+full.String()+from+" WHERE "+d.column("s", modelSession, "token")+" = "+d.dialect.textParameter())

	plain := d.newSelection()
	d.add(plain, "s", modelSession, c.sessionColumns...)
	own := "SELECT " + plain.String() + " FROM " + sessions + " s WHERE "
	q.byUser = d.statement(plain, own+d.column("s", modelSession, "userId")+" = ?").givenID()
	q.byID = d.statement(plain, own+d.column("s", modelSession, "id")+" = ?").givenID()

	standing := d.newSelection()
	d.add(standing, "u", modelUser, c.userColumns...)
	from = " FROM " + users + " u" + d.joinMember(standing, c, d.column("u", modelUser, "id"), "?", "?")
	q.standing = d.statement(standing, "SELECT "+standing.String()+from+" WHERE "+d.column("u", modelUser, "id")+" = ?").givenID()

	roles := d.newSelection()
	d.add(roles, "r", modelOrgRole, "organizationId", "role", "permission")
	q.roles = d.statement(roles, "SELECT "+roles.String()+" FROM "+d.table(modelOrgRole)+" r WHERE "+d.column("r", modelOrgRole, "organizationId")+" = ?")

	own = " WHERE " + session("id") + " = ? AND " + session("token") + " = " + d.dialect.textParameter()
	q.refresh = "UPDATE " + sessions + " SET " + session("expiresAt") + " = ?, " + session("updatedAt") + " = ?" + own
	q.end = "UPDATE " + sessions + " SET " + session("expiresAt") + " = ?" + own
	q.delete = "DELETE FROM " + sessions + own
	q.deleteExpired = q.delete + " AND " + session("expiresAt") + " < ?"
	q.deleteByUser = "DELETE FROM " + sessions + " WHERE " + session("userId") + " = ? AND " + d.dialect.exactly(session("userId"))
	return q
}

// joinMember joins the membership of userID in an organization, and in a team of it, when the plugin is on. Organization
// ids are compared as texts: the session's is one whatever the type of the organization's.
func (d *database) joinMember(s *selection, c *settings, userID, organizationID, teamID string) string {
	if c.organization == nil {
		return ""
	}
	text := d.dialect.asText
	d.add(s, "m", modelMember, "id", "organizationId", "userId", "role")
	join := " LEFT JOIN " + d.table(modelMember) + " m ON " + d.column("m", modelMember, "userId") + " = " + userID +
		" AND " + text(d.column("m", modelMember, "organizationId")) + " = " + text(organizationID)
	if !c.organization.Teams {
		return join
	}
	d.add(s, "tm", modelTeamMember, "teamId", "userId")
	d.add(s, "t", modelTeam, "id", "organizationId")
	return join + " LEFT JOIN " + d.table(modelTeamMember) + " tm ON " + d.column("tm", modelTeamMember, "userId") + " = " + userID +
		" AND " + text(d.column("tm", modelTeamMember, "teamId")) + " = " + text(teamID) +
		" LEFT JOIN " + d.table(modelTeam) + " t ON " + d.column("t", modelTeam, "id") + " = " + d.column("tm", modelTeamMember, "teamId") +
		" AND " + d.column("t", modelTeam, "organizationId") + " = " + d.column("m", modelMember, "organizationId")
}

// byToken returns the session with that token and its user, or nil.
func (b *Backend) byToken(ctx context.Context, token string) (*record, error) {
	const op = "read session"
	if b.db == nil || !possibleKey(token) {
		return nil, nil
	}
	var found *record
	err := b.db.query(ctx, op, b.statements.byToken, []any{token}, func(r row) error {
		// Collations ignore case, accents and trailing spaces.
		if !same(textOf(r.source("s")("token")), token) || found != nil && found.member != nil {
			return nil
		}
		rec, err := b.readRecord(r)
		if err != nil {
			return fail(auth.CodeSessionInvalid, op, err)
		}
		found = rec
		return nil
	})
	if err != nil || found == nil {
		return nil, err
	}
	if found.user.id != found.session.userID {
		return nil, nil // joined by a collation
	}
	return found, b.addRoles(ctx, found.member)
}

func (b *Backend) readRecord(r row) (*record, error) {
	s, err := readSession(r.source("s"), b.db.dialect.readTime, b.conf.SessionFields)
	if err != nil {
		return nil, err
	}
	u, err := readUser(r.source("u"), b.db.dialect.readTime, b.conf.UserFields)
	if err != nil {
		return nil, err
	}
	return &record{session: s, user: u, member: b.readMember(r, s.userID, s.organizationID, s.teamID)}, nil
}

// readMember reads the joined membership, and compares again what a collation may have found the same.
func (b *Backend) readMember(r row, userID, organizationID, teamID string) *member {
	if b.conf.organization == nil || organizationID == "" {
		return nil
	}
	get := r.source("m")
	m := &member{id: textOf(get("id")), organizationID: textOf(get("organizationId")), roles: splitRoles(textOf(get("role")))}
	if m.id == "" || m.organizationID != organizationID || textOf(get("userId")) != userID {
		return nil
	}
	if b.conf.organization.Teams && teamID != "" && textOf(r.source("tm")("teamId")) == teamID &&
		textOf(r.source("tm")("userId")) == userID && textOf(r.source("t")("id")) == teamID && textOf(r.source("t")("organizationId")) == organizationID {
		m.teamID = teamID
	}
	m.permissions = b.conf.organization.permissionsOf(m.roles, nil)
	return m
}

// addRoles adds the roles that the organization has defined itself, which takes a second statement.
func (b *Backend) addRoles(ctx context.Context, m *member) error {
	if m == nil || !b.conf.organization.DynamicAccessControl {
		return nil
	}
	const op = "read organization roles"
	dynamic := map[string][]Statements{}
	err := b.db.query(ctx, op, b.statements.roles, []any{m.organizationID}, func(r row) error {
		get := r.source("r")
		if textOf(get("organizationId")) != m.organizationID {
			return nil
		}
		granted, err := parseStatements(textOf(get("permission")))
		if err != nil {
			return fail(auth.CodeInternal, op, err)
		}
		name := textOf(get("role"))
		dynamic[name] = append(dynamic[name], granted)
		return nil
	})
	if err != nil {
		return err
	}
	m.permissions = b.conf.organization.permissionsOf(m.roles, dynamic)
	return nil
}

// standing returns the user as the database has it now, with the membership in the organization, or nil.
func (b *Backend) standing(ctx context.Context, userID, organizationID, teamID string) (*user, *member, error) {
	const op = "read user"
	if !possibleKey(userID) {
		return nil, nil, nil
	}
	var args []any
	if b.conf.organization != nil {
		args = append(args, organizationID)
		if b.conf.organization.Teams {
			args = []any{organizationID, teamID}
		}
	}
	var found *user
	var m *member
	q := b.statements.standing
	err := b.db.query(ctx, op, q, append(args, userID), func(r row) error {
		u, err := readUser(r.source("u"), b.db.dialect.readTime, b.conf.UserFields)
		if err != nil || u.id != userID || m != nil {
			return nil //nolint:nilerr // a row without an id is no user
		}
		found, m = &u, b.readMember(r, userID, organizationID, teamID)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return found, m, b.addRoles(ctx, m)
}

// sessionsWhere returns sessions without their users.
func (b *Backend) sessionsWhere(ctx context.Context, q statement, value string, keep func(*session) bool) ([]session, error) {
	if !possibleKey(value) {
		return nil, nil
	}
	var list []session
	err := b.db.query(ctx, "read sessions", q, []any{value}, func(r row) error {
		s, err := readSession(r.source("s"), b.db.dialect.readTime, b.conf.SessionFields)
		if err == nil && keep(&s) {
			list = append(list, s)
		}
		return nil //nolint:nilerr // a row that is no session is not listed
	})
	slices.SortStableFunc(list, func(x, y session) int { return x.createdAt.Compare(y.createdAt) })
	return list, err
}

// extend writes the new expiry of a session, in the way its column holds times. It is false when the row has gone.
func (b *Backend) extend(ctx context.Context, s *session, until, now time.Time) (bool, error) {
	d := b.db.dialect
	n, err := b.db.exec(ctx, "refresh session", b.statements.refresh, d.timeParameter(until, s.stored), d.timeParameter(now, s.stored), s.id, s.token)
	if err != nil || n > 0 || d.name != mysql {
		return n > 0, err
	}
	// MySQL counts rows that changed, and another process may have written the same.
	again, err := b.byToken(ctx, s.token)
	return again != nil, err
}

// same compares in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func splitRoles(list string) []string {
	var roles []string
	for role := range strings.SplitSeq(list, ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles
}
