package kvoauth

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/netscript/auth"
)

const (
	maxRefreshMargin = 5 * time.Minute // before the access token expires
	marginFraction   = 5               // of its life: a token that lives five minutes is not refreshed at every read

	providerTime = 10 * time.Second // of refreshTimeout; what is left is for storing the answer
	attemptTime  = 2 * time.Second  // of one call of the store, so that one that hangs does not take it all
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// refreshTime is when t should be renewed, in Unix milliseconds; zero if it cannot be, or if its life is not known.
func refreshTime(t *tokenSet) int64 {
	if t.Refresh == "" || t.life == 0 {
		return 0
	}
	return t.at.Add(t.life - min(maxRefreshMargin, t.life/marginFraction)).UnixMilli()
}

// errGrantEnded: the provider no longer honours the session's grant, but the store could not end the session. Nobody
// may use it meanwhile.
var errGrantEnded = errors.New("the provider ended the grant, and the store did not answer")

// refresh renews the provider's tokens behind the session of d, unless somebody else does or just did. force renews them
// also when they are not due.
//
// invalid_grant, and a new ID token that is not the same person's, end the session. A provider that is down does not.
func (b *Backend) refresh(ctx context.Context, d digest, force bool) error {
	release, err := b.lease(ctx, d)
	if errors.Is(err, errLeased) && !force {
		return b.touch(ctx, d)
	}
	if err != nil {
		return b.putOff(ctx, d, nil, force, err)
	}
	defer release()
	sealed, rec, err := b.readRecord(ctx, d)
	if err != nil {
		return err
	}
	if !force && b.due(d, rec, b.cfg.Now()) != refreshDue {
		return nil
	}
	old, fresh, err := b.renewTokens(ctx, d, rec)
	switch code := auth.CodeOf(err); code {
	case "":
		return b.keepTokens(ctx, d, sealed, rec, old, fresh, !force)
	case auth.CodeUnsupported:
		return err
	case auth.CodeCodeRejected, auth.CodeIDTokenInvalid, auth.CodeSubjectMismatch, auth.CodeSessionInvalid:
		err := b.endRefused(ctx, d, rec, code)
		if fresh != nil {
			b.revoke(ctx, rec.event(auth.EventTokenRevoked, d, ""), fresh)
		}
		return err
	}
	return b.putOff(ctx, d, rec, force, err)
}

// putOff leaves a session whose tokens could not be renewed alone for a while. That a request came is noted all the same.
func (b *Backend) putOff(ctx context.Context, d digest, rec *record, force bool, err error) error {
	b.retries.set(d, b.cfg.Now())
	if rec == nil {
		rec = new(record)
	}
	b.observe(ctx, rec.event(auth.EventRefreshFailed, d, auth.CodeOf(err)))
	if !force {
		_ = b.touch(ctx, d)
	}
	return err
}

// renewTokens asks the provider for new tokens (RFC 6749, section 6) and checks what comes.
func (b *Backend) renewTokens(ctx context.Context, d digest, rec *record) (old, fresh *tokenSet, err error) {
	ctx, cancel := context.WithTimeout(ctx, providerTime)
	defer cancel()
	if rec.Tokens == nil {
		return nil, nil, fail(auth.CodeUnsupported, "refresh", errors.New("the session has no provider tokens"))
	}
	if old, err = b.tokensOf(d, rec); err != nil {
		return nil, nil, err
	}
	rp, err := b.relyingParty(rec.ProviderID)
	if err != nil {
		return nil, nil, err
	}
	if old.Grantee != rp.grantee() {
		return nil, nil, fail(auth.CodeSessionInvalid, "refresh", errors.New("the tokens are another client's or another issuer's"))
	}
	if old.Refresh == "" {
		return nil, nil, fail(auth.CodeUnsupported, "refresh", errors.New("the provider gave no refresh token"))
	}
	if fresh, err = rp.refreshTokens(ctx, old); err != nil {
		return nil, nil, err
	}
	if fresh.ID == "" || !rp.isOIDC() {
		fresh.ID = old.ID
		return old, fresh, nil
	}
	return old, fresh, rp.checkRefreshedIDToken(ctx, old, fresh)
}

// refreshTokens sends the refresh token to the token endpoint and nowhere else.
func (rp *relyingParty) refreshTokens(ctx context.Context, old *tokenSet) (*tokenSet, error) {
	m, err := rp.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(withDPoP(ctx, old.DPoPKey), oauth2.HTTPClient, rp.token)
	tok, err := rp.oauth2(m, "").TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()
	if err != nil {
		return nil, tokenError("refresh", err)
	}
	return rp.accept(tok, old.DPoPKey)
}

// checkRefreshedIDToken applies OpenID Connect Core 1.0 section 12.2: the same iss, sub, aud, auth_time and azp as the ID
// token of the sign-in, and its nonce or none. When the provider's keys cannot be had, the new ID token is dropped
// and the rest kept: the refresh token may have been rotated, and the old one is then spent.
func (rp *relyingParty) checkRefreshedIDToken(ctx context.Context, old, fresh *tokenSet) error {
	claims, err := rp.verifyIDToken(ctx, fresh.ID, "", fresh.Access)
	if code := auth.CodeOf(err); code == auth.CodeProviderUnavailable || code == auth.CodeProviderInvalid || errors.Is(err, errNoKey) {
		fresh.ID = old.ID
		return nil
	}
	if err != nil {
		return err
	}
	before, err := payloadOf(old.ID)
	if err != nil {
		return fail(auth.CodeSubjectMismatch, "refresh", errors.New("the sign-in gave no ID token to compare with"))
	}
	for _, name := range []string{"iss", "sub"} {
		if claims.text(name) != before.text(name) {
			return fail(auth.CodeSubjectMismatch, "refresh", errors.New("the new ID token has another "+name))
		}
	}
	aud, _ := claims.texts("aud")
	was, _ := before.texts("aud")
	slices.Sort(aud)
	slices.Sort(was)
	if !slices.Equal(aud, was) {
		return fail(auth.CodeSubjectMismatch, "refresh", errors.New("the new ID token has another aud"))
	}
	for _, name := range []string{"nonce", "auth_time", "azp"} {
		if claims[name] != nil && before[name] != nil && !bytes.Equal(claims[name], before[name]) {
			return fail(auth.CodeSubjectMismatch, "refresh", errors.New("the new ID token has another "+name))
		}
	}
	return nil
}

// keepTokens stores fresh in place of old, and keeps trying while the store does not answer: the provider may have
// rotated the refresh token, and then these are the only ones. A session that was ended meanwhile stays ended, and the new
// tokens are dropped; one that was merely touched is read again.
func (b *Backend) keepTokens(ctx context.Context, d digest, prev []byte, rec *record, old, fresh *tokenSet, used bool) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		swapped, err := b.replaceTokens(ctx, d, prev, rec, old, fresh, used)
		if swapped {
			b.observe(ctx, rec.event(auth.EventTokenRefreshed, d, ""))
			return nil
		}
		// Not stored, or not known whether: what is stored now decides.
		now, current, readErr := b.readAgain(ctx, d)
		if errors.Is(readErr, auth.ErrUnauthenticated) {
			b.revoke(ctx, rec.event(auth.EventTokenRevoked, d, ""), fresh) // who ended it had the old ones revoked
			return readErr
		}
		if readErr == nil {
			if stored, err := b.tokensOf(d, current); err == nil && stored.Refresh != old.Refresh {
				return nil // ours, or somebody else's newer ones
			}
			prev, rec = now, current
		}
		if err == nil && readErr == nil {
			continue // somebody else was quicker
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fail(auth.CodeStoreUnavailable, "refresh", errors.New("the new tokens could not be stored"))
		}
	}
}

// replaceTokens makes one attempt. used notes that a request has come.
func (b *Backend) replaceTokens(ctx context.Context, d digest, prev []byte, rec *record, old, fresh *tokenSet, used bool) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	now := b.cfg.Now()
	rec.RefreshedAt = now.UnixMilli()
	if used && !rec.expired(now) {
		rec.touch(now, b.cfg.IdleTimeout)
	}
	if fresh.Scopes != nil {
		rec.Scopes = slices.DeleteFunc(slices.Clone(rec.Scopes), withdrawnScopes(old.Scopes, fresh.Scopes))
	}
	kept := *fresh
	if kept.Scopes == nil {
		kept.Scopes = old.Scopes
	}
	if err := b.setTokens(d, rec, &kept); err != nil {
		return false, err
	}
	return b.replace(ctx, d, prev, rec)
}

func (b *Backend) readAgain(ctx context.Context, d digest) ([]byte, *record, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return b.readRecord(ctx, d)
}

// withdrawnScopes reports for each scope whether the provider granted it before and does not any more. What it grants now
// and did not before is left to the next sign-in: the application may have decided against it.
func withdrawnScopes(before, now []string) func(string) bool {
	return func(s string) bool { return slices.Contains(before, s) && !slices.Contains(now, s) }
}

// endRefused ends a session whose refresh token the provider no longer honours, unless another process has renewed it
// in the meantime.
func (b *Backend) endRefused(ctx context.Context, d digest, rec *record, code auth.Code) error {
	_, now, err := b.readRecord(ctx, d)
	if err == nil && code == auth.CodeCodeRejected && !bytes.Equal(now.Tokens, rec.Tokens) {
		return nil
	}
	b.observe(ctx, rec.event(auth.EventRefreshFailed, d, code))
	if err == nil {
		_, err = b.end(ctx, d)
	}
	if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
		return fail(auth.CodeStoreUnavailable, "refresh", errGrantEnded)
	}
	return fail(auth.CodeSessionRevoked, "refresh", errors.New("the provider ended the grant"))
}

func (rec *record) event(name auth.EventName, d digest, code auth.Code) auth.Event {
	return auth.Event{Name: name, ProviderID: rec.ProviderID, SessionID: d.handle(), Subject: auth.NewSecret(rec.Subject), Code: code}
}
