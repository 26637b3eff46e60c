package auth

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The headers by which a proxy tells a service who sent a request. Only the first proves anything: it holds everything
// that the others say, signed. The others are for logs and for programs that cannot check a signature; lists are
// separated by spaces, and their items, as the subject, are percent-encoded.
const (
	HeaderIdentity = "X-Auth-Identity"
	HeaderSubject  = "X-Auth-Subject"
	HeaderScopes   = "X-Auth-Scopes"
	HeaderRoles    = "X-Auth-Roles"
)

// DefaultIdentityLifetime is how long signed identity headers are good for.
const DefaultIdentityLifetime = 30 * time.Second

const (
	identityPrefix  = "nsi1."
	maxIdentitySize = 4096 // what a proxy takes as one header by default
)

// identity is what [HeaderIdentity] says.
type identity struct {
	Subject  string         `json:"sub"`
	Scopes   []string       `json:"scp,omitempty"`
	Roles    []string       `json:"rol,omitempty"`
	Claims   map[string]any `json:"clm,omitempty"`
	Audience string         `json:"aud,omitempty"`
	Issued   int64          `json:"iat"` // seconds since 1970
	Expires  int64          `json:"exp"`
}

// TrustedHeadersConfig configures [NewTrustedHeaders].
type TrustedHeadersConfig struct {
	// Keys check the signature. At least one is required; any of them may have signed.
	Keys []Key
	// Proxies are the addresses that the headers are believed from: the peers of the connection, never what a forwarding
	// header says. At least one is required.
	Proxies []netip.Prefix
	// Audience is [HeaderSignerConfig.Audience]: headers for another are refused. If empty, only headers for nobody in
	// particular are accepted.
	Audience string
	// ClockSkew is how far the signer's clock may be from ours. If zero, five seconds; at most a minute.
	ClockSkew time.Duration
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
}

// TrustedHeaders authenticates requests by the signed headers of a proxy that has authenticated them already: the
// /verify route of [Handler], or a [HeaderSigner]. Both are needed, the proxy's address and the signature: an address
// alone is anybody who can send from there, and a signature alone is anybody who has seen one. It is immutable and safe
// for concurrent use.
type TrustedHeaders struct {
	keys     [][]byte
	proxies  []netip.Prefix
	audience string
	skew     time.Duration
	now      func() time.Time
}

var _ AuthenticatorPort = (*TrustedHeaders)(nil)

// NewTrustedHeaders returns an authenticator for c. An error is of [CodeConfigInvalid].
func NewTrustedHeaders(c TrustedHeadersConfig) (*TrustedHeaders, error) {
	const op = "trusted headers"
	keys, err := identityKeys(c.Keys)
	if err != nil {
		return nil, configError(op, err)
	}
	if len(c.Proxies) == 0 {
		return nil, configError(op, errors.New("Proxies needs at least one"))
	}
	t := &TrustedHeaders{keys: keys, audience: c.Audience, skew: c.ClockSkew, now: c.Now}
	for i, p := range c.Proxies {
		if !p.IsValid() {
			return nil, configError(op, fmt.Errorf("Proxies[%d] is not an address range", i))
		}
		t.proxies = append(t.proxies, p.Masked())
	}
	if t.skew == 0 {
		t.skew = 5 * time.Second
	}
	if t.skew < 0 || t.skew > time.Minute {
		return nil, configError(op, errors.New("ClockSkew must be positive and at most a minute"))
	}
	if t.now == nil {
		t.now = time.Now
	}
	return t, nil
}

// Authenticate implements [AuthenticatorPort]. Headers from somebody who is not one of the proxies do not count. The
// Authentication has no Session.
func (t *TrustedHeaders) Authenticate(r *http.Request) (*Authentication, error) {
	if !fromPeer(r, t.proxies) {
		return nil, &Error{Code: CodeNoCredential, Op: "trusted headers"}
	}
	value, err := theIdentityHeader(r.Header)
	if err != nil || value == "" {
		return nil, cmpError(err, &Error{Code: CodeNoCredential, Op: "trusted headers"})
	}
	id, err := t.open(value)
	if err != nil {
		return nil, err
	}
	if err := agrees(r.Header, id); err != nil {
		return nil, err
	}
	return &Authentication{Principal: Principal{
		Subject: id.Subject, Scopes: id.Scopes, Roles: id.Roles, Claims: id.Claims, Scheme: SchemeTrustedHeader,
	}}, nil
}

func cmpError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// open checks the signature before it parses anything.
func (t *TrustedHeaders) open(value string) (*identity, error) {
	refuse := func(code Code, what string) error {
		return &Error{Code: code, Op: "trusted headers", Err: errors.New(what)}
	}
	dot := strings.LastIndexByte(value, '.')
	if len(value) > maxIdentitySize || !strings.HasPrefix(value, identityPrefix) || dot < len(identityPrefix) {
		return nil, refuse(CodeCredentialMalformed, "not an identity")
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(value[dot+1:])
	if err != nil || !(&SessionTokens{keys: t.keys}).authentic(value[:dot], mac) {
		return nil, refuse(CodeTokenInvalid, "not authentic")
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(value[len(identityPrefix):dot])
	if err != nil {
		return nil, refuse(CodeTokenInvalid, "malformed")
	}
	var id identity
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.UseNumber()
	if dec.Decode(&id) != nil || id.Subject == "" {
		return nil, refuse(CodeTokenInvalid, "malformed")
	}
	if id.Audience != t.audience {
		return nil, refuse(CodeTokenInvalid, "for another audience")
	}
	now := t.now()
	if now.Add(t.skew).Before(time.Unix(id.Issued, 0)) {
		return nil, refuse(CodeTokenInvalid, "issued in the future")
	}
	if !now.Add(-t.skew).Before(time.Unix(id.Expires, 0)) {
		return nil, refuse(CodeTokenExpired, "expired")
	}
	return &id, nil
}

// theIdentityHeader returns the one identity header of h, or "" when there is none. A header whose name some server takes
// for one of ours, because it does not tell an underscore from a hyphen, is refused, and so is one that comes twice.
func theIdentityHeader(h http.Header) (string, error) {
	for name, values := range h {
		if own, exact := identityHeader(name); own && (!exact || len(values) != 1) {
			return "", malformedCredential("an identity header was sent twice or under another spelling")
		}
	}
	return h.Get(HeaderIdentity), nil
}

// identityHeader reports whether name is one of the identity headers, and whether it is spelt as one.
func identityHeader(name string) (own, exact bool) {
	if len(name) < len(HeaderRoles) || len(name) > len(HeaderIdentity) {
		return false, false // most headers, without an allocation
	}
	plain := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	return slices.Contains([]string{HeaderIdentity, HeaderSubject, HeaderScopes, HeaderRoles}, plain), plain == name
}

// agrees refuses plain headers that say something else than the signature, because a program behind us may read them.
func agrees(h http.Header, id *identity) error {
	for name, want := range plainHeaders(id) {
		if got, ok := h[name]; ok && got[0] != want {
			return malformedCredential("an identity header contradicts the signed one")
		}
	}
	return nil
}

func plainHeaders(id *identity) map[string]string {
	return map[string]string{
		HeaderSubject: url.PathEscape(id.Subject), HeaderScopes: encodeList(id.Scopes), HeaderRoles: encodeList(id.Roles),
	}
}

func encodeList(items []string) string {
	encoded := make([]string, len(items))
	for i, item := range items {
		encoded[i] = url.PathEscape(item)
	}
	return strings.Join(encoded, " ")
}

// fromPeer reports whether the other end of r's connection is in one of the ranges.
func fromPeer(r *http.Request, ranges []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false // not an IP connection
	}
	addr := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// identityKeys derives keys of this use alone, so that an identity is never mistaken for something else.
func identityKeys(keys []Key) ([][]byte, error) {
	if len(keys) == 0 {
		return nil, errors.New("Keys needs at least one: make one with GenerateKey")
	}
	derived := make([][]byte, 0, len(keys))
	for i, k := range keys {
		if k.IsZero() {
			return nil, fmt.Errorf("Keys[%d] is the zero key", i)
		}
		d, err := hkdf.Key(sha256.New, k.Bytes(), nil, "netscript auth identity headers v1", KeySize)
		if err != nil {
			return nil, err
		}
		derived = append(derived, d)
	}
	return derived, nil
}
