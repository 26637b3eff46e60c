package providers

import (
	"errors"
	"strconv"
	"strings"
)

// Mapping says where in a provider's answer the parts of an identity are. A path names members from the
// outermost object inwards, joined by dots, with a number for an element of a list: "id", "data.id",
// "images.0.url". Names are case-sensitive.
//
// The zero value reads the standard claims of OpenID Connect Core section 5.1 under their own names.
type Mapping struct {
	// Subject is the path of the user's identifier, a string or a positive integer. It must be one that the
	// provider never gives to another user; there is deliberately no second choice, because a value from one
	// place could equal another user's value from the other. If empty, "sub". Only for kind oauth.
	Subject string

	// Claims lists, for each claim name, the paths where its value may be; the first usable value wins. For
	// kind oauth a claim that is not listed does not exist. For kind oidc all other claims of the document
	// are kept as well. If nil, the standard claims.
	Claims map[string][]string

	// PictureTemplate makes the picture claim of a URL with paths in braces, where the document has no URL
	// itself. Every value in it must be letters, digits, '-' and '_', otherwise there is no picture. If
	// empty, there is no template.
	PictureTemplate string

	// EmailVerified is the path of the member that is the JSON value true when the provider has verified the
	// e-mail address. If empty, "email_verified" - except for kind oauth with Claims set, where no address is
	// then verified.
	EmailVerified string

	// EmailConfirmed says that the provider only ever hands out verified addresses.
	EmailConfirmed bool

	// InsecureEmailVerifiedString also accepts the JSON string "true" for EmailVerified. Only for a provider
	// that documents the string: elsewhere a string may come from an attribute that users edit themselves,
	// who could then pass for the owner of any address.
	InsecureEmailVerifiedString bool
}

// standardClaims of a UserInfo document without a Mapping.
var standardClaims = [...]string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
	"website", "email", "zoneinfo", "locale", "updated_at",
}

// reservedClaims are names that Claims may not set: they say who the user is, whether the address is
// verified, and what a session adds.
var reservedClaims = [...]string{"sub", "email_verified", "sessionId", "providerId", "iss", "aud"}

func (m Mapping) check() error {
	var errs []error
	paths := []string{m.Subject, m.EmailVerified}
	for name, list := range m.Claims {
		for _, reserved := range reservedClaims {
			if name == reserved {
				errs = append(errs, errors.New("Mapping.Claims sets a reserved claim"))
			}
		}
		if name == "" || len(list) == 0 {
			errs = append(errs, errors.New("Mapping.Claims has a claim without name or path"))
		}
		for _, path := range list {
			if path == "" {
				errs = append(errs, errors.New("Mapping.Claims has an empty path"))
			}
		}
		paths = append(paths, list...)
	}
	for _, path := range paths {
		if path != "" && strings.Contains("."+path+".", "..") {
			errs = append(errs, errors.New("Mapping has a path with an empty name"))
		}
	}
	if m.PictureTemplate != "" {
		if _, ok := expand(m.PictureTemplate, func(string) (string, bool) { return "x", true }); !ok {
			errs = append(errs, errors.New("Mapping.PictureTemplate is not an https URL with paths in braces"))
		}
	}
	return errors.Join(errs...)
}

// emailVerifiedPath is "" if no address of this provider is verified.
func (m Mapping) emailVerifiedPath(kind Kind) string {
	if m.EmailVerified == "" && (kind == OIDC || m.Claims == nil) {
		return "email_verified"
	}
	return m.EmailVerified
}

// lookup follows path through v; nil if it leads nowhere or to null.
func lookup(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

// expand replaces every {path} in template by its value and returns the result if it is an https URL.
func expand(template string, value func(path string) (string, bool)) (string, bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			break
		}
		path, after, closed := strings.Cut(rest, "}")
		s, ok := value(path)
		if !closed || path == "" || !ok || !urlSafe(s) {
			return "", false
		}
		b.WriteString(s)
		template = after
	}
	s := b.String()
	return s, validURL(s, "https")
}

// urlSafe is narrower than RFC 3986's unreserved characters: a dot could form "..".
func urlSafe(s string) bool {
	return s != "" && only(s, func(c byte) bool { return alnum(c) || c == '-' || c == '_' })
}
