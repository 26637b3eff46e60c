package kvoauth

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/netscript/auth"
)

const (
	maxLoginHint = 256
	maxAppState  = 1024
	maxScopes    = 64
)

// SignIn implements [auth.InteractiveFlowPort]. Nothing is sent to the browser before the transaction is acknowledged by
// the store.
func (b *Backend) SignIn(r *http.Request, p auth.SignInParams) (*auth.Redirect, error) {
	redirect, err := b.signIn(r, p)
	e := auth.Event{Name: auth.EventSignInStarted}
	if err != nil {
		e.Name, e.Code = auth.EventSignInFailed, auth.CodeOf(err)
	} else {
		e.ProviderID = redirect.ProviderID // not the request's, which may be any text
	}
	b.observe(r.Context(), e)
	return redirect, err
}

func (b *Backend) signIn(r *http.Request, p auth.SignInParams) (*auth.Redirect, error) {
	returnTo, err := b.checkSignIn(p)
	if err != nil {
		return nil, err
	}
	if p.ProviderID, err = b.namedProvider(p); err != nil {
		return nil, err
	}
	user, providerID, err := b.steppingUp(r, p)
	if err != nil {
		return nil, err
	}
	rp, err := b.relyingParty(providerID)
	if err != nil {
		return nil, err
	}
	wanted, err := rp.assurance(p)
	if err != nil {
		return nil, err
	}
	m, err := rp.metadata.get(r.Context())
	if err != nil {
		return nil, err
	}
	epoch, err := b.epoch(r.Context())
	if err != nil {
		return nil, err
	}
	secret := newCredential()
	state := stateOf(secret)
	t := &transaction{
		ProviderID: rp.Provider.ID, Nonce: newCredential(), Verifier: oauth2.GenerateVerifier(),
		RedirectURL: rp.RedirectURL, ReturnTo: returnTo, State: p.State, Mode: rp.mode(),
		BeganAt: b.cfg.Now().UnixMilli(), Epoch: epoch, MaxAge: wanted.maxAge, ACRValues: wanted.acr, StepUp: user,
	}
	if credential, ok := readCookie(r, b.cfg.CookieName); ok == present {
		t.Previous = digestOf(credential).handle()
	}
	if p.Link {
		if t.Link, err = b.linkTarget(r); err != nil {
			return nil, err
		}
	}
	if err := rp.bindKey(m, t); err != nil {
		return nil, err
	}
	location, err := rp.authorizationRequest(withDPoP(r.Context(), t.DPoPKey), m, rp.authorizationURL(m, state, t, wanted, p))
	if err != nil {
		return nil, err
	}
	if err := b.putTransaction(r.Context(), state, t); err != nil {
		return nil, err
	}
	cookies := append(b.cfg.clearAbandoned(r), b.cfg.transactionCookie(state, secret, t.Mode == auth.ResponseModeFormPost))
	return &auth.Redirect{
		Location: location, Cookies: cookies, ProviderID: rp.Provider.ID, State: state,
	}, nil
}

// checkSignIn refuses input that is too long or not allowed, and returns the return URL to use.
func (b *Backend) checkSignIn(p auth.SignInParams) (string, error) {
	returnTo, err := b.cfg.returnURL(p.ReturnTo)
	if err != nil {
		return "", err
	}
	if len(p.LoginHint) > maxLoginHint || len(p.State) > maxAppState || len(p.Scopes) > maxScopes {
		return "", fail(auth.CodeValidation, "sign in", errors.New("loginHint, state or scopes is too long"))
	}
	if err := p.Validate(); err != nil {
		return "", err
	}
	for _, s := range p.Scopes {
		if !slices.Contains(b.cfg.AllowedScopes, s) {
			return "", fail(auth.CodeScopeNotAllowed, "sign in", errors.New("a scope is not in AllowedScopes"))
		}
	}
	return returnTo, nil
}

// namedProvider returns the id of the provider that p names by id, by issuer or by both, or "" if by neither.
func (b *Backend) namedProvider(p auth.SignInParams) (string, error) {
	if p.Issuer == "" {
		return p.ProviderID, nil
	}
	for _, rp := range b.parties {
		if rp.Provider.Issuer == p.Issuer && (p.ProviderID == "" || p.ProviderID == rp.Provider.ID) {
			return rp.Provider.ID, nil
		}
	}
	return "", &auth.Error{Code: auth.CodeUnknownProvider, Backend: Name, Op: "sign in", Err: errors.New("no such provider"),
		Fields: map[string]string{"iss": "is the issuer of none of the configured providers"}}
}

// steppingUp returns the user that must come back from a sign-in, and the provider to ask. Who is signed in and asks for a
// more recent or stronger authentication steps up, at the provider of the session unless p names one. Whose session has
// ended just signs in.
func (b *Backend) steppingUp(r *http.Request, p auth.SignInParams) (userID, providerID string, err error) {
	credential, ok := readCookie(r, b.cfg.CookieName)
	if ok != present || p.MaxAge == 0 && len(p.ACRValues) == 0 {
		return "", p.ProviderID, nil
	}
	e, err := b.live(r.Context(), digestOf(credential))
	if errors.Is(err, auth.ErrUnauthenticated) {
		return "", p.ProviderID, nil
	}
	if err != nil {
		return "", "", err
	}
	return e.record.UserID, cmp.Or(p.ProviderID, e.record.ProviderID), nil
}

// authorizationURL returns the authorization request (RFC 6749, section 4.1.1) with PKCE S256 and, for OpenID Connect,
// a nonce.
func (rp *relyingParty) authorizationURL(m *metadata, state string, t *transaction, wanted assurance, p auth.SignInParams) string {
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(t.Verifier)}
	for _, params := range []map[string]string{rp.Provider.AuthParams, wanted.params()} {
		for name, value := range params {
			opts = append(opts, oauth2.SetAuthURLParam(name, value))
		}
	}
	if t.thumbprint != "" {
		opts = append(opts, oauth2.SetAuthURLParam("dpop_jkt", t.thumbprint))
	}
	if rp.isOIDC() {
		opts = append(opts, oauth2.SetAuthURLParam("nonce", t.Nonce))
	}
	if t.Mode == auth.ResponseModeFormPost {
		opts = append(opts, oauth2.SetAuthURLParam("response_mode", string(t.Mode)))
	}
	if p.LoginHint != "" {
		opts = append(opts, oauth2.SetAuthURLParam("login_hint", p.LoginHint))
	}
	c := rp.oauth2(m, t.RedirectURL)
	c.Scopes = slices.Concat(rp.Scopes, p.Scopes)
	base, query, _ := strings.Cut(c.AuthCodeURL(state, opts...), "?")
	return base + "?" + strings.ReplaceAll(query, "+", "%20") // Cognito takes no plus for a space
}
