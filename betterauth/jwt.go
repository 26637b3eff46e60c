package betterauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

// JWTConfig configures [JWT].
type JWTConfig struct {
	// Issuer is jwt.issuer. If empty, the origin of Config.BaseURL.
	Issuer string
	// Audiences are what jwt.audience may be: one of them must be in the token. If nil, the origin of Config.BaseURL.
	Audiences []string
	// JWKSURL is where the key set is fetched, as "https://app.example.com/api/auth/jwks", or the server's remote one. If
	// empty, it is read from the table jwks. Either is read again by the first token after five minutes, which does not wait
	// for it: a key that has gone is good until then. While it cannot be read, known keys are good for a day.
	JWKSURL string
	// HTTPClient fetches JWKSURL: its Transport and Timeout are used. If nil, http.DefaultTransport. Redirects are never
	// followed and answers over 1 MiB are refused, whatever it says. If its Timeout is zero, 5 seconds.
	HTTPClient *http.Client
	// DefaultAlgorithm is jwks.keyPairConfig.alg, for stored keys that do not say theirs. If empty, EdDSA.
	DefaultAlgorithm string
	// GracePeriod is jwks.gracePeriod: how long a key is good for after it was replaced. If zero, 30 days.
	GracePeriod time.Duration
	// InsecureAllowHTTP permits a JWKSURL that is http: whoever can change the traffic signs tokens of every user.
	InsecureAllowHTTP bool
}

const (
	defaultAlgorithm   = "EdDSA"
	defaultGracePeriod = 30 * 24 * time.Hour
	maxJWT             = 16 << 10
)

// JWT returns the plugin for the server's JWTs, presented as Authorization: Bearer. They are good until they expire, 15
// minutes unless the server is configured otherwise: neither a sign-out nor a ban ends them. The principal has the scheme
// [auth.SchemeBearer] and the token's claims; there is no session behind it.
func JWT(config ...JWTConfig) Plugin { return jwtPlugin{config} }

type jwtPlugin struct{ config []JWTConfig }

func (jwtPlugin) id() string { return "jwt" }

func (p jwtPlugin) configure(s *settings) error {
	c, err := single(p.config)
	if err != nil {
		return err
	}
	if c.Issuer == "" {
		c.Issuer = s.origin
	}
	c.Audiences = slices.Clone(c.Audiences)
	if c.Audiences == nil {
		c.Audiences = []string{s.origin}
	}
	if c.DefaultAlgorithm == "" {
		c.DefaultAlgorithm = defaultAlgorithm
	}
	if c.GracePeriod == 0 {
		c.GracePeriod = defaultGracePeriod
	}
	switch {
	case c.Issuer == "" || len(c.Audiences) == 0 || slices.Contains(c.Audiences, ""):
		return errors.New("Issuer and Audiences are required without a BaseURL")
	case !slices.Contains(jwtAlgorithms, jose.SignatureAlgorithm(c.DefaultAlgorithm)):
		return errors.New("DefaultAlgorithm is none of better-auth's")
	case c.GracePeriod < 0:
		return errors.New("GracePeriod is negative")
	}
	s.jwt = &c
	if c.JWKSURL == "" {
		if s.DB == nil {
			return errors.New("JWKSURL is required without a DB")
		}
		s.addNeed("plugin jwt", modelJWKS, modelFields[modelJWKS]...)
		return nil
	}
	u, err := url.Parse(c.JWKSURL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !c.InsecureAllowHTTP) {
		return errors.New("JWKSURL must be an absolute https URL")
	}
	return nil
}

// jwtAlgorithms are those that better-auth can be configured with.
var jwtAlgorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.ES512, jose.RS256, jose.PS256}

var (
	errBadToken     = errors.New("the token is not valid")
	errTokenExpired = errors.New("the token has expired")
)

// presentedJWT returns the bearer token if it is a JWT with a key id. A signed session token does not look like one.
func (b *Backend) presentedJWT(h http.Header) string {
	if b.conf.jwt == nil {
		return ""
	}
	token := bearerToken(h)
	if strings.Count(token, ".") != 2 || len(token) > maxJWT {
		return ""
	}
	header, _, _ := strings.Cut(token, ".")
	if h := jsonObject(header); h == nil || h["alg"] == nil {
		return ""
	}
	return token
}

func (b *Backend) authenticateJWT(ctx context.Context, token string) (*auth.Authentication, error) {
	claims, err := b.VerifyJWT(ctx, token)
	if err != nil {
		return nil, err
	}
	u, err := readUser(func(field string) any { return claims[field] }, readISO, nil)
	u.id, _ = claims["sub"].(string)
	if b.barred(&u, b.conf.Now()) {
		return nil, fail(auth.CodeSessionRevoked, opAuthenticate, errBanned)
	}
	if err != nil {
		u.name, u.email = textOf(claims["name"]), textOf(claims["email"]) // definePayload may leave the id out
	}
	c := b.claimsOf(&u)
	for name, v := range claims {
		if _, ours := c[name]; !ours && !slices.Contains(protocolClaims, name) && !slices.Contains(ownClaims, name) {
			c[name] = v
		}
	}
	var roles []string
	if claims["role"] != nil {
		roles = b.userRoles(&u)
	}
	return &auth.Authentication{Principal: auth.Principal{Subject: u.id, Scheme: auth.SchemeBearer, Claims: c, Roles: roles}}, nil
}

// protocolClaims (RFC 7519, section 4.1) and the fields of the user that have become others are not repeated.
var protocolClaims = []string{"iss", "aud", "exp", "nbf", "iat", "jti", "sub", "id", "emailVerified", "image", "banned"}

// VerifyJWT is the server's verifyJWT: it returns the claims of a token that the server has signed for this issuer and
// audience and that has not expired. A token without an expiry is refused, which the server does not. A token that is not
// good: errors.Is(err, auth.ErrUnauthenticated). The result is the caller's.
func (b *Backend) VerifyJWT(ctx context.Context, token string) (map[string]any, error) {
	if b.keys == nil {
		return nil, auth.Unsupported(Name, "verify JWT", "the plugin is not enabled")
	}
	_, claims, err := b.keys.open(ctx, token)
	if err != nil {
		return nil, err
	}
	now := b.conf.Now()
	exp, hasExp := seconds(claims["exp"])
	nbf, hasNbf := seconds(claims["nbf"])
	switch sub, _ := claims["sub"].(string); {
	case sub == "" || claims["iss"] != b.conf.jwt.Issuer || !b.conf.jwt.intended(claims["aud"]):
	case !hasExp || claims["nbf"] != nil && !hasNbf || hasNbf && nbf > now.Unix():
	case exp <= now.Unix():
		return nil, fail(auth.CodeTokenExpired, opAuthenticate, errTokenExpired)
	default:
		return claims, nil
	}
	return nil, fail(auth.CodeTokenInvalid, opAuthenticate, errBadToken)
}

// intended reports whether aud, a text or a list (RFC 7519, section 4.1.3), has one of the audiences.
func (c *JWTConfig) intended(aud any) bool {
	list, ok := aud.([]any)
	if !ok {
		list = []any{aud}
	}
	return slices.ContainsFunc(list, func(v any) bool {
		s, ok := v.(string)
		return ok && slices.Contains(c.Audiences, s)
	})
}

func seconds(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return int64(f), err == nil && f >= 0 && f < 1<<40
}

// open verifies the signature of a token with the key that its kid names, which must be of its very algorithm, and
// returns its header and its claims.
func (k *keySet) open(ctx context.Context, token string) (jose.Header, map[string]any, error) {
	invalid := fail(auth.CodeTokenInvalid, opAuthenticate, errBadToken)
	if len(token) > maxSessionData || !canonical(token) {
		return jose.Header{}, nil, invalid
	}
	object, err := jose.ParseSignedCompact(token, jwtAlgorithms)
	if err != nil || object.Signatures[0].Header.KeyID == "" {
		return jose.Header{}, nil, invalid
	}
	header := object.Signatures[0].Header
	key, err := k.get(ctx, header.KeyID)
	if err != nil {
		return header, nil, err
	}
	if key == nil || key.Algorithm != header.Algorithm {
		return header, nil, invalid
	}
	plain, err := object.Verify(key.Key)
	if err != nil {
		return header, nil, invalid
	}
	members, err := strictjson.Value(plain)
	claims, ok := members.(map[string]any)
	if err != nil || !ok {
		return header, nil, invalid
	}
	return header, claims, nil
}

// canonical reports whether the parts of a token are base64url in its one spelling (RFC 4648, section 3.5). go-jose passes
// over line breaks and spare bits, and verifies what it has encoded anew: many texts would be one token.
func canonical(token string) bool {
	for part := range strings.SplitSeq(token, ".") {
		plain, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodedLen(len(plain)) != len(part) {
			return false
		}
	}
	return true
}

const (
	cacheTokenType = "better-auth.session-cache+jwt"
	cacheAudience  = "better-auth:session-cache"
)

// openSignedCache opens a session_data that the key set signs. When the keys cannot be had, the database decides.
func (b *Backend) openSignedCache(ctx context.Context, data string) *cachedRecord {
	if b.keys == nil {
		return nil
	}
	header, claims, err := b.keys.open(ctx, data)
	if err != nil || header.ExtraHeaders[jose.HeaderType] != cacheTokenType {
		return nil
	}
	issuer := b.conf.origin
	if issuer == "" {
		issuer = cacheAudience
	}
	if claims["iss"] != issuer || !(&JWTConfig{Audiences: []string{cacheAudience}}).intended(claims["aud"]) {
		return nil
	}
	payload := cacheOfMembers(claims)
	if payload == nil || claims["sub"] != payload.user["id"] || claims["sid"] != payload.session["token"] {
		return nil
	}
	return payload
}
