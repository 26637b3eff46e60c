package auth

import "net/http"

// serveVerify answers a reverse proxy that asks who sends a request, before it passes that on (nginx auth_request,
// Traefik forwardAuth, Caddy forward_auth): 200 with signed identity headers, or 401. Nothing but the credential decides:
// what the proxy says about the request it has got (X-Forwarded-Uri and the like) is not looked at.
func (h *Handler) serveVerify(w http.ResponseWriter, r *http.Request) {
	if h.signer == nil {
		h.notFound(w, r)
		return
	}
	a, err := authenticate(h.backend, r)
	var signed http.Header
	if err == nil {
		signed, err = h.signer.Headers(a)
	}
	if err != nil {
		h.fail(w, r, failure{op: "verify", err: err})
		return
	}
	for name, values := range signed {
		w.Header()[name] = values
	}
	setCookies(w, a.Cookies)
	w.WriteHeader(http.StatusOK)
}
