package betterauth

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/internal/fuzzcheck"
)

// FuzzRow is F-SQLROW: whatever the columns hold, a session has an id, a token and a user that are theirs to the digit, and
// an expiry that the column says without a zone having to be guessed.
func FuzzRow(f *testing.F) {
	for dialect := range rowDialects {
		for _, expires := range []string{
			"2026-12-04T12:00:00.000Z", "2026-12-04 12:00:00.000", "2026-12-04T12:00:00", "2026-12-04T12:00:00+02:00", "2026-12-04 12:00:00.000+00:00", "1796904000005", "-1", "",
			"0000-00-00 00:00:00", "9999-12-31T23:59:59.999Z", "10000-01-01T00:00:00Z", "infinity", "NaN", "2026-02-30T00:00:00Z", "1e3", " 2026-12-04T12:00:00Z", "999999999999999999",
		} {
			f.Add(uint8(dialect), uint8(0), uint8(0), "session-1", int64(0), expires)
		}
		for kind := range rowKinds {
			f.Add(uint8(dialect), uint8(kind), uint8(0), "session-1", int64(1<<53+1), "2026-12-04 12:00:00.000Z")
			f.Add(uint8(dialect), uint8(kind), uint8(1), "session-1", int64(1<<53+1), "2026-12-04 12:00:00.000")
			f.Add(uint8(dialect), uint8(0), uint8(kind), "session-1", int64(1796904000005), "2026-12-04T12:00:00.000Z")
		}
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, dialectOf, idKind, timeKind uint8, id string, number int64, expires string) {
		d := dialect{name: rowDialects[int(dialectOf)%len(rowDialects)], location: time.UTC}
		idValue := rowKinds[int(idKind)%len(rowKinds)](id, number)
		timeValue := rowKinds[int(timeKind)%len(rowKinds)](expires, number)
		row := map[string]any{"id": idValue, "token": id, "userId": idValue, "expiresAt": timeValue, "impersonatedBy": timeValue, "ipAddress": idValue}
		var s session
		var err error
		fuzzcheck.Bounded(t, len(id)+len(expires), func() {
			s, err = readSession(func(field string) any { return row[field] }, d.readTime, []string{"ipAddress"})
		})
		fuzzcheck.Discreet(t, err, id+expires)
		wantID, okID := rowText(idValue)
		at, okTime := rowTime(d.name, timeValue)
		if want := okID && wantID != "" && id != "" && okTime; want != (err == nil) {
			t.Fatalf("%s: id %#v, expiry %#v: %v, want accepted: %t", d.name, idValue, timeValue, err, want)
		}
		if err == nil && (s.id != wantID || s.userID != wantID || s.token != id || !s.expiresAt.Equal(at)) {
			t.Errorf("%s: id %#v, expiry %#v: %+v", d.name, idValue, timeValue, s)
		}
	})
}

var rowDialects = []string{postgres, mysql, sqlite, sqlserver}

// rowKinds are how drivers give a value.
var rowKinds = []func(text string, n int64) any{
	func(s string, _ int64) any { return s },
	func(s string, _ int64) any { return []byte(s) },
	func(_ string, n int64) any { return n },
	func(string, int64) any { return nil },
	func(_ string, n int64) any { return float64(n) },
	func(_ string, n int64) any { return n%2 == 0 },
	func(_ string, n int64) any { return time.Unix(n%(1<<40), 0) },
}

func rowText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), strings.ToValidUTF8(string(v), "") == string(v)
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// rowTime says what a column means: milliseconds since 1970, an RFC 3339 text, which may have a space for the T, or for
// MySQL the wall clock.
func rowTime(dialect string, v any) (time.Time, bool) {
	var t time.Time
	var err error
	text, isText := rowText(v)
	millis, isNumber := v.(int64)
	switch {
	case isNumber:
		t = time.UnixMilli(millis).UTC()
	case !isText:
		return t, false
	case dialect == mysql:
		t, err = time.Parse(time.DateTime, text) // which takes a fraction of a second
	case strings.Trim(text, "0123456789") == "" && len(text) < 16:
		millis, err = strconv.ParseInt(text, 10, 64)
		t = time.UnixMilli(millis).UTC()
	default:
		if len(text) > 10 && text[10] == ' ' {
			text = text[:10] + "T" + text[11:]
		}
		t, err = time.Parse(time.RFC3339, text)
	}
	return t.Truncate(time.Millisecond), err == nil && t.Year() >= 1970 && t.Year() < 10000
}
