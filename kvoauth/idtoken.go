package kvoauth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

const (
	maxIDToken = 16 << 10
	maxSubject = 255
)

// claimSet is the payload of a verified token, by exact member names.
type claimSet map[string]json.RawMessage

// verifyIDToken verifies raw as OpenID Connect Core 1.0 section 3.1.3.7 says and returns its claims. go-oidc checks the
// signature, iss, aud and exp; the rest, and that again on the exact member names, is checked here: encoding/json, which
// go-oidc decodes with, would take "ISS" for "iss". nonce "" expects no nonce or any (a refreshed token); accessToken
// is what at_hash speaks of.
func (rp *relyingParty) verifyIDToken(ctx context.Context, raw, nonce, accessToken string) (claimSet, error) {
	if err := checkHeader(raw); err != nil {
		return nil, fail(auth.CodeIDTokenInvalid, "ID token", err)
	}
	m, err := rp.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	keys := &watchedKeys{keys: rp.keys}
	verifier := oidc.NewVerifier(m.issuer, keys, &oidc.Config{
		ClientID: rp.ClientID, SupportedSigningAlgs: rp.algs, SkipIssuerCheck: rp.Provider.TenantIssuer != "",
		Now: func() time.Time { return rp.Now().Add(-rp.ClockSkew) },
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, keys.explain()
	}
	claims, err := payloadOf(raw)
	if err != nil {
		return nil, fail(auth.CodeIDTokenInvalid, "ID token", err)
	}
	for _, check := range []func() error{
		func() error { return rp.checkTokenIssuer(m, claims) },
		func() error { return rp.checkAudience(claims) },
		func() error { return rp.checkTimes(claims) },
		func() error { return rp.checkTokenSubject(claims) },
		func() error { return checkAccessTokenHash(token, claims, accessToken) },
	} {
		if err := check(); err != nil {
			return nil, fail(auth.CodeIDTokenInvalid, "ID token", err)
		}
	}
	if nonce != "" && subtle.ConstantTimeCompare([]byte(claims.text("nonce")), []byte(nonce)) != 1 {
		return nil, fail(auth.CodeNonceMismatch, "ID token", errors.New("nonce is not that of the request"))
	}
	return claims, nil
}

// watchedKeys remembers why the keys could not be asked. go-oidc flattens the error of a key set into text, and "could not
// fetch the keys" must not become "the token is wrong".
type watchedKeys struct {
	keys *keySet
	err  error
}

func (w *watchedKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := w.keys.VerifySignature(ctx, token)
	w.err = err
	return payload, err
}

// explain returns the error of a verification that failed. go-oidc's own text repeats claims of the token.
func (w *watchedKeys) explain() error {
	if e, ok := errors.AsType[*auth.Error](w.err); ok {
		return e
	}
	if errors.Is(w.err, errNoKey) {
		return fail(auth.CodeIDTokenInvalid, "ID token", errNoKey)
	}
	return fail(auth.CodeIDTokenInvalid, "ID token", errors.New("signature, issuer, audience or expiry is wrong"))
}

// checkHeader refuses a type that is not an ID token's (RFC 8725, section 3.11).
func checkHeader(raw string) error {
	members, err := headerOf(raw)
	if err != nil {
		return err
	}
	if typ, ok := members["typ"]; ok {
		var s string
		if json.Unmarshal(typ, &s) != nil || !strings.EqualFold(s, "JWT") {
			return errors.New("typ is not that of an ID token")
		}
	}
	return nil
}

// headerOf refuses what go-jose would not: a token that is not exactly three segments of canonical base64url, and any
// crit (RFC 7515, section 4.1.11), none of whose extensions is known here.
func headerOf(raw string) (map[string]json.RawMessage, error) {
	if len(raw) > maxIDToken || strings.Count(raw, ".") != 2 {
		return nil, errors.New("missing, too long, or not a signed JWT")
	}
	var header []byte
	for i, segment := range strings.Split(raw, ".") {
		b, ok := decodeSegment(segment)
		if !ok {
			return nil, errors.New("not base64url")
		}
		if i == 0 {
			header = b
		}
	}
	members, err := strictjson.Object(header, maxIDToken)
	if err != nil {
		return nil, errors.New("header is not acceptable JSON")
	}
	if members["crit"] != nil || members["b64"] != nil {
		return nil, errors.New("header has critical extensions")
	}
	return members, nil
}

// decodeSegment accepts one spelling of every value. The decoder alone skips line breaks, and go-jose all white space.
func decodeSegment(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && base64.RawURLEncoding.EncodedLen(len(b)) == len(s)
}

// payloadOf decodes the payload of a token whose signature has been verified.
func payloadOf(raw string) (claimSet, error) {
	segments := strings.Split(raw, ".")
	if len(segments) != 3 {
		return nil, errors.New("not a signed JWT")
	}
	payload, ok := decodeSegment(segments[1])
	if !ok {
		return nil, errors.New("payload is not base64url")
	}
	members, err := strictjson.Object(payload, maxIDToken)
	if err != nil {
		return nil, errors.New("payload is not acceptable JSON")
	}
	return members, nil
}

func (rp *relyingParty) checkTokenIssuer(m *metadata, c claimSet) error {
	iss := c.text("iss")
	if iss == "" || !rp.ownIssuer(m, iss) {
		return errors.New("iss is another issuer's")
	}
	if rp.Provider.TenantIssuer != "" && iss != rp.tenantIssuer(c.text("tid")) {
		return errors.New("tid is not the issuer's tenant")
	}
	return nil
}

// checkAudience wants our client id in aud, nobody else there who is not trusted, and azp to be us when it is there or
// needed (OpenID Connect Core 1.0, section 3.1.3.7, steps 3 to 5).
func (rp *relyingParty) checkAudience(c claimSet) error {
	aud, ok := c.texts("aud")
	if !ok || !slices.Contains(aud, rp.ClientID) {
		return errors.New("aud lacks this client")
	}
	for _, a := range aud {
		if a != rp.ClientID && !slices.Contains(rp.TrustedAudiences, a) {
			return errors.New("aud has an audience that is not trusted")
		}
	}
	if (c["azp"] != nil || len(aud) > 1) && c.text("azp") != rp.ClientID {
		return errors.New("azp is not this client")
	}
	return nil
}

func (rp *relyingParty) checkTimes(c claimSet) error {
	now := rp.Now()
	exp, okExp := c.time("exp")
	iat, okIat := c.time("iat")
	if !okExp || !okIat {
		return errors.New("exp or iat is missing or not a time")
	}
	if !now.Before(exp.Add(rp.ClockSkew)) {
		return errors.New("expired")
	}
	if iat.After(now.Add(rp.ClockSkew)) {
		return errors.New("iat is in the future")
	}
	if nbf, ok := c.time("nbf"); c["nbf"] != nil && (!ok || nbf.After(now.Add(rp.ClockSkew))) {
		return errors.New("nbf is in the future or not a time")
	}
	return nil
}

// checkTokenSubject refuses a token without a usable subject (OpenID Connect Core 1.0, section 2) and one that speaks of a
// client and not of a person (RFC 9700, section 4.15).
func (rp *relyingParty) checkTokenSubject(c claimSet) error {
	if sub := c.text("sub"); sub == "" || len(sub) > maxSubject || sub == rp.ClientID {
		return errors.New("sub is missing, too long, or the client itself")
	}
	return nil
}

// checkAccessTokenHash checks at_hash when it is there (OpenID Connect Core 1.0, section 3.1.3.8). An algorithm whose hash
// go-oidc does not know is refused.
func checkAccessTokenHash(token *oidc.IDToken, c claimSet, accessToken string) error {
	if c["at_hash"] == nil {
		return nil
	}
	if h := c.text("at_hash"); h == "" || h != token.AccessTokenHash || token.VerifyAccessToken(accessToken) != nil {
		return errors.New("at_hash is not that of the access token")
	}
	return nil
}

// text returns the string claim called name, or "" when it is absent or not a string.
func (c claimSet) text(name string) string { return stringMember(c, name) }

// texts returns a claim that is a string or a list of strings.
func (c claimSet) texts(name string) ([]string, bool) {
	if s := c.text(name); s != "" {
		return []string{s}, true
	}
	var list []string
	if json.Unmarshal(c[name], &list) != nil || len(list) == 0 || slices.Contains(list, "") {
		return nil, false
	}
	return list, true
}

// time returns a NumericDate (RFC 7519, section 2): a number, not a string that looks like one.
func (c claimSet) time(name string) (time.Time, bool) {
	var f *float64
	if raw, ok := c[name]; !ok || json.Unmarshal(raw, &f) != nil || f == nil || *f < 0 || *f > 1<<40 || math.IsNaN(*f) {
		return time.Time{}, false
	}
	return time.Unix(int64(*f), 0), true
}
