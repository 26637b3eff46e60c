package clientaddr

import "strings"

// splitForwarded returns the node identifiers of the elements of a Forwarded header (RFC 7239, section 4), "" for an
// element without one. It is false for a line that is not wholly of that grammar: it cannot be told where its last
// element begins.
func splitForwarded(line string) (hops []string, ok bool) {
	p := &scanner{rest: line}
	for {
		hop, ok := p.element()
		if !ok {
			return nil, false
		}
		hops = append(hops, hop)
		p.space()
		if p.rest == "" {
			return hops, true
		}
		if !p.skip(',') {
			return nil, false
		}
	}
}

type scanner struct{ rest string }

// element reads pairs of a name and a value, of which no name may come twice.
func (p *scanner) element() (hop string, ok bool) {
	seen := map[string]bool{}
	for {
		p.space()
		name := strings.ToLower(p.token())
		if name == "" || seen[name] || !p.skip('=') {
			return "", false
		}
		seen[name] = true
		value, ok := p.value()
		if !ok {
			return "", false
		}
		if name == "for" {
			hop = value
		}
		p.space()
		if !p.skip(';') {
			return hop, true
		}
	}
}

// value reads a token or a quoted string (RFC 9110, sections 5.6.2 and 5.6.4).
func (p *scanner) value() (string, bool) {
	if !p.skip('"') {
		s := p.token()
		return s, s != ""
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func (p *scanner) token() string {
	n := 0
	for n < len(p.rest) && isTokenByte(p.rest[n]) {
		n++
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

func (p *scanner) skip(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *scanner) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
