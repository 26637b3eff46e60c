package auth

import (
	"errors"
	"net/http"
)

const maxAppState = 1024

type signInJSON struct {
	Started     bool   `json:"started"`
	ProviderID  string `json:"providerId"`
	RedirectURL string `json:"redirectUrl"`
	State       string `json:"state"`
}

// serveSignIn starts a sign-in. A POST that asks for JSON gets the address to go to; everything else is sent there.
func (h *Handler) serveSignIn(w http.ResponseWriter, r *http.Request) {
	f := failure{op: "signin", navigation: true, retry: true}
	if h.flow == nil {
		f.err = Unsupported(h.backend.Name(), f.op, "the backend is not interactive")
		h.fail(w, r, f)
		return
	}
	p, err := signInParams(w, r)
	if err != nil {
		f.err = err
		h.fail(w, r, f)
		return
	}
	to, err := h.flow.SignIn(r, p)
	if err == nil && (to == nil || to.Location == "") {
		err = noResult(h.backend, f.op)
	}
	if err != nil {
		f.err, f.providerID = err, h.knownProvider(p.ProviderID)
		h.fail(w, r, f)
		return
	}
	if r.Method != http.MethodPost || !wantsJSON(r) {
		to.ServeHTTP(w, r)
		return
	}
	setCookies(w, to.Cookies)
	h.answer(w, r, f.op, signInJSON{true, to.ProviderID, to.Location, to.State})
}

// signInParams reads the query of a GET and the body of a POST. iss, login_hint and target_link_uri are what a provider calls
// them that initiates a sign-in (OpenID Connect Core 1.0, section 4), which it can do by GET alone. Only a POST, which another site cannot send, sets the
// application's state or links an account.
func signInParams(w http.ResponseWriter, r *http.Request) (SignInParams, error) {
	in, err := readInput(w, r)
	if err != nil {
		return SignInParams{}, err
	}
	p := SignInParams{
		ProviderID: in.text("providerId"),
		Issuer:     in.text("iss"),
		ReturnTo:   in.text("redirectTo", "returnTo", "target_link_uri"),
		LoginHint:  in.text("loginHint", "login_hint"),
		Prompt:     in.text("prompt"),
		MaxAge:     in.maxAge("maxAge"),
		ACRValues:  in.words("acrValues"),
		Scopes:     in.scopes("scopes"),
	}
	if r.Method == http.MethodPost {
		p.State, p.Link = in.text("state"), in.flag("link")
	}
	if len(p.State) > maxAppState {
		in.complain("state", "longer than 1024 bytes")
	}
	if err := in.err("signin"); err != nil {
		return p, err
	}
	return p, p.Validate()
}

// knownProvider returns the provider that an operation was about, or "" when that is not certain. It never returns an id
// that only the request knows.
func (h *Handler) knownProvider(requested string) string {
	providers := h.backend.Providers()
	if requested == "" && len(providers) == 1 {
		return providers[0].ID
	}
	for _, p := range providers {
		if p.ID == requested {
			return p.ID
		}
	}
	return ""
}

// noResult is the error for a backend that broke its contract: a nil error without a result.
func noResult(b AuthBackendPort, op string) error {
	return &Error{Code: CodeInternal, Backend: b.Name(), Op: op, Err: errors.New("the backend returned no result")}
}
