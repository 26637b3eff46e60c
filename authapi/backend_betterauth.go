package authapi

import (
	"unicode/utf8"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// betterAuthSettings are what the better-auth backend needs.
type betterAuthSettings struct {
	config   betterauth.Config
	database *databaseSettings // nil: given by Options
}

// readBetterAuth reads the variables that better-auth itself reads, and the database.
func (e *environ) readBetterAuth(o Options) betterAuthSettings {
	const name = "BETTER_AUTH_SECRET"
	secret := e.required(name, "set it to the secret of the better-auth server, of 32 characters or more")
	if secret != "" && utf8.RuneCountInString(secret) < 32 {
		e.complain(name, "has fewer than 32 characters", "give the better-auth server a longer one: whoever guesses it forges sessions")
	}
	s := betterAuthSettings{config: betterauth.Config{
		Secret:  auth.NewSecret(secret),
		BaseURL: e.url("BETTER_AUTH_URL", e.flag("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS")),
		Plugins: e.betterAuthPlugins(),
		Now:     o.Now,
	}}
	if isHTTP(s.config.BaseURL) {
		s.config.Cookies.Security = betterauth.InsecureNever // as better-auth has it by itself
	}
	if o.DB == nil {
		s.database = e.readDatabase()
	}
	return s
}

func (s betterAuthSettings) open(o Options, observer auth.Observer) (auth.AuthBackendPort, *storage, error) {
	opened := &storage{kind: kvSQL, db: o.DB}
	if opened.db == nil {
		db, err := s.database.open()
		if err != nil {
			return nil, nil, err
		}
		opened.db = db
		opened.close = append(opened.close, func() error { return closeDatabase(db) })
	}
	c := s.config
	c.DB, c.Observer = opened.db, observer
	backend, err := betterauth.New(c)
	return backend, opened, err
}

// betterAuthPlugins are the plugins of the server, each in its default configuration. One that the server does not have
// must not be listed: its columns would be missing.
func (e *environ) betterAuthPlugins() []betterauth.Plugin {
	const name = "NETSCRIPT_AUTH_BETTER_AUTH_PLUGINS"
	var plugins []betterauth.Plugin
	for _, id := range e.list(name) {
		plugin, ok := betterAuthPlugin(id)
		if !ok {
			e.complain(name, "has a part that names no plugin", "list those that the better-auth server has, of admin, anonymous, api-key, bearer, jwt, multi-session, organization, two-factor and username")
			return nil
		}
		plugins = append(plugins, plugin)
	}
	return plugins
}

// betterAuthPlugin returns a plugin by better-auth's id of it.
func betterAuthPlugin(id string) (betterauth.Plugin, bool) {
	switch id {
	case "admin":
		return betterauth.Admin(), true
	case "anonymous":
		return betterauth.Anonymous(), true
	case "api-key":
		return betterauth.APIKey(), true
	case "bearer":
		return betterauth.Bearer(), true
	case "jwt":
		return betterauth.JWT(), true
	case "multi-session":
		return betterauth.MultiSession(), true
	case "organization":
		return betterauth.Organization(), true
	case "two-factor":
		return betterauth.TwoFactor(), true
	case "username":
		return betterauth.Username(), true
	}
	return nil, false
}

// cookieName is better-auth's default, which depends on the scheme of its base URL.
func (s betterAuthSettings) cookieName() string {
	if isHTTP(s.config.BaseURL) {
		return "better-auth.session_token"
	}
	return "__Secure-better-auth.session_token"
}
