package kvoauth_test

import (
	"net/url"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/authtest"
	"github.com/netscript/auth/authtest/fakeop"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// TestHostileTenant: at a provider that signs for many tenants only those that are listed sign in, and the issuer must be
// that of the token's own tenant (ADV-42).
func TestHostileTenant(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	tenants := func(allowed ...string) func(*kvoauth.Config) {
		return func(c *kvoauth.Config) {
			at := idp.Issuer()
			c.Clients[0].Provider = providers.Provider{
				ID: "fake", TenantIssuer: at + "/{tenantid}/v2.0", AllowedTenants: allowed, InsecureAnyTenant: len(allowed) == 0,
				AuthorizationEndpoint: at + "/authorize", TokenEndpoint: at + "/token", JWKSURI: at + "/jwks", UserInfoEndpoint: at + "/userinfo",
			}
		}
	}
	const good = "https://idp.test/acme/v2.0"
	for _, row := range []struct {
		id        string
		iss       string // of the token
		tid       any
		response  string // iss of the authorization response; empty: none
		configure func(*kvoauth.Config)
		code      auth.Code
	}{
		{"listed", good, "acme", "", tenants("acme"), ""},
		{"listed, with iss", good, "acme", good, tenants("acme"), ""},
		{"second of the list", good, "acme", "", tenants("other", "acme"), ""},
		{"any", good, "acme", "", tenants(), ""},
		{"not listed", "https://idp.test/evil/v2.0", "evil", "", tenants("acme"), auth.CodeIDTokenInvalid},
		{"longer by one", "https://idp.test/acme1/v2.0", "acme1", "", tenants("acme"), auth.CodeIDTokenInvalid},
		{"in capitals", "https://idp.test/ACME/v2.0", "ACME", "", tenants("acme"), auth.CodeIDTokenInvalid},
		{"tid of another", good, "evil", "", tenants("acme", "evil"), auth.CodeIDTokenInvalid},
		{"tid missing", good, nil, "", tenants("acme"), auth.CodeIDTokenInvalid},
		{"tid a list", good, []string{"acme"}, "", tenants("acme"), auth.CodeIDTokenInvalid},
		{"tid missing, any", good, nil, "", tenants(), auth.CodeIDTokenInvalid},
		{"the template itself", "https://idp.test/{tenantid}/v2.0", "{tenantid}", "", tenants("acme"), auth.CodeIDTokenInvalid},
		{"another host", "https://evil.test/acme/v2.0", "acme", "", tenants(), auth.CodeIDTokenInvalid},
		{"no prefix", "acme/v2.0", "acme", "", tenants(), auth.CodeIDTokenInvalid},
		{"no suffix", "https://idp.test/acme", "acme", "", tenants(), auth.CodeIDTokenInvalid},
		{"the provider's own", "https://idp.test", "acme", "", tenants(), auth.CodeIDTokenInvalid},
		{"empty tenant", "https://idp.test//v2.0", "", "", tenants(), auth.CodeIDTokenInvalid},
		{"two segments", "https://idp.test/a/b/v2.0", "a/b", "", tenants(), auth.CodeIDTokenInvalid},
		{"iss of the answer is another tenant's", good, "acme", "https://idp.test/evil/v2.0", tenants("acme"), auth.CodeIssuerMismatch},
		{"iss of the answer lacks the host", good, "acme", "acme/v2.0", tenants("acme"), auth.CodeIssuerMismatch},
		{"iss of the answer lacks the end", good, "acme", "https://idp.test/acme", tenants("acme"), auth.CodeIssuerMismatch},
		{"iss of the answer is the tenant alone", good, "acme", "acme", tenants("acme"), auth.CodeIssuerMismatch},
		{"iss of the answer is no tenant's", good, "acme", "https://idp.test", tenants("acme"), auth.CodeIssuerMismatch},
	} {
		t.Run(row.id, func(t *testing.T) {
			idp.SetFaults(fakeop.Faults{
				Callback: func(v url.Values) {
					if v.Del("iss"); row.response != "" {
						v.Set("iss", row.response)
					}
				},
				IDToken: func(_, c map[string]any) {
					if c["iss"] = row.iss; row.tid != nil {
						c["tid"] = row.tid
					}
				},
				UserInfo: func(c map[string]any) { c["tid"], c["iss"] = "acme", good }, // UserInfo does not decide
			})
			w := newWorld(t, idp, row.configure)
			b := w.browser()
			a := w.finish(b, w.begin(b))
			switch row.code {
			case "":
				if s := w.signedIn(b, a, "alice"); s.Session.Claims["tid"] != "acme" {
					t.Errorf("claims %v", s.Session.Claims)
				}
			case auth.CodeIssuerMismatch:
				w.refused(a, row.code)
				w.calls(0, 0)
			default:
				w.refused(a, row.code)
				w.calls(1, 0)
			}
		})
	}
}

// TestHostileNesting: claims nested as deeply as is accepted make a session that can be read again.
func TestHostileNesting(t *testing.T) {
	idp := newIDP(t, authtest.ProviderConfig{})
	for depth, code := range map[int]auth.Code{10: "", 60: "", 62: "", 63: "", 64: auth.CodeProviderInvalid} {
		var nested any = "x"
		for range depth {
			nested = []any{nested}
		}
		idp.SetFaults(inUserInfo("nested", nested))
		w := newWorld(t, idp, nil)
		b := w.browser()
		a := w.finish(b, w.begin(b))
		if code != "" {
			w.refused(a, code)
			continue
		}
		w.signedIn(b, a, "alice")
	}
}
