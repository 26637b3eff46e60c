package kvoauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

const (
	// A session's use is noted in the store at most once in a twentieth of its idle timeout, and at most every five minutes
	// at the longest: noting each would make every read a write.
	touchFraction = 20
	touchAtMost   = 5 * time.Minute
)

// Authenticate implements [auth.AuthenticatorPort].
func (b *Backend) Authenticate(r *http.Request) (*auth.Authentication, error) {
	credential, ok := readCookie(r, b.cfg.CookieName)
	switch ok {
	case absent:
		return nil, errNoCredential
	case malformed:
		return nil, b.reject(r.Context(), fail(auth.CodeCredentialMalformed, "authenticate", errCookie))
	}
	d := digestOf(credential)
	now := b.cfg.Now()
	e, err := b.liveAt(r.Context(), d, now)
	if err != nil {
		return nil, b.reject(r.Context(), err)
	}
	if due := b.due(d, e.record, now); due != nothingDue {
		if e, err = b.maintain(r.Context(), d, due); err != nil {
			return nil, b.reject(r.Context(), err)
		}
	}
	return e.answer, nil
}

var (
	errNoCredential = fail(auth.CodeNoCredential, "authenticate", nil)
	errCookie       = errors.New("the cookie is not one of ours, or came twice")
)

// Session implements [auth.SessionReaderPort].
func (b *Backend) Session(r *http.Request) (*auth.Session, error) {
	a, err := b.Authenticate(r)
	if err != nil {
		return nil, err
	}
	return a.Session, nil
}

// SessionID implements [auth.InteractiveFlowPort].
func (b *Backend) SessionID(r *http.Request) (string, bool) {
	credential, ok := readCookie(r, b.cfg.CookieName)
	if ok != present {
		return "", false
	}
	return digestOf(credential).handle(), true
}

// reject adds the cookie that removes a dead credential. When it could not be told whether it is dead, it is kept.
func (b *Backend) reject(ctx context.Context, err error) error {
	if !errors.Is(err, auth.ErrUnauthenticated) {
		return err
	}
	name := auth.EventSessionRejected
	if auth.CodeOf(err) == auth.CodeSessionExpired {
		name = auth.EventSessionExpired
	}
	b.observe(ctx, auth.Event{Name: name, Code: auth.CodeOf(err)})
	return withCookies(err, []*http.Cookie{b.cfg.clearSessionCookie()})
}

// live returns the session of d if it authenticates now.
func (b *Backend) live(ctx context.Context, d digest) (*cached, error) {
	return b.liveAt(ctx, d, b.cfg.Now())
}

// liveAt is live by a clock that was read already. A store that may be behind is asked past its cache before a session is
// called expired: another process may have noted a use.
func (b *Backend) liveAt(ctx context.Context, d digest, now time.Time) (*cached, error) {
	e, err := b.lookUp(ctx, d)
	if err == nil && e.record.expired(now) && b.conditional != nil {
		sealed, found, getErr := b.kv.Get(ctx, d.key(sessionKeyPrefix))
		e, err = b.decoded(d, sealed, 0, found, getErr)
	}
	if err == nil && e.record.expired(now) {
		return nil, fail(auth.CodeSessionExpired, "read session", nil)
	}
	return e, err
}

// lookUp reads the session of d: the store is asked every time, and the decoded form is reused when what it holds has
// not changed.
func (b *Backend) lookUp(ctx context.Context, d digest) (*cached, error) {
	known := b.cache.get(d)
	if b.conditional == nil {
		sealed, found, err := b.kv.Get(ctx, d.key(sessionKeyPrefix))
		if err == nil && found && known.of(sealed) {
			return known, nil
		}
		return b.decoded(d, sealed, 0, found, err)
	}
	var seen uint64
	if known != nil {
		seen = known.version
	}
	sealed, version, found, err := b.conditional.GetIfChanged(ctx, d.key(sessionKeyPrefix), seen)
	if err == nil && found && known != nil && version == seen {
		return known, nil
	}
	return b.decoded(d, sealed, version, found, err)
}

// decoded turns the store's answer into a session and keeps it.
func (b *Backend) decoded(d digest, sealed []byte, version uint64, found bool, err error) (*cached, error) {
	if err != nil {
		return nil, storeError("read session", err)
	}
	if !found {
		b.cache.drop(d)
		return nil, fail(auth.CodeSessionNotFound, "read session", nil)
	}
	rec, err := b.openRecord(d, sealed)
	if err != nil {
		return nil, err
	}
	if _, err := b.relyingParty(rec.ProviderID); err != nil {
		return nil, fail(auth.CodeSessionInvalid, "read session", errors.New("its provider is no longer configured"))
	}
	e := &cached{version: version, record: rec}
	if b.conditional == nil {
		e.sealed = sealed
	}
	s := rec.session(d)
	e.answer = &auth.Authentication{Principal: b.MapPrincipal(s), Session: s}
	b.cache.put(d, e)
	return e, nil
}

// create stores a new session and returns its credential. The indexes know the session before it exists, and must still
// know it afterwards: a "sign out everywhere", or a logout at the provider, since its epoch has removed it, and then the
// session must not live.
func (b *Backend) create(ctx context.Context, rec *record, t *tokenSet) (string, *auth.Session, error) {
	credential := newCredential()
	d := digestOf(credential)
	if t != nil {
		if err := b.setTokens(d, rec, t); err != nil {
			return "", nil, err
		}
	}
	s, err := b.insert(ctx, d, rec)
	if err != nil {
		return "", nil, err
	}
	return credential, s, nil
}

// insert does that for the session of d.
func (b *Backend) insert(ctx context.Context, d digest, rec *record) (*auth.Session, error) {
	sealed, rec, err := b.storedForm(d, rec)
	if err != nil {
		return nil, err
	}
	if err := b.enlist(ctx, d, sealed, rec); err != nil {
		return nil, err
	}
	if sealed, err = b.sealRecord(d, sealed, rec); err != nil {
		return nil, err
	}
	swapped, err := b.kv.CompareAndSwap(ctx, d.key(sessionKeyPrefix), nil, sealed, rec.lifetime(b.cfg.Now()))
	if err == nil && !swapped {
		return nil, storeError("create session", errors.New("handle is taken"))
	}
	if err != nil {
		b.discard(ctx, d)
		return nil, storeError("create session", err)
	}
	switch live, err := b.enlisted(ctx, d, sealed, rec); {
	case err != nil:
		b.discard(ctx, d)
		return nil, err
	case !live:
		if err := b.kv.Delete(ctx, d.key(sessionKeyPrefix)); err != nil {
			return nil, storeError("create session", err)
		}
		return nil, fail(auth.CodeSessionRevoked, "create session", errors.New("the user signed out everywhere, or at the provider, meanwhile"))
	}
	b.observe(ctx, auth.Event{Name: auth.EventSessionCreated, ProviderID: rec.ProviderID, SessionID: d.handle(), Subject: auth.NewSecret(rec.Subject)})
	return rec.session(d), nil
}

// storedForm returns rec sealed, and as it will be read: claims that do not survive being stored are refused now.
func (b *Backend) storedForm(d digest, rec *record) ([]byte, *record, error) {
	sealed, err := b.sealRecord(d, nil, rec)
	if err != nil {
		return nil, nil, err
	}
	read, err := b.openRecord(d, sealed)
	if err != nil {
		return nil, nil, fail(auth.CodeInternal, "create session", errors.New("claims do not survive being stored"))
	}
	return sealed, read, nil
}

// discard tries to delete a session whose credential has not left the process, also when the request has gone. What it
// leaves nobody can use; it ends by its limits.
func (b *Backend) discard(ctx context.Context, d digest) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_ = b.kv.Delete(ctx, d.key(sessionKeyPrefix))
}

// end ends the session of d, and then has its tokens revoked. It returns what the session was, nil if there was none.
func (b *Backend) end(ctx context.Context, d digest) (*record, error) {
	rec, err := b.remove(ctx, d)
	if err == nil && rec == nil {
		return nil, b.endSuccessor(ctx, d)
	}
	b.revokeTokens(ctx, d, rec)
	return rec, err
}

// remove takes the session of d out of the store, so that it returns the very record that nobody can use any more, and
// then forgets it in its indexes: in this order, so that an error leaves nothing that cannot be found and ended
// again. The record is nil when there was none.
func (b *Backend) remove(ctx context.Context, d digest) (*record, error) {
	sealed, found, err := b.kv.Take(ctx, d.key(sessionKeyPrefix))
	if err != nil {
		return nil, storeError("end session", err)
	}
	b.cache.drop(d)
	if !found {
		return nil, nil
	}
	rec, err := b.openRecord(d, sealed)
	if err != nil {
		return nil, nil //nolint:nilerr // it was no session of ours, and is gone
	}
	b.delist(ctx, d, sealed, rec)
	b.observe(ctx, auth.Event{Name: auth.EventSessionRevoked, ProviderID: rec.ProviderID, SessionID: d.handle(), Subject: auth.NewSecret(rec.Subject), Count: 1})
	return rec, nil
}
