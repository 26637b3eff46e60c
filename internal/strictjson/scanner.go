package strictjson

import (
	"bytes"
	"encoding/json"
)

// scanner walks a text that json.Valid has accepted. It looks for repeated names and unpaired surrogates and
// notes where the members of the outermost object lie.
type scanner struct {
	data    []byte
	pos     int
	open    []frame
	members map[string]json.RawMessage // of the outermost object; nil: not wanted

	name  string // of the outermost object's current member
	start int    // where its value begins
}

// frame is one object or array that is not closed yet.
type frame struct {
	names   map[string]struct{} // nil for an array
	wantKey bool                // the next string is a member name
}

func (s *scanner) run() error {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '{':
			s.open = append(s.open, frame{names: make(map[string]struct{}), wantKey: true})
		case '[':
			s.open = append(s.open, frame{})
		case '}', ']':
			s.endMember()
			s.open = s.open[:len(s.open)-1]
		case ',':
			s.endMember()
			top := &s.open[len(s.open)-1]
			top.wantKey = top.names != nil
		case ':':
			s.open[len(s.open)-1].wantKey = false
			if len(s.open) == 1 {
				s.start = s.pos + 1
			}
		case '"':
			if err := s.str(); err != nil {
				return err
			}
			continue
		}
		s.pos++
	}
	return nil
}

// endMember stores the outermost object's current member, if one is complete here.
func (s *scanner) endMember() {
	if s.members == nil || len(s.open) != 1 || s.open[0].names == nil || s.start == 0 {
		return
	}
	value := bytes.Trim(s.data[s.start:s.pos], whitespace)
	s.members[s.name] = value[:len(value):len(value)]
	s.start = 0
}

// str passes over the string at pos; if it is a member name, it must be new in its object.
func (s *scanner) str() error {
	token, ok := s.stringToken()
	if !ok {
		return ErrEncoding
	}
	if len(s.open) == 0 || !s.open[len(s.open)-1].wantKey {
		return nil
	}
	var name string
	if err := json.Unmarshal(token, &name); err != nil {
		return ErrSyntax
	}
	top := &s.open[len(s.open)-1]
	if _, dup := top.names[name]; dup {
		return ErrDuplicate
	}
	top.names[name] = struct{}{}
	if len(s.open) == 1 {
		s.name = name
	}
	return nil
}

// stringToken returns the string at pos with its quotes and moves behind it; false if an escape in it is
// half of a surrogate pair (RFC 8259 section 8.2 calls what receivers make of one unpredictable).
func (s *scanner) stringToken() ([]byte, bool) {
	begin := s.pos
	s.pos++
	for s.data[s.pos] != '"' {
		if s.data[s.pos] != '\\' {
			s.pos++
			continue
		}
		if s.data[s.pos+1] != 'u' {
			s.pos += 2
			continue
		}
		switch unit := s.unit(); {
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return nil, false
		case unit >= 0xD800 && unit <= 0xDBFF:
			s.pos += 6
			if low := s.unit(); low < 0xDC00 || low > 0xDFFF {
				return nil, false
			}
		}
		s.pos += 6
	}
	s.pos++
	return s.data[begin:s.pos], true
}

// unit is the UTF-16 code unit of the \uXXXX escape at pos, or -1 if there is none.
func (s *scanner) unit() int {
	if s.data[s.pos] != '\\' || s.data[s.pos+1] != 'u' {
		return -1
	}
	n := 0
	for _, c := range s.data[s.pos+2 : s.pos+6] {
		switch {
		case c <= '9':
			n = n<<4 | int(c-'0')
		default:
			n = n<<4 | int(c|0x20-'a'+10)
		}
	}
	return n
}
