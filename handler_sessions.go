package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// maxListed bounds the list: a user may have any number of sessions.
const maxListed = 100

type sessionsAnswer struct {
	Sessions []ownSession `json:"sessions"` // the newest
	Total    int          `json:"total"`
}

type deletedAnswer struct {
	Revoked   bool   `json:"revoked"`
	SessionID string `json:"sessionId"`
}

// ownSession is a session in the list of its user.
type ownSession struct {
	session *Session
	current bool
}

// MarshalJSON writes the session with a member that says whether it is the one asking, and without its claims: they are
// the same person's in every session, and /me has them.
func (s ownSession) MarshalJSON() ([]byte, error) {
	w := s.session.wire()
	w.Claims = map[string]any{}
	return json.Marshal(struct {
		sessionJSON
		Current bool `json:"current"`
	}{w, s.current})
}

// serveSessions lists the caller's own sessions: the newest, and the one asking in any case.
func (h *Handler) serveSessions(w http.ResponseWriter, r *http.Request) {
	own, ok := h.ownSession(w, r, "sessions")
	if !ok {
		return
	}
	setCookies(w, own.Cookies)
	sessions, err := h.admin.ListSessions(r.Context(), own.Session.UserID)
	if err != nil {
		h.fail(w, r, failure{op: "sessions", err: notTheCaller(err)})
		return
	}
	answer := sessionsAnswer{Sessions: []ownSession{}}
	for _, s := range sessions {
		if s == nil || s.UserID != own.Session.UserID {
			continue
		}
		current := s.ID == own.Session.ID
		if answer.Total++; answer.Total <= maxListed || current {
			answer.Sessions = append(answer.Sessions, ownSession{s, current})
		}
	}
	h.answer(w, r, "sessions", answer)
}

// serveDeleteSession ends one of the caller's own sessions. Another user's and one that does not exist are refused
// alike.
func (h *Handler) serveDeleteSession(w http.ResponseWriter, r *http.Request) {
	const op = "delete session"
	own, ok := h.ownSession(w, r, op)
	if !ok {
		return
	}
	id := r.PathValue("id")
	if id == own.Session.ID && h.signOut != nil {
		h.deleteCurrent(w, r, id)
		return
	}
	setCookies(w, own.Cookies)
	s, err := h.sessionOf(r.Context(), own.Session.UserID, id)
	if _, class := classify(err); err != nil && !errors.Is(class, ErrUnauthenticated) {
		h.fail(w, r, failure{op: op, err: err})
		return
	}
	if err != nil || s == nil || s.ID != id || s.UserID != own.Session.UserID {
		h.fail(w, r, failure{op: op, err: &Error{Code: CodeForbidden, Backend: h.backend.Name(), Op: op}})
		return
	}
	if err := h.revokeOther(r, id); err != nil {
		h.fail(w, r, failure{op: op, err: notTheCaller(err)})
		return
	}
	h.answer(w, r, op, deletedAnswer{true, id})
}

// revokeOther ends a session of the caller that is not the current one. A backend that finds sessions by their users only
// is asked to sign it out.
func (h *Handler) revokeOther(r *http.Request, id string) error {
	err := h.admin.RevokeSession(r.Context(), id)
	if _, class := classify(err); h.signOut != nil && errors.Is(class, errors.ErrUnsupported) {
		_, err = h.signOut.SignOut(r, SignOutParams{SessionID: id})
	}
	return err
}

// sessionOf returns the session called id, or nil. A backend that knows sessions by their users only is asked for those of
// userID.
func (h *Handler) sessionOf(ctx context.Context, userID, id string) (*Session, error) {
	s, err := h.admin.SessionByID(ctx, id)
	if _, class := classify(err); !errors.Is(class, errors.ErrUnsupported) {
		return s, err
	}
	sessions, err := h.admin.ListSessions(ctx, userID)
	for _, s := range sessions {
		if err == nil && s != nil && s.ID == id {
			return s, nil
		}
	}
	return nil, err
}

// deleteCurrent is a sign-out: the cookie goes too.
func (h *Handler) deleteCurrent(w http.ResponseWriter, r *http.Request, id string) {
	if _, err := h.endSession(w, r, SignOutParams{SessionID: id, Local: true}); err != nil {
		h.fail(w, r, failure{op: "delete session", err: err, data: map[string]any{"revoked": false}})
		return
	}
	h.answer(w, r, "delete session", deletedAnswer{true, id})
}

// ownSession returns the authentication of a caller that has a session, or answers and returns false. An API key has
// none: it manages nobody's sessions.
func (h *Handler) ownSession(w http.ResponseWriter, r *http.Request, op string) (*Authentication, bool) {
	if h.admin == nil {
		h.fail(w, r, failure{op: op, err: Unsupported(h.backend.Name(), op, "the backend does not manage sessions")})
		return nil, false
	}
	a, err := authenticate(h.backend, r)
	if err == nil && (a.Session == nil || a.Session.UserID == "" || a.Session.ID == "") {
		err = &Error{Code: CodeForbidden, Backend: h.backend.Name(), Op: op}
	}
	if err != nil {
		h.fail(w, r, failure{op: op, err: err})
		return nil, false
	}
	return a, true
}

// notTheCaller keeps an administrative error from being read as a verdict on the caller, who is authenticated.
func notTheCaller(err error) error {
	if _, class := classify(err); errors.Is(class, ErrUnauthenticated) {
		return undecided{err}
	}
	return err
}
