package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// DefaultBasePath is where [NewHandler] answers unless it is told otherwise.
const DefaultBasePath = "/api/v1/auth"

// HandlerConfig configures [NewHandler]. The zero value is complete.
type HandlerConfig struct {
	// BasePath is the path below which the routes lie: absolute, without a trailing slash. If empty, [DefaultBasePath].
	BasePath string
	// ErrorURL is where a browser goes when a sign-in, callback or sign-out fails, with the [Code] in the query
	// parameter "error": a path on the same origin, or an absolute https URL. If empty, the handler answers with a
	// small page of its own and the status of the error.
	ErrorURL string
	// TrustedOrigins are origins ("https://app.example.com") whose pages may send state-changing requests here. If nil,
	// only the handler's own origin may (http.CrossOriginProtection).
	TrustedOrigins []string
	// Logger is told of failures: code and operation, no credential. If nil, nobody is.
	Logger *slog.Logger
	// Version of the application, for GET /describe. If empty, not shown.
	Version string
	// Signer signs the identity headers of GET /verify. If nil, there is no such route.
	Signer *HeaderSigner
}

// Handler answers the routes of the HTTP contract for one backend:
//
//	GET, POST /signin        start a sign-in
//	GET, POST /callback      take the provider's answer; /callback/{providerId} is one provider's own
//	POST      /signout       end the session
//	GET       /signout/callback    back from a sign-out at the provider
//	POST      /backchannel-logout  a provider says that it has ended a session
//	GET       /session, /me  who is asking
//	GET       /sessions      the caller's own sessions
//	DELETE    /sessions/{id} end one of them
//	GET       /describe      what this backend can do
//	GET       /providers     whom a person can sign in with
//	GET       /verify        who is asking, for a reverse proxy (forward authentication)
//
// It matches full paths, so it is mounted without http.StripPrefix. HEAD is refused with 405 where GET has an effect
// (signin, callback), and answered like GET elsewhere. A path that is not in its canonical form, such as one with a
// doubled or encoded slash, is answered with 404 and never redirected. Every answer carries Cache-Control: no-store.
//
// A Handler is immutable and safe for concurrent use.
type Handler struct {
	backend AuthBackendPort
	flow    InteractiveFlowPort // nil: the backend has none; so for the next four
	signOut SignOutPort
	admin   SessionAdminPort

	signOutReturn SignOutReturnPort
	backChannel   BackChannelLogoutPort

	base     string
	errorURL *url.URL // nil: the handler's own page
	answers  answers
	version  string
	signer   *HeaderSigner // nil: no /verify
	log      *slog.Logger
	origins  *http.CrossOriginProtection
	mux      *http.ServeMux
}

var _ http.Handler = (*Handler)(nil)

// NewHandler returns the handler of the routes for b. It does no I/O. An error is of [CodeConfigInvalid].
func NewHandler(b AuthBackendPort, c HandlerConfig) (*Handler, error) {
	if b == nil {
		return nil, configError("new handler", errors.New("no backend"))
	}
	h := &Handler{backend: b, base: c.BasePath, version: c.Version, signer: c.Signer, answers: newAnswers(), log: c.Logger, origins: http.NewCrossOriginProtection()}
	if h.base == "" {
		h.base = DefaultBasePath
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if err := checkBasePath(h.base); err != nil {
		return nil, configError("new handler", err)
	}
	if c.ErrorURL != "" {
		u, err := parseErrorURL(c.ErrorURL)
		if err != nil {
			return nil, configError("new handler", err)
		}
		h.errorURL = u
	}
	for _, origin := range c.TrustedOrigins {
		if err := h.origins.AddTrustedOrigin(origin); err != nil {
			return nil, configError("new handler", fmt.Errorf("TrustedOrigins: %w", err))
		}
	}
	h.flow, _ = As[InteractiveFlowPort](b)
	h.signOut, _ = As[SignOutPort](b)
	h.admin, _ = As[SessionAdminPort](b)
	h.signOutReturn, _ = As[SignOutReturnPort](b)
	h.backChannel, _ = As[BackChannelLogoutPort](b)
	h.mux = h.routes()
	return h, nil
}

// Pattern is what to mount the handler at on an http.ServeMux: the base path with a trailing slash.
func (h *Handler) Pattern() string { return h.base + "/" }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	noStore(header)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer") // the callback's URL holds the code (RFC 9700, section 4.2.4)
	if !canonicalPath(r.URL) {
		h.notFound(w, r)
		return
	}
	// A provider's form_post is a cross-site POST by nature; the transaction's cookie protects it instead. Its logout
	// token protects itself, and what has cookies plays no part.
	if !h.isFormPost(r) && r.URL.Path != h.base+"/backchannel-logout" {
		if err := h.origins.Check(r); err != nil {
			h.fail(w, r, failure{op: "origin", err: &Error{Code: CodeCrossOrigin, Op: "origin", Err: err}})
			return
		}
	}
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) isFormPost(r *http.Request) bool {
	path, ok := strings.CutPrefix(r.URL.Path, h.base+"/callback")
	return r.Method == http.MethodPost && ok && (path == "" || path[0] == '/') && mediaType(r) == mediaForm
}

// methods are the methods that a route has. HEAD is there only when it is listed.
type methods map[string]http.HandlerFunc

func (h *Handler) routes() *http.ServeMux {
	read := func(f http.HandlerFunc) methods { return methods{http.MethodGet: f, http.MethodHead: f} }
	mux := http.NewServeMux()
	routes := map[string]methods{
		"/signin":        {http.MethodGet: h.serveSignIn, http.MethodPost: h.serveSignIn},
		"/callback":      {http.MethodGet: h.serveCallback, http.MethodPost: h.serveCallback},
		"/callback/{id}": {http.MethodGet: h.serveCallback, http.MethodPost: h.serveCallback},
		"/signout":       {http.MethodPost: h.serveSignOut},
		"/session":       read(h.serveSession),
		"/me":            read(h.serveMe),
		"/sessions":      read(h.serveSessions),
		"/sessions/{id}": {http.MethodDelete: h.serveDeleteSession},
		"/describe":      read(h.serveDescribe),
		"/providers":     read(h.serveProviders),
		"/verify":        read(h.serveVerify),
	}
	if h.signOutReturn != nil {
		routes["/signout/callback"] = methods{http.MethodGet: h.serveSignOutReturn}
	}
	if h.backChannel != nil {
		routes["/backchannel-logout"] = methods{http.MethodPost: h.serveBackChannelLogout}
	}
	for path, m := range routes {
		mux.HandleFunc(h.base+path, h.dispatch(m))
	}
	mux.HandleFunc("/", h.notFound)
	return mux
}

func (h *Handler) dispatch(m methods) http.HandlerFunc {
	allowed := make([]string, 0, len(m))
	for method := range m {
		allowed = append(allowed, method)
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		f, ok := m[r.Method]
		if !ok {
			w.Header().Set("Allow", allow)
			writeWire(w, wireMethodNotAllowed.body(nil))
			return
		}
		f(w, r)
	}
}

func (h *Handler) notFound(w http.ResponseWriter, _ *http.Request) {
	writeWire(w, wireNotFound.body(nil))
}

func checkBasePath(base string) error {
	if !strings.HasPrefix(base, "/") || strings.HasSuffix(base, "/") {
		return errors.New("BasePath: must start with a slash and not end with one")
	}
	for segment := range strings.SplitSeq(base[1:], "/") {
		if !plainSegment(segment) {
			return errors.New("BasePath: segments are letters, digits, '-', '_', '~' and '.', and do not end with '.'")
		}
	}
	return nil
}

func parseErrorURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Fragment != "" || u.User != nil || u.Opaque != "" {
		return nil, errors.New("ErrorURL: not a plain URL")
	}
	switch {
	case u.Scheme == "https" && u.Hostname() != "":
		return u, nil
	case u.Scheme == "" && u.Host == "" && canonicalPath(u):
		return u, nil
	}
	return nil, errors.New("ErrorURL: must be an absolute path or an absolute https URL")
}
