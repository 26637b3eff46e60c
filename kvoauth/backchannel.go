package kvoauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/netscript/auth"
)

const logoutTokenKeyPrefix = "j:"

// BackChannelLogout implements [auth.BackChannelLogoutPort] (OpenID Connect Back-Channel Logout 1.0). A token with sid ends
// the sessions that began in that session at the provider, one with sub alone all sessions of that account of the
// provider, and of no other that is linked to the user. Sign-ins under way that would begin such a session fail. Sent
// again after its success a token changes nothing, and is answered with success once more.
func (b *Backend) BackChannelLogout(ctx context.Context, token string) error {
	e := auth.Event{Name: auth.EventBackChannelLogout}
	var err error
	parties := b.logoutParties(token)
	if len(parties) == 0 {
		err = logoutTokenError(errors.New("it is for no client of ours, or no JWT"))
	} else {
		e.ProviderID = parties[0].Provider.ID
		e.Count, err = b.obeyLogout(ctx, parties, token)
	}
	if err != nil {
		e.Name, e.Code = auth.EventBackChannelLogoutFailed, auth.CodeOf(err)
	}
	b.observe(ctx, e)
	return err
}

// obeyLogout verifies the token and ends what it speaks of. It is remembered (step 8) only when that is done: what the
// provider sends again after an error must be obeyed.
func (b *Backend) obeyLogout(ctx context.Context, parties []*relyingParty, raw string) (ended int, err error) {
	var t *logoutToken
	for _, rp := range parties {
		if t, err = rp.verifyLogoutToken(ctx, raw); err != nil {
			return 0, err
		}
	}
	key := digest(sha256.Sum256([]byte(t.jti))).key(logoutTokenKeyPrefix)
	if _, known, err := b.kv.Get(ctx, key); err != nil || known {
		return 0, storeErrorIf("logout token", err)
	}
	for _, rp := range parties {
		n, err := b.endProviderSessions(ctx, rp, t)
		ended += n
		if err != nil {
			return ended, err
		}
	}
	return ended, storeErrorIf("logout token", b.kv.Set(ctx, key, []byte{1}, t.until.Sub(b.cfg.Now())))
}

func storeErrorIf(op string, err error) error {
	if err == nil {
		return nil
	}
	return storeError(op, err)
}

// endProviderSessions ends the sessions that t speaks of (section 2.7).
func (b *Backend) endProviderSessions(ctx context.Context, rp *relyingParty, t *logoutToken) (int, error) {
	if t.sid != "" {
		return b.endSID(ctx, rp, t)
	}
	subject, ok := rp.subject(t.sub)
	if !ok {
		return 0, nil // nobody can have signed in as that
	}
	indexes := b.accountIndexes(rp.Provider.ID, t.sub)
	if b.cfg.Users == nil { // then the account is the user
		indexes = append(indexes, b.indexes(subject)...)
	}
	ended, err := b.endListed(ctx, indexes, b.revokeOnline)
	if err != nil || b.cfg.Users == nil {
		return ended, err
	}
	older, err := b.endUserless(ctx, rp, t.sub, subject)
	return ended + older, err
}

// endUserless ends the sessions of an account that began before users were kept. They are listed under the subject alone,
// where now may be those of a user who is called like it; none is added any more.
func (b *Backend) endUserless(ctx context.Context, rp *relyingParty, account, subject string) (ended int, err error) {
	sessions, err := b.liveSessions(ctx, subject)
	if err != nil {
		return 0, err
	}
	for _, s := range sessions {
		d, ok := parseHandle(s.ID)
		if !ok || s.ProviderID != rp.Provider.ID || s.AccountID != account {
			continue
		}
		rec, err := b.remove(ctx, d)
		if err != nil {
			return ended, err
		}
		if rec != nil {
			ended++
			b.revokeOnline(ctx, d, rec)
		}
	}
	return ended, nil
}

// revokeOnline has the tokens of a session revoked that ended because the provider's did. Those that were granted for
// going on without the person are not (section 2.7).
func (b *Backend) revokeOnline(ctx context.Context, d digest, rec *record) {
	if rec == nil || rec.Tokens == nil {
		return
	}
	t, err := b.tokensOf(d, rec)
	if err != nil {
		return
	}
	granted := t.Scopes
	if rp, err := b.relyingParty(rec.ProviderID); err == nil && granted == nil {
		granted = rp.Scopes
	}
	if !slices.Contains(granted, "offline_access") {
		b.revoke(ctx, rec.event(auth.EventTokenRevoked, d, ""), t)
	}
}
