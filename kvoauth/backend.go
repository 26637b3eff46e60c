package kvoauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sync/singleflight"

	"github.com/netscript/auth"
	"github.com/netscript/auth/store"
)

// Name is what [Backend.Name] returns.
const Name = "kv-oauth"

// Backend drives the redirect flow and keeps sessions in a key-value store. It is safe for concurrent use.
type Backend struct {
	cfg         *settings
	kv          store.KV
	conditional store.ConditionalGetter // kv, if it is one
	parties     []*relyingParty
	decode      cbor.DecMode

	sealSession, sealTokens, sealTransaction, sealIndex, sealAccount, sealSignOut *sealer

	cache   *sessionCache
	upkeep  singleflight.Group // touches and refreshes, by digest
	retries retryTimes
}

var (
	_ auth.AuthBackendPort     = (*Backend)(nil)
	_ auth.InteractiveFlowPort = (*Backend)(nil)
	_ auth.SessionAdminPort    = (*Backend)(nil)
	_ auth.PrincipalMapperPort = (*Backend)(nil)
	_ auth.SignOutReturnPort   = (*Backend)(nil)

	_ auth.BackChannelLogoutPort = (*Backend)(nil)
)

// NewKvOAuthBackend returns a backend for c, which it validates and copies. It asks neither the providers nor the store:
// both may be down when the application starts. An error names everything that is wrong with c and matches
// [auth.ErrRejected] with the code config_invalid.
func NewKvOAuthBackend(c Config) (*Backend, error) {
	s, err := c.validate()
	if err != nil {
		return nil, err
	}
	b := &Backend{cfg: s, kv: s.KV, cache: newSessionCache(s.CachedSessions)}
	b.conditional, _ = s.KV.(store.ConditionalGetter)
	for _, step := range []func() error{
		func() (err error) { b.decode, err = strictDecoding(); return err },
		func() (err error) { b.sealSession, err = newSealer(purposeSession, s.Keys); return err },
		func() (err error) { b.sealTokens, err = newSealer(purposeTokens, s.Keys); return err },
		func() (err error) { b.sealTransaction, err = newSealer(purposeTransaction, s.Keys); return err },
		func() (err error) { b.sealIndex, err = newSealer(purposeIndex, s.Keys); return err },
		func() (err error) { b.sealAccount, err = newSealer(purposeAccount, s.Keys); return err },
		func() (err error) { b.sealSignOut, err = newSealer(purposeSignOut, s.Keys); return err },
	} {
		if err := step(); err != nil {
			return nil, fail(auth.CodeConfigInvalid, "configure", err)
		}
	}
	for _, client := range s.Clients {
		rp := newRelyingParty(client, s)
		rp.revoker = newRevoker(rp, b.observe)
		b.parties = append(b.parties, rp)
	}
	return b, nil
}

// Name implements [auth.AuthBackendPort].
func (b *Backend) Name() string { return Name }

// Providers implements [auth.ProviderPort].
func (b *Backend) Providers() []auth.ProviderInfo {
	infos := make([]auth.ProviderInfo, len(b.parties))
	for i, rp := range b.parties {
		infos[i] = rp.info()
	}
	return infos
}

// MapPrincipal implements [auth.PrincipalMapperPort].
func (b *Backend) MapPrincipal(s *auth.Session) auth.Principal {
	return auth.Principal{Subject: s.Subject, Scopes: s.Scopes, Roles: s.Roles, Scheme: auth.SchemeCustom, Claims: s.Claims}
}

// relyingParty returns the one for the provider called id, or the first if id is empty.
func (b *Backend) relyingParty(id string) (*relyingParty, error) {
	for _, rp := range b.parties {
		if id == "" || rp.Provider.ID == id {
			return rp, nil
		}
	}
	return nil, &auth.Error{Code: auth.CodeUnknownProvider, Backend: Name, Op: "sign in", Err: errors.New("no such provider"),
		Fields: map[string]string{"providerId": "is none of the configured providers"}}
}

func (b *Backend) observe(ctx context.Context, e auth.Event) {
	e.Backend, e.Time = Name, b.cfg.Now()
	b.cfg.Observer.Observe(ctx, e)
}

type nobody struct{}

func (nobody) Observe(context.Context, auth.Event) {}

// fail returns an error of this backend. err must not hold anything that a client or a provider sent.
func fail(code auth.Code, op string, err error) error {
	return &auth.Error{Code: code, Backend: Name, Op: op, Err: err}
}

// storeError says that the store could not do it, which is never "no such session".
func storeError(op string, err error) error {
	if errors.Is(err, store.ErrFull) {
		return fail(auth.CodeStoreFull, op, err)
	}
	return fail(auth.CodeStoreUnavailable, op, err)
}

// withCookies returns err with cookies to set on the response that reports it.
func withCookies(err error, cookies []*http.Cookie) error {
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || len(cookies) == 0 {
		return err
	}
	c := *e
	c.Cookies = append(cookies[:len(cookies):len(cookies)], e.Cookies...)
	return &c
}

func isTransport(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
