package providers

import (
	"slices"
	"strings"
)

// reservedParams are the authorization request parameters that carry the protocol: PKCE, state, nonce, where
// the answer goes, and whatever could replace the whole request (RFC 9101, RFC 9126) or belongs to the token
// request. A setting that could overwrite one would switch a protection off.
var reservedParams = [...]string{
	"client_assertion", "client_assertion_type", "client_id", "client_secret", "code", "code_challenge",
	"code_challenge_method", "code_verifier", "dpop_jkt", "error", "grant_type", "id_token_hint", "iss", "nonce",
	"redirect_uri", "refresh_token", "registration", "request", "request_uri", "response", "response_mode",
	"response_type", "scope", "state",
}

// signingAlgs are the asymmetric algorithms of RFC 7518 section 3.1 and RFC 8037.
var signingAlgs = [...]string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// ownHeaders are set by whoever sends the request.
var ownHeaders = [...]string{
	"Authorization", "Connection", "Content-Length", "Cookie", "Host", "Proxy-Authorization", "Transfer-Encoding",
}

// param checks a parameter name. Some servers compare names without regard to case, hence EqualFold.
func (v *violations) param(field, name string) {
	if !paramName(name) {
		v.addf("%s has a parameter name other than letters, digits, '-', '.' and '_' (RFC 6749 section 8.2)", field)
	}
	if slices.ContainsFunc(reservedParams[:], func(r string) bool { return strings.EqualFold(r, name) }) {
		v.addf("%s sets a reserved parameter", field)
	}
}

func validID(s string) bool {
	return len(s) >= 1 && len(s) <= 63 && s[0] != '-' && only(s, func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	})
}

func validTenant(s string) bool {
	return len(s) >= 1 && len(s) <= 128 && only(s, func(c byte) bool { return alnum(c) || c == '-' || c == '_' })
}

func paramName(s string) bool {
	return s != "" && only(s, func(c byte) bool { return alnum(c) || c == '-' || c == '.' || c == '_' })
}

// headerName allows fewer names than RFC 9110 section 5.6.2 does; no provider asks for the others.
func headerName(s string) bool {
	return s != "" && only(s, func(c byte) bool { return alnum(c) || c == '-' || c == '_' })
}

// scopeToken is the grammar of RFC 6749 section 3.3.
func scopeToken(s string) bool {
	return s != "" && only(s, func(c byte) bool { return c >= 0x21 && c <= 0x7e && c != '"' && c != '\\' })
}

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
