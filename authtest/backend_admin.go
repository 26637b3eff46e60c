package authtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

func adminChecks() []check {
	port := needsPort[auth.SessionAdminPort]("SessionAdminPort")
	return []check{
		{name: "administration reads sessions", needs: port, run: checkAdminReads},
		{name: "administration revokes a session", needs: port, run: checkAdminRevokes},
		{name: "administration revokes all sessions of a user", needs: port, run: checkAdminRevokesAll},
		{name: "administration creates a session", needs: port, run: checkAdminCreates},
		{name: "administration refreshes a session", needs: port, run: checkAdminRefreshes},
	}
}

// admin returns the port and the session of a request.
func (f *BackendFixture) admin(r *http.Request) (auth.SessionAdminPort, *auth.Session, error) {
	port, _ := auth.As[auth.SessionAdminPort](f.Backend)
	s, err := f.Backend.Session(again(r))
	if err != nil || s == nil {
		return nil, nil, fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	return port, s, nil
}

func checkAdminReads(f *BackendFixture) error {
	ctx := context.Background()
	r := f.SignIn("alice")
	port, s, err := f.admin(r)
	if err != nil {
		return err
	}
	read, err := port.SessionByID(ctx, s.ID)
	if unsupported, wrong := isUnsupported(f, "SessionByID", err); wrong != nil {
		return wrong
	} else if !unsupported {
		if err != nil || read == nil || read.ID != s.ID || read.Subject != s.Subject {
			return fmt.Errorf("SessionByID: got %s, want the session", outcome(read != nil, err))
		}
		if read, err := port.SessionByID(ctx, "no-such-session"); read != nil || !errors.Is(err, auth.ErrUnauthenticated) {
			return fmt.Errorf("SessionByID of none: got %s, want ErrUnauthenticated", outcome(read != nil, err))
		}
	}
	n, wrong := listed(f, port, s)
	if wrong != nil {
		return wrong
	}
	if n == 0 {
		return errors.New("ListSessions does not list a live session")
	}
	bob, err := f.Backend.Session(again(f.SignIn("bob")))
	if err != nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(false, err))
	}
	return notListed(f, port, &auth.Session{ID: s.ID, UserID: bob.UserID}, "the session of another user")
}

// listed counts s in the list of its user's sessions. It is negative when the backend has no list.
func listed(f *BackendFixture, port auth.SessionAdminPort, s *auth.Session) (int, error) {
	list, err := port.ListSessions(context.Background(), s.UserID)
	if unsupported, wrong := isUnsupported(f, "ListSessions", err); unsupported || wrong != nil {
		return -1, wrong
	}
	if err != nil {
		return -1, fmt.Errorf("ListSessions: got %s", outcome(false, err))
	}
	n := 0
	for _, entry := range list {
		if entry == nil {
			return -1, errors.New("ListSessions: an entry is nil")
		}
		if entry.ID == s.ID {
			n++
		}
	}
	return n, nil
}

func notListed(f *BackendFixture, port auth.SessionAdminPort, s *auth.Session, what string) error {
	n, wrong := listed(f, port, s)
	if wrong == nil && n > 0 {
		return errors.New("ListSessions lists " + what)
	}
	return wrong
}

func checkAdminRevokes(f *BackendFixture) error {
	ctx := context.Background()
	r, other := f.SignIn("alice"), f.SignIn("alice")
	port, s, err := f.admin(r)
	if err != nil {
		return err
	}
	err = port.RevokeSession(ctx, s.ID)
	if unsupported, wrong := isUnsupported(f, "RevokeSession", err); unsupported || wrong != nil {
		return wrong
	}
	if err != nil {
		return fmt.Errorf("RevokeSession: got %s", outcome(false, err))
	}
	if err := wantUnauthenticated(f.Backend, r); err != nil {
		return fmt.Errorf("a revoked session: %w", err)
	}
	if _, err := authenticateLive(f.Backend, other); err != nil {
		return fmt.Errorf("the user's other session: %w", err)
	}
	if err := notListed(f, port, s, "a revoked session"); err != nil {
		return err
	}
	for _, id := range []string{s.ID, "no-such-session"} {
		if err := port.RevokeSession(ctx, id); err != nil {
			return fmt.Errorf("RevokeSession of a session that does not exist: got %s", outcome(false, err))
		}
	}
	return nil
}

func checkAdminRevokesAll(f *BackendFixture) error {
	ctx := context.Background()
	first, second, bob := f.SignIn("alice"), f.SignIn("alice"), f.SignIn("bob")
	port, s, err := f.admin(first)
	if err != nil {
		return err
	}
	n, err := port.RevokeSessions(ctx, s.UserID)
	if unsupported, wrong := isUnsupported(f, "RevokeSessions", err); unsupported || wrong != nil {
		return wrong
	}
	if err != nil || n != 2 {
		return fmt.Errorf("RevokeSessions of a user with two sessions: got %d and %s", n, outcome(false, err))
	}
	for _, r := range []*http.Request{first, second} {
		if err := wantUnauthenticated(f.Backend, r); err != nil {
			return fmt.Errorf("after RevokeSessions: %w", err)
		}
	}
	if _, err := authenticateLive(f.Backend, bob); err != nil {
		return fmt.Errorf("another user after RevokeSessions: %w", err)
	}
	return nil
}

func checkAdminCreates(f *BackendFixture) error {
	port, _ := auth.As[auth.SessionAdminPort](f.Backend)
	made, err := port.CreateSession(context.Background(), auth.CreateSessionParams{Subject: "made-by-hand", Roles: []string{"clerk"}, Lifetime: time.Minute})
	if unsupported, wrong := isUnsupported(f, "CreateSession", err); unsupported || wrong != nil {
		return wrong
	}
	if err != nil || made == nil || made.Session == nil || len(made.Cookies) == 0 {
		return fmt.Errorf("CreateSession: got %s, want a session and cookies", outcome(made != nil, err))
	}
	r := f.anonymous(http.MethodGet, "/")
	for _, c := range made.Cookies {
		r.AddCookie(c)
	}
	a, err := authenticateLive(f.Backend, r)
	if err != nil {
		return fmt.Errorf("a created session: %w", err)
	}
	if a.Session == nil || a.Session.ID != made.Session.ID || !a.Principal.HasRoles("clerk") {
		return errors.New("a created session authenticates as another one, or without its roles")
	}
	if made.Session.ExpiresAt.After(time.Now().Add(2 * time.Minute)) {
		return errors.New("a created session lives longer than was asked for")
	}
	none, err := port.CreateSession(context.Background(), auth.CreateSessionParams{})
	if none != nil || !errors.Is(err, auth.ErrRejected) {
		return fmt.Errorf("CreateSession without a subject: got %s, want ErrRejected", outcome(none != nil, err))
	}
	return nil
}

func checkAdminRefreshes(f *BackendFixture) error {
	r := f.SignIn("alice")
	port, s, err := f.admin(r)
	if err != nil {
		return err
	}
	got, err := port.RefreshSession(context.Background(), s.ID)
	if unsupported, wrong := isUnsupported(f, "RefreshSession", err); unsupported || wrong != nil {
		return wrong
	}
	if err != nil || got == nil || got.ID != s.ID || got.Subject != s.Subject {
		return fmt.Errorf("RefreshSession: got %s, want the session", outcome(got != nil, err))
	}
	if got, err := port.RefreshSession(context.Background(), "no-such-session"); got != nil || !errors.Is(err, auth.ErrUnauthenticated) {
		return fmt.Errorf("RefreshSession of none: got %s, want ErrUnauthenticated", outcome(got != nil, err))
	}
	return wantSubject(f.Backend, r, s.Subject)
}
