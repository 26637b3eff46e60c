package auth

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/netscript/auth/internal/returnurl"
)

// RequireAuth lets a request through only when a says who sent it, and puts the [Authentication] into its context for
// [FromContext]. Nobody gets 401, "could not tell" 503. Cookies of a renewed session are set before the next handler
// runs. It is Guard{Authenticator: a}.RequireAuth.
func RequireAuth(a AuthenticatorPort) func(http.Handler) http.Handler {
	return Guard{Authenticator: a}.RequireAuth
}

// RequireScopes lets an authenticated request through only when its principal has every one of scopes. It belongs inside
// [RequireAuth]: a request that no middleware of this package has authenticated gets 401, and one that lacks a scope
// gets 403 (RFC 6750, section 3.1).
func RequireScopes(scopes ...string) func(http.Handler) http.Handler {
	d := demand{scopes: append([]string(nil), scopes...)}
	return func(next http.Handler) http.Handler { return d.middleware(Guard{}, next) }
}

// RequireRoles is [RequireScopes] for roles.
func RequireRoles(roles ...string) func(http.Handler) http.Handler {
	d := demand{roles: append([]string(nil), roles...)}
	return func(next http.Handler) http.Handler { return d.middleware(Guard{}, next) }
}

// Guard is the configuration of the middleware. It is copied when a method is called.
type Guard struct {
	// Authenticator decides who sent a request: a backend. If nil, every request is refused with 503.
	Authenticator AuthenticatorPort
	// SignInPath is the sign-in route, such as "/api/v1/auth/signin". A browser that navigates with GET and is nobody
	// is sent there, with the address it wanted, as this middleware sees it, in the query parameter returnTo; so not
	// inside http.StripPrefix. So is one whose sign-in is not recent or strong enough, with what it needs in maxAge,
	// acrValues and prompt. If empty, it gets 401 like the rest.
	SignInPath string
	// Now is the clock by which an authentication is recent. If nil, time.Now.
	Now func() time.Time
	// Logger is told of failures. If nil, nobody is.
	Logger *slog.Logger
}

// RequireAuth is the middleware that the function [RequireAuth] describes.
//
// Answers of the next handler get Cache-Control: no-store and Vary: Cookie unless it sets its own: a shared cache must
// not keep an answer that depends on who asked, nor the cookie of a renewed session.
func (g Guard) RequireAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r, ok := g.admit(w, r); ok {
			next.ServeHTTP(w, r)
		}
	})
}

// OptionalAuth lets also a request through that nobody sent; [FromContext] is false for it. "Could not tell" is 503 here
// too: it is not the same as nobody.
func (g Guard) OptionalAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w.Header())
		a, err := authenticate(g.Authenticator, r)
		if err == nil {
			setCookies(w, a.Cookies)
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), a)))
			return
		}
		if _, class := classify(err); !errors.Is(class, ErrUnauthenticated) {
			g.refuse(w, r, err)
			return
		}
		setCookies(w, errorCookies(err))
		next.ServeHTTP(w, r)
	})
}

// admit returns the request with its authentication, or answers and returns false.
func (g Guard) admit(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	noStore(w.Header())
	a, err := authenticate(g.Authenticator, r)
	if err != nil {
		g.refuse(w, r, err)
		return nil, false
	}
	setCookies(w, a.Cookies)
	return r.WithContext(NewContext(r.Context(), a)), true
}

// refuse answers a request that is not let through.
func (g Guard) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if g.Logger != nil {
		logFailure(g.Logger, r, "guard", err)
	}
	setCookies(w, errorCookies(err))
	if _, class := classify(err); errors.Is(class, ErrUnauthenticated) && g.leadsToSignIn(r) {
		(&Redirect{Location: g.SignInPath + returnTo(r.URL.RequestURI())}).ServeHTTP(w, r)
		return
	}
	writeRefusal(w, r, err, demand{})
}

// returnTo returns the query that leads back to target after a sign-in, or nothing when no backend would take it: the
// person then signs in all the same, and ends on the default page.
func returnTo(target string) string {
	if _, ok := (returnurl.Origins{}).Accept(target); !ok {
		return ""
	}
	return "?returnTo=" + url.QueryEscape(target)
}

// leadsToSignIn reports whether r is a person's navigation, which may be interrupted by a sign-in. A path that a browser
// would take for another host is not sent along.
func (g Guard) leadsToSignIn(r *http.Request) bool {
	if g.SignInPath == "" || r.URL.Path == g.SignInPath || !canonicalPath(r.URL) {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	return r.Method == http.MethodGet && isNavigation(r)
}

// demand is what a request must have beside somebody who sent it.
type demand struct {
	scopes, roles []string
	strength
	misfit error // why nothing can satisfy it; nil for a demand that makes sense
}

func (d demand) middleware(g Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := FromContext(r.Context())
		if !ok {
			writeRefusal(w, r, &Error{Code: CodeNoCredential, Op: "guard"}, demand{})
			return
		}
		if err := d.check(a, g.now()); err != nil {
			g.turnAway(w, r, "guard", err, d)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// check looks at scopes and roles first: who may not come in anyway need not sign in again.
func (d demand) check(a *Authentication, now time.Time) error {
	switch {
	case d.misfit != nil:
		return &Error{Code: CodeConfigInvalid, Op: "guard", Err: d.misfit}
	case !a.Principal.HasScopes(d.scopes...):
		return &Error{Code: CodeInsufficientScope, Op: "guard"}
	case !a.Principal.HasRoles(d.roles...):
		return &Error{Code: CodeInsufficientRole, Op: "guard"}
	case !d.met(a.Session, now):
		return &Error{Code: CodeInsufficientAuthentication, Op: "guard"}
	}
	return nil
}

// turnAway answers a request that is somebody's and does not meet d.
func (g Guard) turnAway(w http.ResponseWriter, r *http.Request, op string, err error, d demand) {
	if g.Logger != nil {
		logFailure(g.Logger, r, op, err)
	}
	if CodeOf(err) == CodeInsufficientAuthentication && g.leadsToSignIn(r) {
		(&Redirect{Location: g.SignInPath + d.signInQuery(r.URL.RequestURI())}).ServeHTTP(w, r)
		return
	}
	writeRefusal(w, r, err, d)
}

func (g Guard) now() time.Time {
	if g.Now != nil {
		return g.Now()
	}
	return time.Now()
}

// authenticate asks a and holds it to its contract: a nil error comes with a subject, and an error that is not plainly
// "nobody" is [undecided].
func authenticate(a AuthenticatorPort, r *http.Request) (*Authentication, error) {
	if a == nil {
		return nil, undecided{&Error{Code: CodeInternal, Op: "authenticate", Err: errors.New("no authenticator")}}
	}
	got, err := a.Authenticate(r)
	if err != nil {
		if _, class := classify(err); errors.Is(class, ErrUnauthenticated) {
			return nil, err
		}
		return nil, undecided{err}
	}
	if got == nil || got.Principal.Subject == "" {
		return nil, undecided{&Error{Code: CodeInternal, Op: "authenticate", Err: errors.New("authenticated without a subject")}}
	}
	return got, nil
}

// writeRefusal answers with an error in the wire form, and what would have been enough.
func writeRefusal(w http.ResponseWriter, r *http.Request, err error, d demand) {
	h := w.Header()
	noStore(h)
	h.Set("X-Content-Type-Options", "nosniff")
	wire := wireOf(err)
	if reasonOf(wire) == string(CodeInsufficientAuthentication) {
		d.data(wire.Data)
	}
	challenge(w, r, wire, d)
	writeWire(w, wire)
}

// challenge sets WWW-Authenticate, which a 401 must have (RFC 9110, section 11.6.1). The scheme is Bearer: there is no
// scheme for a cookie. A request that brought no token is told no error (RFC 6750, section 3.1).
func challenge(w http.ResponseWriter, r *http.Request, wire wireError, d demand) {
	value := ""
	switch {
	case reasonOf(wire) == string(CodeInsufficientAuthentication):
		value = d.challenge()
	case wire.Status == http.StatusUnauthorized:
		value = "Bearer"
		if r.Header.Get("Authorization") != "" {
			value = `Bearer error="invalid_token"`
		}
	case reasonOf(wire) == string(CodeInsufficientScope):
		value = `Bearer error="insufficient_scope"`
		if s := strings.Join(d.scopes, " "); s != "" && validScopes(d.scopes) {
			value += `, scope="` + s + `"`
		}
	default:
		return
	}
	w.Header().Set("WWW-Authenticate", value)
}

func validScopes(scopes []string) bool {
	for _, s := range scopes {
		if !validScope(s) {
			return false
		}
	}
	return true
}
