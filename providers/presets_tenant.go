package providers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Auth0 is the Auth0 tenant at domain, its own ("acme.eu.auth0.com") or a custom one. For a refresh token add
// the scope offline_access.
//
// Documentation: https://auth0.com/docs/get-started/applications/configure-applications-with-oidc-discovery.
// The slash at the end belongs to the issuer.
func Auth0(domain string) (Provider, error) {
	base, err := httpsBase(domain)
	if err != nil {
		return Provider{}, fmt.Errorf("providers: Auth0 domain %w", err)
	}
	return Provider{
		ID:          "auth0",
		DisplayName: "Auth0",
		Kind:        OIDC,
		Issuer:      base + "/",
		Scopes:      openIDScopes(),
		ClientAuth:  ClientSecretPost, // the default of a new Auth0 application
	}, nil
}

// Okta is the Okta organisation at domain ("acme.okta.com", or a custom one). authorizationServer is the id of
// a custom authorization server, often "default"; if empty, the organisation's own server issues the tokens.
// The two have different issuers, and there is no telling which one an application belongs to. For a refresh
// token add the scope offline_access.
//
// Documentation: https://developer.okta.com/docs/concepts/auth-servers/.
func Okta(domain, authorizationServer string) (Provider, error) {
	issuer, err := httpsBase(domain)
	if err != nil {
		return Provider{}, fmt.Errorf("providers: Okta domain %w", err)
	}
	if authorizationServer != "" {
		if !validTenant(authorizationServer) {
			return Provider{}, errors.New("providers: Okta authorization server must be an id such as \"default\", not a URL")
		}
		issuer += "/oauth2/" + authorizationServer
	}
	return Provider{
		ID:          "okta",
		DisplayName: "Okta",
		Kind:        OIDC,
		Issuer:      issuer,
		Scopes:      openIDScopes(),
		// Its documentation of private_key_jwt knows no other.
		AssertionAudience: AudienceTokenEndpoint,
	}, nil
}

// AWSCognito is the Amazon Cognito user pool userPoolID ("eu-west-1_AbCdEf123") in region ("eu-west-1"). The
// pool needs a domain; its endpoints come from discovery. Groups are in the claim cognito:groups.
//
// Documentation: https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html. Its
// userInfo endpoint documents email_verified as a string, and its logout endpoint takes logout_uri.
func AWSCognito(region, userPoolID string) (Provider, error) {
	prefix, pool, found := strings.Cut(userPoolID, "_")
	if !found || prefix != region || !validID(region) || pool == "" || !only(pool, alnum) {
		return Provider{}, errors.New("providers: AWSCognito needs a region and a user pool id that starts with it, such as eu-west-1_AbCdEf123")
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain = "amazonaws.com.cn"
	}
	return Provider{
		ID:                  "aws-cognito",
		DisplayName:         "Amazon Cognito",
		Kind:                OIDC,
		Issuer:              "https://cognito-idp." + region + "." + domain + "/" + userPoolID,
		LogoutRedirectParam: "logout_uri",
		Scopes:              openIDScopes(),
		Mapping:             Mapping{InsecureEmailVerifiedString: true},
	}, nil
}

const (
	entra          = "https://login.microsoftonline.com/"
	entraConsumers = "9188040d-6c67-4c5b-b112-36a304b66dad" // the tenant of all personal accounts
)

// AzureAD is Microsoft Entra ID. tenant is the directory (tenant) id of the application's own directory, or
// "consumers" for personal accounts. With "common" or "organizations" users of any directory reach the
// application; allowed then lists the tenant ids that may sign in, and an empty list is an error. To really
// admit every tenant use InsecureAzureADAnyTenant.
//
// The subject is sub, which Entra makes for this application alone. The claims oid and tid name the user across
// applications. Never store users under email, preferred_username or upn: a directory's administrator sets them
// at will. An e-mail address counts as verified only with the optional claim xms_edov, which the app
// registration must ask for (https://learn.microsoft.com/en-us/entra/identity-platform/migrate-off-email-claim-authorization);
// email_verified is ignored, because Entra does not define it. The preset does not ask for User.Read, which
// opens Microsoft Graph and is not needed to sign in.
//
// Documentation: https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc.
func AzureAD(tenant string, allowed ...string) (Provider, error) {
	p := azureAD()
	switch tenant = strings.ToLower(tenant); tenant {
	case "common", "organizations":
		if len(allowed) == 0 {
			return Provider{}, errors.New("providers: AzureAD with common or organizations needs the tenant ids that may sign in: anyone can open a tenant")
		}
		for _, id := range allowed {
			if id = strings.ToLower(id); !isGUID(id) {
				return Provider{}, errors.New("providers: AzureAD allowed tenants must be tenant ids (GUIDs)")
			}
			p.AllowedTenants = append(p.AllowedTenants, id)
		}
		return p.anyDirectory(tenant), nil
	case "consumers":
		tenant = entraConsumers
	}
	if !isGUID(tenant) {
		// A domain name would do for the endpoints, but the issuer in the tokens is always the GUID.
		return Provider{}, errors.New("providers: AzureAD tenant must be a tenant id (GUID), common, organizations or consumers")
	}
	if len(allowed) > 0 {
		return Provider{}, errors.New("providers: AzureAD takes allowed tenants only with common or organizations")
	}
	p.Issuer = entra + tenant + "/v2.0"
	return p, nil
}

// InsecureAzureADAnyTenant is AzureAD for every organisation in the world and every personal account. See
// Provider.InsecureAnyTenant for the attack that this opens.
func InsecureAzureADAnyTenant() Provider {
	p := azureAD()
	p.InsecureAnyTenant = true
	return p.anyDirectory("common")
}

func azureAD() Provider {
	return Provider{
		ID:          "azure-ad",
		DisplayName: "Microsoft",
		Kind:        OIDC,
		Scopes:      append(openIDScopes(), "offline_access"),
		ClientAuth:  ClientSecretPost,
		// Its documentation of certificate credentials knows no other.
		AssertionAudience: AudienceTokenEndpoint,
		Mapping:           Mapping{EmailVerified: "xms_edov"},
	}
}

// anyDirectory sets the endpoints by hand: the discovery document of common names a template as its issuer,
// which no client that compares issuers can accept.
func (p Provider) anyDirectory(tenant string) Provider {
	p.TenantIssuer = entra + TenantPlaceholder + "/v2.0"
	p.AuthorizationEndpoint = entra + tenant + "/oauth2/v2.0/authorize"
	p.TokenEndpoint = entra + tenant + "/oauth2/v2.0/token"
	p.JWKSURI = entra + tenant + "/discovery/v2.0/keys"
	p.UserInfoEndpoint = "https://graph.microsoft.com/oidc/userinfo"
	p.EndSessionEndpoint = entra + tenant + "/oauth2/v2.0/logout"
	return p
}

// Logto is the Logto tenant at endpoint ("acme.logto.app", or a custom domain). The issuer is the endpoint with
// /oidc behind it. Logto gives a refresh token only with prompt=consent (OpenID Connect Core section 11), which
// the preset therefore sends with offline_access.
//
// Documentation: https://docs.logto.io/integrate-logto/application-data-structure.
func Logto(endpoint string) (Provider, error) {
	base, err := httpsBase(endpoint)
	if err != nil {
		return Provider{}, fmt.Errorf("providers: Logto endpoint %w", err)
	}
	return Provider{
		ID:          "logto",
		DisplayName: "Logto",
		Kind:        OIDC,
		Issuer:      base + "/oidc",
		Scopes:      append(openIDScopes(), "offline_access"),
		AuthParams:  map[string]string{"prompt": "consent"},
		Mapping: Mapping{Claims: map[string][]string{
			"name":               {"name", "username"},
			"preferred_username": {"preferred_username", "username"},
		}},
	}, nil
}

// Clerk is a Clerk instance as an OpenID provider; domain is its Frontend API ("clerk.acme.com" or
// "acme.clerk.accounts.dev"). Clerk binds a client to an OAuth application, not to its own SDK's sessions.
//
// Documentation: https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth.
func Clerk(domain string) (Provider, error) {
	base, err := httpsBase(domain)
	if err != nil {
		return Provider{}, fmt.Errorf("providers: Clerk domain %w", err)
	}
	return Provider{
		ID:          "clerk",
		DisplayName: "Clerk",
		Kind:        OIDC,
		Issuer:      base,
		Scopes:      openIDScopes(),
	}, nil
}

// httpsBase returns "https://" and the host in s, which may be a bare host or an https URL without a path.
// Issuers are compared byte for byte, so the host is written as browsers write it, in lower case.
func httpsBase(s string) (string, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(s), "https://"), "/")
	name, port, hasPort := strings.Cut(host, ":")
	digits := func(c byte) bool { return c >= '0' && c <= '9' }
	if !validDomain(name) || hasPort && (port == "" || len(port) > 5 || !only(port, digits)) {
		return "", errors.New("must be a host name such as acme.example.com, without scheme and path")
	}
	return "https://" + host, nil
}

func isGUID(s string) bool {
	parts := strings.Split(s, "-")
	lengths := make([]int, len(parts))
	for i, part := range parts {
		lengths[i] = len(part)
		if !only(part, func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }) {
			return false
		}
	}
	return slices.Equal(lengths, []int{8, 4, 4, 4, 12})
}
