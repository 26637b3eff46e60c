package routers

import (
	"net/http"

	"github.com/netscript/auth"
)

// NetHTTP mounts the application on the router of the standard library.
func NetHTTP(h *auth.Handler, a auth.AuthenticatorPort) http.Handler {
	signedIn := auth.RequireAuth(a)
	admins := auth.RequireRoles("admin")

	mux := http.NewServeMux()
	mux.Handle(h.Pattern(), h)
	mux.HandleFunc("GET /{$}", home)
	mux.Handle("GET /orders", signedIn(http.HandlerFunc(orders)))
	mux.Handle("GET /admin", signedIn(admins(http.HandlerFunc(admin))))
	return mux
}
