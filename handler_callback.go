package auth

import (
	"net/http"
	"net/url"
)

type callbackJSON struct {
	Completed  bool   `json:"completed"`
	SessionID  string `json:"sessionId"`
	RedirectTo string `json:"redirectTo"`
	Subject    string `json:"subject"`
	State      string `json:"state,omitempty"`
}

// serveCallback finishes a sign-in with the provider's answer.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request) {
	f := failure{op: "callback", navigation: true, retry: true}
	if h.flow == nil {
		f.err = Unsupported(h.backend.Name(), f.op, "the backend is not interactive")
		h.fail(w, r, f)
		return
	}
	p, err := callbackParams(w, r)
	if err != nil {
		f.err = err
		h.fail(w, r, f)
		return
	}
	p.ProviderID = r.PathValue("id")
	done, err := h.flow.HandleCallback(r, p)
	if err == nil && (done == nil || done.Redirect == nil || done.Redirect.Location == "" || done.Session == nil) {
		err = noResult(h.backend, f.op)
	}
	if err != nil {
		f.err, f.providerID = err, h.knownProvider("")
		h.fail(w, r, f)
		return
	}
	if r.Method != http.MethodPost || !wantsJSON(r) {
		done.Redirect.ServeHTTP(w, r)
		return
	}
	setCookies(w, done.Redirect.Cookies)
	h.answer(w, r, f.op, callbackJSON{true, done.Session.ID, done.Redirect.Location, done.Principal.Subject, done.State})
}

// callbackParams reads the query of a GET, and nothing but the body of a POST.
func callbackParams(w http.ResponseWriter, r *http.Request) (CallbackParams, error) {
	if r.Method != http.MethodPost {
		in, err := readQuery(r)
		if err != nil {
			return CallbackParams{}, &Error{Code: CodeCallbackInvalid, Op: "callback", Err: err}
		}
		return CallbackParams{Values: in.values, Mode: ResponseModeQuery}, nil
	}
	in, err := readBody(w, r)
	if err != nil {
		return CallbackParams{}, err
	}
	if mediaType(r) == mediaJSON {
		return CallbackParams{Values: callbackMembers(in), Mode: ResponseModeJSON}, in.err("callback")
	}
	return CallbackParams{Values: in.values, Mode: ResponseModeFormPost}, nil
}

// callbackMembers are the parameters of the authorization response that a script passes on. Those that decide something
// must be strings; what is not a string is otherwise not a parameter, and is ignored.
func callbackMembers(in *input) url.Values {
	values := make(url.Values, len(in.members))
	for name, raw := range in.members {
		s, ok := jsonString(raw)
		switch {
		case ok:
			values.Set(name, s)
		case isCallbackParameter(name):
			in.complain(name, "must be a string")
		}
	}
	return values
}

// isCallbackParameter reports whether name is one of the parameters of RFC 6749, section 4.1.2, RFC 9207 and OpenID
// Connect Session Management 1.0.
func isCallbackParameter(name string) bool {
	switch name {
	case "code", "state", "iss", "error", "error_description", "error_uri", "session_state", "response", "id_token":
		return true
	}
	return false
}
