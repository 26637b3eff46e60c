package kvoauth

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/strictjson"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	logoutType  = "logout+jwt"
	maxSID      = 1024 // bytes; also of a jti
	// maxLogoutTokenLife bounds for how long one is remembered. The specification recommends two minutes.
	maxLogoutTokenLife = time.Hour
	// givenLogoutTokenLife is that of a token without exp, where such are accepted.
	givenLogoutTokenLife = 10 * time.Minute
)

// logoutToken is a verified one.
type logoutToken struct {
	sub, sid string    // at least one of them
	jti      string    // with the issuer
	until    time.Time // it is accepted
}

// logoutParties returns those whom raw is for, by what it says before anything of that is verified: nothing is fetched
// for a token that is for nobody here.
func (b *Backend) logoutParties(raw string) (parties []*relyingParty) {
	if _, err := headerOf(raw); err != nil {
		return nil
	}
	claims, err := payloadOf(raw)
	if err != nil {
		return nil
	}
	for _, rp := range b.parties {
		if rp.isOIDC() && rp.ownIssuer(rp.knownIssuer(), claims.text("iss")) && rp.checkAudience(claims) == nil {
			parties = append(parties, rp)
		}
	}
	return parties
}

// knownIssuer is what is known of the provider without asking it.
func (rp *relyingParty) knownIssuer() *metadata { return &metadata{issuer: rp.Provider.Issuer} }

// verifyLogoutToken verifies raw as OpenID Connect Back-Channel Logout 1.0 section 2.6 says. An error that is not of
// CodeLogoutTokenInvalid says that it could not be told.
func (rp *relyingParty) verifyLogoutToken(ctx context.Context, raw string) (*logoutToken, error) {
	header, err := headerOf(raw)
	if err == nil {
		err = rp.checkLogoutType(header)
	}
	if err != nil {
		return nil, logoutTokenError(err)
	}
	if _, err := rp.logoutKeys.VerifySignature(ctx, raw); err != nil {
		if e, ok := errors.AsType[*auth.Error](err); ok {
			return nil, e
		}
		if errors.Is(err, errKeysNotAsked) { // the provider may have a new one
			return nil, fail(auth.CodeProviderUnavailable, "logout token", err)
		}
		return nil, logoutTokenError(errBadSignature)
	}
	claims, err := payloadOf(raw)
	if err != nil {
		return nil, logoutTokenError(err)
	}
	t := &logoutToken{sub: claims.text("sub"), sid: claims.text("sid"), jti: claims.text("iss") + "\x00" + claims.text("jti")}
	if t.until, err = rp.checkLogoutTimes(claims); err != nil {
		return nil, logoutTokenError(err)
	}
	for _, check := range []func() error{
		func() error { return rp.checkLogoutIssuer(claims) },
		func() error { return rp.checkAudience(claims) },
		func() error { return checkLogoutSession(claims) },
		func() error { return checkLogoutEvents(claims) },
	} {
		if err := check(); err != nil {
			return nil, logoutTokenError(err)
		}
	}
	return t, nil
}

func logoutTokenError(err error) error { return fail(auth.CodeLogoutTokenInvalid, "logout token", err) }

func (rp *relyingParty) checkLogoutIssuer(c claimSet) error {
	if !rp.ownIssuer(rp.knownIssuer(), c.text("iss")) {
		return errors.New("iss is another issuer's")
	}
	return nil
}

// checkLogoutType keeps tokens of other kinds from passing for logout tokens (RFC 8725, section 3.11).
func (rp *relyingParty) checkLogoutType(header map[string]json.RawMessage) error {
	typ := strings.TrimPrefix(strings.ToLower(stringMember(header, "typ")), "application/")
	if typ == logoutType || rp.InsecureLogoutTokenType && (header["typ"] == nil || typ == "jwt") {
		return nil
	}
	return errors.New("typ is not that of a logout token")
}

// checkLogoutTimes returns until when the token is accepted, by any process's clock.
func (rp *relyingParty) checkLogoutTimes(c claimSet) (time.Time, error) {
	iat, ok := c.time("iat")
	if _, has := c["exp"]; ok && !has && rp.InsecureLogoutTokenWithoutExp {
		c = maps.Clone(c)
		c["exp"] = json.RawMessage(strconv.FormatInt(iat.Add(givenLogoutTokenLife).Unix(), 10))
	}
	if err := rp.checkTimes(c); err != nil {
		return time.Time{}, err
	}
	exp, _ := c.time("exp")
	if exp.Sub(iat) > maxLogoutTokenLife {
		return time.Time{}, errors.New("it lives longer than an hour")
	}
	return exp.Add(rp.ClockSkew + maxClockDifference), nil
}

// checkLogoutSession wants sub, sid or both (step 5), and the jti without which it could be sent again.
func checkLogoutSession(c claimSet) error {
	for name, limit := range map[string]int{"sub": maxSubject, "sid": maxSID} {
		if _, has := c[name]; has && (c.text(name) == "" || len(c.text(name)) > limit) {
			return errors.New(name + " is not a usable text")
		}
	}
	if c.text("sub") == "" && c.text("sid") == "" {
		return errors.New("neither sub nor sid")
	}
	if jti := c.text("jti"); jti == "" || len(jti) > maxSID {
		return errors.New("jti is missing or too long")
	}
	return nil
}

// checkLogoutEvents wants the event (step 6), and no nonce (step 7), which tells an ID token.
func checkLogoutEvents(c claimSet) error {
	if _, has := c["nonce"]; has {
		return errors.New("nonce is present")
	}
	events, err := strictjson.Object(c["events"], maxIDToken)
	if err == nil {
		_, err = strictjson.Object(events[logoutEvent], maxIDToken)
	}
	if err != nil {
		return errors.New("events lacks the logout event")
	}
	return nil
}
