// Package otelauth reports what an authentication service does as OpenTelemetry traces and metrics.
//
//	telemetry, err := otelauth.New(otelauth.Config{TracerProvider: tp, MeterProvider: mp, Salt: salt})
//	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{Observer: telemetry, ...})
//	handler, err := auth.NewHandler(telemetry.Backend(backend), auth.HandlerConfig{})
//	mux.Handle(handler.Pattern(), telemetry.Handler(handler, auth.DefaultBasePath))
//
// A request to one of the handler's routes is a span, auth.signin, auth.callback, auth.signout, auth.session, auth.me and
// so on, with these attributes where they are known:
//
//	auth.backend                  the backend's name
//	auth.provider                 the provider's id
//	auth.method                   the request's method
//	auth.outcome                  success, unauthenticated, failed_bad_credentials, failed_session_expired,
//	                              failed_provider_error, failed_callback_invalid, failed_rejected, failed_unavailable
//	auth.error_code               an auth.Code, unless it was a success
//	auth.subject_hash             HMAC-SHA-256 of the subject under Config.Salt; not there without a salt
//	auth.principal.scopes_count   how many scopes, and roles, the principal has
//	auth.principal.roles_count
//
// Events of the backend are span events of the same names. The metrics are auth.request.duration (seconds; its count is
// that of requests), by operation, backend, outcome and error code; and auth.events (count), by event, backend, provider
// and error code. Neither has an attribute whose values a client can make up.
//
// No credential is in any of them: only what is listed here is recorded, and nothing of a URL, a header or a body.
package otelauth
