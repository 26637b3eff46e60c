package kvoauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/providers"
)

const maxCode = 4096

// HandleCallback implements [auth.InteractiveFlowPort]. The order of its checks is the defence: first that the answer
// belongs to a sign-in that this browser started, then that it comes from the provider that was asked, then the answer
// itself. Only a callback that passes the first consumes the transaction.
func (b *Backend) HandleCallback(r *http.Request, p auth.CallbackParams) (*auth.CallbackResult, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*DefaultProviderTimeout)
	defer cancel()
	c := &callback{Backend: b, request: r.WithContext(ctx), params: p}
	result, err := c.run(ctx)
	if err != nil {
		b.observe(r.Context(), auth.Event{Name: auth.EventSignInFailed, ProviderID: c.providerID, Code: auth.CodeOf(err)})
		return nil, withCookies(err, c.clear)
	}
	return result, nil
}

// callback is one run of HandleCallback.
type callback struct {
	*Backend
	request    *http.Request
	params     auth.CallbackParams
	providerID string         // once it is known
	clear      []*http.Cookie // that remove the transaction's cookie, once it is consumed
}

func (c *callback) run(ctx context.Context) (*auth.CallbackResult, error) {
	t, rp, err := c.transaction(ctx)
	if err != nil {
		return nil, err
	}
	code, err := c.answer(ctx, t, rp)
	if err != nil {
		return nil, err
	}
	tokens, err := rp.exchange(ctx, code, t)
	if err != nil {
		return nil, err
	}
	user, err := rp.identify(ctx, tokens, t)
	if err != nil {
		return nil, err
	}
	c.addPostedName(rp, user)
	c.observe(ctx, auth.Event{Name: auth.EventOIDCCompleted, ProviderID: c.providerID, Subject: auth.NewSecret(user.subject)})
	result, err := c.complete(ctx, t, rp, user, tokens)
	if err != nil { // there is no session to hold them
		c.revoke(ctx, auth.Event{Name: auth.EventTokenRevoked, ProviderID: c.providerID, Subject: auth.NewSecret(user.subject)}, tokens)
	}
	return result, err
}

// transaction returns the transaction that the answer belongs to, consumed, and its provider.
func (c *callback) transaction(ctx context.Context) (*transaction, *relyingParty, error) {
	for _, values := range c.params.Values {
		if len(values) > 1 {
			return nil, nil, fail(auth.CodeParameterDuplicated, "callback", errors.New("a parameter came twice"))
		}
	}
	state := c.params.Values.Get("state")
	if !wellFormed(state) {
		return nil, nil, fail(auth.CodeCallbackInvalid, "callback", errors.New("no state of ours"))
	}
	secret, ok := readCookie(c.request, c.cfg.transactionPrefix()+state[:transactionTagLength])
	if ok != present || !stateMatches(state, secret) {
		return nil, nil, fail(auth.CodeTransactionMissing, "callback", errors.New("this browser started no such sign-in"))
	}
	c.clear = []*http.Cookie{c.cfg.clearTransactionCookie(state, c.cfg.secure && c.params.Mode == auth.ResponseModeFormPost)}
	t, err := c.takeTransaction(ctx, state)
	if err != nil {
		return nil, nil, err
	}
	c.providerID = t.ProviderID
	rp, err := c.relyingParty(t.ProviderID)
	if err != nil {
		return nil, nil, fail(auth.CodeTransactionInvalid, "callback", errors.New("its provider is no longer configured"))
	}
	if own := c.params.ProviderID; own != t.ProviderID && (own != "" || t.RedirectURL != c.cfg.RedirectURL) {
		return nil, nil, fail(auth.CodeIssuerMismatch, "callback", errors.New("the answer came to another provider's callback"))
	}
	return t, rp, nil
}

// answer returns the code of the provider's answer (RFC 6749, section 4.1.2).
func (c *callback) answer(ctx context.Context, t *transaction, rp *relyingParty) (string, error) {
	if (t.Mode == auth.ResponseModeFormPost) != (c.params.Mode == auth.ResponseModeFormPost) {
		return "", fail(auth.CodeCallbackInvalid, "callback", errors.New("the answer came by another response mode"))
	}
	m, err := rp.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	v := c.params.Values
	if err := rp.checkIssuer(m, v); err != nil {
		return "", err
	}
	code, problem := v.Get("code"), v.Get("error")
	switch {
	case code != "" && problem != "":
		return "", fail(auth.CodeCallbackInvalid, "callback", errors.New("both code and error"))
	case problem != "":
		return "", fail(authorizationError(problem), "callback", errors.New("the provider answered with an error"))
	case code == "" || len(code) > maxCode:
		return "", fail(auth.CodeCallbackInvalid, "callback", errors.New("no usable code"))
	}
	return code, nil
}

// addPostedName adds the name that came with the answer, unless the provider's own claims have one. By now the answer has
// proved to be the one to this sign-in; that the person typed it is all that is known of the name.
func (c *callback) addPostedName(rp *relyingParty, user *identity) {
	if c.params.Mode != auth.ResponseModeFormPost {
		return
	}
	for _, name := range []string{"name", "given_name", "family_name"} {
		if _, has := user.claims[name]; has {
			return
		}
	}
	maps.Copy(user.claims, rp.Provider.PostedClaims(c.params.Values.Get("user")))
}

// checkIssuer compares the answer's iss with the issuer that was asked (RFC 9207, section 2.4), also on an error answer.
// It is compared whenever it is there, and required where the provider says that it sends it.
func (rp *relyingParty) checkIssuer(m *metadata, v url.Values) error {
	if !v.Has("iss") {
		if m.sendsIss {
			return fail(auth.CodeIssuerMismatch, "callback", errors.New("iss is missing"))
		}
		return nil
	}
	if iss := v.Get("iss"); iss == "" || !rp.ownIssuer(m, iss) {
		return fail(auth.CodeIssuerMismatch, "callback", errors.New("iss is another provider's"))
	}
	return nil
}

// ownIssuer reports whether iss is the provider's issuer, or that of one of its tenants that may sign in.
func (rp *relyingParty) ownIssuer(m *metadata, iss string) bool {
	if rp.Provider.TenantIssuer == "" {
		return iss == m.issuer
	}
	before, after, _ := strings.Cut(rp.Provider.TenantIssuer, providers.TenantPlaceholder)
	tenant := strings.TrimSuffix(strings.TrimPrefix(iss, before), after)
	if rp.tenantIssuer(tenant) != iss {
		return false
	}
	if tenant == "" || strings.Contains(tenant, "/") { // it is one segment of a path
		return false
	}
	return rp.Provider.InsecureAnyTenant || slices.Contains(rp.Provider.AllowedTenants, tenant)
}

func (rp *relyingParty) tenantIssuer(tenant string) string {
	return strings.Replace(rp.Provider.TenantIssuer, providers.TenantPlaceholder, tenant, 1)
}

// authorizationError returns the code for an error of the authorization endpoint (RFC 6749, section 4.1.2.1, OpenID
// Connect Core 1.0, section 3.1.2.6). The provider's text goes nowhere.
func authorizationError(e string) auth.Code {
	switch e {
	case "access_denied", "user_cancelled_authorize": // the latter is Apple's
		return auth.CodeAccessDenied
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return auth.CodeLoginRequired
	case "unmet_authentication_requirements":
		return auth.CodeUnmetAuthentication
	case "server_error", "temporarily_unavailable":
		return auth.CodeProviderUnavailable
	case "unauthorized_client":
		return auth.CodeClientRejected
	}
	return auth.CodeProviderRefused
}

// complete makes the session and then ends the one that this browser had before: an id is never carried over a sign-in.
func (c *callback) complete(ctx context.Context, t *transaction, rp *relyingParty, user *identity, tokens *tokenSet) (*auth.CallbackResult, error) {
	p := auth.Principal{Subject: user.subject, Scopes: slices.Clone(tokens.Scopes), Scheme: auth.SchemeCustom, Claims: user.claims}
	if err := c.mapPrincipal(&p); err != nil {
		return nil, err
	}
	how, epoch := user.authentication, t.Epoch
	if t.Link != "" { // who owns the account has not proven to be the user that it is linked to
		linker, err := c.linker(ctx, t)
		if err != nil {
			return nil, err
		}
		how, epoch = linker.authentication(), min(epoch, linker.Epoch)
	}
	userID, err := c.userOf(ctx, rp.Provider.ID, user.account, &p, tokens, t.Link)
	if err != nil {
		return nil, err
	}
	if t.StepUp != "" && userID != t.StepUp {
		return nil, fail(auth.CodeUserMismatch, "callback", errors.New("a step-up came back as another user"))
	}
	rec := newRecord(c.cfg.Now(), c.cfg, rp.Provider.ID, user.account, userID, &p)
	rec.UserAgent, rec.IPAddress = userAgent(c.request), c.cfg.ipAddress(c.request)
	rec.authenticated(how)
	rec.SID, rec.Epoch = user.sid, epoch
	credential, s, err := c.create(ctx, rec, tokens)
	if err != nil {
		return nil, err
	}
	c.endPrevious(ctx, t.Previous, rec)
	c.observe(ctx, auth.Event{Name: auth.EventSignInCompleted, ProviderID: c.providerID, SessionID: s.ID, Subject: auth.NewSecret(s.Subject)})
	return &auth.CallbackResult{
		Redirect: &auth.Redirect{
			Location: t.ReturnTo, ProviderID: rp.Provider.ID,
			Cookies: append(c.clear, c.cfg.sessionCookie(credential, c.cfg.AbsoluteTimeout)),
		},
		Session: s, Principal: c.MapPrincipal(s), State: t.State,
	}, nil
}

// mapPrincipal lets the application change the principal or refuse it.
func (c *callback) mapPrincipal(p *auth.Principal) error {
	if c.cfg.Config.MapPrincipal == nil {
		return nil
	}
	subject := p.Subject
	if err := c.cfg.Config.MapPrincipal(c.request, p); err != nil {
		return fail(auth.CodeSignInDenied, "callback", errors.New("MapPrincipal refused the sign-in"))
	}
	if p.Subject != subject {
		return fail(auth.CodeInternal, "callback", errors.New("MapPrincipal changed the subject"))
	}
	return nil
}

// endPrevious ends the sessions that this browser presented when it started and when it finished the sign-in. They are
// this browser's own; that they end late when the store fails now is bounded by their own limits. Tokens of the same
// account are not revoked: to some providers they are of one grant with the new ones, which would end too.
func (c *callback) endPrevious(ctx context.Context, handle string, now *record) {
	var previous []digest
	if d, ok := parseHandle(handle); ok {
		previous = append(previous, d)
	}
	if credential, ok := readCookie(c.request, c.cfg.CookieName); ok == present {
		previous = append(previous, digestOf(credential))
	}
	for _, d := range slices.Compact(previous) {
		rec, _ := c.remove(ctx, d)
		if rec != nil && (rec.ProviderID != now.ProviderID || rec.Account != now.Account) {
			c.revokeTokens(ctx, d, rec)
		}
	}
}
