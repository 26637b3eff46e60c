// Package betterauth verifies the sessions of a better-auth (TypeScript) server: it reads the database, or the Redis,
// that the server writes, with the server's secret, and decides about a request as the server's GET /get-session would,
// without asking it.
//
//	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{})
//	backend, err := betterauth.New(betterauth.Config{
//		DB:      db,
//		Secret:  auth.NewSecret(os.Getenv("BETTER_AUTH_SECRET")),
//		BaseURL: "https://app.example.com",
//		Plugins: []betterauth.Plugin{betterauth.Organization(), betterauth.Bearer()},
//	})
//	mux.Handle("/orders", auth.RequireAuth(backend)(orders))
//
// Of a server with a secondary storage, Secondary names that; redisstore.NewSecondary makes one for Redis.
//
// People sign in at the better-auth server. This package makes no session and no schema: it never migrates, and by
// default it writes nothing. See [Session.Refresh] for what it can write.
//
// # What is decided more strictly than by the server
//
// Each of these has a test that names it.
//
//   - A banned user is refused also while sessions or API keys of that user exist ([AdminConfig.InsecureAllowBanned]).
//   - The user of a session in secondary storage must exist in the database ([Secondary.InsecureSkipUserCheck]).
//   - A session in the database, which the storage has lost, ends with all of its user's sessions, too, where the server
//     looks at the mark of that for stored sessions only.
//   - A JWT without an expiry is refused.
//   - A row that has no user, or an expiry that is missing, unparsable or without a time zone where the column does not
//     imply one, does not authenticate.
//   - Tokens are compared byte for byte, whatever the collation of the column says.
//   - An API key authenticates, but manages nobody's sessions.
//   - An API key whose counters are no numbers, or whose configuration stores keys in another way than the one by which it
//     was looked up, is refused.
//   - An API key that is in the database and in secondary storage is what its row says, not what the copies say.
//   - API keys in secondary storage alone are counted one by one, where the server's uses at the same moment can count as one.
//   - A session_data cookie that cannot be decoded is passed over, where the server can answer 500.
//   - An encrypted session_data of a secret that was replaced is passed over ([Config.InsecureAcceptRetiredSecrets]).
//   - Secrets of fewer than 32 characters, and better-auth's own default secret, are refused.
//
// Claims never hold the session's token.
//
// # What is not here
//
// A list of sessions does not ask for a fresh session (session.freshAge): [Backend.Fresh] tells. Without sessions in the
// database none is found by its id alone: there, [Backend.SignOut] ends a session of the caller's by its id. A session that
// customSession changes is the server's alone. A user name or a password is never checked here. An encrypted session_data
// is A256CBC-HS512: the server also lists A256GCM, for which it has no key of the right length, and so makes and opens
// none. A session_data that the key set signs is read, in every algorithm that the server can have, and never made.
package betterauth
