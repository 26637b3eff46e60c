package betterauth

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/netscript/auth"
)

// CreateSession is unsupported: people sign in at the better-auth server.
func (b *Backend) CreateSession(context.Context, auth.CreateSessionParams) (*auth.CreatedSession, error) {
	return nil, auth.Unsupported(Name, "create session", "sessions are made by the better-auth server")
}

// RefreshSession is unsupported: a session is extended when it is used.
func (b *Backend) RefreshSession(context.Context, string) (*auth.Session, error) {
	return nil, auth.Unsupported(Name, "refresh session", "a session is extended when it is used")
}

const noIndex = "without sessions in the database none can be found by its id"

// SessionByID implements [auth.SessionAdminPort]. Roles and claims, which are the user's, are not read. Unsupported when
// sessions are not in the database.
func (b *Backend) SessionByID(ctx context.Context, id string) (*auth.Session, error) {
	s, err := b.byID(ctx, "read session", id)
	if err != nil {
		return nil, err
	}
	revoked := false
	if s != nil {
		if revoked, err = b.revoked(ctx, s); err != nil {
			return nil, err
		}
	}
	if s == nil || revoked || s.expiresAt.Before(b.conf.Now()) {
		return nil, fail(auth.CodeSessionNotFound, "read session", errGone)
	}
	return b.sessionOf(s), nil
}

func (b *Backend) byID(ctx context.Context, op, id string) (*session, error) {
	if b.db == nil || b.conf.Secondary != nil && !b.conf.Secondary.fallback() {
		return nil, auth.Unsupported(Name, op, noIndex)
	}
	list, err := b.sessionsWhere(ctx, b.statements.byID, id, func(s *session) bool { return s.id == id })
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// RevokeSession implements [auth.SessionAdminPort]. Unsupported when sessions are not in the database.
func (b *Backend) RevokeSession(ctx context.Context, id string) error {
	s, err := b.byID(ctx, "revoke session", id)
	if err != nil || s == nil {
		return err
	}
	if err := b.remove(ctx, s, b.conf.Now()); err != nil {
		return err
	}
	b.observe(ctx, auth.Event{Name: auth.EventSessionRevoked, SessionID: s.id, Subject: auth.NewSecret(s.userID), Count: 1})
	return nil
}

// ListSessions implements [auth.SessionAdminPort]: the user's live sessions, the oldest first, without those in which an
// administrator acts as the user. Roles and claims are not read.
func (b *Backend) ListSessions(ctx context.Context, userID string) ([]*auth.Session, error) {
	live, err := b.liveSessions(ctx, userID, b.conf.Now())
	if err != nil {
		return nil, err
	}
	list := make([]*auth.Session, 0, len(live))
	for i := range live {
		if live[i].impersonatedBy == "" {
			list = append(list, b.sessionOf(&live[i]))
		}
	}
	return list, nil
}

func (b *Backend) liveSessions(ctx context.Context, userID string, now time.Time) ([]session, error) {
	if b.db == nil {
		return nil, auth.Unsupported(Name, "list sessions", "the server keeps no sessions")
	}
	if b.conf.Secondary == nil || b.conf.Secondary.fallback() {
		var before int64
		if b.conf.Secondary != nil && possibleKey(userID) {
			var err error
			if before, err = b.revokedBefore(ctx, userID); err != nil {
				return nil, err
			}
		}
		return b.sessionsWhere(ctx, b.statements.byUser, userID, func(s *session) bool {
			return s.userID == userID && !s.expiresAt.Before(now) && s.createdAt.UnixMilli() >= before
		})
	}
	return b.storedSessions(ctx, userID, now)
}

// storedSessions are the live sessions of a user in the secondary storage.
func (b *Backend) storedSessions(ctx context.Context, userID string, now time.Time) ([]session, error) {
	references, err := b.references(ctx, userID, now)
	if err != nil {
		return nil, err
	}
	var list []session
	for _, ref := range references {
		value, found, err := b.storageGet(ctx, "read sessions", ref.Token)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		rec, err := b.fromStorage(ctx, ref.Token, value)
		if err != nil {
			return nil, err
		}
		if rec != nil && rec.session.userID == userID && !rec.session.expiresAt.Before(now) {
			list = append(list, rec.session)
		}
	}
	return list, nil
}

// RevokeSessions implements [auth.SessionAdminPort]. The count includes sessions that had expired and were not deleted
// yet.
func (b *Backend) RevokeSessions(ctx context.Context, userID string) (int, error) {
	const op = "revoke sessions"
	if b.db == nil {
		return 0, auth.Unsupported(Name, op, "the server keeps no sessions")
	}
	if !possibleKey(userID) {
		return 0, nil
	}
	now := b.conf.Now().UTC()
	ended := 0
	var err error
	if b.conf.Secondary.inDatabase() && !b.conf.preserves() {
		ended, err = b.deleteRows(ctx, op, userID)
	}
	if b.conf.Secondary != nil {
		n, storedErr := b.revokeStored(ctx, userID, now)
		ended, err = max(ended, n), errors.Join(err, storedErr)
	}
	b.local.forgetAll()
	if ended > 0 {
		b.observe(ctx, auth.Event{Name: auth.EventSessionRevoked, Subject: auth.NewSecret(userID), Count: ended})
	}
	return ended, err
}

// deleteRows deletes the rows of a user. In MySQL a DELETE fails for a text where ids are numbers, and in a way that only
// its driver can tell; a SELECT does not.
func (b *Backend) deleteRows(ctx context.Context, op, userID string) (int, error) {
	if b.db.dialect.name == mysql {
		known := false
		err := b.db.query(ctx, op, b.statements.byUser, []any{userID}, func(r row) error {
			known = known || textOf(r.source("s")("userId")) == userID
			return nil
		})
		if err != nil || !known {
			return 0, err
		}
	}
	n, err := b.db.execGiven(ctx, op, b.statements.deleteByUser, userID, userID)
	return int(n), err
}

func (s *settings) preserves() bool {
	return s.Secondary != nil && s.Secondary.StoreSessionInDatabase && s.Secondary.PreserveSessionInDatabase
}

// revokeStored ends all sessions of a user in the secondary storage. The mark comes first: it also ends sessions that the
// list does not know.
func (b *Backend) revokeStored(ctx context.Context, userID string, now time.Time) (int, error) {
	before, err := b.revokedBefore(ctx, userID)
	if err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
		return 0, err
	}
	mark := strconv.FormatInt(max(before, now.UnixMilli()), 10)
	err = b.storageSet(ctx, "revoke sessions", revokedKey(userID), mark, max(b.conf.Session.ExpiresIn, 24*time.Hour))
	if err != nil {
		return 0, err
	}
	list, err := b.references(ctx, userID, now)
	if err != nil {
		return 0, err
	}
	tokens := map[string]bool{}
	var errs []error
	for _, ref := range list {
		tokens[ref.Token] = true
		errs = append(errs, b.storageSet(ctx, "revoke sessions", ref.Token, "", 0), b.endRow(ctx, ref.Token, userID, now))
	}
	errs = append(errs, b.dropReferences(ctx, userID, tokens, now))
	return len(tokens), errors.Join(errs...)
}

// endRow marks a preserved row as ended.
func (b *Backend) endRow(ctx context.Context, token, userID string, now time.Time) error {
	if !b.conf.preserves() {
		return nil
	}
	rec, err := b.byToken(ctx, token)
	if err != nil || rec == nil || rec.session.userID != userID || !rec.session.expiresAt.After(now) {
		return err
	}
	return b.endPreserved(ctx, &rec.session, now)
}

func (b *Backend) endPreserved(ctx context.Context, s *session, now time.Time) error {
	_, err := b.db.exec(ctx, "end session", b.statements.end, b.db.dialect.timeParameter(now, s.stored), s.id, s.token)
	return err
}

// remove ends a session wherever it is kept. The row goes first: who extends the session looks at it last.
func (b *Backend) remove(ctx context.Context, s *session, now time.Time) error {
	defer b.local.forget(s.token)
	err := b.removeRow(ctx, s, now)
	if b.conf.Secondary != nil {
		err = errors.Join(err, b.removeStored(ctx, s, now))
	}
	return err
}

func (b *Backend) removeRow(ctx context.Context, s *session, now time.Time) error {
	switch {
	case b.db == nil || !b.conf.Secondary.inDatabase():
		return nil
	case b.conf.preserves():
		return b.endRow(ctx, s.token, s.userID, now)
	}
	_, err := b.db.exec(ctx, "end session", b.statements.delete, s.id, s.token)
	return err
}
