package authtest

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/netscript/auth"
)

func outageChecks() []check {
	return []check{
		{name: "storage down is undecided", needs: needsStorage, run: checkOutage},
		{name: "sign-out while storage is down clears the cookies", needs: both(needsStorage, needsPort[auth.SignOutPort]("SignOutPort")), run: checkSignOutInOutage},
		{name: "administration while storage is down is undecided", needs: both(needsStorage, needsPort[auth.SessionAdminPort]("SessionAdminPort")), run: checkAdminInOutage},
	}
}

func checkOutage(f *BackendFixture) error {
	r := f.SignIn("alice")
	before, err := authenticateLive(f.Backend, r)
	if err != nil {
		return err
	}
	f.SetStorageDown(true)
	err = undecided(f.Backend, r)
	f.SetStorageDown(false)
	if err != nil {
		return err
	}
	if err := wantSubject(f.Backend, r, before.Principal.Subject); err != nil {
		return fmt.Errorf("after the storage has come back: %w", err)
	}
	return nil
}

// undecided checks that nobody is signed out because of an outage.
func undecided(b auth.AuthBackendPort, r *http.Request) error {
	a, err := b.Authenticate(again(r))
	if wrong := wantUndecided("Authenticate", a != nil, err); wrong != nil {
		return wrong
	}
	if len(cookiesOf(err)) > 0 {
		return errors.New("Authenticate: the error sets cookies although the credential may be good")
	}
	s, err := b.Session(again(r))
	if wrong := wantUndecided("Session", s != nil, err); wrong != nil {
		return wrong
	}
	if len(cookiesOf(err)) > 0 {
		return errors.New("Session: the error sets cookies although the credential may be good")
	}
	return nil
}

func checkSignOutInOutage(f *BackendFixture) error {
	port, _ := auth.As[auth.SignOutPort](f.Backend)
	r := f.SignIn("alice")
	f.SetStorageDown(true)
	defer f.SetStorageDown(false)
	d, err := port.SignOut(again(r), auth.SignOutParams{})
	if f.SignOutIsLocal == "" {
		if wrong := wantUndecided("SignOut", false, err); wrong != nil {
			return wrong
		}
	}
	return wantCleared(r, d)
}

func checkAdminInOutage(f *BackendFixture) error {
	port, _ := auth.As[auth.SessionAdminPort](f.Backend)
	r := f.SignIn("alice")
	s, err := f.Backend.Session(again(r))
	if err != nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	f.SetStorageDown(true)
	defer f.SetStorageDown(false)
	ctx := r.Context()
	read, err := port.SessionByID(ctx, s.ID)
	if wrong := undecidedOrUnsupported(f, "SessionByID", read != nil, err); wrong != nil {
		return wrong
	}
	list, err := port.ListSessions(ctx, s.UserID)
	if wrong := undecidedOrUnsupported(f, "ListSessions", list != nil, err); wrong != nil {
		return wrong
	}
	if wrong := undecidedOrUnsupported(f, "RevokeSession", false, port.RevokeSession(ctx, s.ID)); wrong != nil {
		return wrong
	}
	_, err = port.RevokeSessions(ctx, s.UserID)
	return undecidedOrUnsupported(f, "RevokeSessions", false, err)
}

func undecidedOrUnsupported(f *BackendFixture, op string, result bool, err error) error {
	if unsupported, wrong := isUnsupported(f, op, err); unsupported || wrong != nil {
		return wrong
	}
	return wantUndecided(op, result, err)
}

// cookiesOf returns the cookies that an error carries.
func cookiesOf(err error) []*http.Cookie {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return e.Cookies
	}
	return nil
}
