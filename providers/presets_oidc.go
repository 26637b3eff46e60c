package providers

import (
	"fmt"
	"strings"
)

// Google is Google's OpenID provider. For a refresh token set AuthParams access_type=offline and
// prompt=consent; the scope offline_access does not exist there. To admit one Workspace domain only, compare
// the claim hd: the parameter of that name is only a hint.
//
// Documentation: https://developers.google.com/identity/openid-connect/openid-connect. It asks clients to take
// the endpoints from discovery, so none is written here. ID tokens with the issuer "accounts.google.com", which
// it also mentions, belong to older endpoints and are refused.
func Google() Provider {
	return Provider{
		ID:          "google",
		DisplayName: "Google",
		Kind:        OIDC,
		Issuer:      "https://accounts.google.com",
		Scopes:      openIDScopes(),

		RevocationEndsConsent: true,
	}
}

// GitLab is gitlab.com. Refresh tokens always come and are valid once.
//
// Documentation: https://docs.gitlab.com/integration/openid_connect_provider/. OpenID Connect rather than
// /api/v4/user, because only the former says whether the e-mail address is verified.
func GitLab() Provider {
	return Provider{
		ID:          "gitlab",
		DisplayName: "GitLab",
		Kind:        OIDC,
		Issuer:      "https://gitlab.com",
		Scopes:      openIDScopes(),
	}
}

// GitLabSelfManaged is a GitLab of your own at baseURL, such as "gitlab.acme.com" or, installed under a path,
// "https://acme.com/gitlab". The issuer is the external_url of that GitLab, without a slash at the end.
func GitLabSelfManaged(baseURL string) (Provider, error) {
	rest := strings.TrimPrefix(baseURL, "https://")
	host, path, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	base, err := httpsBase(host)
	if err != nil {
		return Provider{}, fmt.Errorf("providers: GitLabSelfManaged base URL %w", err)
	}
	if path != "" {
		base += "/" + path
	}
	p := GitLab()
	p.ID, p.DisplayName, p.Issuer = "gitlab-self-managed", "GitLab", base
	return p, p.Validate()
}

// Slack is Sign in with Slack. The subject is Slack's user id, which the documentation of users.identity calls
// globally unique; the claim https://slack.com/team_id says which workspace the user came from. The redirect
// URI must be https.
//
// Documentation: https://docs.slack.dev/authentication/sign-in-with-slack/. The endpoints are openid.connect.*;
// oauth.v2.access installs an app and does not sign anybody in. Slack's auth.revoke is not RFC 7009.
func Slack() Provider {
	return Provider{
		ID:          "slack",
		DisplayName: "Slack",
		Kind:        OIDC,
		Issuer:      "https://slack.com",
		Scopes:      openIDScopes(),
		ClientAuth:  ClientSecretPost,
	}
}
