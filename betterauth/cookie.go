package betterauth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// CookieSecurity is whether cookies have the attribute Secure and a name that starts with __Secure-.
type CookieSecurity int

const (
	// SecureFromBaseURL takes it from [Config.BaseURL], which must then be https.
	SecureFromBaseURL CookieSecurity = iota
	// SecureAlways is better-auth's useSecureCookies: true, and what it does in production without a base URL.
	SecureAlways
	// InsecureNever is what the server does with an http base URL, also behind a proxy that speaks TLS, or with
	// useSecureCookies: false. Whoever can read or change plain traffic, or sets cookies from a sibling domain, takes
	// over or plants sessions.
	InsecureNever
)

const secureNamePrefix = "__Secure-"

// Cookies mirrors the server's cookie options. The zero value is better-auth's default for an https base URL.
type Cookies struct {
	// Security decides about Secure and __Secure-. If zero, [SecureFromBaseURL]. Exactly one name of each cookie is read.
	Security CookieSecurity
	// Prefix is advanced.cookiePrefix. If empty, "better-auth".
	Prefix string
	// Names are advanced.cookies.<key>.name by key: session_token, session_data, dont_remember, account_data, two_factor,
	// oauth_state. The prefix __Secure- still applies. If nil, Prefix and the key, as "better-auth.session_token".
	Names map[string]string
	// Domain is advanced.crossSubDomainCookies.domain. If empty, cookies are of the host alone.
	Domain string
	// Path of cookies that are set. If empty, "/".
	Path string
	// SameSite of cookies that are set. If zero, Lax.
	SameSite http.SameSite
	// Partitioned is the attribute of that name. It needs Secure.
	Partitioned bool
	// AccountData also clears the cookie account_data at a sign-out: the server has account.storeAccountCookie.
	AccountData bool
	// OAuthState also clears the cookie oauth_state at a sign-out: the server keeps the state in a cookie.
	OAuthState bool
}

// The cookies by better-auth's keys.
const (
	keySessionToken = "session_token"
	keySessionData  = "session_data"
	keyDontRemember = "dont_remember"
	keyAccountData  = "account_data"
	keyTwoFactor    = "two_factor"
	keyOAuthState   = "oauth_state"
)

var cookieKeys = []string{keySessionToken, keySessionData, keyDontRemember, keyAccountData, keyTwoFactor, keyOAuthState}

// jar knows the names and attributes of the server's cookies.
type jar struct {
	names    map[string]string
	template http.Cookie
}

func (c *settings) parseCookies() error {
	o := c.Cookies
	if o.Security < SecureFromBaseURL || o.Security > InsecureNever {
		return errors.New("Cookies.Security is no CookieSecurity")
	}
	secure := o.Security != InsecureNever
	if o.Security == SecureFromBaseURL && c.origin != "" && !strings.HasPrefix(c.origin, "https://") {
		return errors.New("BaseURL is http: set Cookies.Security to InsecureNever, or to SecureAlways if the server has useSecureCookies")
	}
	if o.Prefix == "" {
		o.Prefix = "better-auth"
	}
	if o.Path == "" {
		o.Path = "/"
	}
	if o.SameSite == 0 {
		o.SameSite = http.SameSiteLaxMode
	}
	if !secure && (o.Partitioned || o.SameSite == http.SameSiteNoneMode) {
		return errors.New("Cookies: Partitioned and SameSite=None need Secure")
	}
	j := &jar{names: map[string]string{}, template: http.Cookie{
		Path: o.Path, Domain: o.Domain, HttpOnly: true, Secure: secure, SameSite: o.SameSite, Partitioned: o.Partitioned,
	}}
	for key := range o.Names {
		if !slices.Contains(cookieKeys, key) {
			return errors.New("Cookies.Names has a key that is none of better-auth's")
		}
	}
	for _, key := range cookieKeys {
		name := o.Names[key]
		if name == "" {
			name = o.Prefix + "." + key
		}
		if secure {
			name = secureNamePrefix + name
		}
		j.names[key] = name
		if probe := j.cookie(key, "x", 0); probe.Valid() != nil {
			return errors.New("Cookies: a name, Domain or Path is not usable (RFC 6265, section 4.1.1)")
		}
	}
	c.Cookies, c.jar = o, j
	return nil
}

// cookie returns the cookie with a value, which is percent-encoded as the server does it. Without an age it ends with the
// browser's session.
func (j *jar) cookie(key, value string, age time.Duration) *http.Cookie {
	return j.named(j.names[key], encodeURI(value), int(age/time.Second))
}

func (j *jar) named(name, value string, maxAge int) *http.Cookie {
	c := j.template
	c.Name, c.Value, c.MaxAge = name, value, maxAge
	// Browsers drop a cookie with such a name and other attributes (RFC 6265bis, section 4.1.3).
	switch lower := strings.ToLower(name); {
	case strings.HasPrefix(lower, "__host-"):
		c.Secure, c.Path, c.Domain = true, "/", ""
	case strings.HasPrefix(lower, "__secure-"):
		c.Secure = true
	}
	return &c
}

// clear removes a cookie. Its attributes are those with which it was set, without which browsers keep it.
func (j *jar) clear(key string) *http.Cookie { return j.named(j.names[key], "", -1) }

// clearData removes session_data with its chunks, as far as the request has them.
func (j *jar) clearData(cookies requestCookies) []*http.Cookie {
	var list []*http.Cookie
	for _, name := range cookies.dataCookies(j.names[keySessionData]) {
		list = append(list, j.named(name, "", -1))
	}
	return list
}

// clearSession removes what carries a session, with those chunks of session_data that the request has.
func (j *jar) clearSession(cookies requestCookies) []*http.Cookie {
	list := []*http.Cookie{j.clear(keySessionToken), j.clear(keySessionData)}
	for _, c := range j.clearData(cookies) {
		if c.Name != j.names[keySessionData] {
			list = append(list, c)
		}
	}
	return append(list, j.clear(keyDontRemember))
}

// requestCookies are the cookies of a request, read as the server reads them.
type requestCookies []requestCookie

type requestCookie struct{ name, value string }

// maxCookies bounds how many cookies are looked at. Browsers send fewer than 200.
const maxCookies = 1000

func readCookies(h http.Header) requestCookies {
	var cookies requestCookies
	for _, line := range h["Cookie"] {
		for line != "" && len(cookies) < maxCookies {
			var part string
			part, line, _ = strings.Cut(line, ";")
			name, value, ok := strings.Cut(part, "=")
			if !ok {
				continue
			}
			cookies = append(cookies, requestCookie{strings.TrimSpace(name), unquote(strings.TrimSpace(value))})
		}
	}
	return cookies
}

// get returns the decoded value of the first cookie of that name, or "".
func (c requestCookies) get(name string) string {
	for _, cookie := range c {
		if cookie.name == name {
			return decodeURI(cookie.value)
		}
	}
	return ""
}

const (
	maxChunks      = 100
	maxSessionData = 128 << 10
)

// data returns session_data: the cookie itself, or else its chunks in their order. The last of two chunks of one name
// counts, as at the server.
func (c requestCookies) data(name string) string {
	if whole := c.get(name); whole != "" {
		if len(whole) > maxSessionData {
			return ""
		}
		return whole
	}
	chunks := map[int]string{}
	for _, cookie := range c {
		if i, ok := chunkIndex(name, cookie.name); ok && plainValueText(cookie.value) {
			chunks[i] = decodeURI(cookie.value)
		}
	}
	if len(chunks) == 0 || len(chunks) > maxChunks {
		return ""
	}
	indices := make([]int, 0, len(chunks))
	for i := range chunks {
		indices = append(indices, i)
	}
	slices.Sort(indices)
	var b strings.Builder
	for _, i := range indices {
		b.WriteString(chunks[i])
	}
	if b.Len() > maxSessionData {
		return ""
	}
	return b.String()
}

// dataCookies lists the names of session_data and its chunks that are there, each once.
func (c requestCookies) dataCookies(name string) []string {
	var names []string
	for _, cookie := range c {
		_, chunk := chunkIndex(name, cookie.name)
		if (chunk || cookie.name == name) && len(names) < maxChunks && !slices.Contains(names, cookie.name) {
			names = append(names, cookie.name)
		}
	}
	return names
}

// chunkIndex reads the number of a chunk, strictly: ".01" and ".x" are none.
func chunkIndex(name, cookie string) (int, bool) {
	suffix, ok := strings.CutPrefix(cookie, name+".")
	if !ok || suffix == "" || len(suffix) > 9 || suffix[0] == '0' && suffix != "0" {
		return 0, false
	}
	for _, c := range []byte(suffix) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(suffix)
	return n, err == nil
}

// plainValueText reports whether a value has only the characters of RFC 6265, section 4.1.1; the server passes over
// chunks with others.
func plainValueText(v string) bool {
	for _, c := range []byte(v) {
		if c <= ' ' || c == '"' || c == ',' || c == ';' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

func unquote(v string) string {
	if len(v) > 0 && v[0] == '"' {
		return v[1:max(1, len(v)-1)]
	}
	return v
}

// decodeURI undoes percent-encoding, or returns the text as it is when it cannot be undone. A plus is a plus.
func decodeURI(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if decoded, err := url.PathUnescape(s); err == nil && utf8.ValidString(decoded) {
		return decoded
	}
	return s
}

const uriUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"

// encodeURI is JavaScript's encodeURIComponent.
func encodeURI(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte(uriUnreserved, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}
