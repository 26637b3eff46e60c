package kvoauth

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/returnurl"
	"github.com/netscript/auth/providers"
)

const (
	assertionLife = time.Minute
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	minHMACSecret = 32 // bytes, of HS256 (RFC 7518, section 3.2)
)

// clientTransport is for the endpoints at which the client authenticates (RFC 6749, section 2.3). It adds to a form what
// proves that it comes from this client, in the way that the provider's definition names and no other.
type clientTransport struct {
	rp   *relyingParty
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *clientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	if err := t.rp.authenticate(r, form); err != nil {
		return nil, err
	}
	encoded := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
	r.GetBody = nil // a code and a rotating refresh token are sent once
	return t.next.RoundTrip(r)
}

// authenticate adds the client's credentials to the form that r will carry.
func (rp *relyingParty) authenticate(r *http.Request, form url.Values) error {
	form.Set("client_id", rp.ClientID)
	switch rp.Provider.ClientAuth {
	case providers.ClientAuthNone:
	case providers.ClientSecretPost:
		form.Set("client_secret", rp.ClientSecret.Reveal())
	case providers.SignedSecret:
		secret, err := rp.signedSecret(r.Context())
		if err != nil {
			return err
		}
		form.Set("client_secret", secret)
	case providers.ClientSecretJWT, providers.PrivateKeyJWT:
		assertion, err := rp.assertion(r.Context())
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", assertionType) // RFC 7523, section 2.2
		form.Set("client_assertion", assertion)
	default:
		if !form.Has("response_type") { // an authorization request, which names its client in any case
			form.Del("client_id")
		}
		// Both are form-encoded before they are joined (RFC 6749, section 2.3.1).
		r.SetBasicAuth(url.QueryEscape(rp.ClientID), url.QueryEscape(rp.ClientSecret.Reveal()))
	}
	return nil
}

// assertion returns a JWT that authenticates the client once (OpenID Connect Core 1.0, section 9; RFC 7523, section 3).
func (rp *relyingParty) assertion(ctx context.Context) (string, error) {
	claims, err := rp.assertionClaims(ctx)
	if err != nil {
		return "", err
	}
	claims["iss"], claims["jti"] = rp.ClientID, rand.Text()
	if rp.Provider.ClientAuth == providers.PrivateKeyJWT {
		return signed(rp.SigningKeys[0].material().sign(claims))
	}
	key := jose.SigningKey{Algorithm: jose.HS256, Key: []byte(rp.ClientSecret.Reveal())}
	return signed(signJWT(key, claims, (&jose.SignerOptions{}).WithType("JWT")))
}

// signedSecret returns a client secret in the form of a JWT, made for one request. It has no jti, which its only user
// does not define.
func (rp *relyingParty) signedSecret(ctx context.Context) (string, error) {
	claims, err := rp.assertionClaims(ctx)
	if err != nil {
		return "", err
	}
	claims["iss"] = rp.Provider.AssertionIssuer
	return signed(rp.SigningKeys[0].material().sign(claims))
}

func (rp *relyingParty) assertionClaims(ctx context.Context) (map[string]any, error) {
	audience, err := rp.assertionAudience(ctx)
	if err != nil {
		return nil, err
	}
	now := rp.Now()
	return map[string]any{
		"sub": rp.ClientID, "aud": audience, "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}, nil
}

// assertionAudience is the provider's issuer, as RFC 7523bis and FAPI 2.0 want it: an assertion for it is of no use
// anywhere else, whatever endpoints a provider names. Where the definition asks for the token endpoint it must be one that
// the definition names itself, or of the issuer's own origin, or a provider could have assertions made for another one.
func (rp *relyingParty) assertionAudience(ctx context.Context) (string, error) {
	if rp.Provider.Issuer != "" && rp.Provider.AssertionAudience != providers.AudienceTokenEndpoint {
		return rp.Provider.Issuer, nil
	}
	m, err := rp.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	if rp.Provider.TokenEndpoint == "" && !sameOrigin(m.token, rp.Provider.Issuer) {
		return "", fail(auth.CodeProviderInvalid, "client authentication", errors.New("token_endpoint is not of the issuer's origin"))
	}
	return m.token, nil
}

func sameOrigin(a, b string) bool {
	u, errA := url.Parse(a)
	v, errB := url.Parse(b)
	return errA == nil && errB == nil && returnurl.Origin(u) == returnurl.Origin(v)
}

func signed(token string, err error) (string, error) {
	if err != nil {
		return "", fail(auth.CodeInternal, "client authentication", err)
	}
	return token, nil
}

// checkClientAuth validates how c authenticates, and fills in how if the provider's definition leaves it open.
func (c *Client) checkClientAuth() (errs []error) {
	check := func(ok bool, complaint string) {
		if !ok {
			errs = append(errs, errors.New(complaint))
		}
	}
	if err := checkKeys(c.SigningKeys); err != nil {
		return []error{err}
	}
	if c.Provider.ClientAuth == "" {
		c.Provider.ClientAuth = c.defaultClientAuth()
	}
	withKey := false
	switch c.Provider.ClientAuth {
	case providers.ClientAuthNone:
		check(c.ClientSecret.IsZero(), "ClientSecret must be zero: the provider's ClientAuth is none")
	case providers.PrivateKeyJWT, providers.SignedSecret:
		withKey = true
		check(c.ClientSecret.IsZero(), "ClientSecret must be zero: SigningKeys stand in its place")
		check(len(c.SigningKeys) > 0, "SigningKeys needs at least one: the provider's ClientAuth wants something signed")
	default:
		check(!c.ClientSecret.IsZero(), "ClientSecret is required: the provider's ClientAuth needs one, or must be none for a public client")
	}
	check(withKey || len(c.SigningKeys) == 0, "SigningKeys must be empty: the provider's ClientAuth is not private_key_jwt")
	if c.Provider.ClientAuth == providers.ClientSecretJWT && !c.ClientSecret.IsZero() {
		check(len(c.ClientSecret.Reveal()) >= minHMACSecret, "ClientSecret must have at least 32 bytes to sign with HS256 (RFC 7518, section 3.2)")
	}
	if c.Provider.ClientAuth == providers.SignedSecret && len(c.SigningKeys) > 0 {
		k := c.SigningKeys[0].material()
		check(k.alg == jose.ES256 && !k.derived, "SigningKeys[0] must be for ES256, with the key id that the provider gave it")
	}
	return errs
}

func (c *Client) defaultClientAuth() providers.ClientAuth {
	switch {
	case len(c.SigningKeys) > 0:
		return providers.PrivateKeyJWT
	case c.ClientSecret.IsZero():
		return providers.ClientAuthNone
	}
	return providers.ClientSecretBasic
}
