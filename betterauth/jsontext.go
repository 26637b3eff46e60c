package betterauth

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonText writes a value that JSON held as JavaScript's JSON.stringify does: the server reads it, and writes it again to
// check a signature over it. Members are in the order of their names.
func jsonText(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

func writeJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case string:
		writeString(b, v)
	case *string:
		if v == nil {
			b.WriteString("null")
			return
		}
		writeString(b, *v)
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case json.RawMessage: // as it is
		b.Write(v)
	case json.Number:
		b.WriteString(v.String())
	case float64:
		text, err := json.Marshal(v) // in JavaScript's format
		if err != nil {
			text = []byte("null")
		}
		b.Write(text)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		fields := make(fieldList, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fields = append(fields, field{name, v[name]})
		}
		writeJSON(b, fields)
	case fieldList:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, f.name)
			b.WriteByte(':')
			writeJSON(b, f.value)
		}
		b.WriteByte('}')
	default:
		b.WriteString("null")
	}
}

// fieldList is an object whose members have an order.
type fieldList []field

type field struct {
	name  string
	value any
}

// writeString escapes what JSON.stringify escapes (ECMA-262, QuoteJSONString), and nothing else.
func writeString(b *strings.Builder, s string) {
	const hexDigits = "0123456789abcdef"
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			if short := strings.IndexRune("\b\t\n\f\r", r); short >= 0 {
				b.WriteByte('\\')
				b.WriteByte("btnfr"[short])
			} else {
				b.WriteString(`\u00`)
				b.WriteByte(hexDigits[r>>4])
				b.WriteByte(hexDigits[r&15])
			}
		default:
			b.WriteRune(r)
		}
		i += size
	}
	b.WriteByte('"')
}
