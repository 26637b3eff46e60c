// Package authtest helps to test applications and backends that use package auth. Nothing in it touches the network.
//
// # An application's handlers
//
// A handler behind [auth.RequireAuth] or that calls [auth.FromContext] needs no sign-in in its test:
//
//	r := authtest.WithPrincipal(httptest.NewRequest("GET", "/orders", nil), auth.Principal{Subject: "alice"})
//	guarded := auth.RequireAuth(authtest.As(auth.Principal{Subject: "alice", Roles: []string{"clerk"}}))(orders)
//
// [Anonymous] and [Unavailable] give the other two answers that an application must handle.
//
// # A whole sign-in
//
// [NewProvider] is an OpenID provider at https://idp.test with the users alice, bob and carol, and [NewBrowser] a person
// at https://app.test, where the application is:
//
//	idp := authtest.NewProvider(t, authtest.ProviderConfig{})
//	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
//		Clients:     []kvoauth.Client{{Provider: idp.Definition(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret}},
//		RedirectURL: authtest.RedirectURI,
//		HTTPClient:  idp.Client(),
//		...
//	})
//	alice := authtest.NewBrowser(t, app, idp)
//	alice.SignIn("alice")
//	page := alice.Get("/orders")
//
// Two browsers are two people. The steps of a sign-in can be taken one by one and mixed, which is how an attack is
// tested; the provider's faults are described in package fakeop.
//
// # A backend
//
// [TestBackend] checks that a backend keeps the contracts of the ports in package auth.
package authtest
