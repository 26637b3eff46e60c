package workos

import (
	"context"
	"net/http"

	"github.com/netscript/auth"
)

// Name is what [Backend.Name] returns.
const Name = "workos"

// Backend verifies sealed AuthKit sessions. It is safe for concurrent use.
type Backend struct {
	conf    *settings
	tokens  *verifier
	api     *api
	cache   *cache
	renewal *renewals
	ended   *ended
}

var (
	_ auth.AuthBackendPort     = (*Backend)(nil)
	_ auth.SignOutPort         = (*Backend)(nil)
	_ auth.SessionAdminPort    = (*Backend)(nil)
	_ auth.PrincipalMapperPort = (*Backend)(nil)
)

// New returns a backend for c, which it validates and copies. It does not ask WorkOS, which may be down when the
// application starts. An error names everything that is wrong with c and matches [auth.ErrRejected] with the code
// config_invalid.
func New(c Config) (*Backend, error) {
	s, err := c.validate()
	if err != nil {
		return nil, err
	}
	client := newClient(s.HTTPClient)
	return &Backend{
		conf: s,
		tokens: &verifier{
			keys:    newKeySet(s.BaseURL, s.ClientID, client, s.Now),
			issuers: s.Issuers, audiences: s.Audiences, sessions: true, clientID: s.ClientID, now: s.Now,
		},
		api:   &api{base: s.BaseURL, clientID: s.ClientID, key: s.APIKey, client: client},
		cache: newCache(s.CachedSessions), renewal: &renewals{}, ended: &ended{},
	}, nil
}

// Name implements [auth.AuthBackendPort].
func (b *Backend) Name() string { return Name }

// Providers implements [auth.ProviderPort]: WorkOS is the one provider, whatever is behind it.
func (b *Backend) Providers() []auth.ProviderInfo {
	capabilities := []string{"session", "signout"}
	if b.conf.Refresh == OnExpiry {
		capabilities = append(capabilities, "refresh")
	}
	if !b.conf.APIKey.IsZero() {
		capabilities = append(capabilities, "sessions")
	}
	return []auth.ProviderInfo{{ID: Name, DisplayName: "WorkOS AuthKit", Kind: "authkit", Capabilities: capabilities}}
}

func (b *Backend) observe(ctx context.Context, e auth.Event) {
	e.Backend, e.ProviderID, e.Time = Name, Name, b.conf.Now()
	b.conf.Observer.Observe(ctx, e)
}

type nobody struct{}

func (nobody) Observe(context.Context, auth.Event) {}

// fail returns an error of this backend. err must not hold anything that a client or WorkOS sent.
func fail(code auth.Code, op string, err error) error {
	return &auth.Error{Code: code, Backend: Name, Op: op, Err: err}
}

// clearing returns an error like err that also removes the cookie.
func (b *Backend) clearing(code auth.Code, op string, err error) error {
	return &auth.Error{Code: code, Backend: Name, Op: op, Err: err, Cookies: []*http.Cookie{b.conf.clearSessionCookie()}}
}
