package auth

import (
	"errors"
	"net/http"
	"strings"
)

// bearerToken returns the token of an Authorization: Bearer header (RFC 6750, section 2.1). Another scheme is not ours
// and counts as none. More than one header, and a Bearer header that is not exactly one b64token after one space, is an
// error: what one reader takes for the token, another would not.
func bearerToken(r *http.Request) (token string, found bool, err error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", false, nil
	}
	if len(values) > 1 {
		return "", false, malformedCredential("Authorization was sent more than once")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false, nil
	}
	if !token68(token) {
		return "", false, malformedCredential("Authorization is not Bearer and one token")
	}
	return token, true, nil
}

func malformedCredential(what string) error {
	return &Error{Code: CodeCredentialMalformed, Op: "authenticate", Err: errors.New(what)}
}

// token68 reports whether s is a token68 (RFC 9110, section 11.2), which is what RFC 6750 calls a b64token.
func token68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if c := body[i]; !unreserved(c) && c != '+' && c != '/' {
			return false
		}
	}
	return body != ""
}
