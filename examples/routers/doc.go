// Package routers shows how the handler and the middleware of package auth are
// mounted under several routers. Each function serves the same application:
//
//	/api/v1/auth/...  the auth handler, which matches full paths: no StripPrefix
//	/                 for everyone
//	/orders           for people who are signed in
//	/admin            for those with the role admin
package routers

import (
	"fmt"
	"net/http"

	"github.com/netscript/auth"
)

func home(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "welcome")
}

// orders is behind auth.RequireAuth, so there always is an authentication.
func orders(w http.ResponseWriter, r *http.Request) {
	who, _ := auth.FromContext(r.Context())
	fmt.Fprintln(w, "orders of", who.Principal.Subject)
}

func admin(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "all orders")
}
