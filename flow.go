package auth

import (
	"net/http"
	"net/url"
	"slices"
)

// SignInParams is the input of [InteractiveFlowPort.SignIn].
type SignInParams struct {
	// ProviderID selects the provider. If empty, the backend's first one.
	ProviderID string
	// ReturnTo is where the browser goes after the sign-in: a path on the application's own origin, or a URL of an
	// allowed origin. If empty, the backend's default. Anything else is refused with [CodeReturnURLRejected].
	ReturnTo string
	// LoginHint is passed to the provider (OpenID Connect Core 1.0, section 3.1.2.1). If empty, none.
	LoginHint string
	// Scopes are requested beside the configured ones. If nil, only those. A backend refuses scopes it does not allow.
	Scopes []string
	// Link links the account to the user who is signed in, instead of signing in as that account's own user. A backend
	// without a user store answers errors.ErrUnsupported.
	Link bool
	// State is the application's own text, at most 1024 bytes, and comes back in [CallbackResult.State]. It is not the
	// state parameter of OAuth, which the backend makes.
	State string
}

// ResponseMode is how the provider's answer reached the callback.
type ResponseMode string

// The response modes (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1; OAuth 2.0 Form Post Response Mode).
const (
	ResponseModeQuery    ResponseMode = "query"
	ResponseModeFormPost ResponseMode = "form_post"
	// ResponseModeJSON is a script on the application's own page that posts the query parameters it was given.
	ResponseModeJSON ResponseMode = "json"
)

// CallbackParams is the input of [InteractiveFlowPort.HandleCallback].
type CallbackParams struct {
	// Values are the parameters of the provider's answer, duplicates included: a repeated one is refused (RFC 6749,
	// section 3.1).
	Values url.Values
	// Mode is how they came. If empty, "query".
	Mode ResponseMode
	// ProviderID is the provider whose own callback route took the answer. If empty, the common one did.
	ProviderID string
}

// CallbackResult is a completed sign-in.
type CallbackResult struct {
	// Redirect leads to the return URL and carries the session cookie.
	Redirect  *Redirect
	Session   *Session
	Principal Principal
	// State is [SignInParams.State].
	State string
}

// SignOutParams is the input of [SignOutPort.SignOut].
type SignOutParams struct {
	// SessionID is the handle of the session to end. If empty, the one the request carries. Another one must be the
	// same user's.
	SessionID string
	// Everywhere ends all sessions of the user.
	Everywhere bool
	// ReturnTo is where the browser goes afterwards, with the rules of [SignInParams.ReturnTo]; one that is not allowed is
	// replaced by the backend's default, because signing out must not fail for it.
	ReturnTo string
}

// Redirect is where to send the browser, with the cookies to set on the way. It is an http.Handler that does so.
type Redirect struct {
	Location string
	Cookies  []*http.Cookie
	// ProviderID and State say, after SignIn, which provider was chosen and the state parameter of the authorization
	// request (RFC 6749, section 4.1.1). The state alone completes nothing: the browser must also hold the cookie.
	ProviderID string
	State      string
}

// ServeHTTP answers with the redirect: 303 after a POST so that a form body is not sent on, 302 otherwise, with the
// cookies and without a body. The answer is not stored and sends no Referer (RFC 9700, section 4.2.4).
func (d *Redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setCookies(w, d.Cookies)
	h := w.Header()
	noStore(h)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", d.Location)
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusFound)
}

func setCookies(w http.ResponseWriter, cookies []*http.Cookie) {
	for _, c := range cookies {
		http.SetCookie(w, c)
	}
}

// noStore keeps an answer that depends on a session out of every cache, also one that ignores Set-Cookie.
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if !slices.Contains(h.Values("Vary"), "Cookie") {
		h.Add("Vary", "Cookie")
	}
}
