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
	replaceAttempts  = 5
)

// refreshTime is when t should be renewed, in Unix milliseconds; zero if it cannot be, or if its life is not known.
func refreshTime(t *tokenSet) int64 {
	if t.Refresh == "" || t.life == 0 {
		return 0
	}
	return t.at.Add(t.life - min(maxRefreshMargin, t.life/marginFraction)).UnixMilli()
}

// refresh renews the provider's tokens behind the session of d, unless somebody else just did. force renews them also
// when they are not due.
//
// invalid_grant, and a new ID token that is not the same person's, end the session. A provider that is down does not.
func (b *Backend) refresh(ctx context.Context, d digest, force bool) error {
	sealed, rec, err := b.readRecord(ctx, d)
	if err != nil {
		return err
	}
	if !force && b.due(d, rec, b.Now()) != refreshDue {
		return nil
	}
	old, fresh, err := b.renewTokens(ctx, d, rec)
	switch code := auth.CodeOf(err); {
	case err == nil:
		return b.keepTokens(ctx, d, sealed, rec, old, fresh)
	case code == auth.CodeCodeRejected, code == auth.CodeIDTokenInvalid, code == auth.CodeSubjectMismatch:
		return b.endRefused(ctx, d, sealed, rec, code)
	}
	b.retries.set(d, b.Now())
	b.observe(ctx, rec.event(auth.EventRefreshFailed, d, auth.CodeOf(err)))
	return err
}

// renewTokens asks the provider for new tokens (RFC 6749, section 6) and checks what comes.
func (b *Backend) renewTokens(ctx context.Context, d digest, rec *record) (old, fresh *tokenSet, err error) {
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
	if old.Refresh == "" {
		return nil, nil, fail(auth.CodeUnsupported, "refresh", errors.New("the provider gave no refresh token"))
	}
	if fresh, err = rp.refreshTokens(ctx, old.Refresh); err != nil {
		return nil, nil, err
	}
	if fresh.ID == "" {
		fresh.ID = old.ID
		return old, fresh, nil
	}
	return old, fresh, rp.checkRefreshedIDToken(ctx, old, fresh)
}

// refreshTokens sends the refresh token to the token endpoint and nowhere else.
func (rp *relyingParty) refreshTokens(ctx context.Context, token string) (*tokenSet, error) {
	m, err := rp.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, rp.token)
	tok, err := rp.oauth2(m, "").TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	if err != nil {
		return nil, tokenError("refresh", err)
	}
	return rp.accept(tok)
}

// checkRefreshedIDToken applies OpenID Connect Core 1.0 section 12.2: the same iss, sub, aud, auth_time and azp as the ID
// token of the sign-in, and its nonce or none. When the provider's keys cannot be fetched, the new ID token is dropped
// and the rest kept: the refresh token may have been rotated, and the old one is then spent.
func (rp *relyingParty) checkRefreshedIDToken(ctx context.Context, old, fresh *tokenSet) error {
	claims, err := rp.verifyIDToken(ctx, fresh.ID, "", fresh.Access)
	if code := auth.CodeOf(err); code == auth.CodeProviderUnavailable || code == auth.CodeProviderInvalid {
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

// keepTokens stores fresh in place of old. A session that was ended meanwhile stays ended, and the new tokens are
// dropped; one that was merely touched is read again.
func (b *Backend) keepTokens(ctx context.Context, d digest, prev []byte, rec *record, old, fresh *tokenSet) error {
	for range replaceAttempts {
		if err := b.setTokens(d, rec, fresh); err != nil {
			return err
		}
		rec.RefreshedAt = b.Now().UnixMilli()
		if fresh.Scopes != nil {
			rec.Scopes = fresh.Scopes
		}
		swapped, err := b.replace(ctx, d, prev, rec)
		if swapped {
			b.observe(ctx, rec.event(auth.EventTokenRefreshed, d, ""))
			return nil
		}
		if err != nil && ctx.Err() != nil {
			return err
		}
		// Not stored, or not known whether: what is stored now decides.
		if prev, rec, err = b.readRecord(ctx, d); err != nil {
			if errors.Is(err, auth.ErrUnauthenticated) {
				return err
			}
			continue
		}
		if stored, err := b.tokensOf(d, rec); err == nil && stored.Refresh != old.Refresh {
			return nil // ours, or somebody else's newer ones
		}
	}
	return fail(auth.CodeStoreUnavailable, "refresh", errors.New("the new tokens could not be stored"))
}

// endRefused ends a session whose refresh token the provider no longer honours, unless another process has renewed it
// in the meantime.
func (b *Backend) endRefused(ctx context.Context, d digest, sealed []byte, rec *record, code auth.Code) error {
	now, _, err := b.readRecord(ctx, d)
	if err != nil {
		return err
	}
	if code == auth.CodeCodeRejected && !bytes.Equal(now, sealed) {
		return nil
	}
	b.observe(ctx, rec.event(auth.EventRefreshFailed, d, code))
	if err := b.end(ctx, d); err != nil {
		return err
	}
	return fail(auth.CodeSessionRevoked, "refresh", errors.New("the provider ended the grant"))
}

func (rec *record) event(name auth.EventName, d digest, code auth.Code) auth.Event {
	return auth.Event{Name: name, ProviderID: rec.ProviderID, SessionID: d.handle(), Subject: auth.NewSecret(rec.Subject), Code: code}
}
