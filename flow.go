package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// SignInParams is the input of [InteractiveFlowPort.SignIn].
type SignInParams struct {
	// ProviderID selects the provider. If empty, the backend's first one.
	ProviderID string
	// Issuer selects the provider by its issuer identifier, compared exactly: a sign-in that the provider or somebody else
	// initiates knows nothing else (OpenID Connect Core 1.0, section 4). With ProviderID, both must be of one provider. If
	// empty, only ProviderID decides.
	Issuer string
	// ReturnTo is where the browser goes after the sign-in: a path on the application's own origin, or a URL of an
	// allowed origin. If empty, the backend's default. Anything else is refused with [CodeReturnURLRejected].
	ReturnTo string
	// LoginHint is passed to the provider (OpenID Connect Core 1.0, section 3.1.2.1). If empty, none.
	LoginHint string
	// Prompt is what the provider should ask the person: a space-delimited list of [PromptNone], [PromptLogin],
	// [PromptConsent] and [PromptSelectAccount] (OpenID Connect Core 1.0, section 3.1.2.1). If empty, the provider decides.
	Prompt string
	// MaxAge is how long ago the person may have proven to the provider who they are, in whole seconds; what is less than a
	// second is dropped. With [ReauthenticateNow] they prove it in this sign-in. A sign-in whose ID token does not say that
	// it is so is refused with [CodeUnmetAuthentication]. If zero, any time is good.
	MaxAge time.Duration
	// ACRValues are the authentication context classes that will do, in order of preference: the ID token must have one of
	// them as its acr, or the sign-in is refused with [CodeUnmetAuthentication]. If nil, any will do.
	//
	// Who is signed in already and asks for MaxAge or ACRValues steps up: it must be the same user who comes back, or the
	// sign-in is refused with [CodeUserMismatch] and the session stays as it was.
	ACRValues []string
	// Scopes are requested beside the configured ones. If nil, only those. A backend refuses scopes it does not allow.
	Scopes []string
	// Link links the account to the user who is signed in, instead of signing in as that account's own user. A backend
	// without a user store answers errors.ErrUnsupported. The account proves nothing about that user: the session keeps its
	// AuthTime, ACR and AMR, and MaxAge and ACRValues are refused beside it, so step up first.
	Link bool
	// State is the application's own text, at most 1024 bytes, and comes back in [CallbackResult.State]. It is not the
	// state parameter of OAuth, which the backend makes.
	State string
}

// The values of [SignInParams.Prompt].
const (
	PromptNone          = "none" // ask nothing, and answer [CodeLoginRequired] if something had to be asked; excludes the others
	PromptLogin         = "login"
	PromptConsent       = "consent"
	PromptSelectAccount = "select_account"
)

// ReauthenticateNow is the [SignInParams.MaxAge] of nothing at all: max_age=0.
const ReauthenticateNow time.Duration = -1

const (
	maxACRValues = 16
	maxACRValue  = 255
)

// Validate refuses, with [CodeValidation] and the fields' wire names, what no provider may be asked: a prompt or an
// authentication context class that is none, an age below a second, and to prove who one is without being asked, or by an
// account that is only being linked. It says nothing about the other fields, whose rules are a backend's own.
func (p *SignInParams) Validate() error {
	in := new(input)
	prompts := strings.Fields(p.Prompt)
	if strings.Join(prompts, " ") != p.Prompt || slices.ContainsFunc(prompts, notPrompt) || repeats(prompts) {
		in.complain("prompt", "not a list of none, login, consent and select_account")
	}
	if slices.Contains(prompts, PromptNone) && len(prompts) > 1 {
		in.complain("prompt", "none excludes the others")
	}
	if p.Prompt == PromptNone && p.MaxAge == ReauthenticateNow {
		in.complain("prompt", "none excludes a maxAge of 0")
	}
	if p.MaxAge != 0 && p.MaxAge != ReauthenticateNow && p.MaxAge < time.Second {
		in.complain("maxAge", "must be whole seconds")
	}
	if !validACRValues(p.ACRValues) {
		in.complain("acrValues", "not a list of authentication context classes")
	}
	if p.Link && (p.MaxAge != 0 || len(p.ACRValues) > 0) {
		in.complain("link", "excludes maxAge and acrValues")
	}
	return in.err("sign in")
}

func notPrompt(s string) bool {
	switch s {
	case PromptNone, PromptLogin, PromptConsent, PromptSelectAccount:
		return false
	}
	return true
}

func repeats(list []string) bool {
	for i, s := range list {
		if slices.Contains(list[:i], s) {
			return true
		}
	}
	return false
}

// validACRValues reports whether every value can stand in a space-delimited list and in a quoted string (RFC 9470,
// section 3).
func validACRValues(values []string) bool {
	return len(values) <= maxACRValues && !slices.ContainsFunc(values, func(v string) bool { return len(v) > maxACRValue || !validScope(v) })
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
	// Local leaves the person signed in at the provider. If false, a backend that can signs out there too: the Redirect
	// then leads to the provider, and from there to ReturnTo.
	Local bool
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
