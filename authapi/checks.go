package authapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/sqlstore"
	"github.com/netscript/auth/workos"
)

const (
	providerFresh = 30 * time.Second
	// probeKey is where the store's check writes.
	probeKey   = "netscript-auth/health-probe"
	probeTTL   = time.Minute
	maxFetched = 1 << 20
)

func asCheckError(err error) (*checkError, bool) { return errors.AsType[*checkError](err) }

// checks are the dependencies of a backend.
func (p plan) checks(o Options, s *storage, backend auth.AuthBackendPort) []check {
	client := checkClient(o.HTTPClient)
	switch p.name {
	case backendWorkOS:
		keys := workos.DefaultBaseURL + "/sso/jwks/" + url.PathEscape(p.workOS.config.ClientID)
		return []check{{name: "workos", once: true, fresh: providerFresh, ask: func(ctx context.Context) error {
			_, err := fetchJSON(ctx, client, keys)
			return err
		}}}
	case backendBetterAuth:
		return []check{
			{name: "database", ask: func(ctx context.Context) error { return pingDatabase(ctx, s.db) }},
			{name: "schema", fresh: providerFresh, ask: func(ctx context.Context) error { return fitting(ctx, backend, s.db) }},
		}
	}
	checks := []check{{name: "store", ask: func(ctx context.Context) error { return probeStore(ctx, s.kv) }}}
	if s.sql != nil {
		checks = append(checks, check{name: "migrations", fresh: providerFresh, ask: func(ctx context.Context) error { return migrated(ctx, s.db) }})
	}
	for _, c := range p.kvOAuth.Clients {
		if c.Provider.Kind == providers.OAuth || c.Provider.Issuer == "" || c.Provider.TenantIssuer != "" {
			continue // nothing of such a provider may be asked for without a user
		}
		checks = append(checks, check{name: "provider " + c.Provider.ID, once: true, fresh: providerFresh, ask: func(ctx context.Context) error {
			_, err := discover(ctx, client, c)
			return err
		}})
	}
	return checks
}

// probeStore writes and reads a record, as a sign-in would.
func probeStore(ctx context.Context, kv store.KV) error {
	value := []byte(rand.Text())
	if err := kv.Set(ctx, probeKey, value, probeTTL); err != nil {
		return storeProblem(err)
	}
	got, found, err := kv.Get(ctx, probeKey)
	if err != nil {
		return storeProblem(err)
	}
	if !found || len(got) != len(value) { // another instance may have written since
		return &checkError{"store_loses_writes", "a record that was just written is not there: see that the address is that of the primary"}
	}
	return nil
}

func storeProblem(err error) error {
	if errors.Is(err, sqlstore.ErrMissingTable) {
		return errNotMigrated
	}
	return err
}

var errNotMigrated = &checkError{"not_migrated", "the database's tables are missing: run `authapi migrate`"}

// migrated reports whether the tables are those of this version.
func migrated(ctx context.Context, db *gorm.DB) error {
	status, err := sqlstore.ReadStatus(ctx, db)
	switch {
	case err != nil:
		return err
	case status.Ahead():
		return &checkError{"database_ahead", "the database was migrated by a newer version: run that one"}
	case status.Version == 0:
		return errNotMigrated
	case len(status.Pending) > 0:
		return &checkError{"migrations_pending", "run `authapi migrate`"}
	}
	return nil
}

// fitting reports whether better-auth's tables are there, with the columns that the configuration needs.
func fitting(ctx context.Context, backend auth.AuthBackendPort, db *gorm.DB) error {
	better, ok := backend.(*betterauth.Backend)
	if !ok {
		return nil
	}
	err := better.Check(ctx)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Err != nil && pingDatabase(ctx, db) == nil { // which names a table, a column or a plugin
		return &checkError{"schema_differs", e.Err.Error() + ": see that the database is the better-auth server's, and that it has the plugins of NETSCRIPT_AUTH_BETTER_AUTH_PLUGINS"}
	}
	return err
}

// discovery is what a check needs of a provider's discovery document (OpenID Connect Discovery 1.0, section 3).
type discovery struct {
	Issuer     string `json:"issuer"`
	EndSession string `json:"end_session_endpoint"`
	date       time.Time
}

// discover asks an OpenID provider for its discovery document.
func discover(ctx context.Context, client *http.Client, c kvoauth.Client) (*discovery, error) {
	got, err := fetchJSON(ctx, client, strings.TrimRight(c.Provider.Issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	d := discovery{date: got.date}
	if json.Unmarshal(got.body, &d) != nil {
		return nil, &checkError{"provider_invalid", "what the issuer's discovery address answers is not JSON: see that the issuer is right"}
	}
	if d.Issuer != c.Provider.Issuer {
		return nil, &checkError{"issuer_mismatch", "the discovery document names another issuer: set the issuer exactly as it does, with or without the slash at its end"}
	}
	return &d, nil
}

type fetched struct {
	body []byte
	date time.Time // of the Date header; zero if there is none
}

// fetchJSON gets a document. Nothing of the answer gets into an error.
func fetchJSON(ctx context.Context, client *http.Client, address string) (*fetched, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("not an address")
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, errors.New("no answer")
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxFetched))
	switch {
	case err != nil:
		return nil, errors.New("the answer broke off")
	case res.StatusCode != http.StatusOK:
		return nil, &checkError{"provider_refuses", "it answers with another status than 200: see that the address is right"}
	case !json.Valid(bytes.TrimSpace(body)):
		return nil, &checkError{"provider_invalid", "its answer is not JSON: see that the address is right"}
	}
	date, _ := http.ParseTime(res.Header.Get("Date"))
	return &fetched{body, date}, nil
}

func checkClient(c *http.Client) *http.Client {
	out := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c != nil {
		out.Transport = c.Transport
	}
	return out
}
