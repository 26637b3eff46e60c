package workos

// header is what a token says about its key.
type header struct {
	keyID  string
	anyKey bool // no kid
}

// readHeader holds a token's header to RFC 7515, section 4.1. A key that it brings along (jwk, jku, x5c, x5u) is never
// looked at.
func readHeader(h claims) (header, error) {
	if h.text("alg") != tokenAlg {
		return header{}, errTokenShape
	}
	if crit, ok := h["crit"]; ok && !knownCritical(crit, h) {
		return header{}, errTokenCritical
	}
	kid, named := h["kid"]
	id, ok := kid.(string)
	if named && !ok {
		return header{}, errTokenKey
	}
	return header{keyID: id, anyKey: !named}, nil
}

// knownCritical reports whether the only critical extension is "b64" (RFC 7797) in its ordinary sense, which changes
// nothing.
func knownCritical(crit any, h claims) bool {
	list, _ := crit.([]any)
	if len(list) == 0 {
		return false
	}
	for _, name := range list {
		if name != "b64" {
			return false
		}
	}
	return h["b64"] == true
}
