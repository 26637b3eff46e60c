package workos

import (
	"context"
	"errors"

	"github.com/netscript/auth"
)

// CreateSession is unsupported: people sign in at WorkOS.
func (b *Backend) CreateSession(context.Context, auth.CreateSessionParams) (*auth.CreatedSession, error) {
	return nil, auth.Unsupported(Name, "create session", "sessions are made at WorkOS")
}

// SessionByID is unsupported. WorkOS reads no session by its id, only the sessions of a user, and an id does not say whose
// it is; what this process has seen of a session is not known to others and may be out of date. Who is signed in ends
// another of their sessions with [Backend.SignOut], which looks for it among their own: POST /signout with a sessionId.
func (b *Backend) SessionByID(context.Context, string) (*auth.Session, error) {
	return nil, auth.Unsupported(Name, "read session", "WorkOS lists the sessions of a user, and reads none by its id")
}

// RefreshSession is unsupported: the refresh token is in the browser's cookie. [Backend.Refresh] refreshes the session of a
// request.
func (b *Backend) RefreshSession(context.Context, string) (*auth.Session, error) {
	return nil, auth.Unsupported(Name, "refresh session", "the refresh token is in the browser's cookie and nowhere else")
}

// RevokeSession implements [auth.SessionAdminPort]: the session is ended at WorkOS, and refused by this process at once.
// Other processes accept its access tokens until they expire. Unsupported without an API key.
func (b *Backend) RevokeSession(ctx context.Context, id string) error {
	if !usableID(id) && !b.conf.APIKey.IsZero() {
		return nil // there is none
	}
	if err := b.api.revoke(ctx, id); err != nil {
		return err
	}
	b.noteEnded(ctx, id, "")
	return nil
}

// ListSessions implements [auth.SessionAdminPort]: the user's active sessions at WorkOS, the newest first. Unsupported
// without an API key.
func (b *Backend) ListSessions(ctx context.Context, userID string) ([]*auth.Session, error) {
	return b.api.list(ctx, userID)
}

// RevokeSessions implements [auth.SessionAdminPort]. A session that begins meanwhile is not ended. Unsupported without an
// API key.
func (b *Backend) RevokeSessions(ctx context.Context, userID string) (int, error) {
	sessions, err := b.api.list(ctx, userID)
	if err != nil {
		return 0, err
	}
	ended := 0
	var errs []error
	for _, s := range sessions {
		if err := b.end(ctx, s.ID, userID); err != nil {
			errs = append(errs, err)
			continue
		}
		ended++
	}
	return ended, errors.Join(errs...)
}
