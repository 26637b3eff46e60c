// Package kvoauth signs people in with OAuth 2.0 and OpenID Connect providers and keeps their sessions in a key-value
// store. It is the backend for an application that has no other place where its users sign in.
//
//	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
//		Clients:     []kvoauth.Client{{Provider: providers.Google(), ClientID: id, ClientSecret: auth.NewSecret(secret)}},
//		RedirectURL: "https://app.example.com/api/v1/auth/callback",
//		KV:          kv,
//		Keys:        []auth.Key{key},
//	})
//
// Every sign-in uses the authorization code flow with PKCE, state and nonce, bound to the browser that started it. ID
// tokens are verified in full. The browser gets an opaque cookie; the provider's tokens stay in the store, sealed.
// Package authtest has a provider for tests.
//
// # Clients without a shared secret
//
// A client with [Client.SigningKeys] proves with a signature who it is (private_key_jwt; OpenID Connect Core 1.0, section
// 9). The provider fetches the public halves from where [NewJWKSHandler] is mounted, or is given what [PublicJWKS] returns:
//
//	keys, err := kvoauth.ParseSigningKeys(pem, "")
//	jwks, err := kvoauth.NewJWKSHandler(keys...)
//	mux.Handle("/client-jwks.json", jwks)
//	client := kvoauth.Client{Provider: provider, ClientID: id, SigningKeys: keys, DPoP: true}
//
// [providers.Provider.PushedAuthorization] pushes authorization requests (RFC 9126), and [Client.DPoP] binds the tokens
// to a key that each session has for itself (RFC 9449).
package kvoauth
