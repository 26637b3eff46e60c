package auth

import (
	"encoding/json"
	"errors"
	"net/http"
)

// oauthError is the body of an error to a provider (RFC 6749, section 5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// serveBackChannelLogout takes a logout token from a provider (OpenID Connect Back-Channel Logout 1.0, section 2.5). It is
// answered with 200 only when the sessions are gone, with 400 when the token is not acceptable, and with 503 when it could
// not be told: the provider then sends it again. Cookies and the query play no part.
func (h *Handler) serveBackChannelLogout(w http.ResponseWriter, r *http.Request) {
	const op = "backchannel logout"
	token, err := logoutToken(w, r)
	if err == nil {
		err = h.backChannel.BackChannelLogout(r.Context(), token)
	}
	if err == nil {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return
	}
	logFailure(h.log, r, op, err)
	if b, ok := errors.AsType[bodyError](err); ok && b.kind == wireTooLarge {
		writeWire(w, wireOf(err))
		return
	}
	status, answer := http.StatusServiceUnavailable, oauthError{"temporarily_unavailable", "The logout could not be completed. Send it again."}
	if _, class := classify(err); errors.Is(class, ErrRejected) {
		status, answer = http.StatusBadRequest, oauthError{"invalid_request", "The logout token is not acceptable."}
	}
	body, _ := json.Marshal(answer) // texts: cannot fail
	writeBody(w, status, mediaJSON, body)
}

// logoutToken returns the one logout_token of a form. Other fields are ignored.
func logoutToken(w http.ResponseWriter, r *http.Request) (string, error) {
	in, err := readBody(w, r)
	if err != nil {
		return "", err
	}
	if tokens := in.values["logout_token"]; len(tokens) == 1 && tokens[0] != "" {
		return tokens[0], nil
	}
	return "", malformed(errors.New("not a form with one logout_token"))
}
