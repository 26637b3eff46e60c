package main

import (
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// newHandler is the application: its own routes, those of package auth, and the better-auth server behind /api/auth/.
// secondary is where the server keeps sessions; nil: in the database.
func newHandler(file, origin string, secret auth.Secret, node string, secondary *betterauth.Secondary) (http.Handler, error) {
	db, err := gorm.Open(sqlite.Open("file:"+file+"?_busy_timeout=5000"), &gorm.Config{})
	if err != nil {
		return nil, err
	}
	backend, err := betterauth.New(betterauth.Config{
		DB: db, Secret: secret, BaseURL: origin,
		// The origin is http on loopback. An application that people can reach has https, and leaves this out.
		Cookies:   betterauth.Cookies{Security: betterauth.InsecureNever},
		Session:   betterauth.Session{Refresh: betterauth.RefreshWrite},
		Secondary: secondary,
		Plugins:   []betterauth.Plugin{betterauth.Bearer(), betterauth.Organization()},
	})
	if err != nil {
		return nil, err
	}
	own, err := auth.NewHandler(backend, auth.HandlerConfig{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/auth/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: node})
		r.Out.Host = r.In.Host
	}})
	mux.Handle(own.Pattern(), own)
	mux.Handle("GET /orders", auth.RequireAuth(backend)(http.HandlerFunc(orders)))
	return mux, nil
}

// orders is a route of the application. The principal does not say that a better-auth server is behind it.
func orders(w http.ResponseWriter, r *http.Request) {
	a, _ := auth.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"customer": a.Principal.Subject, "name": a.Principal.Claim("name"), "orders": []string{}})
}
