package authtest

import (
	"errors"
	"net/http"
	"time"

	"github.com/netscript/auth"
)

// Backend is a backend that gives every request the same answer. It is for the tests of handlers.
type Backend struct {
	principal *auth.Principal
	err       error
}

var _ auth.AuthBackendPort = (*Backend)(nil)

// As returns a backend for which every request comes from p. If p has no Scheme, it is [auth.SchemeCustom].
func As(p auth.Principal) *Backend {
	if p.Scheme == "" {
		p.Scheme = auth.SchemeCustom
	}
	return &Backend{principal: &p}
}

// Anonymous returns a backend for which every request comes from nobody.
func Anonymous() *Backend {
	return &Backend{err: &auth.Error{Code: auth.CodeNoCredential, Backend: fakeName, Op: "authenticate"}}
}

// Unavailable returns a backend that cannot tell who sent a request: guarded handlers must answer 503.
func Unavailable() *Backend {
	return &Backend{err: &auth.Error{Code: auth.CodeStoreUnavailable, Backend: fakeName, Op: "authenticate", Err: errors.New("unavailable in this test")}}
}

const fakeName = "authtest"

// Name implements [auth.AuthBackendPort].
func (b *Backend) Name() string { return fakeName }

// Providers implements [auth.ProviderPort]: there are none.
func (b *Backend) Providers() []auth.ProviderInfo { return []auth.ProviderInfo{} }

// Authenticate implements [auth.AuthenticatorPort].
func (b *Backend) Authenticate(*http.Request) (*auth.Authentication, error) {
	if b.err != nil {
		return nil, b.err
	}
	return authentication(*b.principal), nil
}

// Session implements [auth.SessionReaderPort].
func (b *Backend) Session(r *http.Request) (*auth.Session, error) {
	a, err := b.Authenticate(r)
	if err != nil {
		return nil, err
	}
	return a.Session, nil
}

// WithPrincipal returns a copy of r for which [auth.FromContext] finds p, as behind [auth.RequireAuth]. If p has no
// Scheme, it is [auth.SchemeCustom].
func WithPrincipal(r *http.Request, p auth.Principal) *http.Request {
	if p.Scheme == "" {
		p.Scheme = auth.SchemeCustom
	}
	return r.WithContext(auth.NewContext(r.Context(), authentication(p)))
}

// authentication has a session that fits p.
func authentication(p auth.Principal) *auth.Authentication {
	now := time.Now()
	return &auth.Authentication{Principal: p, Session: &auth.Session{
		ID: "session-of-" + p.Subject, UserID: p.Subject, AccountID: p.Subject, ProviderID: fakeName, Subject: p.Subject,
		State: auth.SessionActive, Scopes: p.Scopes, Roles: p.Roles, Claims: p.Claims,
		IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}}
}
