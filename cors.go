package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CORSConfig configures [NewCORS].
type CORSConfig struct {
	// Origins are the origins ("https://app.example.com") whose pages may read answers, with the user's cookies. At least
	// one is required. They are compared as a whole: scheme, host and port. There is no wildcard: with cookies it would
	// let every site act as the user.
	Origins []string
	// Methods that may be asked for. If nil, GET, POST and DELETE.
	Methods []string
	// Headers that may be sent. If nil, Authorization and Content-Type.
	Headers []string
}

// NewCORS returns a middleware that lets pages of other origins read the answers of the handler behind it, by the CORS
// protocol of the Fetch standard. Everything else about a request stays as it is: a page of an origin that is not listed
// gets no permission, and what it may do is the handler's decision (HandlerConfig.TrustedOrigins). An error is of
// [CodeConfigInvalid].
func NewCORS(c CORSConfig) (func(http.Handler) http.Handler, error) {
	if len(c.Origins) == 0 {
		return nil, configError("cors", errors.New("Origins needs at least one"))
	}
	for _, origin := range c.Origins {
		if !plainOrigin(origin) {
			return nil, configError("cors", errors.New("Origins: must be scheme://host[:port] in lower case, and never a wildcard"))
		}
	}
	policy := corsPolicy{
		origins: slices.Clone(c.Origins), methods: "DELETE, GET, POST", headers: "Authorization, Content-Type",
	}
	if c.Methods != nil {
		policy.methods = strings.Join(c.Methods, ", ")
	}
	if c.Headers != nil {
		policy.headers = strings.Join(c.Headers, ", ")
	}
	return policy.middleware, nil
}

type corsPolicy struct {
	origins          []string
	methods, headers string
}

func (p corsPolicy) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origins := r.Header.Values("Origin")
		if len(origins) != 1 || !slices.Contains(p.origins, origins[0]) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", origins[0])
		h.Set("Access-Control-Allow-Credentials", "true")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			h.Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
			next.ServeHTTP(w, r)
			return
		}
		h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		h.Set("Access-Control-Allow-Methods", p.methods)
		h.Set("Access-Control-Allow-Headers", p.headers)
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// plainOrigin reports whether s is an origin as browsers write it.
func plainOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && s == u.Scheme+"://"+u.Host &&
		s == strings.ToLower(s) && !strings.ContainsAny(u.Host, "*@") &&
		(u.Scheme != "https" || u.Port() != "443") && (u.Scheme != "http" || u.Port() != "80")
}
