package kvoauth

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/returnurl"
	"github.com/netscript/auth/providers"
)

// Client is the registration of this application with one provider.
type Client struct {
	Provider providers.Provider
	ClientID string
	// ClientSecret, if zero and without SigningKeys, means a public client, identified by PKCE alone. The provider's
	// ClientAuth must allow it.
	ClientSecret auth.Secret
	// SigningKeys are for a provider whose ClientAuth is private_key_jwt, which is also what an empty one means when there
	// are keys, or SignedSecret (Apple). The first signs; the others are those of a rotation, see [NewJWKSHandler]. If nil,
	// there are none.
	SigningKeys []SigningKey
	// DPoP binds the provider's tokens to a key that each session has for itself, so that a token that leaks is of no use
	// (RFC 9449). A provider whose metadata does not say that it takes ES256 proofs, and a token that is not bound, are then
	// errors. Sessions that began without it stay as they are. If false, tokens are bearer tokens.
	DPoP bool
	// Scopes are requested at every sign-in. If nil, the provider's.
	Scopes []string
	// RedirectURL is a redirect URL for this provider alone: the handler's /callback/{providerId} route, as it is registered
	// with the provider. If empty, Config.RedirectURL for the primary provider and Config.RedirectURL/{id} for the others.
	// Distinct redirect URLs keep one provider's answer from passing for another's (mix-up; RFC 9700, section 4.4.2.2), so
	// only providers that promise RFC 9207's iss may share one.
	RedirectURL string
	// PostLogoutRedirectURL is where the provider sends the browser back after a sign-out: the absolute URL of the handler's
	// /signout/callback route, as it is registered with the provider. A sign-out then ends the person's session at the
	// provider too, if the provider has an end-session endpoint (OpenID Connect RP-Initiated Logout 1.0). If empty, the
	// person stays signed in there, and a next sign-in may need no password.
	PostLogoutRedirectURL string
	// InsecureLogoutTokenType accepts logout tokens (OpenID Connect Back-Channel Logout 1.0) whose typ is JWT or missing,
	// as some providers send them. What then keeps another token of the provider from ending sessions is its event alone
	// (RFC 8725, section 3.11).
	InsecureLogoutTokenType bool
	// InsecureLogoutTokenWithoutExp accepts logout tokens without exp, which the specification requires, for ten minutes
	// after their iat; Hydra sends such. Whoever has read one can send it for so much longer.
	InsecureLogoutTokenWithoutExp bool
	// TrustedAudiences may stand in an ID token's aud beside ClientID, azp then being ClientID (OpenID Connect Core 1.0,
	// section 3.1.3.7). If nil, none may.
	TrustedAudiences []string
}

func (s *settings) checkClients() (errs []error) {
	seen := map[string]bool{}
	for i := range s.Clients {
		c := &s.Clients[i]
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s[%d] (%s): %w", "Clients", i, c.Provider.ID, fmt.Errorf(format, args...)))
		}
		if seen[c.Provider.ID] {
			fail("a provider with this id comes twice")
		}
		seen[c.Provider.ID] = true
		for _, err := range s.checkClient(c) {
			fail("%w", err)
		}
	}
	if len(s.Clients) > 1 && s.PrimaryProvider == "" {
		errs = append(errs, errors.New("PrimaryProvider is required with several Clients: the id of the one that came first, whose users keep their subjects"))
	}
	return errs
}

// checkClient validates c and fills in its defaults.
func (s *settings) checkClient(c *Client) (errs []error) {
	check := func(ok bool, complaint string) {
		if !ok {
			errs = append(errs, errors.New(complaint))
		}
	}
	define := providers.Define
	if s.InsecureAllowHTTP {
		define = providers.DefineInsecure
	}
	p, err := define(c.Provider)
	if err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", "Provider", err))
		p = c.Provider
	}
	c.Provider = p
	if c.Scopes == nil {
		c.Scopes = p.Scopes
	}
	c.Scopes, c.TrustedAudiences, c.SigningKeys = slices.Clone(c.Scopes), slices.Clone(c.TrustedAudiences), slices.Clone(c.SigningKeys)
	check(c.ClientID != "", "ClientID is required")
	check(err != nil || p.Kind != providers.OIDC || slices.Contains(c.Scopes, "openid"), "Scopes must have openid")
	check(!slices.ContainsFunc(c.Scopes, notScope), "Scopes must have one scope in each element (RFC 6749, section 3.3)")
	errs = append(errs, c.checkClientAuth()...)
	check(p.ResponseMode != string(auth.ResponseModeFormPost) || s.secure || s.redirect == nil,
		"ResponseMode form_post needs an https redirect URL: its cookie is SameSite=None, which browsers take only when Secure")
	for _, err := range []error{s.checkClientRedirect(c), s.checkPostLogout(c)} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// checkPostLogout wants the route on the application's own origin, where its cookies are.
func (s *settings) checkPostLogout(c *Client) error {
	if c.PostLogoutRedirectURL == "" || s.redirect == nil {
		return nil
	}
	u, err := s.parseRedirect(c.PostLogoutRedirectURL)
	if err != nil {
		return fmt.Errorf("PostLogoutRedirectURL: %w", err)
	}
	if returnurl.Origin(u) != returnurl.Origin(s.redirect) || s.callbacks[path.Clean(u.Path)] && !s.returns[path.Clean(u.Path)] {
		return errors.New("PostLogoutRedirectURL must have the origin of Config.RedirectURL, and another path")
	}
	s.callbacks[path.Clean(u.Path)], s.returns[path.Clean(u.Path)] = true, true
	return nil
}

func (s *settings) checkClientRedirect(c *Client) error {
	primary := c.Provider.ID == s.PrimaryProvider
	if c.RedirectURL == "" && (primary || s.redirect == nil) {
		c.RedirectURL = s.RedirectURL
		return nil
	}
	if c.RedirectURL == "" {
		c.RedirectURL = s.redirect.JoinPath(c.Provider.ID).String()
	}
	u, err := s.parseRedirect(c.RedirectURL)
	if err != nil {
		return fmt.Errorf("RedirectURL: %w", err)
	}
	if s.redirect == nil {
		return nil
	}
	if c.RedirectURL == s.RedirectURL && !primary && !c.Provider.RequireIss {
		return errors.New("RedirectURL must be the provider's own: only the primary provider, and those that promise iss, can share Config.RedirectURL (RFC 9700, section 4.4)")
	}
	if returnurl.Origin(u) != returnurl.Origin(s.redirect) {
		return errors.New("RedirectURL must have the origin of Config.RedirectURL")
	}
	s.callbacks[path.Clean(u.Path)] = true
	return nil
}

func notScope(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}
