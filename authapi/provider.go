package authapi

import (
	"net/url"
	"slices"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

const variablePrefix = "NETSCRIPT_AUTH_"

// readClients returns the providers of kv-oauth: the one of the plain variables, and those that NETSCRIPT_AUTH_PROVIDERS
// names. Where something is wrong it says so and goes on, to find everything. primary is the id of the one whose subjects
// are used as they are.
func (e *environ) readClients(insecure bool) (clients []kvoauth.Client, primary string) {
	names := e.list(variablePrefix + "PROVIDERS")
	if len(names) == 0 || e.has(variablePrefix+"CLIENT_ID") || e.has(variablePrefix+"PROVIDER") || e.has(variablePrefix+"ISSUER") {
		clients = append(clients, e.readClient(variablePrefix, "default", insecure))
		primary = clients[0].Provider.ID
	}
	for _, name := range names {
		if !plainName(name) {
			e.complain(variablePrefix+"PROVIDERS", "has a name that cannot be part of a variable's name", "use letters, digits and hyphens")
			continue
		}
		prefix := variablePrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
		clients = append(clients, e.readClient(prefix, strings.ToLower(name), insecure))
	}
	seen := map[string]bool{}
	for _, c := range clients {
		if seen[c.Provider.ID] {
			e.complain(variablePrefix+"PROVIDER_ID", "two providers have the same id", "give one of them another, by its own ..._PROVIDER_ID")
		}
		seen[c.Provider.ID] = true
	}
	return clients, e.primaryProvider(primary, clients)
}

// primaryProvider is the provider that came first in the life of the application. It is never chosen by the order of a
// list: changing that would change who everybody is.
func (e *environ) primaryProvider(plain string, clients []kvoauth.Client) string {
	const name = variablePrefix + "PRIMARY_PROVIDER"
	v := e.text(name)
	switch {
	case v != "" && !slices.ContainsFunc(clients, func(c kvoauth.Client) bool { return c.Provider.ID == v }):
		e.complain(name, "is the id of no provider", "set it to the id of the one that came first, whose users keep their subjects")
	case v != "":
		return v
	case plain == "" && len(clients) > 1 && !e.has(name):
		e.complain(name, "is missing", "set it to the id of the provider that came first, whose users keep their subjects")
	}
	if plain == "" && len(clients) > 0 {
		return clients[0].Provider.ID
	}
	return plain
}

func plainName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// readClient reads one provider from the variables that begin with prefix.
func (e *environ) readClient(prefix, id string, insecure bool) kvoauth.Client {
	c := kvoauth.Client{
		Provider:     e.readProvider(prefix, id, insecure),
		ClientID:     e.required(prefix+"CLIENT_ID", "set it to the client id that the provider has given this application"),
		ClientSecret: auth.NewSecret(e.text(prefix + "CLIENT_SECRET")),
	}
	e.readClientAuth(prefix, &c)
	c.PostLogoutRedirectURL = e.callbackURL(prefix+"POST_LOGOUT_REDIRECT_URI", "/signout/callback", insecure)
	if scopes := e.text(prefix + "SCOPES"); scopes != "" {
		c.Scopes = strings.Fields(scopes)
	}
	return c
}

// readProvider returns the provider that a preset, an issuer or explicit endpoints describe.
func (e *environ) readProvider(prefix, id string, insecure bool) providers.Provider {
	p := e.readPreset(prefix)
	issuer := e.url(prefix+"ISSUER", insecure)
	e.override(&p.AuthorizationEndpoint, prefix+"AUTHORIZATION_ENDPOINT", insecure)
	e.override(&p.TokenEndpoint, prefix+"TOKEN_ENDPOINT", insecure)
	e.override(&p.UserInfoEndpoint, prefix+"USERINFO_ENDPOINT", insecure)
	if issuer != "" {
		p.Issuer = issuer
	}
	if p.ID == "" {
		p.ID = id
		if !e.has(prefix+"PROVIDER") && !e.has(prefix+"ISSUER") {
			e.oauthOnly(prefix, &p)
		}
	}
	if v := e.text(prefix + "PROVIDER_ID"); v != "" {
		p.ID = v
	}
	if v := e.text(prefix + "PROVIDER_DISPLAY_NAME"); v != "" {
		p.DisplayName = v
	}
	return p
}

func (e *environ) readPreset(prefix string) providers.Provider {
	name := e.text(prefix + "PROVIDER")
	tenant := e.list(prefix + "PROVIDER_TENANT")
	if name == "" {
		if tenant != nil {
			e.complain(prefix+"PROVIDER_TENANT", "is for a preset, and none is named", "set "+prefix+"PROVIDER, or remove it")
		}
		return providers.Provider{}
	}
	p, err := providers.ByName(name, tenant...)
	if err != nil {
		e.complain(prefix+"PROVIDER", strings.TrimPrefix(err.Error(), "providers: "), "see the presets' documentation; a tenant belongs into "+prefix+"PROVIDER_TENANT")
		return providers.Provider{ID: "preset"}
	}
	return p
}

// oauthOnly makes p a provider without an issuer. All three endpoints are needed then: without UserInfo there is nobody.
func (e *environ) oauthOnly(prefix string, p *providers.Provider) {
	p.Kind = providers.OAuth
	names := []string{prefix + "AUTHORIZATION_ENDPOINT", prefix + "TOKEN_ENDPOINT", prefix + "USERINFO_ENDPOINT"}
	set := 0
	for _, name := range names {
		if e.has(name) {
			set++
		}
	}
	if set == 0 {
		e.complain(prefix+"ISSUER", "is missing, and so is "+prefix+"PROVIDER", "name a preset, or the issuer of an OpenID provider, or all three endpoints of an OAuth 2.0 provider")
		return
	}
	for _, name := range names {
		if !e.has(name) {
			e.complain(name, "is missing", "set it, or set "+prefix+"ISSUER so that discovery finds it")
		}
	}
}

func (e *environ) override(field *string, name string, insecure bool) {
	if v := e.url(name, insecure); v != "" {
		*field = v
	}
}

// url returns an absolute https URL, or "".
func (e *environ) url(name string, insecure bool) string {
	v := e.text(name)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || strings.Contains(v, "#"):
		e.complain(name, "is not an absolute URL", "set it to one, as https://id.example.com")
	case u.Scheme == "https" || u.Scheme == "http" && insecure:
		return v
	case u.Scheme == "http":
		e.complain(name, "is not https", "use https; only for development on this machine set NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS to true")
	default:
		e.complain(name, "is not https", "use https")
	}
	return ""
}
