// Package workos verifies the sessions of a WorkOS AuthKit front end: the sealed wos-session cookie that WorkOS' Node SDK
// and authkit-nextjs write, and AuthKit access tokens in the Authorization header.
//
//	backend, err := workos.New(workos.Config{
//		ClientID:        "client_01...",
//		CookiePasswords: []auth.Secret{auth.NewSecret(os.Getenv("WORKOS_COOKIE_PASSWORD"))},
//	})
//
// People sign in at WorkOS, by the front end's code; the backend has no sign-in of its own. It reads the cookie by default
// and leaves it to the front end to renew it. With [OnExpiry] it renews it itself; then it needs the API key, with which
// it also lists and ends sessions at WorkOS.
//
// # What is accepted
//
// A cookie is accepted when WorkOS' Node SDK 11.0.0 accepts it, with these deliberate differences, all of them stricter:
//
//   - the token is signed with RS256, by an RSA key of 2048 to 4096 bits, and has exp, sub and sid;
//   - sub is the id of the sealed user;
//   - base64 has one spelling: no padding, no line breaks, no other alphabet, no stray bits;
//   - a cookie that comes twice, or is longer than 32 KiB, is refused;
//   - claims of another type than WorkOS documents are left out.
//
// Where the SDK throws an exception because of the cookie, the request is unauthenticated. Where WorkOS' keys cannot be
// fetched, it could not be decided: the caller answers 503, and nobody is signed out.
//
// # Limits
//
// An access token is good until it expires, whatever happens to its session at WorkOS: a sign-out or a revocation there, or
// by another process, is noticed when the token is next refreshed. Its lifetime is a setting of the WorkOS dashboard.
package workos
