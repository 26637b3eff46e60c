package betterauth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
)

const maxSetCookie = 4050 // of a whole Set-Cookie line, as at the server

// reissue renews session_data that a server without a database has only for its age, when less than a fifth of it is
// left. The session's own expiry stays.
func (b *Backend) reissue(rec *record, p request, now time.Time) []*http.Cookie {
	c := b.conf.CookieCache
	left := time.Duration(rec.raw.expiresAt-now.UnixMilli()) * time.Millisecond
	if !c.Stateless || left >= c.MaxAge/5 {
		return nil
	}
	cookies := b.issue(rec.raw, p, now)
	if cookies == nil {
		return nil
	}
	age := b.conf.Session.ExpiresIn
	if !p.remember {
		age = 0
	}
	return append(cookies, b.conf.jar.cookie(keySessionToken, b.conf.secrets.sign(rec.session.token), age))
}

// cacheCookies is session_data for a session that was read from the database, where it is to be set.
func (b *Backend) cacheCookies(rec *record, p request, now time.Time) []*http.Cookie {
	if b.conf.CookieCache == nil || !b.conf.CookieCache.Write {
		return nil
	}
	return b.issue(b.payload(rec), p, now)
}

// issue makes session_data, in chunks if it is long, and removes chunks that are not needed any more.
func (b *Backend) issue(r *cachedRecord, p request, now time.Time) []*http.Cookie {
	age := b.conf.CookieCache.MaxAge
	value, err := b.encode(r, age, now)
	if err != nil {
		return nil // the session is valid without it
	}
	name := b.conf.jar.names[keySessionData]
	parts := b.split(name, value, age)
	set := map[string]bool{}
	var cookies []*http.Cookie
	for i, part := range parts {
		n := name
		if len(parts) > 1 {
			n += "." + strconv.Itoa(i)
		}
		set[n] = true
		cookies = append(cookies, b.conf.jar.named(n, part, int(age/time.Second)))
	}
	for _, old := range p.cookies.dataCookies(name) {
		if !set[old] {
			cookies = append(cookies, b.conf.jar.named(old, "", -1))
		}
	}
	return cookies
}

// split cuts the value into what fits into cookies. None of it has a character that is percent-encoded.
func (b *Backend) split(name, value string, age time.Duration) []string {
	size := maxSetCookie - len(b.conf.jar.named(name+".99", "", int(age/time.Second)).String())
	if size <= 0 || len(value) > size*maxChunks {
		return nil
	}
	var parts []string
	for len(value) > size {
		parts, value = append(parts, value[:size]), value[size:]
	}
	return append(parts, value)
}

// encode makes the value of session_data in the configured format.
func (b *Backend) encode(r *cachedRecord, age time.Duration, now time.Time) (string, error) {
	c := b.conf.CookieCache
	payload := fieldList{
		{"session", r.session}, {"user", r.user}, {"updatedAt", now.UnixMilli()}, {"version", c.version(r)},
	}
	if c.Strategy == CompactStrategy {
		return b.conf.secrets.compact(payload, now.Add(age).UnixMilli()), nil
	}
	payload = append(payload, field{"iat", now.Unix()}, field{"exp", now.Add(age).Unix()})
	if c.Strategy == JWTStrategy {
		return b.conf.secrets.jwt(payload), nil
	}
	return b.conf.secrets.encrypt(append(payload, field{"jti", randomUUID()}))
}

func (s *secrets) compact(payload fieldList, expires int64) string {
	enc := base64.RawURLEncoding.EncodeToString
	mac := macOf(s.current, jsonText(append(payload[:len(payload):len(payload)], field{"expiresAt", expires})))
	return enc([]byte(jsonText(fieldList{{"session", payload}, {"expiresAt", expires}, {"signature", enc(mac)}})))
}

func (s *secrets) jwt(claims fieldList) string {
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc([]byte(`{"alg":"HS256"}`)) + "." + enc([]byte(jsonText(claims)))
	return signed + "." + enc(macOf(s.current, signed))
}

func (s *secrets) encrypt(claims fieldList) (string, error) {
	k := s.jwe[0]
	options := (&jose.EncrypterOptions{}).WithHeader("kid", k.id)
	e, err := jose.NewEncrypter(jose.A256CBC_HS512, jose.Recipient{Algorithm: jose.DIRECT, Key: k.key()}, options)
	if err != nil {
		return "", fail(auth.CodeInternal, "encrypt session_data", err)
	}
	object, err := e.Encrypt([]byte(jsonText(claims)))
	if err != nil {
		return "", fail(auth.CodeInternal, "encrypt session_data", err)
	}
	return object.CompactSerialize()
}

func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// payload is a session and its user as the server would write them: all columns that are read, and those that plugins of
// the configuration have.
func (b *Backend) payload(rec *record) *cachedRecord {
	s, u := &rec.session, &rec.user
	out := &cachedRecord{session: map[string]any{
		"id": s.id, "token": s.token, "userId": s.userID, "expiresAt": isoText(s.expiresAt), "createdAt": isoText(s.createdAt),
		"updatedAt": isoText(s.updatedAt), "ipAddress": s.ip, "userAgent": s.userAgent,
	}, user: map[string]any{
		"id": u.id, "name": u.name, "email": u.email, "emailVerified": u.emailVerified, "image": u.image,
		"createdAt": isoText(u.createdAt), "updatedAt": isoText(u.updatedAt),
	}}
	for name, v := range s.extra {
		out.session[name] = v
	}
	for name, v := range u.extra {
		out.user[name] = v
	}
	b.addPluginFields(out, s, u)
	return out
}

func (b *Backend) addPluginFields(out *cachedRecord, s *session, u *user) {
	if c := b.conf.organization; c != nil {
		out.session["activeOrganizationId"] = nullable(s.organizationID)
		if c.Teams {
			out.session["activeTeamId"] = nullable(s.teamID)
		}
	}
	if b.conf.admin != nil {
		out.session["impersonatedBy"] = nullable(s.impersonatedBy)
		out.user["role"], out.user["banned"], out.user["banReason"] = u.role, u.banned, u.banReason
		out.user["banExpires"] = isoText(u.banExpires)
	}
	for column := range b.conf.userFlags {
		out.user[column] = map[string]any{
			"twoFactorEnabled": u.twoFactor, "isAnonymous": u.anonymous, "username": nullable(u.username), "displayUsername": nullable(u.displayUsername),
		}[column]
	}
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func isoText(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(isoLayout)
}
