package betterauth

import (
	"context"

	"github.com/netscript/auth"
)

// Name is what [Backend.Name] returns.
const Name = "better-auth"

// Backend verifies the sessions of a better-auth server. It is safe for concurrent use.
type Backend struct {
	conf       *settings
	db         *database // nil: there is none
	statements *statements
	keyQueries *keyStatements // nil: the plugin is off
	keys       *keySet        // nil: the plugin is off
	local      *localCache
}

var (
	_ auth.AuthBackendPort     = (*Backend)(nil)
	_ auth.SignOutPort         = (*Backend)(nil)
	_ auth.SessionAdminPort    = (*Backend)(nil)
	_ auth.PrincipalMapperPort = (*Backend)(nil)
)

// New returns a backend for c, which it validates and copies. It does not ask the database, which may be down when the
// application starts; [Backend.Check] does. An error names everything that is wrong with c and matches [auth.ErrRejected]
// with the code config_invalid.
func New(c Config) (*Backend, error) {
	s, err := c.validate()
	if err != nil {
		return nil, err
	}
	b := &Backend{conf: s, local: newLocalCache(s.Cache)}
	if s.DB != nil {
		b.db = newDatabase(s)
		b.statements = newStatements(b.db, s)
		if s.apiKey != nil {
			b.keyQueries = newKeyStatements(b.db)
		}
	}
	if s.jwt != nil {
		b.keys = newKeySet(b)
	}
	return b, nil
}

// Name implements [auth.AuthBackendPort].
func (b *Backend) Name() string { return Name }

// Providers implements [auth.ProviderPort]: the better-auth server is the one provider, whatever is behind it.
func (b *Backend) Providers() []auth.ProviderInfo {
	capabilities := []string{"session", "signout"}
	if b.db != nil || b.conf.Secondary != nil {
		capabilities = append(capabilities, "sessions")
	}
	if b.conf.Session.Refresh == RefreshWrite {
		capabilities = append(capabilities, "refresh")
	}
	return []auth.ProviderInfo{{ID: Name, DisplayName: "better-auth", Kind: "better-auth", Capabilities: capabilities}}
}

func (b *Backend) observe(ctx context.Context, e auth.Event) {
	e.Backend, e.ProviderID, e.Time = Name, Name, b.conf.Now()
	b.conf.Observer.Observe(ctx, e)
}

// Observe does nothing.
func (nobody) Observe(context.Context, auth.Event) {}

// fail returns an error of this backend. err must not hold anything that a client, the database or the server sent.
func fail(code auth.Code, op string, err error) error {
	return &auth.Error{Code: code, Backend: Name, Op: op, Err: err}
}
