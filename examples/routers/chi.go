package routers

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/netscript/auth"
)

// Chi mounts the application on chi, whose Mount leaves the path of the request
// as it is.
func Chi(h *auth.Handler, a auth.AuthenticatorPort) http.Handler {
	r := chi.NewRouter()
	r.Mount(h.Pattern(), h)
	r.Get("/", home)
	r.Group(func(r chi.Router) {
		r.Use(auth.RequireAuth(a))
		r.Get("/orders", orders)
		r.With(auth.RequireRoles("admin")).Get("/admin", admin)
	})
	return r
}
