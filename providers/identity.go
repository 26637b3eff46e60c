package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"unicode"

	"github.com/netscript/auth/internal/strictjson"
)

const (
	// MaxDocument is the largest UserInfo or e-mail document that Identity reads, in bytes.
	MaxDocument = 1 << 20
	// maxSubject is the limit of OpenID Connect Core section 2.
	maxSubject = 255
)

// Why Identity refused. Each means that the sign-in has failed, not that the user is anonymous.
var (
	// ErrDocument: not one JSON object (or, for e-mails, list) that every reader understands the same way.
	ErrDocument = errors.New("providers: unacceptable document")
	// ErrSubject: there is no subject, or not one that can identify a user.
	ErrSubject = errors.New("providers: no usable subject")
	// ErrTenant: the user's tenant is not among Provider.AllowedTenants.
	ErrTenant = errors.New("providers: tenant is not allowed")
)

// Identity is a user as the provider describes them.
type Identity struct {
	// Subject is the provider's identifier of the user: not empty, at most 255 bytes, no control characters,
	// and never the same for two users of one provider. Store users under provider and Subject.
	Subject string
	// Claims are for display and for the application's own decisions, under the names of OpenID Connect Core
	// section 5.1 where it has one. Always there: sub, equal to Subject. email and email_verified come
	// together or not at all; email_verified is false unless the provider vouches for the address. picture
	// and profile are https URLs. A number is an int64 where that is exact, and a json.Number elsewhere; the
	// other values are string, bool, []any and map[string]any.
	Claims map[string]any
}

// Identity reads who the user is. For kind oauth doc is the body of the UserInfo endpoint, and emails the body
// of the EmailEndpoint or nil if it was not called. For kind oidc doc holds the claims of the ID token, merged
// with UserInfo, as JSON; the caller has verified them before, and emails is ignored.
//
// Identity accepts only a document that leaves no room for interpretation: one JSON object of at most
// MaxDocument bytes and 64 levels, no repeated member, no invalid text, nothing behind it, member names taken
// case-sensitively. A member that is merely useless for display, such as a picture that is no https URL, is
// left out. Errors match ErrDocument, ErrSubject or ErrTenant and contain nothing of the documents.
//
// The caller owns the result.
func (p Provider) Identity(doc, emails []byte) (Identity, error) {
	claims, err := decodeObject(doc)
	if err != nil {
		return Identity{}, p.refuse(err)
	}
	var id Identity
	switch p.Kind {
	case OIDC:
		id, err = p.fromClaims(claims)
	case OAuth:
		id, err = p.fromUserInfo(claims, emails)
	default:
		err = errors.New("providers: unknown kind")
	}
	if err != nil {
		return Identity{}, p.refuse(err)
	}
	id.Claims["sub"] = id.Subject
	return id, nil
}

func (p Provider) refuse(err error) error { return fmt.Errorf("provider %q: %w", p.ID, err) }

func decodeObject(doc []byte) (map[string]any, error) {
	members, err := strictjson.Object(doc, MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	object := make(map[string]any, len(members))
	for name, raw := range members {
		if object[name], err = strictjson.Value(raw); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDocument, err)
		}
	}
	return object, nil
}

// fromClaims reads the verified claims of an OpenID provider.
func (p Provider) fromClaims(doc map[string]any) (Identity, error) {
	// The subject is sub unchanged; a number is not one (OpenID Connect Core section 2).
	sub, ok := doc["sub"].(string)
	if !ok || !validSubject(sub) {
		return Identity{}, ErrSubject
	}
	if err := p.checkTenant(doc); err != nil {
		return Identity{}, err
	}
	claims := make(map[string]any, len(doc))
	for name, v := range doc {
		if value, ok := claimValue(name, v); ok {
			claims[name] = value
		}
	}
	// What a session adds under these names is not the provider's to say.
	delete(claims, "sessionId")
	delete(claims, "providerId")
	maps.Copy(claims, p.Mapping.pick(doc))
	return Identity{Subject: sub, Claims: p.settleEmail(claims, doc)}, nil
}

// checkTenant repeats what the issuer template has decided: whoever merges the claims wrongly must not let
// another tenant in.
func (p Provider) checkTenant(doc map[string]any) error {
	if p.TenantIssuer == "" || p.InsecureAnyTenant {
		return nil
	}
	tid, _ := doc["tid"].(string)
	for _, allowed := range p.AllowedTenants {
		if tid == allowed && tid != "" {
			return nil
		}
	}
	return ErrTenant
}

// fromUserInfo reads the answer of an OAuth-only provider.
func (p Provider) fromUserInfo(doc map[string]any, emails []byte) (Identity, error) {
	path := p.Mapping.Subject
	if path == "" {
		path = "sub"
	}
	value := lookup(doc, path)
	subject, ok := subjectOf(value)
	if !ok {
		return Identity{}, ErrSubject
	}
	claims := p.Mapping.pick(doc)
	if p.EmailEndpoint == "" {
		return Identity{Subject: subject, Claims: p.settleEmail(claims, doc)}, nil
	}
	delete(claims, "email")
	if emails != nil {
		address, err := primaryEmail(emails)
		if err != nil {
			return Identity{}, err
		}
		if address != "" {
			claims["email"], claims["email_verified"] = address, true
		}
	}
	return Identity{Subject: subject, Claims: claims}, nil
}

// subjectOf normalises an identifier: the string "42" and the integer 42 are the same user. Zero is what an
// unset number looks like, and a fraction or an exponent is what a number looks like after someone rounded it.
func subjectOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != "0" && validSubject(v) && strings.TrimSpace(v) == v
	case json.Number:
		s := v.String()
		return s, validSubject(s) && s[0] != '0' && only(s, func(c byte) bool { return c >= '0' && c <= '9' })
	}
	return "", false
}

func validSubject(s string) bool {
	return len(s) <= maxSubject && strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, unicode.IsControl)
}

// pick returns the claims that the mapping finds in doc.
func (m Mapping) pick(doc map[string]any) map[string]any {
	claims := make(map[string]any)
	for name, paths := range m.Claims {
		for _, path := range paths {
			v := lookup(doc, path)
			if value, ok := claimValue(name, v); ok {
				claims[name] = value
				break
			}
		}
	}
	if m.Claims == nil {
		for _, name := range standardClaims {
			if value, ok := claimValue(name, doc[name]); ok {
				claims[name] = value
			}
		}
	}
	if m.PictureTemplate != "" {
		url, ok := expand(m.PictureTemplate, func(path string) (string, bool) {
			v := lookup(doc, path)
			return subjectOf(v)
		})
		if ok {
			claims["picture"] = url
		}
	}
	return claims
}

// claimValue returns v in the form in which the claim may be shown; false if it may not.
func claimValue(name string, v any) (any, bool) {
	switch name {
	case "email":
		s, ok := v.(string)
		return s, ok && validEmail(s)
	case "picture", "profile":
		s, ok := v.(string)
		return s, ok && validURL(s, "https")
	case "website":
		s, ok := v.(string)
		return s, ok && (validURL(s, "https") || validURL(s, "http"))
	case "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "zoneinfo", "locale":
		s, ok := v.(string)
		return s, ok && s != "" && !strings.ContainsFunc(s, unicode.IsControl)
	}
	return exact(v), v != nil
}

// exact turns the numbers inside v into int64 where nothing is lost. It changes v in place.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = exact(v[name])
		}
	}
	return v
}
