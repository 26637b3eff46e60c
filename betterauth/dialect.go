package betterauth

import (
	"strings"
	"time"
)

// dialect is what differs between the databases.
type dialect struct {
	name     string // gorm's name of it
	location *time.Location
}

const (
	postgres  = "postgres"
	mysql     = "mysql"
	sqlite    = "sqlite"
	sqlserver = "sqlserver"
)

func knownDialect(name string) bool {
	return name == postgres || name == mysql || name == sqlite || name == sqlserver
}

// quote quotes a checked identifier, part by part.
func (d dialect) quote(identifier string) string {
	left, right := `"`, `"`
	switch d.name {
	case mysql, sqlite: // SQLite takes a name in double quotes that it does not know for a text
		left, right = "`", "`"
	case sqlserver:
		left, right = "[", "]"
	}
	return left + strings.ReplaceAll(identifier, ".", right+"."+left) + right
}

// timeColumn is an expression for a point in time that no setting of the connection can shift: the milliseconds since
// 1970, or a text. A column without a time zone holds UTC, except in MySQL, where it holds the wall clock of the Node
// process.
func (d dialect) timeColumn(column string) string {
	switch d.name {
	case postgres:
		// Of a timestamp without time zone this takes the value as UTC, whatever TimeZone the session has. The hundredth
		// of a millisecond makes up for the rounding of double precision. No bigint holds what is infinite: never is NULL, and
		// always past is a time before all that are plausible.
		return "CASE WHEN isfinite(" + column + ") THEN FLOOR(date_part('epoch', " + column + ") * 1000 + 0.01)::bigint WHEN " + column + " = '-infinity' THEN -1 END"
	case sqlserver:
		return "DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', " + column + ")"
	case mysql:
		return "CAST(" + column + " AS CHAR)"
	}
	return "CAST(" + column + " AS TEXT)"
}

// asText is an expression for a column that may be a text, a number or a UUID.
func (d dialect) asText(column string) string {
	switch d.name {
	case postgres:
		return "CAST(" + column + " AS text)"
	case sqlserver:
		return "CAST(" + column + " AS nvarchar(450))"
	}
	return column
}

// exactly is a condition that a column is the parameter as a text, whatever its collation or its type takes for the same.
// It stands beside the ordinary one, for which there is an index.
func (d dialect) exactly(column string) string {
	switch d.name {
	case mysql:
		return "CAST(" + column + " AS BINARY) = CAST(? AS BINARY)"
	case sqlserver:
		return d.asText(column) + " COLLATE Latin1_General_100_BIN2 = ?"
	}
	return "CAST(" + column + " AS text) = ?"
}

// textParameter is a placeholder for a text of ASCII. SQL Server gets strings as nvarchar, for which it does not look
// into the index of a varchar column.
func (d dialect) textParameter() string {
	if d.name == sqlserver {
		return "CAST(? AS varchar(8000))"
	}
	return "?"
}

// The layouts in which SQLite columns hold times: that of better-auth's own adapter, and Prisma's.
const (
	isoLayout       = "2006-01-02T15:04:05.000Z"
	isoOffsetLayout = "2006-01-02T15:04:05.000-07:00"
	mysqlLayout     = "2006-01-02 15:04:05.000"
)

// timeParameter is t as a column takes it. like is a value that the column held: SQLite knows no type for times, and
// better-auth compares them as texts.
func (d dialect) timeParameter(t time.Time, like storedTime) any {
	t = t.UTC().Truncate(time.Millisecond)
	switch d.name {
	case mysql:
		return t.In(d.location).Format(mysqlLayout)
	case sqlite:
		switch like {
		case storedNumber:
			return t.UnixMilli()
		case storedOffset:
			return t.Format(isoOffsetLayout)
		}
		return t.Format(isoLayout)
	}
	return t
}

// storedTime is how a column holds a time.
type storedTime int

const (
	storedISO    storedTime = iota // with Z
	storedOffset                   // with +00:00
	storedNumber                   // milliseconds
)

// readTime reads a value of timeColumn. It is false for NULL and for what is no time, or one without a zone that the
// database does not imply.
func (d dialect) readTime(v any) (time.Time, storedTime, bool) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	switch v := v.(type) {
	case int64:
		return readMillis(v)
	case string:
		if d.name == mysql {
			t, err := time.ParseInLocation("2006-01-02 15:04:05.999999", v, d.location)
			return t.UTC().Truncate(time.Millisecond), storedISO, err == nil && plausible(t)
		}
		return readTimeText(v)
	}
	return time.Time{}, storedISO, false
}

func readMillis(ms int64) (time.Time, storedTime, bool) {
	t := time.UnixMilli(ms).UTC()
	return t, storedNumber, plausible(t)
}

// readTimeText reads the texts that SQLite holds.
func readTimeText(s string) (time.Time, storedTime, bool) {
	if ms, ok := digits(s); ok {
		return readMillis(ms)
	}
	how := storedOffset
	if strings.HasSuffix(s, "Z") {
		how = storedISO
	}
	const date = len(time.DateOnly)
	if len(s) > date && s[date] == ' ' { // not as a layout, in which a space also stands for several
		s = s[:date] + "T" + s[date+1:]
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, storedISO, false
	}
	return t.UTC().Truncate(time.Millisecond), how, plausible(t)
}

func digits(s string) (int64, bool) {
	if s == "" || len(s) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// plausible keeps times out that JSON cannot hold (RFC 3339, section 1).
func plausible(t time.Time) bool { return t.Year() >= 1970 && t.Year() <= 9999 }
