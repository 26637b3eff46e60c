package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// wireKind is one kind of error on the wire. Messages are fixed: what a client, a provider or a store said is in none.
type wireKind struct {
	status  int
	code    string
	message string
}

var (
	wireUnauthorized     = wireKind{http.StatusUnauthorized, "UNAUTHORIZED", "Authentication is required."}
	wireStepUp           = wireKind{http.StatusUnauthorized, "UNAUTHORIZED", "A more recent or stronger sign-in is required."}
	wireForbidden        = wireKind{http.StatusForbidden, "FORBIDDEN", "The request is not allowed."}
	wireValidation       = wireKind{http.StatusUnprocessableEntity, "VALIDATION_ERROR", "The input is not valid."}
	wireCallbackInvalid  = wireKind{http.StatusBadRequest, "AUTH_CALLBACK_INVALID", "The sign-in could not be completed. Start it again."}
	wireProviderError    = wireKind{http.StatusBadGateway, "AUTH_PROVIDER_ERROR", "The identity provider cannot be used for this."}
	wireUnavailable      = wireKind{http.StatusServiceUnavailable, "AUTH_UNAVAILABLE", "Authentication is not available at the moment. Try again."}
	wireBadPath          = wireKind{http.StatusBadRequest, "BAD_REQUEST", "The path is not in its canonical form."}
	wireNotFound         = wireKind{http.StatusNotFound, "NOT_FOUND", "There is nothing here."}
	wireMethodNotAllowed = wireKind{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "The method is not allowed here."}
	wireTooLarge         = wireKind{http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "The body is larger than 64 KiB."}
	wireMediaType        = wireKind{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "The body must be JSON or a URL-encoded form."}
)

// wireError is the body of an error.
type wireError struct {
	Defined bool           `json:"defined"`
	Code    string         `json:"code"`
	Status  int            `json:"status"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data"`
}

func (k wireKind) body(data map[string]any) wireError {
	return wireError{Defined: true, Code: k.code, Status: k.status, Message: k.message, Data: object(data)}
}

// undecided is an error of an authenticator that is of no use as an answer to "who is it": whatever its own class, the
// request is refused as unavailable. It does not unwrap, so that it never matches a class.
type undecided struct{ err error }

func (u undecided) Error() string { return u.err.Error() }

// bodyError is a body that could not be read as input.
type bodyError struct{ kind wireKind }

func (b bodyError) Error() string { return b.kind.code }

// classify returns the code and the class of err. The outermost [*Error] decides, so that a failing store is "could not
// tell" whatever it wraps.
func classify(err error) (code Code, class error) {
	if u, ok := errors.AsType[undecided](err); ok {
		code, _ = classify(u.err)
		return code, nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code, e.Code.Class()
	}
	if _, ok := errors.AsType[bodyError](err); ok {
		return CodeValidation, ErrRejected
	}
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return CodeNoCredential, ErrUnauthenticated
	case errors.Is(err, ErrRejected):
		return CodeForbidden, ErrRejected
	case errors.Is(err, errors.ErrUnsupported):
		return CodeUnsupported, errors.ErrUnsupported
	}
	return CodeInternal, nil
}

// kindOf maps an error to its answer. What is not known here could not be decided.
func kindOf(class error, code Code) wireKind {
	switch {
	case errors.Is(class, ErrUnauthenticated):
		return wireUnauthorized
	case errors.Is(class, errors.ErrUnsupported):
		return wireProviderError
	case errors.Is(class, ErrRejected):
		return rejectedKind(code)
	}
	switch code {
	case CodeProviderUnavailable, CodeProviderInvalid:
		return wireProviderError
	}
	return wireUnavailable
}

func rejectedKind(code Code) wireKind {
	switch code {
	case CodeForbidden, CodeInsufficientScope, CodeInsufficientRole, CodeCrossOrigin, CodeSignInDenied:
		return wireForbidden
	case CodeInsufficientAuthentication:
		return wireStepUp
	case CodeValidation, CodeUnknownProvider, CodeReturnURLRejected, CodeScopeNotAllowed:
		return wireValidation
	case CodeProviderRefused, CodeClientRejected:
		return wireProviderError
	case CodeConfigInvalid:
		return wireUnavailable
	}
	return wireCallbackInvalid
}

// wireOf returns the answer to err. Only its code and its field names leave the process.
func wireOf(err error) wireError {
	if b, ok := errors.AsType[bodyError](err); ok {
		return b.kind.body(map[string]any{"reason": CodeValidation})
	}
	code, class := classify(err)
	kind := kindOf(class, code)
	if _, ok := errors.AsType[undecided](err); ok {
		kind = wireUnavailable
	}
	data := map[string]any{"reason": code}
	if kind == wireValidation {
		data["formErrors"], data["fieldErrors"] = complaints(err, code)
	}
	return kind.body(data)
}

// complaints names what is wrong with the input: with fields, or else with the form as a whole.
func complaints(err error, code Code) (form []string, fields map[string][]string) {
	form, fields = []string{}, map[string][]string{}
	if e, ok := errors.AsType[*Error](err); ok {
		for name, complaint := range e.Fields {
			fields[name] = []string{complaint}
		}
	}
	if len(fields) > 0 {
		return form, fields
	}
	switch code {
	case CodeUnknownProvider:
		fields["providerId"] = []string{"no such provider"}
	case CodeReturnURLRejected:
		fields["redirectTo"] = []string{"not an allowed address"}
	case CodeScopeNotAllowed:
		fields["scopes"] = []string{"not an allowed scope"}
	default:
		form = append(form, "malformed input")
	}
	return form, fields
}

// errorCookies are the cookies that go with the answer to err. There are none with [undecided], which does not unwrap:
// when it is not known whether a credential is good, it stays.
func errorCookies(err error) []*http.Cookie {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Cookies
	}
	return nil
}

func writeWire(w http.ResponseWriter, e wireError) {
	body, _ := json.Marshal(e) // texts and lists of texts: cannot fail
	writeBody(w, e.Status, mediaJSON, body)
}

func writeBody(w http.ResponseWriter, status int, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
