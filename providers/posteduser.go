package providers

import (
	"strings"
	"unicode"

	"github.com/netscript/auth/internal/strictjson"
)

const (
	maxPostedUser = 4 << 10 // bytes of JSON
	maxPostedName = 255     // bytes of a whole name
)

// PostedClaims reads the form field "user" that comes with the callback of a provider with PostedUser:
// {"name":{"firstName":...,"lastName":...},"email":...}. It returns name, given_name and family_name as far as they are
// there, and name_verified, which is false: the field is not signed, and the person at the browser can write anything
// into it. The e-mail address in it is never looked at. The result is nil where there is no usable name, or no PostedUser.
//
// The caller owns the result.
func (p Provider) PostedClaims(user string) map[string]any {
	if !p.PostedUser || len(user) > maxPostedUser {
		return nil
	}
	members, err := strictjson.Object([]byte(user), maxPostedUser)
	if err != nil {
		return nil
	}
	value, err := strictjson.Value(members["name"])
	if err != nil {
		return nil
	}
	first, last := lookup(value, "firstName"), lookup(value, "lastName")
	claims := make(map[string]any)
	var whole []string
	for _, part := range []struct {
		claim string
		value any
	}{{"given_name", first}, {"family_name", last}} {
		if s, ok := postedName(part.value); ok {
			claims[part.claim] = s
			whole = append(whole, s)
		}
	}
	name := strings.Join(whole, " ")
	if name == "" || len(name) > maxPostedName {
		return nil
	}
	claims["name"], claims["name_verified"] = name, false
	return claims
}

// postedName accepts what can stand in a line of text without changing how the rest of it reads.
func postedName(v any) (string, bool) {
	s, _ := v.(string)
	s = strings.TrimSpace(s)
	return s, s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	})
}
