package auth

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"strings"
)

// failure is a request that went wrong.
type failure struct {
	op         string
	err        error
	providerID string // if empty, not known
	// navigation: the route is one that a browser is sent to, so that a person may have to read the answer.
	navigation bool
	// retry: the page may offer to start a sign-in.
	retry bool
	// data is added to the error's own.
	data map[string]any
}

// fail answers a failure: a browser is sent to the configured error URL or gets a page, a program gets JSON.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, f failure) {
	logFailure(h.log, r, f.op, f.err)
	wire := wireOf(f.err)
	if wire.Code == wireProviderError.code && f.providerID != "" {
		wire.Data["providerId"] = f.providerID
	}
	for name, value := range f.data {
		wire.Data[name] = value
	}
	setCookies(w, errorCookies(f.err))
	switch {
	case !f.navigation || !isNavigation(r):
		challenge(w, r, wire, demand{})
		writeWire(w, wire)
	case h.errorURL != nil:
		h.errorRedirect(wire).ServeHTTP(w, r)
	default:
		h.writePage(w, wire, f.retry)
	}
}

// answer answers with 200. It encodes before it writes, so that a claim that JSON cannot hold becomes an error and not
// half an answer.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, op string, v any) {
	body, err := json.Marshal(v)
	h.answerBody(w, r, op, body, err)
}

// answerBody is answer for a body that was encoded already, or could not be.
func (h *Handler) answerBody(w http.ResponseWriter, r *http.Request, op string, body []byte, err error) {
	if err != nil {
		h.fail(w, r, failure{op: op, err: &Error{Code: CodeInternal, Backend: h.backend.Name(), Op: op, Err: errUnencodable}})
		return
	}
	writeBody(w, http.StatusOK, mediaJSON, body)
}

// errUnencodable stands for what encoding/json says, which may quote a claim.
var errUnencodable = errors.New("the answer cannot be written as JSON")

func (h *Handler) errorRedirect(wire wireError) *Redirect {
	u := *h.errorURL
	q := u.Query()
	q.Set("error", reasonOf(wire))
	u.RawQuery = q.Encode()
	return &Redirect{Location: u.String()}
}

func reasonOf(wire wireError) string {
	code, _ := wire.Data["reason"].(Code)
	return string(code)
}

// logFailure records the code and the operation. The cause is recorded only when nothing could be decided: somebody has
// to mend that, and an [*Error] promises that its cause is free of credentials.
func logFailure(l *slog.Logger, r *http.Request, op string, err error) {
	ctx := r.Context()
	code, class := classify(err)
	level := levelOf(class)
	if u, ok := errors.AsType[undecided](err); ok {
		err = u.err
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		level = slog.LevelDebug // the client went away
	}
	if !l.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("op", op), slog.String("code", string(code))}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Backend != "" {
			attrs = append(attrs, slog.String("backend", e.Backend))
		}
		if class == nil && e.Err != nil {
			attrs = append(attrs, slog.String("cause", e.Err.Error()))
		}
	}
	l.LogAttrs(ctx, level, "auth request failed", attrs...)
}

// levelOf follows who has to act: nobody, the client, the operator.
func levelOf(class error) slog.Level {
	switch {
	case errors.Is(class, ErrUnauthenticated):
		return slog.LevelDebug
	case errors.Is(class, ErrRejected):
		return slog.LevelInfo
	case errors.Is(class, errors.ErrUnsupported):
		return slog.LevelWarn
	}
	return slog.LevelError
}

// pagePolicy forbids the page everything: it holds text and links (RFC 9700, sections 4.2.4 and 4.16).
const pagePolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const page = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>{message}</p>
<p>Code: <code>{code}</code></p>
{retry}</body>
</html>
`

func (h *Handler) writePage(w http.ResponseWriter, wire wireError, retry bool) {
	title, link := "That did not work", ""
	if retry {
		title = "Sign-in failed"
		link = `<p><a href="` + h.base + `/signin">Try again</a></p>` + "\n"
	}
	body := strings.NewReplacer("{title}", title, "{message}", html.EscapeString(wire.Message),
		"{code}", html.EscapeString(reasonOf(wire)), "{retry}", link).Replace(page)
	header := w.Header()
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("X-Frame-Options", "DENY")
	writeBody(w, wire.Status, "text/html; charset=utf-8", []byte(body))
}
