package workos

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/netscript/auth"
)

var (
	errPayload      = errors.New("the sealed content is not a session")
	errNoToken      = errors.New("the session has no access token")
	errUser         = errors.New("the session names no user")
	errOtherUser    = errors.New("the token is another user's than the session")
	errTokenType    = errors.New("the access token is not a text")
	errCookieLength = errors.New("the session does not fit into a cookie of 4096 bytes: shorten the JWT template, the permissions or the metadata")
)

// SessionData is the content of a sealed cookie.
type SessionData struct {
	// OrganizationID is the organization of the access token. If empty, none.
	OrganizationID string
	// User is WorkOS' user object with camelCase names, as the Node SDK has it. Its "id" is required.
	User map[string]any
	// AccessToken is required; without RefreshToken the session ends with it.
	AccessToken, RefreshToken auth.Secret
	// AuthenticationMethod is WorkOS' word for how the person signed in, such as "SSO". If empty, left out.
	AuthenticationMethod string
	// Impersonator is who acts as the user, with "email" and "reason". If nil, nobody.
	Impersonator map[string]any
}

// SessionCookie seals d into a cookie that this backend and WorkOS' Node SDK accept, such as after an exchange of an
// authorization code that the application made itself. A cookie over 4096 bytes, which browsers would drop, is an
// error of [auth.CodeValidation].
func (b *Backend) SessionCookie(d SessionData) (*http.Cookie, error) {
	if id, _ := d.User["id"].(string); id == "" || d.AccessToken.IsZero() {
		return nil, fail(auth.CodeValidation, "seal session", errors.New("the user's id and the access token are required"))
	}
	return b.sealCookie(d, auth.CodeValidation)
}

func (b *Backend) sealCookie(d SessionData, tooLong auth.Code) (*http.Cookie, error) {
	plaintext, err := d.encode()
	if err != nil {
		return nil, fail(auth.CodeValidation, "seal session", errors.New("the user or impersonator is not JSON"))
	}
	sealed, err := sealRandom(plaintext, b.conf.passwords[0].Reveal())
	if err != nil {
		return nil, fail(auth.CodeInternal, "seal session", err)
	}
	c := b.conf.sessionCookie(sealed + "~" + currentVersion)
	if len(c.Name)+len(c.Value) > maxSetCookie {
		return nil, fail(tooLong, "seal session", errCookieLength)
	}
	return c, nil
}

// encode writes the members in the SDK's order, and leaves out what it leaves out.
func (d SessionData) encode() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct { //nolint:gosec // G117: it is sealed
		OrganizationID       string         `json:"organizationId,omitempty"`
		User                 map[string]any `json:"user"`
		AccessToken          string         `json:"accessToken"`
		RefreshToken         string         `json:"refreshToken,omitempty"`
		AuthenticationMethod string         `json:"authenticationMethod,omitempty"`
		Impersonator         map[string]any `json:"impersonator,omitempty"`
	}{d.OrganizationID, d.User, d.AccessToken.Reveal(), d.RefreshToken.Reveal(), d.AuthenticationMethod, d.Impersonator})
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// currentVersion is the number behind the tilde of a cookie whose content is the session itself. In older ones it is
// wrapped in a member "persistent".
const currentVersion = "2"

// splitVersion returns the seal, and whether its content may be wrapped. The version is read as JavaScript's parseInt
// does, and what follows a second tilde is ignored: other spellings of 2 are 2, and nonsense is an older version.
func splitVersion(cookie string) (sealed string, wrapped bool) {
	sealed, version, ok := strings.Cut(cookie, "~")
	if !ok {
		return sealed, false
	}
	version, _, _ = strings.Cut(version, "~")
	return sealed, jsInt(version) != currentVersion
}

// jsInt returns the decimal digits that JavaScript's parseInt(s, 10) would read, without leading zeros; "" for none, or
// for a negative number, which is no version.
func jsInt(s string) string {
	s = strings.TrimLeft(s, " \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff")
	s = strings.TrimPrefix(s, "+")
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return strings.TrimLeft(s[:n], "0")
}

// payload is the JSON in a seal. Names are matched exactly, and the last of equal ones counts, as in JavaScript.
type payload map[string]any

// parsePayload decodes what a seal holds. The byte order mark and invalid UTF-8 are treated as a JavaScript TextDecoder
// does: dropped, and replaced.
func parsePayload(plaintext []byte, wrapped bool) (payload, error) {
	var v any
	if json.Unmarshal(bytes.TrimPrefix(plaintext, []byte("\ufeff")), &v) != nil {
		return nil, fail(auth.CodeSessionInvalid, "open session", errPayload)
	}
	p, ok := v.(map[string]any)
	if inner := p["persistent"]; ok && wrapped && inner != nil {
		p, ok = inner.(map[string]any)
	}
	if !ok {
		return nil, fail(auth.CodeSessionInvalid, "open session", errPayload)
	}
	return p, nil
}

// accessToken returns the token. What JavaScript takes for false is no token, anything else that is no text is a bad one.
func (p payload) accessToken() (string, error) {
	switch t := p["accessToken"].(type) {
	case string:
		if t != "" {
			return t, nil
		}
	case nil:
	case bool:
		if t {
			return "", fail(auth.CodeTokenInvalid, "authenticate", errTokenType)
		}
	case float64:
		if t != 0 {
			return "", fail(auth.CodeTokenInvalid, "authenticate", errTokenType)
		}
	default:
		return "", fail(auth.CodeTokenInvalid, "authenticate", errTokenType)
	}
	return "", fail(auth.CodeSessionInvalid, "open session", errNoToken)
}

// user returns the user object, and its id.
func (p payload) user() (map[string]any, string, error) {
	u, _ := p["user"].(map[string]any)
	id, _ := u["id"].(string)
	if !usableID(id) {
		return nil, "", fail(auth.CodeSessionInvalid, "open session", errUser)
	}
	return u, id, nil
}

func (p payload) text(name string) string {
	s, _ := p[name].(string)
	return s
}

// usableID reports whether s can identify something: not empty, not longer than an OpenID subject may be, and without
// characters that two different texts may have been turned into.
func usableID(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' })
}
