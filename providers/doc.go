// Package providers describes identity providers as data: where a user signs in, how the client
// authenticates, which scopes to ask for, and how the provider's answer becomes an identity. It holds no
// credentials and does no I/O; package kvoauth drives the redirect flow with what is described here.
//
// # Choosing a provider
//
// Fifteen presets exist. Eight need nothing else:
//
//	providers.GitHub()   providers.Google()   providers.GitLab()    providers.Discord()
//	providers.Slack()    providers.Spotify()  providers.Facebook()  providers.Twitter()
//
// The others belong to a tenant or host of yours and say so when the argument cannot be right:
//
//	providers.Auth0("acme.eu.auth0.com")
//	providers.Okta("acme.okta.com", "default")
//	providers.AWSCognito("eu-west-1", "eu-west-1_AbCdEf123")
//	providers.AzureAD("8e1c4c1e-0b5b-4c2f-9a8e-5c1f5f0a2b11")
//	providers.Logto("acme.logto.app")
//	providers.Clerk("clerk.acme.com")
//	providers.Apple("TEAM012345")
//	providers.GitHubEnterprise("github.acme.com")
//	providers.GitLabSelfManaged("https://acme.com/gitlab")
//
// [ByName] picks one by name, for programs that are configured by environment. A preset is a plain value: set
// [Provider.Scopes] or [Provider.AuthParams] on it before handing it on. For every other provider fill in a
// [Provider] and pass it to [Define]; an OpenID provider needs an ID and its Issuer, the rest comes from its
// discovery document.
//
// # What an identity is
//
// [Provider.Identity] reads the provider's answer. The subject is the provider's own stable identifier of the
// user: never an e-mail address, never a user name, never made up when it is missing. Together with the
// provider's ID it is the only key under which to store a user. An e-mail address counts as verified only
// where the provider says so itself; see [Mapping].
//
// All values may be used by several goroutines at once as long as nobody changes them.
package providers
