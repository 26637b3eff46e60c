package auth

import "net/http"

type signOutJSON struct {
	SignedOut  bool   `json:"signedOut"`
	SessionID  string `json:"sessionId"`
	RedirectTo string `json:"redirectTo"`
}

// serveSignOut ends the session of the request. The cookie goes in every case but one: when a session was named that is
// not the caller's, nothing changes.
func (h *Handler) serveSignOut(w http.ResponseWriter, r *http.Request) {
	f := failure{op: "signout", navigation: true}
	if h.signOut == nil {
		f.err = Unsupported(h.backend.Name(), f.op, "the backend cannot end a session")
		h.fail(w, r, f)
		return
	}
	p, err := signOutParams(w, r)
	if err != nil {
		f.err = err
		h.fail(w, r, f)
		return
	}
	id := p.SessionID
	if id == "" && h.flow != nil {
		id, _ = h.flow.SessionID(r)
	}
	to, err := h.endSession(w, r, p)
	if err != nil {
		f.err, f.data = err, map[string]any{"revoked": false}
		h.fail(w, r, f)
		return
	}
	if wantsJSON(r) {
		h.answer(w, r, f.op, signOutJSON{true, id, to})
		return
	}
	(&Redirect{Location: to}).ServeHTTP(w, r)
}

// endSession signs out and sets the cookies that belong to the outcome. It returns where the browser goes next.
func (h *Handler) endSession(w http.ResponseWriter, r *http.Request, p SignOutParams) (string, error) {
	d, err := h.signOut.SignOut(r, p)
	if code, _ := classify(err); err != nil && code == CodeForbidden {
		return "", &Error{Code: CodeForbidden, Backend: h.backend.Name(), Op: "signout"} // without cookies
	}
	if d == nil {
		d = &Redirect{}
		if err == nil {
			err = noResult(h.backend, "signout")
		}
	}
	setCookies(w, d.Cookies)
	if d.Location == "" {
		return "/", err
	}
	return d.Location, err
}

func signOutParams(w http.ResponseWriter, r *http.Request) (SignOutParams, error) {
	in, err := readBody(w, r)
	if err != nil {
		return SignOutParams{}, err
	}
	p := SignOutParams{
		SessionID:  in.text("sessionId"),
		Everywhere: in.flag("everywhere"),
		ReturnTo:   in.text("redirectTo", "returnTo"),
	}
	return p, in.err("signout")
}
