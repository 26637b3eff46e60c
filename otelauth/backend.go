package otelauth

import (
	"net/http"

	"github.com/netscript/auth"
)

// Backend returns b with what [Telemetry.Handler] needs to know about its answers. It has the ports that b has: those
// that are about a request report too, and the others are found with [auth.As] as before.
func (t *Telemetry) Backend(b auth.AuthBackendPort) auth.AuthBackendPort {
	core := &backend{b}
	if flow, ok := auth.As[auth.InteractiveFlowPort](b); ok {
		return &flowBackend{core, flow}
	}
	if signOut, ok := auth.As[auth.SignOutPort](b); ok {
		return &signOutBackend{core, signOut}
	}
	return core
}

// backend reports what its backend decides.
type backend struct{ auth.AuthBackendPort }

// Unwrap lets [auth.As] find the ports of the backend.
func (b *backend) Unwrap() auth.AuthBackendPort { return b.AuthBackendPort }

// Authenticate implements auth.AuthenticatorPort.
func (b *backend) Authenticate(r *http.Request) (*auth.Authentication, error) {
	a, err := b.AuthBackendPort.Authenticate(r)
	c := callOf(r.Context())
	c.asked(b.Name(), err)
	if err == nil && a != nil {
		provider := ""
		if a.Session != nil {
			provider = a.Session.ProviderID
		}
		c.is(&a.Principal, provider)
	}
	return a, err
}

// Session implements auth.SessionReaderPort.
func (b *backend) Session(r *http.Request) (*auth.Session, error) {
	s, err := b.AuthBackendPort.Session(r)
	callOf(r.Context()).asked(b.Name(), err)
	return s, err
}

// signOutBackend is a backend that can end sessions and does not sign in.
type signOutBackend struct {
	*backend
	signOut auth.SignOutPort
}

var _ auth.SignOutPort = (*signOutBackend)(nil)

// SignOut implements auth.SignOutPort.
func (b *signOutBackend) SignOut(r *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	to, err := b.signOut.SignOut(r, p)
	callOf(r.Context()).asked(b.Name(), err)
	return to, err
}

// flowBackend is an interactive backend.
type flowBackend struct {
	*backend
	flow auth.InteractiveFlowPort
}

var _ auth.InteractiveFlowPort = (*flowBackend)(nil)

// SignIn implements auth.InteractiveFlowPort.
func (b *flowBackend) SignIn(r *http.Request, p auth.SignInParams) (*auth.Redirect, error) {
	to, err := b.flow.SignIn(r, p)
	c := callOf(r.Context())
	c.asked(b.Name(), err)
	if err == nil && to != nil {
		c.is(nil, to.ProviderID)
	}
	return to, err
}

// HandleCallback implements auth.InteractiveFlowPort.
func (b *flowBackend) HandleCallback(r *http.Request, p auth.CallbackParams) (*auth.CallbackResult, error) {
	done, err := b.flow.HandleCallback(r, p)
	c := callOf(r.Context())
	c.asked(b.Name(), err)
	if err == nil && done != nil && done.Session != nil {
		c.is(&done.Principal, done.Session.ProviderID)
	}
	return done, err
}

// SessionID implements auth.InteractiveFlowPort.
func (b *flowBackend) SessionID(r *http.Request) (string, bool) { return b.flow.SessionID(r) }

// SignOut implements auth.SignOutPort.
func (b *flowBackend) SignOut(r *http.Request, p auth.SignOutParams) (*auth.Redirect, error) {
	to, err := b.flow.SignOut(r, p)
	callOf(r.Context()).asked(b.Name(), err)
	return to, err
}
