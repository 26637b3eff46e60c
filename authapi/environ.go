package authapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netscript/auth"
)

// Problem is one thing that is wrong with the configuration. It never holds a value.
type Problem struct {
	Variable string // or several, or the file
	What     string // what is wrong
	Fix      string // how to mend it
}

// String returns one line.
func (p Problem) String() string { return p.Variable + ": " + p.What + "; " + p.Fix }

// ConfigError is all that is wrong with a configuration. It matches [auth.ErrRejected], with the code config_invalid.
type ConfigError struct{ Problems []Problem }

// Error returns a line for each problem.
func (e *ConfigError) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, fmt.Sprintf("the configuration has %d problem(s):", len(e.Problems)))
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes [auth.CodeOf] and errors.Is work.
func (e *ConfigError) Unwrap() error {
	return &auth.Error{Code: auth.CodeConfigInvalid, Op: "configure"}
}

// environ reads variables and collects what is wrong with them.
type environ struct {
	getenv   func(string) string
	settings map[string]string // of appsettings.json; the environment wins
	problems []Problem
}

func (e *environ) complain(variable, what, fix string) {
	e.problems = append(e.problems, Problem{variable, what, fix})
}

func (e *environ) err() error {
	if len(e.problems) == 0 {
		return nil
	}
	return &ConfigError{slices.Clone(e.problems)}
}

// has reports whether a variable is set to anything, good or bad.
func (e *environ) has(name string) bool { return e.raw(name) != "" }

func (e *environ) raw(name string) string {
	if v := e.getenv(name); v != "" {
		return v
	}
	return e.settings[name]
}

// text returns a variable, or "" when it is not set. One with white space around it, or of nothing else, is a mistake: a
// shell's quoting, a line break out of a file.
func (e *environ) text(name string) string {
	v := e.raw(name)
	switch trimmed := strings.TrimSpace(v); {
	case v == "":
		return ""
	case trimmed == "":
		e.complain(name, "is blank", "give it a value, or remove it")
		return ""
	case trimmed != v:
		e.complain(name, "begins or ends with white space", "remove that")
		return ""
	case strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }):
		e.complain(name, "has a control character in it", "remove that")
		return ""
	}
	return v
}

// required is text for what cannot be missing. A blank one is reported once.
func (e *environ) required(name, fix string) string {
	if !e.has(name) {
		e.complain(name, "is missing", fix)
		return ""
	}
	return e.text(name)
}

// list returns the parts of a comma-separated variable, or nil.
func (e *environ) list(name string) []string {
	v := e.text(name)
	if v == "" {
		return nil
	}
	parts := strings.Split(v, ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
		if parts[i] == "" {
			e.complain(name, "has an empty part", "separate the parts by one comma each")
			return nil
		}
	}
	return parts
}

// flag returns a boolean. There is one spelling of each, so that "no" or "0" is never taken for something else.
func (e *environ) flag(name string) bool {
	switch e.text(name) {
	case "", "false":
	case "true":
		return true
	default:
		e.complain(name, "is neither true nor false", "set it to true or to false")
	}
	return false
}

// choice returns a variable that has one of a few values, or "".
func (e *environ) choice(name string, values ...string) string {
	v := e.text(name)
	if v == "" || slices.Contains(values, v) {
		return v
	}
	e.complain(name, "is not one of its values", "set it to "+strings.Join(values, ", "))
	return ""
}

// keys returns a ring of keys.
func (e *environ) keys(name string) []auth.Key {
	const fix = "32 random bytes as base64url, which `authapi keygen` prints; several are separated by commas"
	var keys []auth.Key
	for _, part := range e.list(name) {
		k, err := auth.ParseKey(part)
		if err != nil {
			e.complain(name, "has a part that is not a key of 32 bytes in base64url", "set it to "+fix)
			return nil
		}
		keys = append(keys, k)
	}
	return keys
}
