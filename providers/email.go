package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/netscript/auth/internal/strictjson"
)

// maxEmail is the longest address that the user tables hold.
const maxEmail = 320

// settleEmail makes email and email_verified agree. An address that nobody vouches for stays, as unverified:
// applications show it, and must be able to see that it proves nothing.
func (p Provider) settleEmail(claims, doc map[string]any) map[string]any {
	delete(claims, "email_verified")
	if _, ok := claims["email"]; ok {
		claims["email_verified"] = p.emailVerified(doc)
	}
	return claims
}

// emailVerified is true only for the JSON value true; 1, "1" or "yes" say nothing.
func (p Provider) emailVerified(doc map[string]any) bool {
	if p.Mapping.EmailConfirmed {
		return true
	}
	path := p.Mapping.emailVerifiedPath(p.Kind)
	if path == "" {
		return false
	}
	v := lookup(doc, path)
	return v == true || v == "true" && p.Mapping.InsecureEmailVerifiedString
}

// primaryEmail returns the first address in the list that is both primary and verified, or "".
func primaryEmail(emails []byte) (string, error) {
	if len(emails) > MaxDocument {
		return "", fmt.Errorf("%w: %w", ErrDocument, strictjson.ErrTooLarge)
	}
	v, err := strictjson.Value(json.RawMessage(emails))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDocument, err)
	}
	list, ok := v.([]any)
	if !ok {
		return "", fmt.Errorf("%w: %w", ErrDocument, errors.New("e-mail addresses are not a list"))
	}
	for _, item := range list {
		entry, _ := item.(map[string]any)
		address, _ := entry["email"].(string)
		if entry["primary"] == true && entry["verified"] == true && validEmail(address) {
			return address, nil
		}
	}
	return "", nil
}

// validEmail accepts what all parsers read as the same single address: one '@' between a local part and a
// domain, nothing that ends an address or starts a second one in a header, and no character that becomes an
// '@' under Unicode normalisation (NFKC) later.
func validEmail(s string) bool {
	// A missing or a second @ leaves a domain that is none.
	local, domain, _ := strings.Cut(s, "@")
	return len(s) <= maxEmail && local != "" && !strings.ContainsFunc(local, notInLocal) && validDomain(domain)
}

func notInLocal(r rune) bool {
	// Not printable: control and format characters, every space but U+0020, private use, unassigned.
	return r == '\uFF20' || r == '\uFE6B' || !unicode.IsPrint(r) || strings.ContainsRune(" \"(),:;<>[\\]", r)
}

// validDomain accepts ASCII only: the domain is what allow-lists compare, and normalisation turns letters of
// many blocks into ASCII ones. An internationalised domain is accepted as A-labels (RFC 5890), xn--.
func validDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' ||
			!only(label, func(c byte) bool { return alnum(c) || c == '-' }) {
			return false
		}
	}
	return true
}

// validURL accepts an absolute URL of the given scheme that browsers and net/url read alike.
func validURL(s, scheme string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == scheme && u.Hostname() != "" && u.User == nil &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return r <= ' ' || r == 0x7f || strings.ContainsRune(`\"<>`, r) || !unicode.IsPrint(r)
		})
}
