// Package authapi is the authentication service that environment variables configure: one backend, the HTTP contract of
// [auth.Handler] on /api/v1/auth, the same operations over oRPC on /api/rpc/v1/auth, health checks, an OpenAPI document
// and its page. It is the one package that imports every backend.
//
//	service, err := authapi.New(ctx, authapi.Options{})
//	if err != nil {
//		log.Fatal(err) // names every variable that is missing or wrong, and what to do about it
//	}
//	defer service.Close()
//	err = service.Run(ctx) // listens on PORT, until ctx is done
//
// A [Service] is an http.Handler, so it can be mounted in another program instead of being run.
//
// # Configuration
//
// Nothing has a weaker default: what is missing is an error, and an insecure setting has to be asked for by name. Values
// come from the environment, and where it says nothing from the file appsettings.json: the key auth.backend, and the
// object auth.environment, whose members are variables.
//
//	NETSCRIPT_AUTH_BACKEND                  kv-oauth (default), workos, better-auth
//	PORT                                    where to listen; 8094
//	NETSCRIPT_AUTH_AUDIT_SALT               32 bytes, base64url: audit records then tell users apart, by a hash
//	NETSCRIPT_AUTH_CORS_ORIGINS             origins whose pages may call this service with cookies, separated by commas
//	NETSCRIPT_AUTH_ERROR_URL                where a browser goes when a sign-in fails, with ?error=code
//	NETSCRIPT_AUTH_RATE_LIMIT               sign-ins and callbacks per client, as 30/m; off by default
//	NETSCRIPT_AUTH_TRUSTED_PROXIES          address ranges of proxies whose X-Forwarded-For is believed, for that limit and
//	                                        for the addresses in the list of sessions
//	NETSCRIPT_AUTH_VERIFY_KEY               turns GET /api/v1/auth/verify on, and signs its headers; a comma-separated ring
//	NETSCRIPT_AUTH_VERIFY_AUDIENCE          the services that those headers are for
//	NETSCRIPT_AUTH_VERIFY_CLAIMS            names of claims to send along, separated by commas
//
// For kv-oauth:
//
//	NETSCRIPT_AUTH_CLIENT_ID                required
//	NETSCRIPT_AUTH_CLIENT_SECRET            none for a public client
//	NETSCRIPT_AUTH_CLIENT_AUTH              client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or
//	                                        none; the preset's own, or what the secret or key that is set allows
//	NETSCRIPT_AUTH_CLIENT_KEY_FILE          a file with the private keys of private_key_jwt and of Apple, as PEM (PKCS #8)
//	                                        or JWKs; the first signs
//	NETSCRIPT_AUTH_CLIENT_KEY_ID            the id of the one key there, if it has none of its own
//	NETSCRIPT_AUTH_PUSHED_AUTHORIZATION     true pushes authorization requests to the provider (RFC 9126), also where it does
//	                                        not require that
//	NETSCRIPT_AUTH_DPOP                     true binds the provider's tokens to a key of each session (RFC 9449)
//	NETSCRIPT_AUTH_REDIRECT_URI             required: the public URL of /api/v1/auth/callback
//	NETSCRIPT_AUTH_POST_LOGOUT_REDIRECT_URI the public URL of /api/v1/auth/signout/callback: a sign-out then is one at the
//	                                        provider too; if unset, people stay signed in there
//	NETSCRIPT_AUTH_KV_OAUTH_KEY             required: 32 bytes, base64url; a comma-separated ring, of which the first seals
//	NETSCRIPT_AUTH_PROVIDER                 a preset's name, such as github
//	NETSCRIPT_AUTH_PROVIDER_TENANT          its arguments, separated by commas, where it needs them
//	NETSCRIPT_AUTH_ISSUER                   or an OpenID provider, whose discovery document says the rest
//	NETSCRIPT_AUTH_AUTHORIZATION_ENDPOINT   these three win over preset and discovery; without an issuer, all three make
//	NETSCRIPT_AUTH_TOKEN_ENDPOINT           an OAuth 2.0 provider
//	NETSCRIPT_AUTH_USERINFO_ENDPOINT
//	NETSCRIPT_AUTH_SCOPES                   separated by spaces
//	NETSCRIPT_AUTH_PROVIDER_ID              the preset's own id, or default
//	NETSCRIPT_AUTH_PROVIDER_DISPLAY_NAME
//	NETSCRIPT_AUTH_PROVIDERS                names of further providers, separated by commas; the variables of one called
//	                                        corp are NETSCRIPT_AUTH_CORP_CLIENT_ID and so on
//	NETSCRIPT_AUTH_PRIMARY_PROVIDER         the id of the one whose subjects are used as they are; the provider of the
//	                                        plain variables, if there is one. Never change it: it says who users are
//	NETSCRIPT_AUTH_COOKIE_NAME              __Host-ns_session
//	NETSCRIPT_AUTH_SESSION_POLICY           aal1, aal2 or aal3: sessions last as long as NIST SP 800-63B-4 lets them, at most
//	                                        30 days; 24 hours and one idle; 12 hours and 15 minutes idle. By default, seven
//	                                        days and 24 hours idle
//	NETSCRIPT_AUTH_RETURN_ORIGINS           further origins that a sign-in may lead back to, separated by commas
//	NETSCRIPT_AUTH_DEFAULT_RETURN_URL       /
//	NETSCRIPT_AUTH_KV                       redis, sql, memory; if unset, redis or sql by which of the next two is set
//	REDIS_URL                               redis:// or rediss://
//	DATABASE_URL, DB_PROVIDER               and postgres, mysql, mssql or sqlite
//	NETSCRIPT_AUTH_ALLOW_INSECURE_REQUESTS  true permits plain HTTP on loopback, for development: cookies can be read
//
// For workos: WORKOS_API_KEY, WORKOS_CLIENT_ID and WORKOS_COOKIE_PASSWORD (32 characters or more). For better-auth:
// DATABASE_URL, DB_PROVIDER, BETTER_AUTH_SECRET (32 characters or more), and
//
//	BETTER_AUTH_URL                         the better-auth server's own URL; plain HTTP only with the variable above
//	NETSCRIPT_AUTH_BETTER_AUTH_PLUGINS      those of its plugins that matter here, by their ids, separated by commas
package authapi
