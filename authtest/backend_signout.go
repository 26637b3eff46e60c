package authtest

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

func signOutChecks() []check {
	port := needsPort[auth.SignOutPort]("SignOutPort")
	return []check{
		{name: "sign-out ends the session", needs: port, run: checkSignOut},
		{name: "sign-out everywhere ends all sessions", needs: both(port, needsRevocation), run: checkSignOutEverywhere},
		{name: "sign-out of nobody succeeds", needs: port, run: checkSignOutOfNobody},
		{name: "sign-out of another's session is forbidden", needs: port, run: checkSignOutOfAnother},
		{name: "sign-out of an own session by name", needs: both(port, needsRevocation), run: checkSignOutByName},
	}
}

func needsRevocation(f *BackendFixture) string {
	if f.SignOutIsLocal != "" {
		return "credentials outlive their sign-out: " + f.SignOutIsLocal
	}
	return ""
}

func checkSignOut(f *BackendFixture) error {
	port, _ := auth.As[auth.SignOutPort](f.Backend)
	r, other := f.SignIn("alice"), f.SignIn("alice")
	a, err := authenticateLive(f.Backend, other)
	if err != nil {
		return err
	}
	d, err := port.SignOut(again(r), auth.SignOutParams{})
	if err != nil {
		return fmt.Errorf("SignOut: got %s", outcome(d != nil, err))
	}
	if err := wantCleared(r, d); err != nil {
		return err
	}
	if f.SignOutIsLocal == "" {
		if err := wantUnauthenticated(f.Backend, r); err != nil {
			return fmt.Errorf("the credential after its sign-out: %w", err)
		}
	}
	if err := wantSubject(f.Backend, other, a.Principal.Subject); err != nil {
		return fmt.Errorf("the same user's other session: %w", err)
	}
	d, err = port.SignOut(again(r), auth.SignOutParams{})
	if err != nil {
		return fmt.Errorf("SignOut for the second time: got %s", outcome(d != nil, err))
	}
	return wantCleared(r, d)
}

// wantCleared checks that the browser loses every cookie of the request.
func wantCleared(r *http.Request, d *auth.Redirect) error {
	if d == nil {
		return errors.New("SignOut: the Redirect is nil")
	}
	for _, sent := range r.Cookies() {
		cleared := false
		for _, c := range d.Cookies {
			past := c.MaxAge < 0 || c.MaxAge == 0 && !c.Expires.IsZero() && c.Expires.Before(time.Now())
			cleared = cleared || c.Name == sent.Name && past
		}
		if !cleared {
			return fmt.Errorf("SignOut: the cookie %s is not removed from the browser", sent.Name)
		}
	}
	return nil
}

func checkSignOutEverywhere(f *BackendFixture) error {
	port, _ := auth.As[auth.SignOutPort](f.Backend)
	here, there, bob := f.SignIn("alice"), f.SignIn("alice"), f.SignIn("bob")
	d, err := port.SignOut(again(here), auth.SignOutParams{Everywhere: true})
	if cleared := wantCleared(here, d); cleared != nil {
		return cleared
	}
	if unsupported, wrong := isUnsupported(f, "SignOut everywhere", err); unsupported || wrong != nil {
		return wrong
	}
	if err != nil {
		return fmt.Errorf("SignOut everywhere: got %s", outcome(d != nil, err))
	}
	for name, r := range map[string]*http.Request{"this session": here, "the other session": there} {
		if err := wantUnauthenticated(f.Backend, r); err != nil {
			return fmt.Errorf("%s after a sign-out everywhere: %w", name, err)
		}
	}
	if _, err := authenticateLive(f.Backend, bob); err != nil {
		return fmt.Errorf("another user after a sign-out everywhere: %w", err)
	}
	return nil
}

func checkSignOutOfNobody(f *BackendFixture) error {
	port, _ := auth.As[auth.SignOutPort](f.Backend)
	d, err := port.SignOut(f.anonymous(http.MethodPost, "/"), auth.SignOutParams{})
	if err != nil || d == nil {
		return fmt.Errorf("SignOut without a credential: got %s, want a Redirect: there was no session", outcome(d != nil, err))
	}
	for name, r := range f.Dead {
		d, err := port.SignOut(again(r), auth.SignOutParams{})
		if err != nil {
			return fmt.Errorf("SignOut with a dead credential (%s): got %s, want a nil error: there was no session", name, outcome(d != nil, err))
		}
		if err := wantCleared(r, d); err != nil {
			return fmt.Errorf("with a dead credential (%s): %w", name, err)
		}
	}
	return nil
}

// checkSignOutOfAnother also tries a session that does not exist: the answers must not tell which do.
func checkSignOutOfAnother(f *BackendFixture) error {
	port, _ := auth.As[auth.SignOutPort](f.Backend)
	alice, bob := f.SignIn("alice"), f.SignIn("bob")
	s, err := f.Backend.Session(again(bob))
	if err != nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	for name, id := range map[string]string{"of another user": s.ID, "that does not exist": "no-such-session"} {
		d, err := port.SignOut(again(alice), auth.SignOutParams{SessionID: id})
		if auth.CodeOf(err) != auth.CodeForbidden || d == nil {
			return fmt.Errorf("SignOut of a session %s: got %s, want a Redirect and %s", name, outcome(d != nil, err), auth.CodeForbidden)
		}
	}
	for name, r := range map[string]*http.Request{"the caller": alice, "the other user": bob} {
		if _, err := authenticateLive(f.Backend, r); err != nil {
			return fmt.Errorf("%s after a refused sign-out: %w", name, err)
		}
	}
	return nil
}

func checkSignOutByName(f *BackendFixture) error {
	port, _ := auth.As[auth.SignOutPort](f.Backend)
	here, there := f.SignIn("alice"), f.SignIn("alice")
	s, err := f.Backend.Session(again(there))
	if err != nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	d, err := port.SignOut(again(here), auth.SignOutParams{SessionID: s.ID})
	if unsupported, wrong := isUnsupported(f, "SignOut by name", err); unsupported || wrong != nil {
		return wrong
	}
	if err != nil || d == nil {
		return fmt.Errorf("SignOut of the caller's other session: got %s", outcome(d != nil, err))
	}
	if err := wantUnauthenticated(f.Backend, there); err != nil {
		return fmt.Errorf("the session that was named: %w", err)
	}
	return nil
}

// isUnsupported reports whether err says that the backend does not have the operation, and whether it says so wrongly.
func isUnsupported(f *BackendFixture, op string, err error) (unsupported bool, wrong error) {
	if !errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Backend != f.Backend.Name() || e.Op == "" {
		return true, fmt.Errorf("%s: the unsupported error does not name the backend and the operation", op)
	}
	return true, nil
}
