// Package auth is the seam between an application and whatever signs its users in.
//
// An application depends on [Principal] and on the http.Handler that [NewHandler] returns. A backend fills
// [AuthBackendPort]: package kvoauth drives the OAuth 2.0 and OpenID Connect redirect flow itself. Changing the
// provider or the backend is a change of configuration, not of the application.
//
//	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{...})
//	handler, err := auth.NewHandler(backend, auth.HandlerConfig{})
//	mux.Handle(handler.Pattern(), handler)                  // /api/v1/auth/signin, /callback, /session, /me, ...
//	mux.Handle("/orders", auth.RequireAuth(backend)(orders)) // auth.FromContext(r.Context()) inside
//
// # Three answers, never two
//
// Whether a request is authenticated has three answers, and every API here keeps them apart: yes (a nil error), no
// (errors.Is(err, [ErrUnauthenticated])) and "could not tell" (any other error). The third is answered with 503 and is
// never treated as an anonymous request.
//
// # Compatibility
//
// The values of [Code] and [EventName], the routes and the JSON shapes of the handler are API and follow semantic
// versioning; messages of errors are not.
package auth
