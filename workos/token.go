package workos

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/netscript/auth"
)

const (
	maxToken = 16 << 10
	tokenAlg = "RS256" // the only one; an allow-list of one cannot be confused
)

var (
	errTokenShape     = errors.New("not a JWT signed with RS256")
	errTokenCritical  = errors.New("the token has an extension that is not known")
	errTokenSignature = errors.New("the signature does not verify")
	errTokenKey       = errors.New("no single key of WorkOS fits the token")
	errTokenTimes     = errors.New("exp, nbf or iat is missing or not a number")
	errTokenEarly     = errors.New("the token is not valid yet")
	errTokenNames     = errors.New("sub or sid is missing or not a text")
	errTokenIssuer    = errors.New("the token is of another issuer")
	errTokenAudience  = errors.New("the token is for another audience")
)

// token is a JWT in the compact form (RFC 7515, section 3.1), taken apart and not believed.
type token struct {
	signed    string // what the signature covers
	signature []byte
	keyID     string
	anyKey    bool // no kid in the header
	claims    claims
}

// claims are the members of a JWT's payload by their exact names; the last of equal ones counts, as in JavaScript.
type claims map[string]any

// verifier decides about access tokens. It is immutable and safe for concurrent use.
type verifier struct {
	keys      *keySet
	issuers   []string // nil: not checked
	audiences []string // nil: not checked
	sessions  bool     // sid is required
	now       func() time.Time
}

// verify returns the claims of a token that is good now.
func (v *verifier) verify(ctx context.Context, raw string) (claims, error) {
	t, err := parseToken(raw)
	if err != nil {
		return nil, invalidToken(err)
	}
	c, _, err := v.verifyParsed(ctx, t)
	return c, err
}

// verifyParsed returns also the keys that t was verified with. It checks the signature first: until then the claims are
// anybody's.
func (v *verifier) verifyParsed(ctx context.Context, t *token) (claims, *keys, error) {
	key, from, err := v.keys.find(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	digest := sha256.Sum256([]byte(t.signed))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], t.signature) != nil {
		return nil, nil, invalidToken(errTokenSignature)
	}
	if err := v.checkClaims(t.claims); err != nil {
		return nil, nil, err
	}
	return t.claims, from, nil
}

// checkClaims applies RFC 7519 section 4.1 without leeway, as the SDK does, and demands what identifies the session.
func (v *verifier) checkClaims(c claims) error {
	now := float64(v.now().Unix())
	exp, ok := c["exp"].(float64)
	if !ok || !c.numberOrAbsent("nbf") || !c.numberOrAbsent("iat") {
		return invalidToken(errTokenTimes)
	}
	if exp <= now {
		return fail(auth.CodeTokenExpired, "verify token", nil)
	}
	if nbf, ok := c["nbf"].(float64); ok && nbf > now {
		return invalidToken(errTokenEarly)
	}
	if !usableID(c.text("sub")) || v.sessions && !usableID(c.text("sid")) {
		return invalidToken(errTokenNames)
	}
	if v.issuers != nil && !slices.Contains(v.issuers, c.text("iss")) {
		return invalidToken(errTokenIssuer)
	}
	if v.audiences != nil && !slices.ContainsFunc(c.texts("aud"), func(a string) bool { return slices.Contains(v.audiences, a) }) {
		return invalidToken(errTokenAudience)
	}
	return nil
}

func invalidToken(err error) error { return fail(auth.CodeTokenInvalid, "verify token", err) }

// parseToken takes a token apart. It looks at no more of it than its limit, and splits it into no more than three parts: a
// further dot is none of base64's characters.
func parseToken(raw string) (*token, error) {
	if len(raw) > maxToken {
		return nil, errTokenShape
	}
	head, rest, _ := strings.Cut(raw, ".")
	body, signature, ok := strings.Cut(rest, ".")
	if !ok {
		return nil, errTokenShape
	}
	header, err := jsonPart(head)
	if err != nil {
		return nil, err
	}
	t := &token{signed: raw[:len(head)+1+len(body)]}
	if err := t.readHeader(header); err != nil {
		return nil, err
	}
	if t.signature, err = decodeBase64(signature); err != nil {
		return nil, errTokenShape
	}
	t.claims, err = jsonPart(body)
	return t, err
}

// jsonPart decodes a part that must be a JSON object in valid UTF-8 (RFC 7519, section 7.2).
func jsonPart(s string) (claims, error) {
	b, err := decodeBase64(s)
	if err != nil || !utf8.Valid(b) {
		return nil, errTokenShape
	}
	var v any
	if json.Unmarshal(b, &v) != nil {
		return nil, errTokenShape
	}
	c, ok := v.(map[string]any)
	if !ok {
		return nil, errTokenShape
	}
	return c, nil
}

// readHeader checks the header. A key that it brings along (jwk, jku, x5c, x5u) is never looked at.
func (t *token) readHeader(h claims) error {
	if h.text("alg") != tokenAlg {
		return errTokenShape
	}
	if crit, ok := h["crit"]; ok && !knownCritical(crit, h) {
		return errTokenCritical
	}
	kid, ok := h["kid"]
	if !ok {
		t.anyKey = true
		return nil
	}
	if t.keyID, ok = kid.(string); !ok {
		return errTokenKey
	}
	return nil
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

// expired reports whether the token has expired at now, as far as its unverified claims say.
func (t *token) expired(now time.Time) bool {
	exp, ok := t.claims["exp"].(float64)
	return ok && exp <= float64(now.Unix())
}
