package providers_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth/providers"
)

var update = flag.Bool("update", false, "rewrite testdata/golden; review the difference against the providers' documentation")

const tenantID = "8e1c4c1e-0b5b-4c2f-9a8e-5c1f5f0a2b11"

func must(t testing.TB) func(providers.Provider, error) providers.Provider {
	return func(p providers.Provider, err error) providers.Provider {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// presets has every preset function, by the name of its golden file.
func presets(t testing.TB) map[string]providers.Provider {
	return map[string]providers.Provider{
		"apple":               must(t)(providers.Apple("TEAM012345")),
		"github":              providers.GitHub(),
		"github-enterprise":   must(t)(providers.GitHubEnterprise("GitHub.acme.com")),
		"google":              providers.Google(),
		"gitlab":              providers.GitLab(),
		"gitlab-self-managed": must(t)(providers.GitLabSelfManaged("https://acme.com/gitlab/")),
		"discord":             providers.Discord(),
		"slack":               providers.Slack(),
		"spotify":             providers.Spotify(),
		"facebook":            providers.Facebook(),
		"twitter":             providers.Twitter(),
		"auth0":               must(t)(providers.Auth0("acme.eu.auth0.com")),
		"okta":                must(t)(providers.Okta("acme.okta.com", "")),
		"okta-custom-server":  must(t)(providers.Okta("acme.okta.com", "default")),
		"aws-cognito":         must(t)(providers.AWSCognito("eu-west-1", "eu-west-1_AbCdEf123")),
		"azure-ad":            must(t)(providers.AzureAD(strings.ToUpper(tenantID))),
		"azure-ad-consumers":  must(t)(providers.AzureAD("consumers")),
		"azure-ad-common":     must(t)(providers.AzureAD("common", tenantID)),
		"azure-ad-any":        providers.InsecureAzureADAnyTenant(),
		"logto":               must(t)(providers.Logto("https://acme.logto.app/")),
		"clerk":               must(t)(providers.Clerk("clerk.acme.com")),
	}
}

func TestPresetsMatchGolden(t *testing.T) {
	for name, p := range presets(t) {
		t.Run(name, func(t *testing.T) {
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "\t")
			if err := enc.Encode(p); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "golden", name+".json")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s:\n%s", file, got.Bytes())
			}
		})
	}
}

func TestEveryGoldenFileHasAPreset(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := presets(t)
	for _, f := range files {
		if _, ok := all[strings.TrimSuffix(filepath.Base(f), ".json")]; !ok {
			t.Errorf("%s belongs to no preset", f)
		}
	}
}

// The issuers as the providers' own discovery documents and tokens spell them. The original derived some of
// them from other URLs, so that every sign-in failed.
func TestPresetIssuers(t *testing.T) {
	want := map[string]string{
		"github":              "https://github.com/login/oauth",
		"github-enterprise":   "https://github.acme.com/login/oauth",
		"google":              "https://accounts.google.com",
		"gitlab":              "https://gitlab.com",
		"gitlab-self-managed": "https://acme.com/gitlab",
		"slack":               "https://slack.com",
		"auth0":               "https://acme.eu.auth0.com/",
		"okta":                "https://acme.okta.com",
		"okta-custom-server":  "https://acme.okta.com/oauth2/default",
		"aws-cognito":         "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123",
		"azure-ad":            "https://login.microsoftonline.com/" + tenantID + "/v2.0",
		"azure-ad-consumers":  "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
		"azure-ad-common":     "",
		"logto":               "https://acme.logto.app/oidc",
		"clerk":               "https://clerk.acme.com",
	}
	all := presets(t)
	for name, issuer := range want {
		if got := all[name].Issuer; got != issuer {
			t.Errorf("%s: issuer %q, want %q", name, got, issuer)
		}
	}
	if got := all["azure-ad-common"].TenantIssuer; got != "https://login.microsoftonline.com/{tenantid}/v2.0" {
		t.Errorf("azure-ad-common: tenant issuer %q", got)
	}
	if got := must(t)(providers.AWSCognito("cn-north-1", "cn-north-1_X1")).Issuer; got != "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_X1" {
		t.Errorf("Cognito in China: issuer %q", got)
	}
}

// A caller that changes a preset must not change it for the next one.
func TestPresetsAreFresh(t *testing.T) {
	p := providers.GitHub()
	p.Scopes[0] = "repo"
	p.UserInfoHeader["Accept"] = "text/html"
	p.Mapping.Claims["name"][0] = "login"
	q := providers.GitHub()
	if q.Scopes[0] != "read:user" || q.UserInfoHeader["Accept"] == "text/html" || q.Mapping.Claims["name"][0] != "name" {
		t.Error("GitHub shares memory between calls")
	}
	a, b := providers.InsecureAzureADAnyTenant(), providers.InsecureAzureADAnyTenant()
	a.Scopes[0] = "x"
	if b.Scopes[0] != "openid" {
		t.Error("AzureAD shares memory between calls")
	}
}

func TestTenantPresetsRefuse(t *testing.T) {
	tests := map[string]func() (providers.Provider, error){
		"Auth0 empty": func() (providers.Provider, error) { return providers.Auth0("") },
		"Auth0 path":  func() (providers.Provider, error) { return providers.Auth0("acme.auth0.com/evil") },
		"Auth0 http":  func() (providers.Provider, error) { return providers.Auth0("http://acme.auth0.com") },
		"Auth0 user":  func() (providers.Provider, error) { return providers.Auth0("acme.auth0.com@evil.example") },
		"Auth0 query": func() (providers.Provider, error) { return providers.Auth0("acme.auth0.com?x") },
		"Auth0 space": func() (providers.Provider, error) { return providers.Auth0("acme.auth0.com ") },
		"Auth0 port":  func() (providers.Provider, error) { return providers.Auth0("acme.auth0.com:") },
		"Okta server URL": func() (providers.Provider, error) {
			return providers.Okta("acme.okta.com", "https://acme.okta.com/oauth2/default")
		},
		"Okta server with slash":      func() (providers.Provider, error) { return providers.Okta("acme.okta.com", "a/b") },
		"Okta domain":                 func() (providers.Provider, error) { return providers.Okta("acme.okta.com/oauth2/default", "") },
		"Cognito other region":        func() (providers.Provider, error) { return providers.AWSCognito("eu-west-1", "us-east-1_AbC") },
		"Cognito no pool":             func() (providers.Provider, error) { return providers.AWSCognito("eu-west-1", "eu-west-1_") },
		"Cognito no region":           func() (providers.Provider, error) { return providers.AWSCognito("", "_AbC") },
		"Cognito path":                func() (providers.Provider, error) { return providers.AWSCognito("eu-west-1", "eu-west-1_Ab/..") },
		"Azure empty":                 func() (providers.Provider, error) { return providers.AzureAD("") },
		"Azure domain":                func() (providers.Provider, error) { return providers.AzureAD("acme.onmicrosoft.com") },
		"Azure common, none allowed":  func() (providers.Provider, error) { return providers.AzureAD("common") },
		"Azure organizations, none":   func() (providers.Provider, error) { return providers.AzureAD("organizations") },
		"Azure common, common":        func() (providers.Provider, error) { return providers.AzureAD("common", "common") },
		"Azure common, empty tenant":  func() (providers.Provider, error) { return providers.AzureAD("common", tenantID, "") },
		"Azure one tenant, allowed":   func() (providers.Provider, error) { return providers.AzureAD(tenantID, tenantID) },
		"Azure almost a GUID":         func() (providers.Provider, error) { return providers.AzureAD(tenantID[:35]) },
		"Azure not hexadecimal":       func() (providers.Provider, error) { return providers.AzureAD("z" + tenantID[1:]) },
		"Logto path":                  func() (providers.Provider, error) { return providers.Logto("https://acme.logto.app/oidc") },
		"Clerk wildcard":              func() (providers.Provider, error) { return providers.Clerk("*.clerk.accounts.dev") },
		"GitHub Enterprise path":      func() (providers.Provider, error) { return providers.GitHubEnterprise("acme.com/api/v3") },
		"GitLab self-managed http":    func() (providers.Provider, error) { return providers.GitLabSelfManaged("http://gitlab.acme.com") },
		"GitLab self-managed query":   func() (providers.Provider, error) { return providers.GitLabSelfManaged("https://acme.com/gitlab?a=b") },
		"GitLab self-managed nothing": func() (providers.Provider, error) { return providers.GitLabSelfManaged("https:///gitlab") },
	}
	for name, build := range tests {
		if p, err := build(); err == nil {
			t.Errorf("%s: accepted with issuer %q", name, p.Issuer)
		}
	}
}

func TestByName(t *testing.T) {
	want := []string{
		"apple", "auth0", "aws-cognito", "azure-ad", "clerk", "discord", "facebook", "github", "gitlab", "google", "logto",
		"okta", "slack", "spotify", "twitter",
	}
	if got := providers.Names(); !slices.Equal(got, want) {
		t.Errorf("Names() = %q, want %q", got, want)
	}
	tests := []struct {
		name   string
		tenant []string
		golden string
	}{
		{"github", nil, "github"},
		{"GitHub", nil, "github"},
		{"github", []string{"github.acme.com"}, "github-enterprise"},
		{"google", nil, "google"},
		{"gitlab", nil, "gitlab"},
		{"gitlab", []string{"https://acme.com/gitlab"}, "gitlab-self-managed"},
		{"discord", nil, "discord"},
		{"slack", nil, "slack"},
		{"spotify", nil, "spotify"},
		{"facebook", nil, "facebook"},
		{"twitter", nil, "twitter"},
		{"X", nil, "twitter"},
		{"auth0", []string{"acme.eu.auth0.com"}, "auth0"},
		{"okta", []string{"acme.okta.com"}, "okta"},
		{"okta", []string{"acme.okta.com", "default"}, "okta-custom-server"},
		{"awsCognito", []string{"eu-west-1", "eu-west-1_AbCdEf123"}, "aws-cognito"},
		{"cognito", []string{"eu-west-1", "eu-west-1_AbCdEf123"}, "aws-cognito"},
		{"azureAd", []string{tenantID}, "azure-ad"},
		{"azure_ad", []string{"common", tenantID}, "azure-ad-common"},
		{"entra", []string{"consumers"}, "azure-ad-consumers"},
		{"logto", []string{"acme.logto.app"}, "logto"},
		{"clerk", []string{"clerk.acme.com"}, "clerk"},
	}
	all := presets(t)
	for _, tt := range tests {
		got, err := providers.ByName(tt.name, tt.tenant...)
		if err != nil {
			t.Errorf("ByName(%q, %q): %v", tt.name, tt.tenant, err)
			continue
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(all[tt.golden])
		if !bytes.Equal(g, w) {
			t.Errorf("ByName(%q, %q) is not %s", tt.name, tt.tenant, tt.golden)
		}
	}
}

func TestByNameRefuses(t *testing.T) {
	for _, args := range [][]string{
		{""}, {"-"}, {"myspace"}, {"auth0"}, {"auth0", ""}, {"auth0", "a.example", "b.example"}, {"google", "acme.com"},
		{"okta"}, {"okta", "a.okta.com", ""}, {"okta", "a.okta.com", "b", "c"}, {"aws-cognito", "eu-west-1"},
		{"azure-ad"}, {"azure-ad", "common"}, {"github", "a.example", "b.example"}, {"github", "a/b"},
	} {
		if p, err := providers.ByName(args[0], args[1:]...); err == nil {
			t.Errorf("ByName(%q): accepted as %s", args, p.ID)
		}
	}
}
