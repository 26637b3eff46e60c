package authapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/netscript/auth"
)

// withBearer is a backend whose sessions come in cookies, with another authenticator for requests that bring a bearer
// token. A request that brings one is decided by it alone: a token that is refused is not made up for by a cookie.
type withBearer struct {
	auth.AuthBackendPort
	bearer auth.AuthenticatorPort
}

// Unwrap lets [auth.As] find the ports of the backend.
func (b *withBearer) Unwrap() auth.AuthBackendPort { return b.AuthBackendPort }

// Authenticate implements auth.AuthenticatorPort.
func (b *withBearer) Authenticate(r *http.Request) (*auth.Authentication, error) {
	if bringsBearer(r) {
		return b.bearer.Authenticate(r)
	}
	return b.AuthBackendPort.Authenticate(r)
}

// Session implements auth.SessionReaderPort.
func (b *withBearer) Session(r *http.Request) (*auth.Session, error) {
	if !bringsBearer(r) {
		return b.AuthBackendPort.Session(r)
	}
	a, err := b.bearer.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if a.Session == nil {
		return nil, &auth.Error{Code: auth.CodeSessionNotFound, Backend: b.Name(), Op: "session", Err: errors.New("the token is not of a session")}
	}
	return a.Session, nil
}

func bringsBearer(r *http.Request) bool {
	for _, v := range r.Header.Values("Authorization") {
		if scheme, _, _ := strings.Cut(v, " "); strings.EqualFold(scheme, "Bearer") {
			return true
		}
	}
	return false
}
