package auth

import (
	"errors"
	"net/http"
	"net/url"
)

// Nobody is told by members that are not there: the original's clients take them as optional, and refuse null. The answers
// hold sessions in their wire form: encoding/json reads what a MarshalJSON returns once more.
type sessionAnswer struct {
	Authenticated bool         `json:"authenticated"`
	Session       *sessionJSON `json:"session,omitempty"`
}

type meAnswer struct {
	Authenticated bool         `json:"authenticated"`
	User          *userJSON    `json:"user,omitempty"`
	Session       *sessionJSON `json:"session,omitempty"`
}

type userJSON struct {
	ID            string         `json:"id"`
	DisplayName   string         `json:"displayName,omitempty"`
	Email         string         `json:"email,omitempty"`
	EmailVerified *bool          `json:"emailVerified,omitempty"`
	ImageURL      string         `json:"imageUrl,omitempty"`
	Claims        map[string]any `json:"claims,omitempty"`
}

// serveSession tells which session the request carries. Nobody is an answer too; "could not tell" is an error.
func (h *Handler) serveSession(w http.ResponseWriter, r *http.Request) {
	a, ok := h.whoIs(w, r, "session")
	switch {
	case !ok:
	case a == nil:
		h.answer(w, r, "session", sessionAnswer{})
	default:
		body, err := h.answers.sessionOf(a)
		h.answerBody(w, r, "session", body, err)
	}
}

// serveMe tells who sent the request.
func (h *Handler) serveMe(w http.ResponseWriter, r *http.Request) {
	a, ok := h.whoIs(w, r, "me")
	switch {
	case !ok:
	case a == nil:
		h.answer(w, r, "me", meAnswer{})
	default:
		body, err := h.answers.meOf(a)
		h.answerBody(w, r, "me", body, err)
	}
}

func wireSession(s *Session) *sessionJSON {
	if s == nil {
		return nil
	}
	w := s.wire()
	return &w
}

// whoIs returns the authentication of r, or nil for nobody, and sets the cookies that go with either. When it could not
// tell, it has answered and returns false.
func (h *Handler) whoIs(w http.ResponseWriter, r *http.Request, op string) (*Authentication, bool) {
	a, err := authenticate(h.backend, r)
	if err == nil {
		setCookies(w, a.Cookies)
		return a, true
	}
	if _, class := classify(err); !errors.Is(class, ErrUnauthenticated) {
		h.fail(w, r, failure{op: op, err: err})
		return nil, false
	}
	setCookies(w, errorCookies(err))
	return nil, true
}

// userOf reads the OpenID Connect claims (OpenID Connect Core 1.0, section 5.1). A claim of another type is left out.
func userOf(a *Authentication) *userJSON {
	p := &a.Principal
	u := &userJSON{ID: p.Subject, DisplayName: p.Claim("name"), Email: p.Claim("email"), Claims: p.Claims}
	if a.Session != nil && a.Session.UserID != "" {
		u.ID = a.Session.UserID
	}
	if verified, ok := p.Claims["email_verified"].(bool); ok && u.Email != "" {
		u.EmailVerified = &verified
	}
	if image, err := url.Parse(p.Claim("picture")); err == nil && image.Scheme == "https" && image.Hostname() != "" {
		u.ImageURL = image.String()
	}
	return u
}
