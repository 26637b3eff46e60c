package redisstore

import (
	"fmt"
	"strings"
)

// keyspace turns keys of the store into keys of the server and back.
//
// A key of the server is the escaped prefix, a colon, and the key with braces around what follows its last colon: the
// hash tag, by which a Cluster chooses the node. So what belongs to one thing under several kinds, as a session and the
// lease of its refresh ("s:ID", "l:ID"), is on one node, and fails and recovers together.
type keyspace struct{ prefix string }

func newKeyspace(prefix string) keyspace { return keyspace{escape(prefix) + ":"} }

// physical is injective, also across keyspaces: an escaped prefix has no colon, and the braces can be taken away again.
func (k keyspace) physical(key string) string {
	i := strings.LastIndexByte(key, ':') + 1
	return k.prefix + key[:i] + "{" + key[i:] + "}"
}

// logical is the inverse of physical. ok is false for what physical never returns.
func (k keyspace) logical(physical string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(physical, k.prefix)
	if !ok {
		return "", false
	}
	i := strings.LastIndexByte(rest, ':') + 1
	tail, ok := strings.CutPrefix(rest[i:], "{")
	if !ok {
		return "", false
	}
	tail, ok = strings.CutSuffix(tail, "}")
	return rest[:i] + tail, ok
}

// escape replaces everything but letters, digits and "-_./" by its bytes in hexadecimal after a percent sign.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_./", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
