package workos

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

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
	errTokenClient    = errors.New("the token is of another client")
	errTokenIssuer    = errors.New("the token is of another issuer")
	errTokenAudience  = errors.New("the token is for another audience")
)

// token is a JWT in the compact form (RFC 7515, section 3.1), taken apart and not believed.
type token struct {
	signed    string // what the signature covers
	signature []byte
	header    header
	claims    claims
}

// verifier decides about access tokens. It is immutable and safe for concurrent use.
type verifier struct {
	keys      *keySet
	issuers   []string // nil: not checked
	audiences []string // nil: not checked
	sessions  bool     // sid is required
	clientID  string   // whose tokens are taken, as far as they say; empty: not checked
	now       func() time.Time
}

// origin says who handed us a token.
type origin int

const (
	fromClient origin = iota // anybody
	fromWorkOS               // WorkOS, in answer to a refresh
)

// verify returns the claims of a token that is good now.
func (v *verifier) verify(ctx context.Context, raw string, from origin) (claims, error) {
	t, err := parseToken(raw)
	if err != nil {
		return nil, invalidToken(err)
	}
	c, _, err := v.verifyParsed(ctx, t, from)
	return c, err
}

// verifyParsed returns also the keys that t was verified with. It checks the signature first: until then the claims are
// anybody's.
func (v *verifier) verifyParsed(ctx context.Context, t *token, by origin) (claims, *keys, error) {
	key, from, err := v.keys.find(ctx, t, by)
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
	if client, ok := c["client_id"]; ok && v.clientID != "" && client != v.clientID {
		return invalidToken(errTokenClient)
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
//
// This and the signature are not left to go-jose, which reads the header twice and writes the payload anew to verify it:
// an Authenticate would cost a seventh more, and be less than five times as fast as the SDK. BenchmarkToken shows the two,
// and FuzzToken compares what they accept.
func parseToken(raw string) (*token, error) {
	if len(raw) > maxToken {
		return nil, errTokenShape
	}
	head, rest, _ := strings.Cut(raw, ".")
	body, signature, ok := strings.Cut(rest, ".")
	if !ok {
		return nil, errTokenShape
	}
	t := &token{signed: raw[:len(head)+1+len(body)]}
	h, ok := jsonPart(head)
	if !ok {
		return nil, errTokenShape
	}
	var err error
	if t.header, err = readHeader(h); err != nil {
		return nil, err
	}
	if t.signature, err = decodeBase64(signature); err != nil {
		return nil, errTokenShape
	}
	if t.claims, ok = jsonPart(body); !ok {
		return nil, errTokenShape
	}
	return t, nil
}

// jsonPart decodes a part that must be an object.
func jsonPart(s string) (claims, bool) {
	text, err := decodeBase64(s)
	if err != nil {
		return nil, false
	}
	return parseClaims(text)
}

// expired reports whether the token has expired at now, as far as its unverified claims say.
func (t *token) expired(now time.Time) bool {
	exp, ok := t.claims["exp"].(float64)
	return ok && exp <= float64(now.Unix())
}
