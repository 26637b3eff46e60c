package authapi

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
	"github.com/netscript/auth/store"
)

// readKvOAuth returns the configuration of the kv-oauth backend. The store comes later.
func (e *environ) readKvOAuth(o Options, proxies []netip.Prefix) kvoauth.Config {
	insecure := e.flag("NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS")
	clients, primary := e.readClients(insecure)
	c := kvoauth.Config{
		Clients:           clients,
		PrimaryProvider:   primary,
		RedirectURL:       e.redirectURL(insecure),
		Keys:              e.keys("NETSCRIPT_AUTH_KV_OAUTH_KEY"),
		DefaultReturnURL:  e.text("NETSCRIPT_AUTH_DEFAULT_RETURN_URL"),
		ReturnOrigins:     e.list("NETSCRIPT_AUTH_RETURN_ORIGINS"),
		SessionPolicy:     kvoauth.SessionPolicy(e.choice("NETSCRIPT_AUTH_SESSION_POLICY", string(kvoauth.AAL1), string(kvoauth.AAL2), string(kvoauth.AAL3))),
		TrustedProxies:    proxies,
		HTTPClient:        o.HTTPClient,
		Now:               o.Now,
		InsecureAllowHTTP: insecure,
	}
	c.CookieName = e.cookieNameFor(c.RedirectURL)
	if !e.has("NETSCRIPT_AUTH_KV_OAUTH_KEY") {
		e.complain("NETSCRIPT_AUTH_KV_OAUTH_KEY", "is missing", "set it to 32 random bytes as base64url, which `authapi keygen` prints, and keep it: sessions end when it is lost")
	}
	e.checkKvOAuth(c)
	return c
}

func (e *environ) redirectURL(insecure bool) string {
	const name = "NETSCRIPT_AUTH_REDIRECT_URI"
	if !e.has(name) {
		e.complain(name, "is missing", "set it to the public URL of this service's callback, as https://auth.example.com"+basePath+"/callback, and register it with the provider")
		return ""
	}
	return e.callbackURL(name, "/callback", insecure)
}

// callbackURL returns the URL of one of the routes that providers send browsers to, or "".
func (e *environ) callbackURL(name, route string, insecure bool) string {
	v := e.url(name, insecure)
	if path, _, _ := strings.Cut(v, "?"); v != "" && !strings.HasSuffix(path, basePath+route) {
		e.complain(name, "does not lead to the callback", "let it end in "+basePath+route)
	}
	return v
}

func (e *environ) cookieNameFor(redirectURL string) string {
	const name, prefix = "NETSCRIPT_AUTH_COOKIE_NAME", "__Host-"
	v := e.text(name)
	if v != "" && !isHTTP(redirectURL) && !strings.HasPrefix(v, prefix) {
		e.complain(name, "does not begin with "+prefix, "let it, or remove it: other hosts of the domain could set a cookie of any other name")
		return ""
	}
	return v
}

// checkKvOAuth has the backend's own constructor say what else is wrong. What was reported already is replaced by
// something good, so that nothing is reported twice and nothing is missed.
func (e *environ) checkKvOAuth(c kvoauth.Config) {
	if len(c.Keys) == 0 {
		c.Keys = []auth.Key{auth.GenerateKey()}
	}
	if c.RedirectURL == "" {
		c.RedirectURL = "https://auth.invalid" + basePath + "/callback"
	}
	clients, seen := c.Clients, map[string]bool{}
	c.Clients = nil
	for _, client := range clients {
		if client.ClientID == "" {
			client.ClientID = "missing"
		}
		p := &client.Provider
		if !canAuthenticate(client) {
			p.ClientAuth, p.AssertionIssuer, client.ClientSecret, client.SigningKeys = providers.ClientAuthNone, "", auth.Secret{}, nil
		}
		if p.Issuer == "" && p.TenantIssuer == "" && (p.Kind != providers.OAuth || p.AuthorizationEndpoint == "" || p.TokenEndpoint == "" || p.UserInfoEndpoint == "") {
			p.Issuer, p.Kind = "https://issuer.invalid", providers.OIDC
		}
		if !seen[p.ID] {
			c.Clients = append(c.Clients, client)
		}
		seen[p.ID] = true
	}
	if len(c.Clients) == 0 {
		return
	}
	memory, err := store.NewMemory(store.MemoryConfig{})
	if err != nil {
		e.complain(variablePrefix+"*", "the configuration cannot be checked", "report this")
		return
	}
	c.KV = memory
	if _, err := kvoauth.NewKvOAuthBackend(c); err != nil {
		e.explain(err, kvOAuthFields)
	}
}

// kvOAuthFields are the variables behind the names that kvoauth's complaints begin with.
var kvOAuthFields = []field{
	{"RedirectURL", "NETSCRIPT_AUTH_REDIRECT_URI"},
	{"PostLogoutRedirectURL", "NETSCRIPT_AUTH_POST_LOGOUT_REDIRECT_URI"},
	{"CookieName", "NETSCRIPT_AUTH_COOKIE_NAME"},
	{"DefaultReturnURL", "NETSCRIPT_AUTH_DEFAULT_RETURN_URL"},
	{"ReturnOrigins", "NETSCRIPT_AUTH_RETURN_ORIGINS"},
	{"Keys", "NETSCRIPT_AUTH_KV_OAUTH_KEY"},
	{"Scopes", "NETSCRIPT_AUTH_SCOPES"},
	{"ClientID", "NETSCRIPT_AUTH_CLIENT_ID"},
	{"ClientSecret", "NETSCRIPT_AUTH_CLIENT_SECRET"},
	{"PushedAuthorization", "NETSCRIPT_AUTH_PUSHED_AUTHORIZATION"},
	{"AssertionIssuer", "NETSCRIPT_AUTH_CLIENT_AUTH"},
	{"SigningKeys", "NETSCRIPT_AUTH_CLIENT_KEY_FILE"},
	{"Issuer", "NETSCRIPT_AUTH_ISSUER"},
	{"AuthorizationEndpoint", "NETSCRIPT_AUTH_AUTHORIZATION_ENDPOINT"},
	{"TokenEndpoint", "NETSCRIPT_AUTH_TOKEN_ENDPOINT"},
	{"UserInfoEndpoint", "NETSCRIPT_AUTH_USERINFO_ENDPOINT"},
	{"ID", "NETSCRIPT_AUTH_PROVIDER_ID"},
	{"Provider", "NETSCRIPT_AUTH_PROVIDER"},
}

// field connects a name in a constructor's complaint with a variable.
type field struct{ name, variable string }

// explain reports the complaints of a constructor under the names of variables. A complaint names its field, and never
// quotes a value.
func (e *environ) explain(err error, fields []field) {
	for _, complaint := range leaves(err) {
		text := complaint.Error()
		variable := variablePrefix + "*"
		for _, f := range fields {
			if containsWord(text, f.name) {
				variable = f.variable
				break
			}
		}
		e.complain(variable, "is refused ("+text+")", "mend what it says")
	}
}

// leaves returns the errors that were joined into err, or err itself.
func leaves(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // walks the tree itself
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, leaves(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Err != nil && e != e.Err { //nolint:errorlint // the wrapped one is another
		return leaves(e.Err)
	}
	return []error{err}
}

// containsWord reports whether word is in s with no letter beside it.
func containsWord(s, word string) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	for from := 0; ; {
		i := strings.Index(s[from:], word)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(word)
		if (start == 0 || !letter(s[start-1])) && (end == len(s) || !letter(s[end])) {
			return true
		}
		from = end
	}
}
