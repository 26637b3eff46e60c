package routers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/netscript/auth"
)

// Gin mounts the application on gin.
func Gin(h *auth.Handler, a auth.AuthenticatorPort) http.Handler {
	r := gin.New()
	r.Any(h.Pattern()+"*route", gin.WrapH(h))
	r.GET("/", gin.WrapF(home))

	signedIn := r.Group("/", ginMiddleware(auth.RequireAuth(a)))
	signedIn.GET("/orders", gin.WrapF(orders))
	signedIn.GET("/admin", ginMiddleware(auth.RequireRoles("admin")), gin.WrapF(admin))
	return r
}

// ginMiddleware makes a middleware of net/http one of gin. Gin calls what comes
// next unless it is told to abort, so a middleware that does not call on has to
// be turned into an abort.
func ginMiddleware(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r // with the authentication in its context
			c.Next()
		})
		middleware(next).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
