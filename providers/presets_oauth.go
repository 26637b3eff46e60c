package providers

import "fmt"

// GitHub is github.com, for OAuth Apps and GitHub Apps. Access tokens of an OAuth App do not expire and come
// without a refresh token. A GitHub App needs the account permission "Email addresses: read" in place of scopes.
//
// Documentation: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps. The
// server's metadata at https://github.com/.well-known/oauth-authorization-server/login/oauth gives the issuer
// and promises the RFC 9207 iss. Revocation is a call of GitHub's own, not RFC 7009, so there is none here.
func GitHub() Provider {
	p := gitHub("github.com", "https://api.github.com")
	p.ID, p.DisplayName, p.RequireIss = "github", "GitHub", true
	return p
}

// GitHubEnterprise is GitHub Enterprise Server on a host of its own, such as "github.acme.com". Servers older
// than the spring of 2026 send no iss, so it is checked only when present.
func GitHubEnterprise(host string) (Provider, error) {
	base, err := httpsBase(host)
	if err != nil {
		return Provider{}, fmt.Errorf("providers: GitHubEnterprise host %w", err)
	}
	host = base[len("https://"):]
	p := gitHub(host, base+"/api/v3")
	p.ID, p.DisplayName = "github-enterprise", "GitHub Enterprise"
	return p, p.Validate()
}

func gitHub(host, api string) Provider {
	issuer := "https://" + host + "/login/oauth"
	return Provider{
		Kind:                  OAuth,
		Issuer:                issuer,
		AuthorizationEndpoint: issuer + "/authorize",
		TokenEndpoint:         issuer + "/access_token",
		UserInfoEndpoint:      api + "/user",
		// The profile's own address is what the user chose to publish; only this list says what is verified.
		EmailEndpoint: api + "/user/emails",
		UserInfoHeader: map[string]string{
			"Accept":               "application/vnd.github+json",
			"User-Agent":           "netscript-auth",
			"X-GitHub-Api-Version": "2022-11-28",
		},
		Scopes:         []string{"read:user", "user:email"},
		ScopeSeparator: ",", // in the answer; the request takes spaces
		ClientAuth:     ClientSecretPost,
		Mapping: Mapping{
			Subject: "id", // login can be renamed and taken over by somebody else
			Claims: map[string][]string{
				"name":               {"name", "login"},
				"preferred_username": {"login"},
				"picture":            {"avatar_url"},
				"profile":            {"html_url"},
				"website":            {"blog"},
				"company":            {"company"},
			},
		},
	}
}

// Discord is Discord without OpenID Connect: its ID token, to be had with the scope openid, adds nothing.
// Refresh tokens always come.
//
// Documentation: https://docs.discord.com/developers/topics/oauth2. The API version is part of the UserInfo
// URL, because without one Discord answers in the form of a deprecated version.
func Discord() Provider {
	return Provider{
		ID:                    "discord",
		DisplayName:           "Discord",
		Kind:                  OAuth,
		Issuer:                "https://discord.com",
		AuthorizationEndpoint: "https://discord.com/oauth2/authorize",
		TokenEndpoint:         "https://discord.com/api/oauth2/token",
		UserInfoEndpoint:      "https://discord.com/api/v10/users/@me",
		RevocationEndpoint:    "https://discord.com/api/oauth2/token/revoke",
		RevocationEndsConsent: true,
		Scopes:                []string{"identify", "email"},
		Mapping: Mapping{
			Subject: "id",
			Claims: map[string][]string{
				"name":               {"global_name", "username"},
				"preferred_username": {"username"},
				"email":              {"email"},
				"locale":             {"locale"},
			},
			EmailVerified: "verified",
			// Discord serves every avatar as PNG, animated ones too.
			PictureTemplate: "https://cdn.discordapp.com/avatars/{id}/{avatar}.png",
		},
	}
}

// Spotify is Spotify. It does not say whether an e-mail address is verified, so none is: its documentation of
// GET /me warns that there is no proof that the address belongs to the user. Refresh tokens always come.
//
// Documentation: https://developer.spotify.com/documentation/web-api/tutorials/code-flow. A redirect URI on
// the developer's machine must name 127.0.0.1, not localhost.
func Spotify() Provider {
	return Provider{
		ID:                    "spotify",
		DisplayName:           "Spotify",
		Kind:                  OAuth,
		AuthorizationEndpoint: "https://accounts.spotify.com/authorize",
		TokenEndpoint:         "https://accounts.spotify.com/api/token",
		UserInfoEndpoint:      "https://api.spotify.com/v1/me",
		Scopes:                []string{"user-read-email"},
		Mapping: Mapping{
			Subject: "id",
			Claims: map[string][]string{
				"name":    {"display_name"},
				"email":   {"email"},
				"picture": {"images.0.url"},
				"profile": {"external_urls.spotify"},
			},
		},
	}
}

// Facebook is Facebook Login. The subject belongs to the app: another app sees another one. An account that was
// opened with a telephone number has no e-mail address, and no address counts as verified, since Facebook does
// not say. There are no refresh tokens.
//
// Documentation: https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow. The version
// in the URLs, v24.0, is served until 18 February 2028; to use another one, set the three endpoints. If the app
// requires appsecret_proof, switch that off: it cannot be sent from here.
func Facebook() Provider {
	return Provider{
		ID:                    "facebook",
		DisplayName:           "Facebook",
		Kind:                  OAuth,
		Issuer:                "https://www.facebook.com",
		AuthorizationEndpoint: "https://www.facebook.com/v24.0/dialog/oauth",
		TokenEndpoint:         "https://graph.facebook.com/v24.0/oauth/access_token",
		// Fields that are not asked for do not come.
		UserInfoEndpoint: "https://graph.facebook.com/v24.0/me?fields=id,name,first_name,middle_name,last_name,email,picture",
		Scopes:           []string{"email", "public_profile"},
		ClientAuth:       ClientSecretPost,
		Mapping: Mapping{
			Subject: "id",
			Claims: map[string][]string{
				"name":        {"name"},
				"given_name":  {"first_name"},
				"middle_name": {"middle_name"},
				"family_name": {"last_name"},
				"email":       {"email"},
				"picture":     {"picture.data.url"},
			},
		},
	}
}

// Twitter is X with OAuth 2.0. The e-mail address needs the app permission "Request email from users"; X hands
// out only a confirmed one. The scope tweet.read is needed to read the user at all, and offline.access for a
// refresh token, which is valid once.
//
// Documentation: https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code. PKCE is required.
func Twitter() Provider {
	return Provider{
		ID:                    "twitter",
		DisplayName:           "X",
		Kind:                  OAuth,
		AuthorizationEndpoint: "https://x.com/i/oauth2/authorize",
		TokenEndpoint:         "https://api.x.com/2/oauth2/token",
		UserInfoEndpoint:      "https://api.x.com/2/users/me?user.fields=id,name,username,profile_image_url,confirmed_email",
		RevocationEndpoint:    "https://api.x.com/2/oauth2/revoke",
		Scopes:                []string{"users.read", "tweet.read", "users.email", "offline.access"},
		Mapping: Mapping{
			Subject: "data.id",
			Claims: map[string][]string{
				"name":               {"data.name"},
				"preferred_username": {"data.username"},
				"email":              {"data.confirmed_email"},
				"picture":            {"data.profile_image_url"},
			},
			EmailConfirmed: true,
		},
	}
}
