// Package fakeop is an OpenID provider for tests and demonstrations. It is not an identity provider: whoever can reach
// it signs in as any of its users without a password, so [New] refuses an issuer that is not loopback, .localhost or
// .test.
//
//	op, err := fakeop.New(fakeop.Config{
//		Issuer:  "http://localhost:9000",
//		Clients: []fakeop.Client{{ID: "app", Secret: "app-secret", RedirectURIs: []string{"http://localhost:8080/callback"}}},
//		Users:   []fakeop.User{{Subject: "alice", Name: "Alice", Email: "alice@example.test", EmailVerified: true}},
//	})
//	err = http.ListenAndServe("localhost:9000", op)
//
// A [Provider] is an http.Handler that serves discovery, keys, the authorization endpoint with a login page, token,
// UserInfo, revocation and end-session endpoints and an avatar for each user. It speaks the authorization code flow
// only, requires PKCE with S256, compares redirect URIs byte for byte, sends the iss parameter of RFC 9207, rotates
// refresh tokens and revokes everything when a code or a refresh token is used twice.
//
// # Hostile tests
//
// By itself a Provider keeps to the specifications. [Provider.SetFaults] makes one artefact wrong and leaves all else
// right: a claim of the ID token, its signature, the token answer, the discovery document, the redirect back.
// [Provider.Requests] tells afterwards what the client under test has sent.
//
//	op.SetFaults(fakeop.Faults{IDToken: func(header, claims map[string]any) { claims["aud"] = "someone-else" }})
//
// # Time
//
// A Provider starts no goroutine and reads the clock only through Config.Now, so it works in a testing/synctest bubble.
package fakeop
