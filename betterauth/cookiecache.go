package betterauth

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth/internal/strictjson"
)

// CacheStrategy is the format of session_data.
type CacheStrategy int

// The strategies.
const (
	CompactStrategy CacheStrategy = iota // JSON with an HMAC; better-auth's default
	JWTStrategy                          // HS256, or the key set of the jwt plugin with CookieCache.JWKS
	JWEStrategy                          // encrypted
)

// CookieCache mirrors session.cookieCache. While session_data is fresh a request is decided from it alone, as at the
// server: a session that was revoked, a user who was banned or renamed is not noticed before its MaxAge is over, and
// nothing bounds what expiry the server gave it. The membership in an organization is read from the database all the same.
// The cookie session_token is required beside it.
type CookieCache struct {
	// Strategy is cookieCache.strategy. If zero, [CompactStrategy].
	Strategy CacheStrategy
	// JWKS says that session_data is signed with the key set of the [JWT] plugin: jwt({sessionCookieCache: true}).
	JWKS bool
	// MaxAge is cookieCache.maxAge. If zero, 5 minutes; with Stateless, Session.ExpiresIn.
	MaxAge time.Duration
	// Version is cookieCache.version. If empty, "1".
	Version string
	// VersionOf, if not nil, is cookieCache.version as a function of the fields of the session and of the user.
	VersionOf func(session, user map[string]any) string
	// Write sets session_data when it is missing, as the server does. The additional fields of the server's session and
	// user must then be listed in SessionFields and UserFields: those that are not are missing at the server, too, while
	// the cookie is fresh. Not with JWKS. If false, only what cannot be used is removed.
	Write bool
	// Stateless says that the server has no database: session_data is all there is, is encrypted, and is renewed when
	// less than a fifth of its age is left. It implies JWEStrategy and Write.
	Stateless bool
	// Bypass, if not nil, says which requests are decided without session_data, as the query disableCookieCache does at
	// the server: those for which a revocation must count at once.
	Bypass func(*http.Request) bool
}

const defaultCacheAge = 5 * time.Minute

func (c *CookieCache) check(s *settings) error {
	if c.Stateless {
		if s.DB != nil || s.Secondary != nil || c.JWKS {
			return errors.New("CookieCache.Stateless excludes DB, Secondary and JWKS")
		}
		c.Strategy, c.Write = JWEStrategy, true
		if c.MaxAge == 0 {
			c.MaxAge = s.Session.ExpiresIn
		}
	}
	switch {
	case c.Strategy < CompactStrategy || c.Strategy > JWEStrategy:
		return errors.New("CookieCache.Strategy is no CacheStrategy")
	case c.JWKS && (c.Strategy != JWTStrategy || c.Write):
		return errors.New("CookieCache.JWKS is for JWTStrategy without Write")
	case c.MaxAge < 0 || c.MaxAge%time.Second != 0 || c.MaxAge > maxCookieAge:
		return errors.New("CookieCache.MaxAge must be whole seconds, up to 400 days")
	case c.Version != "" && c.VersionOf != nil:
		return errors.New("CookieCache.Version and VersionOf exclude each other")
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultCacheAge
	}
	if c.Version == "" {
		c.Version = "1"
	}
	return nil
}

func (c *CookieCache) version(r *cachedRecord) string {
	if c.VersionOf != nil {
		return c.VersionOf(r.session, r.user)
	}
	return c.Version
}

// cachedRecord is a session and its user as the server wrote them as JSON.
type cachedRecord struct {
	session, user map[string]any
	version       string
	expiresAt     int64 // of the cache, in milliseconds
}

// fromCache returns the session that session_data holds for the token, or nil.
func (b *Backend) fromCache(r *http.Request, data, token string, now time.Time) *record {
	c := b.conf.CookieCache
	cached := b.decodeData(r, data, now)
	if cached == nil {
		return nil
	}
	if !same(textOf(cached.session["token"]), token) || cached.version != c.version(cached) || cached.expiresAt < now.UnixMilli() {
		return nil
	}
	rec := cached.record(b.conf)
	if rec == nil || rec.session.expiresAt.Before(now) {
		return nil
	}
	return rec
}

// decodeData opens session_data. What cannot be opened is nil, not an error: the database decides.
func (b *Backend) decodeData(r *http.Request, data string, now time.Time) *cachedRecord {
	switch c := b.conf.CookieCache; {
	case c.Strategy == CompactStrategy:
		return b.conf.secrets.openCompact(data)
	case c.JWKS:
		return b.openSignedCache(r.Context(), data)
	case c.Strategy == JWTStrategy:
		return b.conf.secrets.openJWT(data, now)
	}
	return b.conf.secrets.openJWE(data)
}

// openCompact opens base64url(JSON of {session, expiresAt, signature}). The signature is over the text of session with
// expiresAt as its last member: the text is taken as it stands, because writing it again would change it.
func (s *secrets) openCompact(data string) *cachedRecord {
	plain, err := decodeBase64(data)
	if err != nil {
		return nil
	}
	outer, err := strictjson.Object(plain, maxSessionData)
	if err != nil {
		return nil
	}
	payload, ok := strings.CutSuffix(string(outer["session"]), "}")
	var signature string
	if !ok || json.Unmarshal(outer["signature"], &signature) != nil {
		return nil
	}
	expires, err := strconv.ParseInt(string(outer["expiresAt"]), 10, 64)
	if err != nil {
		return nil
	}
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !s.authentic(payload+`,"expiresAt":`+string(outer["expiresAt"])+"}", mac) {
		return nil
	}
	r := cacheOf(outer["session"])
	if r != nil {
		r.expiresAt = expires
	}
	return r
}

// openJWT opens a JWT signed with HS256 and the secret. Its expiry has no tolerance.
func (s *secrets) openJWT(data string, now time.Time) *cachedRecord {
	signed, signature, ok := cutLast(data, '.')
	header, payload, ok2 := strings.Cut(signed, ".")
	if !ok || !ok2 || strings.Contains(payload, ".") {
		return nil
	}
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !s.authentic(signed, mac) {
		return nil
	}
	if h := jsonObject(header); h == nil || h["alg"] != "HS256" || h["crit"] != nil {
		return nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil
	}
	r := cacheOf(plain)
	if r == nil || r.expiresAt/1000 <= now.Unix() {
		return nil
	}
	return r
}

// openJWE opens an encrypted JWT. Its header names the secret by the thumbprint of its key; without that, every accepted
// secret is tried.
func (s *secrets) openJWE(data string) *cachedRecord {
	object, err := jose.ParseEncryptedCompact(data, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256CBC_HS512})
	if err != nil {
		return nil
	}
	for _, k := range s.jwe {
		if object.Header.KeyID != "" && object.Header.KeyID != k.id {
			continue
		}
		plain, err := object.Decrypt(k.key())
		if err != nil {
			continue
		}
		return cacheOf(plain)
	}
	return nil
}

// cacheOf reads what all strategies carry, and checks it as the server does. The text is the server's own: its signature
// was verified.
func cacheOf(authentic []byte) *cachedRecord {
	decoder := json.NewDecoder(bytes.NewReader(authentic))
	decoder.UseNumber()
	var members map[string]any
	if decoder.Decode(&members) != nil {
		return nil
	}
	return cacheOfMembers(members)
}

func cacheOfMembers(members map[string]any) *cachedRecord {
	r := &cachedRecord{version: "1"}
	r.session, _ = members["session"].(map[string]any)
	r.user, _ = members["user"].(map[string]any)
	if v, ok := members["version"]; ok {
		version, ok := v.(string)
		if !ok {
			return nil
		}
		r.version = cmp.Or(version, r.version)
	}
	if _, ok := members["updatedAt"].(json.Number); !ok || !r.valid() {
		return nil
	}
	if exp, ok := seconds(members["exp"]); ok { // of a JWT
		r.expiresAt = exp * 1000
	}
	if email, ok := r.user["email"].(string); ok {
		r.user["email"] = strings.ToLower(email)
	}
	return r
}

// valid is the server's schema of the payload.
func (r *cachedRecord) valid() bool {
	for _, field := range [...]string{"id", "token"} {
		if _, ok := r.session[field].(string); !ok {
			return false
		}
	}
	for _, field := range [...]string{"id", "email", "name"} {
		if _, ok := r.user[field].(string); !ok {
			return false
		}
	}
	expires, _ := r.session["expiresAt"].(string)
	_, _, ok := readISO(expires)
	return ok && r.session["userId"] != nil
}

// readISO reads a time as JSON.stringify writes a Date.
func readISO(v any) (time.Time, storedTime, bool) {
	s, _ := v.(string)
	if !strings.HasSuffix(s, "Z") {
		return time.Time{}, storedISO, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC().Truncate(time.Millisecond), storedISO, err == nil && plausible(t)
}

// record reads the fields, or returns nil when they are no session.
func (r *cachedRecord) record(c *settings) *record {
	s, err := readSession(func(field string) any { return r.session[field] }, readISO, c.SessionFields)
	if err != nil {
		return nil
	}
	u, err := readUser(func(field string) any { return r.user[field] }, readISO, c.UserFields)
	if err != nil || u.id != s.userID {
		return nil
	}
	return &record{session: s, user: u, raw: r}
}

func objectOf(raw json.RawMessage) map[string]any {
	if len(raw) == 0 {
		return nil
	}
	v, err := strictjson.Value(raw)
	if err != nil {
		return nil
	}
	m, _ := v.(map[string]any)
	return m
}

// jsonObject reads base64url of a JSON object, or returns nil.
func jsonObject(part string) map[string]any {
	plain, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil
	}
	return objectOf(plain)
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
