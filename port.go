package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// AuthBackendPort is what every backend implements. What only some backends can do is an optional port, found with [As].
//
// All methods of all ports are safe for concurrent use, do not retain the request, and never modify their arguments.
// Values they return belong to the backend and may be shared between requests: callers must not modify them.
type AuthBackendPort interface {
	// Name is the backend's stable name: "kv-oauth", "workos" or "better-auth" for those of this module.
	Name() string
	AuthenticatorPort
	ProviderPort
	SessionReaderPort
}

// AuthenticatorPort decides who sent a request.
type AuthenticatorPort interface {
	// Authenticate returns who sent r. The outcome is one of three:
	//
	//   1. a nil error: authenticated, and the Authentication is not nil;
	//   2. errors.Is(err, ErrUnauthenticated): r carries no credential, or one that is not valid now;
	//   3. any other error: it could not be decided. The caller refuses the request (503) and never treats it as anonymous.
	//
	// In case 2 an [*Error] may carry cookies that remove the dead credential from the browser.
	Authenticate(r *http.Request) (*Authentication, error)
}

// ProviderPort lists the identity providers a person can sign in with.
type ProviderPort interface {
	// Providers returns them in the order in which a sign-in page should show them. It does no I/O.
	Providers() []ProviderInfo
}

// SessionReaderPort reads the session that a request carries.
type SessionReaderPort interface {
	// Session returns the session of r, with the outcomes of [AuthenticatorPort.Authenticate].
	Session(r *http.Request) (*Session, error)
}

// SignOutPort ends the session that a request carries.
type SignOutPort interface {
	// SignOut ends the session of r. The Redirect is never nil: also with an error it carries the cookies that remove
	// the credential from the browser, so that a person can always sign out on this device. A nil error means that the
	// session is acknowledged as ended, or that there was none. Ending a session other than the caller's own, or of
	// another user, is refused with [CodeForbidden] and changes nothing.
	SignOut(r *http.Request, p SignOutParams) (*Redirect, error)
}

// SignOutReturnPort is implemented by backends whose SignOut may send the browser to the identity provider, to sign the
// person out there too, from where it comes back.
type SignOutReturnPort interface {
	// SignOutReturn returns where the browser goes on, with the cookies that this ends. values are the parameters that the
	// provider sent it back with. The session has ended before: values that do not belong to a sign-out of this browser
	// lead to the default return URL and change nothing.
	SignOutReturn(r *http.Request, values url.Values) *Redirect
}

// BackChannelLogoutPort is implemented by backends that a provider can tell that it has ended a session (OpenID Connect
// Back-Channel Logout 1.0).
type BackChannelLogoutPort interface {
	// BackChannelLogout ends the sessions that logoutToken speaks of. A nil error means that they are acknowledged as
	// ended, or that there were none. An error that matches [ErrRejected]: the token is not acceptable, nothing has
	// changed. Any other: it could not be told, or not all of them have ended; the provider should try again.
	BackChannelLogout(ctx context.Context, logoutToken string) error
}

// InteractiveFlowPort is implemented by backends that send the browser to an identity provider and take the answer.
// Its methods return values and write nothing: the caller applies the [Redirect].
type InteractiveFlowPort interface {
	// SignIn starts a sign-in and returns where to send the browser, with the cookies that bind the flow to it.
	SignIn(r *http.Request, p SignInParams) (*Redirect, error)
	// HandleCallback finishes the flow with the provider's answer. With an error nobody is signed in and nothing is stored.
	HandleCallback(r *http.Request, p CallbackParams) (*CallbackResult, error)
	// SessionID returns the handle of the session that r presents. It does no I/O: the session need not exist.
	SessionID(r *http.Request) (id string, ok bool)
	SignOutPort
}

// SessionAdminPort manages sessions without a browser at hand. A backend whose sessions are made elsewhere answers an
// operation it does not have with an error that matches [errors.ErrUnsupported].
type SessionAdminPort interface {
	// CreateSession makes a session for a user that the caller has identified by other means.
	CreateSession(ctx context.Context, p CreateSessionParams) (*CreatedSession, error)
	// SessionByID reads a session by its handle. No such session: errors.Is(err, ErrUnauthenticated).
	SessionByID(ctx context.Context, id string) (*Session, error)
	// RefreshSession renews the provider's tokens behind a session now.
	RefreshSession(ctx context.Context, id string) (*Session, error)
	// RevokeSession ends a session. Ending one that does not exist is not an error.
	RevokeSession(ctx context.Context, id string) error
	// ListSessions returns the live sessions of the user whose [Session.UserID] this is.
	ListSessions(ctx context.Context, userID string) ([]*Session, error)
	// RevokeSessions ends all sessions of a user, and every sign-in of that user still under way, and returns how many
	// sessions it ended. With an error some may be left: call it again.
	RevokeSessions(ctx context.Context, userID string) (int, error)
}

// SessionTokenPort seals and opens opaque session tokens. [SessionTokens] implements it.
type SessionTokenPort interface {
	// SealSessionToken returns a token for t.
	SealSessionToken(t SessionToken) (string, error)
	// OpenSessionToken returns what was sealed. A token that is not authentic, or expired, or made for another purpose:
	// errors.Is(err, ErrUnauthenticated).
	OpenSessionToken(token, purpose string) (SessionToken, error)
}

// PrincipalMapperPort turns a session into a principal by the backend's own rules.
type PrincipalMapperPort interface {
	// MapPrincipal returns the principal of s. It does no I/O.
	MapPrincipal(s *Session) Principal
}

// ProviderInfo describes an identity provider to a sign-in page.
type ProviderInfo struct {
	ID           string   `json:"id"`
	DisplayName  string   `json:"displayName"`
	Kind         string   `json:"kind"`         // "oidc", "oauth" or the backend's own word
	Capabilities []string `json:"capabilities"` // such as "interactive" or "refresh"; never nil
}

// CreateSessionParams is the input of [SessionAdminPort.CreateSession].
type CreateSessionParams struct {
	ProviderID string         // If empty, the backend's first provider.
	Subject    string         // The provider's subject; required.
	Scopes     []string       // If nil, none.
	Roles      []string       // If nil, none.
	Claims     map[string]any // If nil, none. Values must survive JSON.
	Lifetime   time.Duration  // If zero, the backend's absolute lifetime; a longer one is cut to it.
}

// CreatedSession is a session just made, with the cookies that carry its credential.
type CreatedSession struct {
	Session *Session
	Cookies []*http.Cookie
}

// As finds the port P in b or in what b wraps, as errors.As does for errors: a wrapper has a method
// Unwrap() AuthBackendPort. A bare type assertion would not see through a tracing or test wrapper.
func As[P any](b AuthBackendPort) (P, bool) {
	for b != nil {
		if p, ok := b.(P); ok {
			return p, true
		}
		w, ok := b.(interface{ Unwrap() AuthBackendPort })
		if !ok {
			break
		}
		b = w.Unwrap()
	}
	var none P
	return none, false
}

// Unsupported returns the error of an operation that a backend does not have. It matches [errors.ErrUnsupported].
func Unsupported(backend, op, reason string) error {
	return &Error{Code: CodeUnsupported, Backend: backend, Op: op, Err: errors.New(reason)}
}
