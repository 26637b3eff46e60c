package auth

import "net/http"

// serveSignOutReturn sends a browser on that the provider has sent back after a sign-out (OpenID Connect RP-Initiated
// Logout 1.0, section 3). The session ended before; what the request says decides the way and nothing else.
func (h *Handler) serveSignOutReturn(w http.ResponseWriter, r *http.Request) {
	in, err := readQuery(r)
	if err != nil {
		in = &input{}
	}
	to := h.signOutReturn.SignOutReturn(r, in.values)
	if to == nil {
		to = &Redirect{}
	}
	if to.Location == "" {
		to.Location = "/"
	}
	to.ServeHTTP(w, r)
}
