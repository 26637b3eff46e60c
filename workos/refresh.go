package workos

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

const (
	refreshTimeout  = 15 * time.Second       // of a refresh with all its attempts
	refreshWait     = 3 * time.Second        // how long a request with a good token waits for a refresh before it goes on without
	refreshAttempts = 4                      // as the SDK: one, and three more
	refreshPause    = 500 * time.Millisecond // before the second; then half as long again each time
	// retryWindow is how long after the first attempt the same refresh token is sent again. WorkOS answers a replay with the
	// pair of the first use only for a short while: seen are ten to thirty seconds.
	retryWindow = 8 * time.Second
	// The margin is at most this part of a token's life: one that lives a minute is not refreshed at every request.
	marginFraction     = 5 // of the default margin
	configuredFraction = 2 // of Config.RefreshMargin
)

var (
	errNothingToRefresh  = errors.New("the session has no refresh token")
	errNewToken          = errors.New("the new access token does not verify, or is another user's")
	errOtherOrganization = errors.New("WorkOS switched to another organization than it was asked for")
	errSignInAgain       = errors.New("WorkOS wants the person to sign in again")
)

// RefreshParams is the input of [Backend.Refresh].
type RefreshParams struct {
	// OrganizationID is the organization to switch to. If empty, the session stays in its organization.
	OrganizationID string
}

// Refresh refreshes the session of r now, whatever [Config.Refresh] says, and switches its organization if p names
// one. The caller sets the cookies of the Authentication. Nobody to refresh: errors.Is(err, auth.ErrUnauthenticated); a
// switch that needs another sign-in, such as by SSO: [auth.CodeLoginRequired], and the session stays as it is. A switch that
// ended elsewhere: [auth.CodeProviderInvalid], with the session's new cookie on the error, to be set all the same. Without
// an API key: errors.ErrUnsupported.
func (b *Backend) Refresh(r *http.Request, p RefreshParams) (*auth.Authentication, error) {
	const op = "refresh"
	if b.conf.APIKey.IsZero() {
		return nil, auth.Unsupported(Name, op, noAPIKey)
	}
	value, how := readCookie(r.Header, b.conf.CookieName)
	switch how {
	case absent:
		return nil, errNoCredential
	case malformed:
		return nil, fail(auth.CodeCredentialMalformed, op, errCookie)
	}
	s, err := b.open(value, b.conf.Now())
	if err != nil {
		return nil, err
	}
	if s.payload.text("refreshToken") == "" {
		return nil, fail(auth.CodeSessionInvalid, op, errNothingToRefresh)
	}
	a, err := b.renew(r.Context(), s, p.OrganizationID)
	if err == nil && b.ended.has(a.Session.ID) {
		err = fail(auth.CodeSessionRevoked, op, nil)
	}
	if err != nil {
		return nil, b.reject(r.Context(), err)
	}
	if p.OrganizationID != "" && a.Session.Claims[claimOrganization] != p.OrganizationID {
		return nil, &auth.Error{Code: auth.CodeProviderInvalid, Backend: Name, Op: op, Err: errOtherOrganization, Cookies: a.Cookies}
	}
	return a, nil
}

// margin is how long before its expiry the token of s is refreshed: not so long that a new token would be due at once.
func (b *Backend) margin(s *auth.Session) time.Duration {
	margin, most := b.conf.RefreshMargin, time.Duration(configuredFraction)
	if margin == 0 {
		margin, most = DefaultRefreshMargin, marginFraction
	}
	if s.IssuedAt.IsZero() {
		return margin
	}
	return min(margin, s.ExpiresAt.Sub(s.IssuedAt)/most)
}

// renewEarly refreshes a session whose token is still good, as a has it. When that fails, the token serves; only WorkOS'
// word that the session has ended ends it.
func (b *Backend) renewEarly(ctx context.Context, s *opened, a *auth.Authentication) (*auth.Authentication, error) {
	wait, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	fresh, err := b.renew(wait, s, "")
	switch {
	case err == nil:
		return fresh, nil
	case auth.CodeOf(err) == auth.CodeSessionRevoked:
		return nil, err
	case ctx.Err() != nil:
		return nil, fail(auth.CodeInternal, "authenticate", ctx.Err())
	}
	return a, nil
}

// renewExpired refreshes a session whose token has expired. The token's signature is not looked at: the seal is proof of
// the session, and the key may be long gone.
func (b *Backend) renewExpired(ctx context.Context, s *opened) (*auth.Authentication, error) {
	fresh, err := b.renew(ctx, s, "")
	if auth.CodeOf(err) == auth.CodeLoginRequired {
		return nil, fail(auth.CodeSessionExpired, "refresh", errSignInAgain)
	}
	return fresh, err
}

// renew refreshes the session of s. All requests of this process that present it share one refresh and its outcome.
func (b *Backend) renew(ctx context.Context, s *opened, organization string) (*auth.Authentication, error) {
	if organization == "" {
		organization = s.token.claims.text("org_id")
	}
	token := s.payload.text("refreshToken")
	flight := b.renewal.start(renewalKey(token, organization), s.token.claims.text("sid"), b.conf.Now, func() (*auth.Authentication, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
		defer cancel()
		a, err := b.refresh(ctx, s.payload, token, organization)
		b.noteRefresh(ctx, s, a, err)
		return a, err
	})
	select {
	case <-flight.done:
		return flight.answer, flight.err
	case <-ctx.Done():
		return nil, fail(auth.CodeProviderUnavailable, "refresh", ctx.Err())
	}
}

func (b *Backend) noteRefresh(ctx context.Context, s *opened, a *auth.Authentication, err error) {
	e := auth.Event{Name: auth.EventTokenRefreshed, SessionID: s.token.claims.text("sid"), Subject: auth.NewSecret(s.token.claims.text("sub"))}
	if a != nil {
		e.SessionID = a.Session.ID
	}
	if err != nil {
		e.Name, e.Code = auth.EventRefreshFailed, auth.CodeOf(err)
	}
	b.observe(ctx, e)
}

// refresh spends the refresh token. The keys are fetched first: a new token that cannot be verified is of no use, and the
// old refresh token would be spent.
func (b *Backend) refresh(ctx context.Context, p payload, token, organization string) (*auth.Authentication, error) {
	_, user, err := p.user()
	if err != nil {
		return nil, err
	}
	if _, err := b.tokens.keys.get(ctx); err != nil {
		return nil, err
	}
	d, err := b.refreshPatiently(ctx, token, organization)
	if err != nil {
		return nil, err
	}
	return b.accept(ctx, d, user)
}

// refreshPatiently repeats a refresh that failed for now, as long as WorkOS may take the token for the same one.
func (b *Backend) refreshPatiently(ctx context.Context, token, organization string) (SessionData, error) {
	attempt := "retry-" + rand.Text()
	window, cancel := context.WithTimeout(ctx, retryWindow)
	defer cancel()
	pause := refreshPause
	for n := 1; ; n++ {
		d, failure := b.api.refresh(ctx, token, organization, attempt)
		if failure == nil {
			return d, nil
		}
		wait := max(failure.after, time.Duration(float64(pause)*(0.5+mathrand.Float64()))) //nolint:gosec // G404: spreads load
		if !failure.temporary || n == refreshAttempts || !sleep(window, wait) {
			return SessionData{}, failure.err
		}
		pause += pause / 2
	}
}

// sleep waits, and reports whether there was time to.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// accept verifies what WorkOS answered before it is believed, and seals it. The user must be who it was.
func (b *Backend) accept(ctx context.Context, d SessionData, user string) (*auth.Authentication, error) {
	c, err := b.tokens.verify(ctx, d.AccessToken.Reveal(), fromWorkOS)
	if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
		return nil, err
	}
	var a *auth.Authentication
	if err == nil {
		a, err = authenticationOf(c, d.payload())
	}
	if err != nil || a.Session.Subject != user {
		return nil, fail(auth.CodeProviderInvalid, "refresh", errNewToken)
	}
	d.OrganizationID = c.text("org_id")
	cookie, err := b.sealCookie(d, auth.CodeProviderInvalid)
	if err != nil {
		return nil, err
	}
	a.Session.RefreshedAt = b.conf.Now().UTC()
	a.Cookies = []*http.Cookie{cookie}
	return a, nil
}

// payload is d as it would be read from a cookie, without the tokens.
func (d SessionData) payload() payload {
	p := payload{"user": d.User, "authenticationMethod": d.AuthenticationMethod}
	if d.Impersonator != nil {
		p["impersonator"] = d.Impersonator
	}
	return p
}
