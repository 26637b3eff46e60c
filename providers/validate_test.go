package providers_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/netscript/auth/providers"
)

func oidc() providers.Provider {
	return providers.Provider{ID: "acme", Issuer: "https://id.acme.com"}
}

func oauth() providers.Provider {
	return providers.Provider{
		ID: "acme", Kind: providers.OAuth,
		AuthorizationEndpoint: "https://id.acme.com/authorize",
		TokenEndpoint:         "https://id.acme.com/token",
		UserInfoEndpoint:      "https://id.acme.com/me",
	}
}

func tenants() providers.Provider {
	return providers.Provider{
		ID: "acme", TenantIssuer: "https://id.acme.com/{tenantid}/v2.0", AllowedTenants: []string{"t1"},
		AuthorizationEndpoint: "https://id.acme.com/authorize",
		TokenEndpoint:         "https://id.acme.com/token",
		JWKSURI:               "https://id.acme.com/keys",
	}
}

func TestDefineFillsDefaults(t *testing.T) {
	p := must(t)(providers.Define(oidc()))
	if p.Kind != providers.OIDC || p.DisplayName != "acme" || !reflect.DeepEqual(p.Scopes, []string{"openid", "profile", "email"}) {
		t.Errorf("OIDC defaults: %+v", p)
	}
	if p.ClientAuth != "" || p.SigningAlgs != nil || p.ResponseMode != "" {
		t.Errorf("something else was filled in: %+v", p)
	}
	if p := must(t)(providers.Define(oauth())); p.Scopes != nil || p.Kind != providers.OAuth {
		t.Errorf("OAuth defaults: %+v", p)
	}
	if again := must(t)(providers.Define(p)); !reflect.DeepEqual(again, p) {
		t.Errorf("Define is not idempotent: %+v", again)
	}
}

func TestDefineCopies(t *testing.T) {
	in := tenants()
	in.Scopes = []string{"openid"}
	in.AuthParams = map[string]string{"prompt": "login"}
	in.UserInfoHeader = map[string]string{"Accept": "application/json"}
	in.SigningAlgs = []string{"ES256"}
	in.Mapping.Claims = map[string][]string{"name": {"n"}}
	p := must(t)(providers.Define(in))
	before, _ := json.Marshal(p)
	in.Scopes[0], in.AllowedTenants[0], in.SigningAlgs[0], in.Mapping.Claims["name"][0] = "x", "x", "none", "x"
	in.AuthParams["state"], in.UserInfoHeader["Host"], in.Mapping.Claims["sub"] = "x", "x", []string{"x"}
	if after, _ := json.Marshal(p); string(after) != string(before) {
		t.Errorf("changed with its origin:\n%s\n%s", before, after)
	}
}

func TestValidateAccepts(t *testing.T) {
	change := map[string]func(p *providers.Provider){
		"nothing":            func(*providers.Provider) {},
		"long id":            func(p *providers.Provider) { p.ID = strings.Repeat("a", 63) },
		"digit id":           func(p *providers.Provider) { p.ID = "1-a" },
		"issuer with slash":  func(p *providers.Provider) { p.Issuer = "https://id.acme.com/" },
		"issuer with port":   func(p *providers.Provider) { p.Issuer = "https://id.acme.com:8443/realms/a" },
		"explicit endpoints": func(p *providers.Provider) { p.TokenEndpoint, p.JWKSURI = "https://x.example/t", "https://y.example/k" },
		"endpoint query":     func(p *providers.Provider) { p.AuthorizationEndpoint = "https://x.example/a?audience=api" },
		"auth params": func(p *providers.Provider) {
			p.AuthParams = map[string]string{"prompt": "login", "access_type": "offline"}
		},
		"form_post":        func(p *providers.Provider) { p.ResponseMode = "form_post" },
		"client auth":      func(p *providers.Provider) { p.ClientAuth = providers.PrivateKeyJWT },
		"algorithms":       func(p *providers.Provider) { p.SigningAlgs = []string{"RS256", "ES384", "EdDSA"} },
		"require iss":      func(p *providers.Provider) { p.RequireIss = true },
		"header":           func(p *providers.Provider) { p.UserInfoHeader = map[string]string{"User-Agent": "a b/1"} },
		"comma":            func(p *providers.Provider) { p.ScopeSeparator = "," },
		"logout parameter": func(p *providers.Provider) { p.LogoutRedirectParam = "logout_uri" },
	}
	for name, f := range change {
		p := oidc()
		f(&p)
		if _, err := providers.Define(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t)(providers.Define(tenants()))
	anyTenant := tenants()
	anyTenant.AllowedTenants, anyTenant.InsecureAnyTenant = nil, true
	must(t)(providers.Define(anyTenant))
}

// secret must not come back in any message: endpoints and parameters can hold one.
const secret = "hunter2"

func TestValidateRefuses(t *testing.T) {
	type change = func(p *providers.Provider)
	tests := []struct {
		name   string
		base   func() providers.Provider
		change change
		field  string // that the message names
	}{
		{"empty id", oidc, func(p *providers.Provider) { p.ID = "" }, "ID"},
		{"id case", oidc, func(p *providers.Provider) { p.ID = "Acme" }, "ID"},
		{"id dash first", oidc, func(p *providers.Provider) { p.ID = "-acme" }, "ID"},
		{"id slash", oidc, func(p *providers.Provider) { p.ID = "a/b" }, "ID"},
		{"id newline", oidc, func(p *providers.Provider) { p.ID = "a\n" }, "ID"},
		{"id too long", oidc, func(p *providers.Provider) { p.ID = strings.Repeat("a", 64) }, "ID"},
		{"display name", oidc, func(p *providers.Provider) { p.DisplayName = "a\x1b" }, "DisplayName"},
		{"kind", oidc, func(p *providers.Provider) { p.Kind = "saml" }, "Kind"},
		{"no issuer", oidc, func(p *providers.Provider) { p.Issuer = "" }, "Issuer"},
		{"issuer http", oidc, func(p *providers.Provider) { p.Issuer = "http://id.acme.com" }, "Issuer"},
		{"issuer http loopback", oidc, func(p *providers.Provider) { p.Issuer = "http://127.0.0.1:8080" }, "Issuer"},
		{"issuer query", oidc, func(p *providers.Provider) { p.Issuer = "https://id.acme.com?t=" + secret }, "Issuer"},
		{"issuer empty query", oidc, func(p *providers.Provider) { p.Issuer = "https://id.acme.com?" }, "Issuer"},
		{"issuer fragment", oidc, func(p *providers.Provider) { p.Issuer = "https://id.acme.com#" + secret }, "Issuer"},
		{"issuer empty fragment", oidc, func(p *providers.Provider) { p.Issuer = "https://id.acme.com#" }, "Issuer"},
		{"issuer user", oidc, func(p *providers.Provider) { p.Issuer = "https://" + secret + "@id.acme.com" }, "Issuer"},
		{"issuer relative", oidc, func(p *providers.Provider) { p.Issuer = "id.acme.com" }, "Issuer"},
		{"issuer opaque", oidc, func(p *providers.Provider) { p.Issuer = "https:id.acme.com" }, "Issuer"},
		{"issuer no host", oidc, func(p *providers.Provider) { p.Issuer = "https:///a" }, "Issuer"},
		{"issuer empty port", oidc, func(p *providers.Provider) { p.Issuer = "https://id.acme.com:" }, "Issuer"},
		{"issuer two schemes", oidc, func(p *providers.Provider) { p.Issuer = "https://https://id.acme.com" }, "Issuer"},
		{"issuer template", oidc, func(p *providers.Provider) { p.Issuer = "https://id.acme.com/{tenantid}" }, "Issuer"},
		{"issuer space", oidc, func(p *providers.Provider) { p.Issuer = " https://id.acme.com" }, "Issuer"},
		{"issuer not ASCII", oidc, func(p *providers.Provider) { p.Issuer = "https://id.äcme.com" }, "Issuer"},
		{"javascript", oidc, func(p *providers.Provider) { p.AuthorizationEndpoint = "javascript:alert(1)" }, "AuthorizationEndpoint"},
		{"javascript host", oidc, func(p *providers.Provider) { p.AuthorizationEndpoint = "javascript://x/%0aalert(1)" }, "AuthorizationEndpoint"},
		{"file", oidc, func(p *providers.Provider) { p.TokenEndpoint = "file:///etc/passwd" }, "TokenEndpoint"},
		{"token http", oidc, func(p *providers.Provider) { p.TokenEndpoint = "http://id.acme.com/t" }, "TokenEndpoint"},
		{"userinfo backslash", oidc, func(p *providers.Provider) { p.UserInfoEndpoint = `https://id.acme.com\@evil.example/` }, "UserInfoEndpoint"},
		{"keys http", oidc, func(p *providers.Provider) { p.JWKSURI = "http://id.acme.com/keys" }, "JWKSURI"},
		{"revocation fragment", oidc, func(p *providers.Provider) { p.RevocationEndpoint = "https://id.acme.com/r#x" }, "RevocationEndpoint"},
		{"logout user", oidc, func(p *providers.Provider) { p.EndSessionEndpoint = "https://a:" + secret + "@id.acme.com/" }, "EndSessionEndpoint"},
		{"e-mail http", oauth, func(p *providers.Provider) { p.EmailEndpoint = "http://id.acme.com/emails" }, "EmailEndpoint"},
		{"oauth, no authorization", oauth, func(p *providers.Provider) { p.AuthorizationEndpoint = "" }, "AuthorizationEndpoint"},
		{"oauth, no token", oauth, func(p *providers.Provider) { p.TokenEndpoint = "" }, "TokenEndpoint"},
		{"oauth, no userinfo", oauth, func(p *providers.Provider) { p.UserInfoEndpoint = "" }, "UserInfoEndpoint"},
		{"oauth, keys", oauth, func(p *providers.Provider) { p.JWKSURI = "https://id.acme.com/keys" }, "JWKSURI"},
		{"oauth, iss without issuer", oauth, func(p *providers.Provider) { p.RequireIss = true }, "RequireIss"},
		{"oauth, tenants", oauth, func(p *providers.Provider) {
			p.TenantIssuer, p.AllowedTenants = "https://a.example/{tenantid}", []string{"t"}
		}, "TenantIssuer"},
		{"tenants without template", oidc, func(p *providers.Provider) { p.AllowedTenants = []string{"t1"} }, "AllowedTenants"},
		{"any tenant without template", oidc, func(p *providers.Provider) { p.InsecureAnyTenant = true }, "InsecureAnyTenant"},
		{"no tenants", tenants, func(p *providers.Provider) { p.AllowedTenants = nil }, "AllowedTenants"},
		{"tenants and any", tenants, func(p *providers.Provider) { p.InsecureAnyTenant = true }, "InsecureAnyTenant"},
		{"empty tenant", tenants, func(p *providers.Provider) { p.AllowedTenants = []string{""} }, "AllowedTenants"},
		{"tenant path", tenants, func(p *providers.Provider) { p.AllowedTenants = []string{"../x"} }, "AllowedTenants"},
		{"template and issuer", tenants, func(p *providers.Provider) { p.Issuer = "https://id.acme.com" }, "TenantIssuer"},
		{"template without placeholder", tenants, func(p *providers.Provider) { p.TenantIssuer = "https://id.acme.com/v2.0" }, "TenantIssuer"},
		{"template twice", tenants, func(p *providers.Provider) { p.TenantIssuer += "/{tenantid}" }, "TenantIssuer"},
		{"template in host", tenants, func(p *providers.Provider) { p.TenantIssuer = "https://{tenantid}.acme.com/" }, "TenantIssuer"},
		{"template is host", tenants, func(p *providers.Provider) { p.TenantIssuer = "https://{tenantid}/v2.0" }, "TenantIssuer"},
		{"template part of segment", tenants, func(p *providers.Provider) { p.TenantIssuer = "https://id.acme.com/x{tenantid}/" }, "TenantIssuer"},
		{"template start of segment", tenants, func(p *providers.Provider) { p.TenantIssuer = "https://id.acme.com/{tenantid}x" }, "TenantIssuer"},
		{"template without host", tenants, func(p *providers.Provider) { p.TenantIssuer = "https:///{tenantid}/" }, "TenantIssuer"},
		{"template http", tenants, func(p *providers.Provider) { p.TenantIssuer = "http://id.acme.com/{tenantid}/" }, "TenantIssuer"},
		{"template, no keys", tenants, func(p *providers.Provider) { p.JWKSURI = "" }, "JWKS"},
		{"no openid", oidc, func(p *providers.Provider) { p.Scopes = []string{"email"} }, "Scopes"},
		{"empty scopes", oidc, func(p *providers.Provider) { p.Scopes = []string{} }, "Scopes"},
		{"two scopes in one", oidc, func(p *providers.Provider) { p.Scopes = []string{"openid", "a b"} }, "Scopes"},
		{"empty scope", oauth, func(p *providers.Provider) { p.Scopes = []string{""} }, "Scopes"},
		{"scope quote", oauth, func(p *providers.Provider) { p.Scopes = []string{`a"`} }, "Scopes"},
		{"scope twice", oauth, func(p *providers.Provider) { p.Scopes = []string{"a", "a"} }, "Scopes"},
		{"separator", oauth, func(p *providers.Provider) { p.ScopeSeparator = ";" }, "ScopeSeparator"},
		{"client auth", oidc, func(p *providers.Provider) { p.ClientAuth = "basic" }, "ClientAuth"},
		{"assertion audience", oidc, func(p *providers.Provider) { p.AssertionAudience = "https://victim.example" }, "AssertionAudience"},
		{"assertion issuer", oidc, func(p *providers.Provider) { p.AssertionIssuer = "TEAM" }, "AssertionIssuer"},
		{"a header of the protocol", oidc, func(p *providers.Provider) { p.UserInfoHeader = map[string]string{"dpop": "x"} }, "UserInfoHeader"},
		{"pushing to nowhere", oauth, func(p *providers.Provider) { p.PushedAuthorization = true }, "PushedAuthorizationEndpoint"},
		{"pushing over http", oidc, func(p *providers.Provider) { p.PushedAuthorizationEndpoint = "http://id.acme.com/par" }, "PushedAuthorizationEndpoint"},
		{"posted user in a query", oidc, func(p *providers.Provider) { p.PostedUser = true }, "PostedUser"},
		{"signed secret", oidc, func(p *providers.Provider) { p.ClientAuth = providers.SignedSecret }, "AssertionIssuer"},
		{"response mode", oidc, func(p *providers.Provider) { p.ResponseMode = "fragment" }, "ResponseMode"},
		{"alg none", oidc, func(p *providers.Provider) { p.SigningAlgs = []string{"none"} }, "SigningAlgs"},
		{"alg HS256", oidc, func(p *providers.Provider) { p.SigningAlgs = []string{"RS256", "HS256"} }, "SigningAlgs"},
		{"alg list empty", oidc, func(p *providers.Provider) { p.SigningAlgs = []string{} }, "SigningAlgs"},
		{"logout parameter", oidc, func(p *providers.Provider) { p.LogoutRedirectParam = "a&b" }, "LogoutRedirectParam"},
		{"query sets state", oidc, func(p *providers.Provider) { p.AuthorizationEndpoint = "https://id.acme.com/a?state=x" }, "AuthorizationEndpoint"},
		{"query sets escaped nonce", oidc, func(p *providers.Provider) { p.AuthorizationEndpoint = "https://id.acme.com/a?%6eonce=x" }, "AuthorizationEndpoint"},
		{"query malformed", oidc, func(p *providers.Provider) { p.AuthorizationEndpoint = "https://id.acme.com/a?x;y" }, "AuthorizationEndpoint"},
		{"header authorization", oidc, func(p *providers.Provider) { p.UserInfoHeader = map[string]string{"authorization": secret} }, "UserInfoHeader"},
		{"header cookie", oidc, func(p *providers.Provider) { p.UserInfoHeader = map[string]string{"Cookie": secret} }, "UserInfoHeader"},
		{"header injection", oidc, func(p *providers.Provider) { p.UserInfoHeader = map[string]string{"X-A": "a\r\nHost: evil"} }, "UserInfoHeader"},
		{"header name", oidc, func(p *providers.Provider) { p.UserInfoHeader = map[string]string{"X A": "a"} }, "UserInfoHeader"},
		{"header empty name", oidc, func(p *providers.Provider) { p.UserInfoHeader = map[string]string{"": "a"} }, "UserInfoHeader"},
		{"oidc subject mapping", oidc, func(p *providers.Provider) { p.Mapping.Subject = "email" }, "Mapping.Subject"},
		{"oidc e-mail endpoint", oidc, func(p *providers.Provider) { p.EmailEndpoint = "https://id.acme.com/emails" }, "EmailEndpoint"},
		{"path", oauth, func(p *providers.Provider) { p.Mapping.Subject = "data..id" }, "Mapping"},
		{"path dot", oauth, func(p *providers.Provider) { p.Mapping.EmailVerified = "." }, "Mapping"},
		{"claim sub", oauth, func(p *providers.Provider) { p.Mapping.Claims = map[string][]string{"sub": {"id"}} }, "Mapping.Claims"},
		{"claim email_verified", oauth, func(p *providers.Provider) { p.Mapping.Claims = map[string][]string{"email_verified": {"x"}} }, "Mapping.Claims"},
		{"claim sessionId", oauth, func(p *providers.Provider) { p.Mapping.Claims = map[string][]string{"sessionId": {"x"}} }, "Mapping.Claims"},
		{"claim without path", oauth, func(p *providers.Provider) { p.Mapping.Claims = map[string][]string{"name": nil} }, "Mapping.Claims"},
		{"claim with empty path", oauth, func(p *providers.Provider) { p.Mapping.Claims = map[string][]string{"name": {""}} }, "Mapping.Claims"},
		{"claim without name", oauth, func(p *providers.Provider) { p.Mapping.Claims = map[string][]string{"": {"x"}} }, "Mapping.Claims"},
		{"template http", oauth, func(p *providers.Provider) { p.Mapping.PictureTemplate = "http://cdn.example/{id}" }, "PictureTemplate"},
		{"template unclosed", oauth, func(p *providers.Provider) { p.Mapping.PictureTemplate = "https://cdn.example/{id" }, "PictureTemplate"},
		{"template empty path", oauth, func(p *providers.Provider) { p.Mapping.PictureTemplate = "https://cdn.example/{}" }, "PictureTemplate"},
		{"confirmed and verified", oauth, func(p *providers.Provider) { p.Mapping.EmailConfirmed, p.Mapping.EmailVerified = true, "v" }, "EmailConfirmed"},
		{"confirmed and list", oauth, func(p *providers.Provider) {
			p.Mapping.EmailConfirmed, p.EmailEndpoint = true, "https://id.acme.com/emails"
		}, "EmailConfirmed"},
	}
	for _, reserved := range []string{
		"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
		"code_challenge_method", "request", "request_uri", "client_secret", "code_verifier", "State", "REDIRECT_URI",
		"client_assertion", "id_token_hint", "dpop_jkt", "iss",
	} {
		tests = append(tests, struct {
			name   string
			base   func() providers.Provider
			change change
			field  string
		}{"parameter " + reserved, oidc, func(p *providers.Provider) { p.AuthParams = map[string]string{reserved: secret} }, "AuthParams"})
	}
	for _, malformed := range []string{"", "state[]", "sta te", "a&state", "stäte"} {
		tests = append(tests, struct {
			name   string
			base   func() providers.Provider
			change change
			field  string
		}{"parameter " + malformed, oidc, func(p *providers.Provider) { p.AuthParams = map[string]string{malformed: secret} }, "AuthParams"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.base()
			if _, err := providers.Define(p); err != nil {
				t.Fatalf("the base is refused: %v", err)
			}
			tt.change(&p)
			got, err := providers.Define(p)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.field) {
				t.Errorf("message does not name %s: %v", tt.field, err)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "evil") {
				t.Errorf("message repeats the value: %v", err)
			}
			if !reflect.ValueOf(got).IsZero() {
				t.Error("a provider is returned with the error")
			}
		})
	}
}

func TestInsecureAllowsLoopbackOnly(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"http://localhost:8080": true, "http://127.0.0.1": true, "http://127.8.9.1:1": true, "http://[::1]:8080": true,
		"http://idp.localhost:3000": true, "https://id.acme.com": true,
		"http://id.acme.com": false, "http://10.0.0.1": false, "http://localhost.evil.example": false,
		"http://127.0.0.1.evil.example": false, "http://evillocalhost": false, "http://localhost@evil.example": false,
		"ftp://localhost": false, "http://0.0.0.0": false,
	} {
		p := oidc()
		p.Issuer = issuer
		q, err := providers.DefineInsecure(p)
		if (err == nil) != ok {
			t.Errorf("DefineInsecure(%s): %v", issuer, err)
		}
		if ok && (q.ValidateInsecure() != nil || q.DisplayName != "acme") {
			t.Errorf("DefineInsecure(%s) returned %+v", issuer, q)
		}
		if strings.HasPrefix(issuer, "http:") && ok && q.Validate() == nil {
			t.Errorf("Validate accepts %s", issuer)
		}
	}
}

func TestValidateReportsEverything(t *testing.T) {
	p := providers.Provider{ID: "A", Kind: providers.OAuth, ClientAuth: "x"}
	err := p.Validate()
	for _, field := range []string{"ID", "TokenEndpoint", "ClientAuth"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is missing in: %v", field, err)
		}
	}
}

// TestAssuranceParams: what is looked for in the ID token must be understood, and in one place.
func TestAssuranceParams(t *testing.T) {
	for name, c := range map[string]struct {
		base func() providers.Provider
		set  map[string]string
		ok   bool
	}{
		"age":                          {oidc, map[string]string{"max_age": "300"}, true},
		"no age at all":                {oidc, map[string]string{"max_age": "0"}, true},
		"classes":                      {oidc, map[string]string{"acr_values": "urn:x:gold silver"}, true},
		"prompts":                      {oidc, map[string]string{"prompt": "login consent"}, true},
		"a prompt of its own":          {oauth, map[string]string{"prompt": "create"}, true},
		"silent":                       {oidc, map[string]string{"prompt": "none", "max_age": "1"}, true},
		"empty age":                    {oidc, map[string]string{"max_age": ""}, false},
		"age with a unit":              {oidc, map[string]string{"max_age": "5m"}, false},
		"negative age":                 {oidc, map[string]string{"max_age": "-1"}, false},
		"long age":                     {oidc, map[string]string{"max_age": "1000000000"}, false},
		"no classes":                   {oidc, map[string]string{"acr_values": ""}, false},
		"classes by two spaces":        {oidc, map[string]string{"acr_values": "a  b"}, false},
		"class with a quote":           {oidc, map[string]string{"acr_values": `a"`}, false},
		"empty prompt":                 {oidc, map[string]string{"prompt": ""}, false},
		"none and another":             {oidc, map[string]string{"prompt": "none login"}, false},
		"CONF-G09":                     {oidc, map[string]string{"prompt": "none", "max_age": "0"}, false},
		"another spelling of age":      {oidc, map[string]string{"Max_Age": "300"}, false},
		"another spelling of classes":  {oidc, map[string]string{"ACR_VALUES": "gold"}, false},
		"age at an OAuth server":       {oauth, map[string]string{"max_age": "300"}, false},
		"classes at an OAuth server":   {oauth, map[string]string{"acr_values": "gold"}, false},
		"no age of an OAuth server":    {oauth, map[string]string{"max_age": "0"}, false},
		"another spelling of a prompt": {oauth, map[string]string{"Prompt": "login"}, false},
	} {
		p := c.base()
		p.AuthParams = c.set
		if _, err := providers.Define(p); (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "AuthParams") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, query := range []string{"max_age=300", "prompt=login", "acr_values=gold", "ACR_values=gold"} {
		p := oidc()
		p.AuthorizationEndpoint = "https://id.acme.com/authorize?" + query
		if _, err := providers.Define(p); err == nil {
			t.Errorf("an endpoint with %s is accepted", query)
		}
	}
}
