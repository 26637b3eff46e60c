package providers_test

import (
	"fmt"

	"github.com/netscript/auth/providers"
)

// A preset is a value: adjust it before use.
func ExampleGitHub() {
	p := providers.GitHub()
	p.Scopes = append(p.Scopes, "read:org")

	id, err := p.Identity(
		[]byte(`{"id": 583231, "login": "octocat", "email": "public@example.com"}`),
		[]byte(`[{"email": "octo@example.com", "primary": true, "verified": true}]`),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id.Subject, id.Claims["email"], id.Claims["email_verified"])
	// Output: 583231 octo@example.com true
}

// An OpenID provider needs an ID and the issuer; the endpoints come from its discovery document.
func ExampleDefine() {
	p, err := providers.Define(providers.Provider{
		ID:          "keycloak",
		DisplayName: "Acme staff",
		Issuer:      "https://id.acme.com/realms/staff",
		AuthParams:  map[string]string{"kc_idp_hint": "ldap"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Kind, p.Scopes)
	// Output: oidc [openid profile email]
}

// A provider without ID tokens needs its endpoints, and to know where the user's id is.
func ExampleDefine_oauth() {
	p, err := providers.Define(providers.Provider{
		ID:                    "figma",
		DisplayName:           "Figma",
		Kind:                  providers.OAuth,
		AuthorizationEndpoint: "https://www.figma.com/oauth",
		TokenEndpoint:         "https://api.figma.com/v1/oauth/token",
		UserInfoEndpoint:      "https://api.figma.com/v1/me",
		Scopes:                []string{"current_user:read"},
		Mapping: providers.Mapping{
			Subject: "id",
			Claims: map[string][]string{
				"name":    {"handle"},
				"email":   {"email"},
				"picture": {"img_url"},
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := p.Identity([]byte(`{"id": "42", "handle": "Jane", "email": "jane@example.com", "img_url": "http://x.example"}`), nil)
	fmt.Println(id.Subject, id.Claims["email_verified"], id.Claims["picture"], err)
	// Output: 42 false <nil> <nil>
}

func ExampleByName() {
	p, err := providers.ByName("auth0", "acme.eu.auth0.com")
	fmt.Println(p.Issuer, err)
	_, err = providers.ByName("azure-ad", "common")
	fmt.Println(err)
	// Output:
	// https://acme.eu.auth0.com/ <nil>
	// providers: AzureAD with common or organizations needs the tenant ids that may sign in: anyone can open a tenant
}
