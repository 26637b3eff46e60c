package workos

import (
	"encoding/json"
	"math"
	"time"
	"unicode/utf8"
)

// claims are the members of a JSON object by their exact names; the last of equal ones counts, as in JavaScript. A struct
// would take "SID" for sid.
type claims map[string]any

// parseClaims decodes a JSON object in valid UTF-8 (RFC 7519, section 7.2).
func parseClaims(text []byte) (claims, bool) {
	var v any
	if !utf8.Valid(text) || json.Unmarshal(text, &v) != nil {
		return nil, false
	}
	c, ok := v.(map[string]any)
	return c, ok
}

// text returns the claim if it is a text.
func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// texts returns a claim that is a text or a list; what is no text in the list is left out.
func (c claims) texts(name string) []string {
	if s, ok := c[name].(string); ok {
		return []string{s}
	}
	return c.list(name)
}

// list returns the texts of a claim that is a list.
func (c claims) list(name string) []string {
	l, ok := c[name].([]any)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(l))
	for _, v := range l {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (c claims) numberOrAbsent(name string) bool {
	v, ok := c[name]
	if !ok {
		return true
	}
	_, ok = v.(float64)
	return ok
}

// time returns a claim that counts seconds since 1970, rounded up to a whole one; false if it is no number. A time that
// JSON cannot show is the last one that it can.
func (c claims) time(name string) (time.Time, bool) {
	s, ok := c[name].(float64)
	if !ok {
		return time.Time{}, false
	}
	const last = 253402300799 // the end of the year 9999 (RFC 3339)
	return time.Unix(int64(math.Ceil(max(0, min(s, last)))), 0).UTC(), true
}
