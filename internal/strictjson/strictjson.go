// Package strictjson decodes JSON from outside without the leniencies of encoding/json that an identity
// decision must not rest on: a repeated member name (the last one would win), a member matched without
// regard to case ("Sub" for "sub"), an unpaired surrogate (every one becomes U+FFFD, so that two different
// strings compare equal), invalid UTF-8 (the same), data after the value, numbers turned into float64, and
// unbounded size or depth. The rules are those of I-JSON (RFC 7493 sections 2.1 and 2.3).
//
// No error contains a byte of the input. All functions are safe for concurrent use.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

const (
	// DefaultMaxBytes is the size limit of Object when the caller gives none: 1 MiB.
	DefaultMaxBytes = 1 << 20
	// MaxDepth is how many objects and arrays may be nested; the outermost one counts.
	MaxDepth = 64
)

// whitespace is what JSON allows around a value (RFC 8259 section 2), less than bytes.TrimSpace removes.
const whitespace = " \t\r\n"

// The reasons for a refusal. Compare with errors.Is.
var (
	ErrTooLarge  = errors.New("strictjson: input too large")
	ErrSyntax    = errors.New("strictjson: not one JSON value")
	ErrNotObject = errors.New("strictjson: not a JSON object")
	ErrDuplicate = errors.New("strictjson: repeated member name")
	ErrDepth     = errors.New("strictjson: nested too deeply")
	ErrEncoding  = errors.New("strictjson: invalid UTF-8 or unpaired surrogate")
)

// Object returns the members of the JSON object in data by their exact, case-sensitive names. It refuses
// input over maxBytes (zero or less: DefaultMaxBytes), anything but exactly one object, nesting over
// MaxDepth, invalid text, and a repeated name in this object or any object inside it. The values are
// checked too; they are not decoded. The result does not share memory with data; it is never nil when
// the error is nil.
func Object(data []byte, maxBytes int) (map[string]json.RawMessage, error) {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	if len(data) > maxBytes {
		return nil, ErrTooLarge
	}
	// The values keep pointing into this copy, not into the caller's buffer.
	data = bytes.Clone(bytes.Trim(data, whitespace))
	members := make(map[string]json.RawMessage)
	if err := check(data, members); err != nil {
		return nil, err
	}
	if data[0] != '{' {
		return nil, ErrNotObject
	}
	return members, nil
}

// Value decodes one JSON value, such as a member that Object returned, into nil, bool, json.Number, string,
// []any or map[string]any. It applies the same rules as Object except the size limit, which is the caller's.
func Value(raw json.RawMessage) (any, error) {
	if err := check(raw, nil); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, ErrSyntax
	}
	return v, nil
}

// check applies every rule but the size limit. If members is not nil and data is an object, its members are
// stored there.
func check(data []byte, members map[string]json.RawMessage) error {
	if !utf8.Valid(data) {
		return ErrEncoding
	}
	if tooDeep(data) {
		return ErrDepth
	}
	// From here on the scanner may rely on the grammar.
	if !json.Valid(data) {
		return ErrSyntax
	}
	s := scanner{data: data, members: members}
	return s.run()
}

// tooDeep counts brackets outside strings. It needs no valid input, so that json.Valid is not handed a
// depth bomb.
func tooDeep(data []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
