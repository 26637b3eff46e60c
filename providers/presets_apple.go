package providers

import "errors"

const apple = "https://appleid.apple.com"

// Apple is Sign in with Apple for the web, of the developer team teamID, ten letters and digits. The client id is that of
// a Services ID. In place of a secret the client has a key (a .p8 file), whose key id Apple shows beside it: the library
// signs a new short-lived secret for every request.
//
// Apple posts the answer from its own page, so the redirect URI must be https. Where the scope email was granted, the
// ID token vouches for the address, which may be one of Apple's relays (the claim is_private_email). The name is no
// claim of Apple's: it comes once, at the person's first consent, in a form field that is not signed. It becomes the
// claim name, with name_verified false beside it; keep it then, it does not come again. Apple has no UserInfo endpoint.
//
// Documentation: https://developer.apple.com/documentation/signinwithapple. It describes email_verified and
// is_private_email as strings or booleans.
func Apple(teamID string) (Provider, error) {
	if len(teamID) != 10 || !only(teamID, func(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }) {
		return Provider{}, errors.New("providers: Apple needs the team id, ten capital letters and digits")
	}
	return Provider{
		ID:                    "apple",
		DisplayName:           "Apple",
		Kind:                  OIDC,
		Issuer:                apple,
		AuthorizationEndpoint: apple + "/auth/authorize",
		TokenEndpoint:         apple + "/auth/token",
		JWKSURI:               apple + "/auth/keys",
		RevocationEndpoint:    apple + "/auth/revoke",
		Scopes:                []string{"openid", "name", "email"},
		ClientAuth:            SignedSecret,
		AssertionIssuer:       teamID,
		ResponseMode:          "form_post", // which Apple wants whenever scopes are asked for
		PostedUser:            true,
		Mapping:               Mapping{InsecureEmailVerifiedString: true},
	}, nil
}
