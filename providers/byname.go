package providers

import (
	"fmt"
	"slices"
	"strings"
)

// preset is one entry of ByName.
type preset struct {
	name  string
	alias string
	// usage names the arguments for an error message; the counts say how many there may be.
	usage    string
	min, max int
	build    func(tenant []string) (Provider, error)
}

func plain(f func() Provider) func([]string) (Provider, error) {
	return func([]string) (Provider, error) { return f(), nil }
}

func tenant1(f func(string) (Provider, error)) func([]string) (Provider, error) {
	return func(t []string) (Provider, error) { return f(t[0]) }
}

// orOwn is a provider that also runs on hosts of its users.
func orOwn(public func() Provider, own func(string) (Provider, error)) func([]string) (Provider, error) {
	return func(t []string) (Provider, error) {
		if len(t) == 0 {
			return public(), nil
		}
		return own(t[0])
	}
}

func presets() []preset {
	return []preset{
		{"apple", "", "the team id", 1, 1, tenant1(Apple)},
		{"auth0", "", "the tenant's domain", 1, 1, tenant1(Auth0)},
		{"aws-cognito", "cognito", "the region and the user pool id", 2, 2, func(t []string) (Provider, error) { return AWSCognito(t[0], t[1]) }},
		{"azure-ad", "entra", "the tenant id, or common and the allowed tenant ids", 1, 1000, func(t []string) (Provider, error) { return AzureAD(t[0], t[1:]...) }},
		{"clerk", "", "the Frontend API domain", 1, 1, tenant1(Clerk)},
		{"discord", "", "nothing else", 0, 0, plain(Discord)},
		{"facebook", "", "nothing else", 0, 0, plain(Facebook)},
		{"github", "", "nothing else, or a GitHub Enterprise host", 0, 1, orOwn(GitHub, GitHubEnterprise)},
		{"gitlab", "", "nothing else, or the base URL of a self-managed GitLab", 0, 1, orOwn(GitLab, GitLabSelfManaged)},
		{"google", "", "nothing else", 0, 0, plain(Google)},
		{"logto", "", "the tenant's endpoint", 1, 1, tenant1(Logto)},
		{"okta", "", "the domain and, if it has one, the id of the custom authorization server", 1, 2, func(t []string) (Provider, error) {
			return Okta(t[0], strings.Join(t[1:], ""))
		}},
		{"slack", "", "nothing else", 0, 0, plain(Slack)},
		{"spotify", "", "nothing else", 0, 0, plain(Spotify)},
		{"twitter", "x", "nothing else", 0, 0, plain(Twitter)},
	}
}

// Names returns the names that ByName knows, sorted. The caller owns the slice.
func Names() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

// ByName returns the preset of that name, for programs that take it from their configuration. Case, '-' and
// '_' do not matter ("azureAd" is "azure-ad"); "cognito", "entra" and "x" are understood too. tenant holds the
// arguments of the preset's function in their order. For github and gitlab a tenant is optional and selects
// GitHubEnterprise or GitLabSelfManaged.
func ByName(name string, tenant ...string) (Provider, error) {
	want := foldName(name)
	all := presets()
	i := slices.IndexFunc(all, func(p preset) bool {
		return foldName(p.name) == want || p.alias != "" && p.alias == want
	})
	if i < 0 {
		return Provider{}, fmt.Errorf("providers: no preset of that name; there are %s", strings.Join(Names(), ", "))
	}
	if p := all[i]; len(tenant) < p.min || len(tenant) > p.max || slices.Contains(tenant, "") {
		return Provider{}, fmt.Errorf("providers: preset %s needs %s", p.name, p.usage)
	}
	return all[i].build(tenant)
}

func foldName(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
}
