package betterauth

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// session is a row of the session table, or what the cookie cache or the secondary storage hold of one.
type session struct {
	id, token, userID               string
	expiresAt, createdAt, updatedAt time.Time
	ip, userAgent                   *string
	organizationID, teamID          string
	impersonatedBy                  string
	extra                           map[string]any
	stored                          storedTime // how the column holds expiresAt
}

// user is a row of the user table, or a copy of one.
type user struct {
	id, name, email      string
	emailVerified        bool
	image                *string
	createdAt, updatedAt time.Time
	role                 *string
	banned               bool
	banReason            *string
	banExpires           time.Time // zero: never
	twoFactor            bool
	username             string
	displayUsername      string
	anonymous            bool
	extra                map[string]any
}

// record is a session with its user and all else that a decision needs. It is never changed after it was read.
type record struct {
	session session
	user    user
	member  *member // of the active organization; nil: none, or the plugin is off
	raw     *cachedRecord
}

// member is a membership in the active organization.
type member struct {
	id, organizationID string
	roles              []string
	teamID             string // the active team, if it is the organization's and the user is in it
	permissions        permissions
}

// source gives the value of a field, nil for NULL and for what is not there.
type source func(field string) any

// timeReader reads a time of a source.
type timeReader func(any) (time.Time, storedTime, bool)

var (
	errNoID     = errors.New("an id, token or user id is missing")
	errNoExpiry = errors.New("the expiry is missing or unparsable")
)

// readSession reads a session. Without an id, a token, a user or an expiry it is none.
func readSession(get source, times timeReader, extra []string) (session, error) {
	s := session{
		id: textOf(get("id")), token: textOf(get("token")), userID: textOf(get("userId")),
		ip: optionalText(get("ipAddress")), userAgent: optionalText(get("userAgent")),
		organizationID: textOf(get("activeOrganizationId")), teamID: textOf(get("activeTeamId")),
		impersonatedBy: textOf(get("impersonatedBy")), extra: readExtra(get, extra),
	}
	if s.id == "" || s.token == "" || s.userID == "" {
		return s, errNoID
	}
	var ok bool
	if s.expiresAt, s.stored, ok = times(get("expiresAt")); !ok {
		return s, errNoExpiry
	}
	s.createdAt, _, _ = times(get("createdAt"))
	s.updatedAt, _, _ = times(get("updatedAt"))
	return s, nil
}

// readUser reads a user. Without an id it is none.
func readUser(get source, times timeReader, extra []string) (user, error) {
	u := user{
		id: textOf(get("id")), name: textOf(get("name")), email: textOf(get("email")),
		emailVerified: flagOf(get("emailVerified")), image: optionalText(get("image")),
		role: optionalText(get("role")), banned: flagOf(get("banned")), banReason: optionalText(get("banReason")),
		twoFactor: flagOf(get("twoFactorEnabled")), username: textOf(get("username")),
		displayUsername: textOf(get("displayUsername")), anonymous: flagOf(get("isAnonymous")), extra: readExtra(get, extra),
	}
	if u.id == "" {
		return u, errNoID
	}
	u.createdAt, _, _ = times(get("createdAt"))
	u.updatedAt, _, _ = times(get("updatedAt"))
	u.banExpires, _, _ = times(get("banExpires")) // an unparsable end of a ban is none
	return u, nil
}

// bannedAt reports whether the ban is in force.
func (u *user) bannedAt(now time.Time) bool {
	return u.banned && (u.banExpires.IsZero() || u.banExpires.After(now))
}

func readExtra(get source, fields []string) map[string]any {
	if len(fields) == 0 {
		return nil
	}
	extra := make(map[string]any, len(fields))
	for _, field := range fields {
		if v := plainValue(get(field)); v != nil {
			extra[field] = v
		}
	}
	return extra
}

// plainValue is a value of a driver, or of JSON, as a claim.
func plainValue(v any) any {
	switch v := v.(type) {
	case string, bool, int64, float64, json.Number, []any, map[string]any:
		return v
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
	case time.Time:
		return v.UTC().Format(isoLayout)
	}
	return nil
}

// textOf is a value as text: ids may be texts, numbers or UUIDs.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		return v.String()
	}
	return ""
}

func optionalText(v any) *string {
	switch v.(type) {
	case string, []byte:
		s := textOf(v)
		return &s
	}
	return nil
}

// flagOf is a value as a boolean: SQLite and SQL Server hold numbers, and MySQL texts or bits.
func flagOf(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case json.Number:
		return v != "0"
	case []byte:
		return len(v) == 1 && (v[0] == 1 || v[0] == '1')
	case string:
		return v == "1" || strings.EqualFold(v, "true")
	}
	return false
}

// numberOf is a value as an integer; false for NULL.
func numberOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == float64(int64(v))
	case []byte, string, json.Number:
		n, err := strconv.ParseInt(textOf(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
