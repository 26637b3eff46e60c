package authapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/netscript/auth"
	"github.com/netscript/auth/otelauth"
)

// routes returns the handler of everything that the service answers.
func (s *Service) routes(telemetry *otelauth.Telemetry) (http.Handler, error) {
	backend := s.backend
	if telemetry != nil {
		backend = telemetry.Backend(backend)
	}
	routes, err := auth.NewHandler(backend, auth.HandlerConfig{
		BasePath: basePath, ErrorURL: s.config.errorURL, TrustedOrigins: s.config.trustedOrigins(), Logger: s.options.Logger,
		Version: s.options.Version, Signer: s.config.verify,
	})
	if err != nil {
		return nil, err
	}
	var contract http.Handler = routes
	if s.config.limit.on() {
		contract = newLimiter(s.config.limit, s.options.Now).middleware(contract)
	}
	if telemetry != nil {
		contract = telemetry.Handler(contract, basePath)
	}
	document, err := openAPIDocument(s.options.Version, s.cookie)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(rpcPath+"/", &rpc{contract})
	mux.Handle("/health", s.health)
	mux.Handle("/health/", s.health)
	mux.Handle("/api/openapi.json", document)
	mux.Handle(docsPath, docs{})
	mux.Handle(docsPath+"/", docs{})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, notFound) })
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, basePath+"/") { // which decides for itself about paths that are not canonical
			contract.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
	if len(s.config.corsOrigins) == 0 {
		return all, nil
	}
	cors, err := auth.NewCORS(auth.CORSConfig{Origins: s.config.corsOrigins})
	if err != nil {
		return nil, err
	}
	return cors(all), nil
}

// wireError is an error in the contract's form, for what is answered before the contract's handler.
type wireError struct {
	Defined bool           `json:"defined"`
	Code    string         `json:"code"`
	Status  int            `json:"status"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data"`
}

var (
	notFound         = wireError{true, "NOT_FOUND", http.StatusNotFound, "There is nothing here.", map[string]any{}}
	methodNotAllowed = wireError{true, "METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed, "The method is not allowed here.", map[string]any{}}
)

func writeError(w http.ResponseWriter, e wireError) { writeJSON(w, e.Status, e) }

// writeJSON answers. v is of types of this package, which encode.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{}`)
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// onlyReads answers other methods than GET and HEAD, and reports whether it is one of those.
func onlyReads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	writeError(w, methodNotAllowed)
	return false
}
