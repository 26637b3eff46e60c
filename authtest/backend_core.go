package authtest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/netscript/auth"
)

func coreChecks() []check {
	return []check{
		{name: "name is stable", run: checkName},
		{name: "providers are listed", run: checkProviders},
		{name: "anonymous is unauthenticated", run: checkAnonymous},
		{name: "garbage is unauthenticated", run: checkGarbage},
		{name: "dead credentials are unauthenticated", needs: needsDead, run: checkDead},
		{name: "principal is stable", run: checkPrincipal},
		{name: "session agrees with authenticate", run: checkSession},
		{name: "session id is a handle", run: checkHandle},
		{name: "requests stay as they are", run: checkUntouched},
		{name: "ports are found through wrappers", run: checkWrappers},
	}
}

func needsDead(f *BackendFixture) string {
	if len(f.Dead) == 0 {
		return "the fixture has no dead credentials"
	}
	return ""
}

func checkName(f *BackendFixture) error {
	name := f.Backend.Name()
	if name == "" || f.Backend.Name() != name {
		return fmt.Errorf("Name returns %q and then %q", name, f.Backend.Name())
	}
	return nil
}

func checkProviders(f *BackendFixture) error {
	list := f.Backend.Providers()
	seen := make(map[string]bool)
	for i, p := range list {
		switch {
		case p.ID == "" || p.Kind == "":
			return fmt.Errorf("provider %d: ID or Kind is empty", i)
		case seen[p.ID]:
			return fmt.Errorf("provider %q is listed twice", p.ID)
		case p.Capabilities == nil:
			return fmt.Errorf("provider %q: Capabilities is nil, JSON would have null", p.ID)
		}
		seen[p.ID] = true
	}
	if !reflect.DeepEqual(list, f.Backend.Providers()) {
		return errors.New("Providers answers differently the second time")
	}
	return nil
}

func checkAnonymous(f *BackendFixture) error {
	return wantUnauthenticated(f.Backend, f.anonymous(http.MethodGet, "/"))
}

func checkGarbage(f *BackendFixture) error {
	requests := forgeries(f.SignIn("alice"))
	maps.Copy(requests, f.Garbage)
	return eachUnauthenticated(f.Backend, requests)
}

func checkDead(f *BackendFixture) error { return eachUnauthenticated(f.Backend, f.Dead) }

func eachUnauthenticated(b auth.AuthBackendPort, requests map[string]*http.Request) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		if err := wantUnauthenticated(b, requests[name]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// wantUnauthenticated checks the second of the three outcomes.
func wantUnauthenticated(b auth.AuthBackendPort, r *http.Request) error {
	a, err := b.Authenticate(again(r))
	if a != nil || !errors.Is(err, auth.ErrUnauthenticated) {
		return fmt.Errorf("Authenticate: got %s, want no result and ErrUnauthenticated", outcome(a != nil, err))
	}
	s, err := b.Session(again(r))
	if s != nil || !errors.Is(err, auth.ErrUnauthenticated) {
		return fmt.Errorf("Session: got %s, want no result and ErrUnauthenticated", outcome(s != nil, err))
	}
	return nil
}

// wantUndecided checks the third of the three outcomes.
func wantUndecided(op string, result bool, err error) error {
	if result || err == nil || errors.Is(err, auth.ErrUnauthenticated) || errors.Is(err, auth.ErrRejected) || errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%s: got %s, want no result and an error of no class: it could not be decided", op, outcome(result, err))
	}
	return nil
}

// wantSubject authenticates r and returns the outcome.
func wantSubject(b auth.AuthBackendPort, r *http.Request, subject string) error {
	a, err := authenticateLive(b, r)
	if err != nil {
		return err
	}
	if a.Principal.Subject != subject {
		return errors.New("another user is authenticated")
	}
	return nil
}

func authenticateLive(b auth.AuthBackendPort, r *http.Request) (*auth.Authentication, error) {
	a, err := b.Authenticate(again(r))
	if err != nil || a == nil {
		return nil, fmt.Errorf("Authenticate with a live credential: got %s", outcome(a != nil, err))
	}
	if a.Principal.Subject == "" {
		return nil, errors.New("Authenticate with a live credential: the subject is empty")
	}
	return a, nil
}

// outcome describes a result by the code of its error: the text may be what is wrong with it.
func outcome(result bool, err error) string {
	s := "no result"
	if result {
		s = "a result"
	}
	switch {
	case err == nil:
		return s + " and a nil error"
	case errors.Is(err, auth.ErrUnauthenticated):
		return fmt.Sprintf("%s and ErrUnauthenticated (%s)", s, auth.CodeOf(err))
	case errors.Is(err, auth.ErrRejected):
		return fmt.Sprintf("%s and ErrRejected (%s)", s, auth.CodeOf(err))
	case errors.Is(err, errors.ErrUnsupported):
		return s + " and ErrUnsupported"
	}
	return fmt.Sprintf("%s and an error of no class (%s)", s, auth.CodeOf(err))
}

func checkPrincipal(f *BackendFixture) error {
	alice := f.SignIn("alice")
	first, err := authenticateLive(f.Backend, alice)
	if err != nil {
		return err
	}
	second, err := authenticateLive(f.Backend, alice)
	if err != nil {
		return err
	}
	if first.Principal.Scheme == "" {
		return errors.New("the principal has no Scheme")
	}
	if !reflect.DeepEqual(first.Principal, second.Principal) {
		return errors.New("the principal differs between two requests with one credential")
	}
	if err := wantSubject(f.Backend, f.SignIn("alice"), first.Principal.Subject); err != nil {
		return fmt.Errorf("the same user's second session: %w", err)
	}
	if err := wantSubject(f.Backend, f.SignIn("bob"), first.Principal.Subject); err == nil {
		return errors.New("two users have one subject")
	}
	return nil
}

func checkSession(f *BackendFixture) error {
	r := f.SignIn("alice")
	a, err := authenticateLive(f.Backend, r)
	if err != nil {
		return err
	}
	s, err := f.Backend.Session(again(r))
	if err != nil || s == nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	switch {
	case s.ID == "" || s.UserID == "":
		return errors.New("the session has no ID or no UserID")
	case s.Subject != a.Principal.Subject:
		return errors.New("Session and Authenticate name different subjects")
	case a.Session != nil && a.Session.ID != s.ID:
		return errors.New("Session and Authenticate name different sessions")
	case s.State != auth.SessionActive:
		return fmt.Errorf("a live session has the state %q", s.State)
	case s.ExpiresAt.Before(s.IssuedAt), s.ExpiresAt.IsZero(), s.IssuedAt.IsZero():
		return errors.New("the session's times are missing or in the wrong order")
	}
	return nil
}

// checkHandle keeps the handle, which is shown, apart from the credential.
func checkHandle(f *BackendFixture) error {
	r := f.SignIn("alice")
	s, err := f.Backend.Session(again(r))
	if err != nil {
		return fmt.Errorf("Session with a live credential: got %s", outcome(s != nil, err))
	}
	for _, c := range credentials(r) {
		if len(c) < minSecret {
			continue
		}
		if strings.Contains(c, s.ID) || strings.Contains(s.ID, c) {
			return errors.New("the session's ID and the credential contain one another")
		}
	}
	forged := withCredentials(r, func(string) string { return s.ID })
	if err := wantUnauthenticated(f.Backend, forged); err != nil {
		return fmt.Errorf("the session's ID used as a credential: %w", err)
	}
	return nil
}

func checkUntouched(f *BackendFixture) error {
	for name, r := range map[string]*http.Request{"live": f.SignIn("alice"), "anonymous": f.anonymous(http.MethodGet, "/")} {
		before := r.Clone(r.Context())
		_, _ = f.Backend.Authenticate(r)
		_, _ = f.Backend.Session(r)
		if !reflect.DeepEqual(r.Header, before.Header) || r.URL.String() != before.URL.String() || r.Host != before.Host || r.Method != before.Method {
			return fmt.Errorf("the backend changed the %s request", name)
		}
	}
	return nil
}

// wrapper hides a backend as tracing does.
type wrapper struct{ auth.AuthBackendPort }

func (w wrapper) Unwrap() auth.AuthBackendPort { return w.AuthBackendPort }

func checkWrappers(f *BackendFixture) error {
	wrapped := wrapper{wrapper{f.Backend}}
	return errors.Join(
		seenThrough[auth.InteractiveFlowPort]("InteractiveFlowPort", f.Backend, wrapped),
		seenThrough[auth.SignOutPort]("SignOutPort", f.Backend, wrapped),
		seenThrough[auth.SessionAdminPort]("SessionAdminPort", f.Backend, wrapped),
		seenThrough[auth.PrincipalMapperPort]("PrincipalMapperPort", f.Backend, wrapped),
	)
}

func seenThrough[P any](name string, bare, wrapped auth.AuthBackendPort) error {
	_, has := auth.As[P](bare)
	if _, seen := auth.As[P](wrapped); seen != has {
		return fmt.Errorf("%s: %v on the backend, %v through a wrapper", name, has, seen)
	}
	return nil
}
