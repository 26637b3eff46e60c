package main

import (
	"errors"
	"fmt"
	"html"
	"net/http"

	"github.com/netscript/auth"
	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/store"
	"github.com/netscript/auth/store/redisstore"
)

// keyVariable names the environment variable that holds the key.
const keyVariable = "NETSCRIPT_AUTH_KV_OAUTH_KEY"

// openRedis returns the store of the sessions. It connects when it is first asked for something, and again whenever a
// connection was lost.
func openRedis(getenv func(string) string) (*redisstore.Store, error) {
	address := getenv("REDIS_URL")
	if address == "" {
		return nil, errors.New("REDIS_URL is missing: redis://user:password@host:6379/0, or rediss:// for TLS")
	}
	cfg, err := redisstore.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	cfg.Prefix = "example" // of all keys, so that several applications can share a server
	// Here are also cfg.Cluster, cfg.SentinelMaster, cfg.TLS.RootCAs, and how old a session in memory may be: cfg.CacheTTL.
	return redisstore.New(cfg)
}

// newApplication returns the routes of the application at url.
func newApplication(sessions store.KV, url string, key auth.Key, client kvoauth.Client) (http.Handler, error) {
	backend, err := kvoauth.NewKvOAuthBackend(kvoauth.Config{
		Clients:           []kvoauth.Client{client},
		RedirectURL:       url + auth.DefaultBasePath + "/callback",
		KV:                sessions,
		Keys:              []auth.Key{key},
		InsecureAllowHTTP: true, // for loopback alone; give RedirectURL https and drop this
	})
	if err != nil {
		return nil, err
	}
	routes, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(routes.Pattern(), routes)
	// While Redis is down the guard answers 503, and signs nobody out.
	guard := auth.Guard{Authenticator: backend, SignInPath: routes.Pattern() + "signin"}
	mux.Handle("GET /{$}", guard.RequireAuth(http.HandlerFunc(welcome)))
	return mux, nil
}

// welcome greets the user. An answer from this process alone, without a word to Redis, is the rule: the session was read
// from memory, and Redis would have said if it had changed.
func welcome(w http.ResponseWriter, r *http.Request) {
	a, ok := auth.FromContext(r.Context())
	if !ok {
		http.Error(w, "Not available", http.StatusServiceUnavailable)
		return
	}
	name := a.Principal.Claim("name")
	if name == "" {
		name = a.Principal.Subject
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html>
<title>Sessions in Redis</title>
<p>Hello %s, this is %s.</p>
<form method="post" action="%s/signout"><button>Sign out</button> <button name="everywhere" value="true">Sign out everywhere</button></form>
`, html.EscapeString(name), html.EscapeString(r.Host), auth.DefaultBasePath)
}
