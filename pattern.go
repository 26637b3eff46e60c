package auth

import (
	"errors"
	"strings"
)

// pattern is a path pattern of http.ServeMux.
type pattern struct {
	segments []string // "" is a wildcard
	tail     tail
}

// tail is how a pattern ends.
type tail int

const (
	tailNone  tail = iota // "/a": that path alone
	tailSlash             // "/a/{$}": that path with its slash alone
	tailAny               // "/a/" or "/a/{rest...}": everything below
)

var errPattern = errors.New("path is not a pattern of literal segments, {name}, and at the end {name...}, {$} or a slash")

func parsePattern(s string) (pattern, error) {
	var p pattern
	if !strings.HasPrefix(s, "/") {
		return p, errPattern
	}
	segments := strings.Split(s[1:], "/")
	last := len(segments) - 1
	for i, segment := range segments {
		name, wild := strings.CutPrefix(segment, "{")
		name, closed := strings.CutSuffix(name, "}")
		rest, multi := strings.CutSuffix(name, "...")
		switch {
		case i == last && segment == "":
			p.tail = tailAny
		case i == last && segment == "{$}":
			p.tail = tailSlash
		case i == last && wild && closed && multi && identifier(rest):
			p.tail = tailAny
		case wild && closed && identifier(name):
			p.segments = append(p.segments, "")
		case plainSegment(segment):
			p.segments = append(p.segments, segment)
		default:
			return p, errPattern
		}
	}
	return p, nil
}

// matches reports whether p matches a canonical path, as http.ServeMux has it. If loose, case and a trailing slash do
// not count.
func (p pattern) matches(path string, loose bool) bool {
	segments := strings.Split(path[1:], "/")
	slash := segments[len(segments)-1] == ""
	if slash {
		segments = segments[:len(segments)-1]
	}
	if len(segments) < len(p.segments) || len(segments) > len(p.segments) && p.tail != tailAny {
		return false
	}
	for i, want := range p.segments {
		if want != "" && want != segments[i] && !(loose && alike(want, segments[i])) {
			return false
		}
	}
	switch {
	case loose || len(segments) > len(p.segments):
		return true
	case p.tail == tailNone:
		return !slash
	}
	return slash
}

// alike reports whether any of the usual ways to ignore case takes a for b. They differ outside ASCII: only lower case
// makes "i" of U+0130, and only upper case makes "I" of U+0131.
func alike(a, b string) bool {
	lowerA, lowerB := strings.ToLower(a), strings.ToLower(b)
	upperA, upperB := strings.ToUpper(a), strings.ToUpper(b)
	return strings.EqualFold(a, b) || lowerA == lowerB || upperA == upperB
}

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
