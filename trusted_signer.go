package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// HeaderSignerConfig configures [NewHeaderSigner].
type HeaderSignerConfig struct {
	// Keys: the first signs. At least one is required. To replace a key, give the new one to every [TrustedHeaders] first.
	Keys []Key
	// Audience names the services that the headers are for, so that those of another group with the same key refuse them.
	// If empty, nobody in particular.
	Audience string
	// Lifetime is how long a signature is good for: as long as a request may take from the proxy to the service. If zero,
	// 30 seconds; at most five minutes.
	Lifetime time.Duration
	// Claims are the names of the principal's claims that are sent along. If nil, none: the header has to fit into 4 KiB.
	Claims []string
	// Now is the clock. If nil, time.Now.
	Now func() time.Time
}

// HeaderSigner writes signed headers that say who sent a request, for services that authenticate with [TrustedHeaders].
// It is immutable and safe for concurrent use.
type HeaderSigner struct {
	key      []byte
	audience string
	lifetime time.Duration
	claims   []string
	now      func() time.Time
}

// NewHeaderSigner returns a signer for c. An error is of [CodeConfigInvalid].
func NewHeaderSigner(c HeaderSignerConfig) (*HeaderSigner, error) {
	const op = "header signer"
	keys, err := identityKeys(c.Keys)
	if err != nil {
		return nil, configError(op, err)
	}
	s := &HeaderSigner{key: keys[0], audience: c.Audience, lifetime: c.Lifetime, claims: append([]string(nil), c.Claims...), now: c.Now}
	if s.lifetime == 0 {
		s.lifetime = DefaultIdentityLifetime
	}
	if s.lifetime < time.Second || s.lifetime > 5*time.Minute {
		return nil, configError(op, errors.New("Lifetime must be from one second to five minutes"))
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Headers returns the headers that say who a is. An identity that does not fit into 4 KiB is an error of [CodeInternal].
func (s *HeaderSigner) Headers(a *Authentication) (http.Header, error) {
	now := s.now()
	id := &identity{
		Subject: a.Principal.Subject, Scopes: a.Principal.Scopes, Roles: a.Principal.Roles, Audience: s.audience,
		Issued: now.Unix(), Expires: now.Add(s.lifetime).Unix(),
	}
	for _, name := range s.claims {
		if value, ok := a.Principal.Claims[name]; ok {
			if id.Claims == nil {
				id.Claims = make(map[string]any, len(s.claims))
			}
			id.Claims[name] = value
		}
	}
	payload, err := json.Marshal(id)
	if err != nil || id.Subject == "" {
		return nil, &Error{Code: CodeInternal, Op: "header signer", Err: errUnencodable}
	}
	body := identityPrefix + base64.RawURLEncoding.EncodeToString(payload)
	value := body + "." + base64.RawURLEncoding.EncodeToString(tokenMAC(s.key, body))
	if len(value) > maxIdentitySize {
		return nil, &Error{Code: CodeInternal, Op: "header signer", Err: errors.New("the identity does not fit into a header")}
	}
	h := http.Header{HeaderIdentity: {value}}
	for name, text := range plainHeaders(id) {
		h[name] = []string{text}
	}
	return h, nil
}

// Middleware is for a proxy written in Go: it removes identity headers that the client sent, in every spelling, and adds
// signed ones when the request's context says who sent it ([FromContext]). It belongs inside [RequireAuth] or
// [Guard.OptionalAuth], and before the handler that passes the request on.
func (s *HeaderSigner) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		for name := range out.Header {
			if own, _ := identityHeader(http.CanonicalHeaderKey(name)); own {
				delete(out.Header, name)
			}
		}
		if a, ok := FromContext(r.Context()); ok {
			signed, err := s.Headers(a)
			if err != nil {
				writeRefusal(w, r, undecided{err}, demand{})
				return
			}
			for name, values := range signed {
				out.Header[name] = values
			}
		}
		next.ServeHTTP(w, out)
	})
}
