package authapi

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/netscript/auth/internal/strictjson"
)

// rpcPath is where the procedures are: POST rpcPath/<procedure>.
const rpcPath = "/api/rpc/v1/auth"

// maxRPCBody is the contract's limit of 64 KiB, and room for the envelope.
const maxRPCBody = 64<<10 + 1<<10

// rpc mirrors the contract's operations in the wire form of oRPC: {"json":input,"meta":[]} in, {"json":output,"meta":[]}
// out, with the status of an error and its body in the same envelope. It asks the contract's own handler, so that both are
// the same in everything: cookies, errors, limits, origins, telemetry.
type rpc struct{ contract http.Handler }

// procedure is how an operation is asked for over HTTP.
type procedure struct {
	method string
	path   string // {sessionId} is taken from the input
}

// procedureOf returns the procedure of a name.
func procedureOf(name string) (procedure, bool) {
	p, ok := map[string]procedure{
		"signin":        {http.MethodPost, "/signin"},
		"callback":      {http.MethodPost, "/callback"},
		"signout":       {http.MethodPost, "/signout"},
		"session":       {http.MethodGet, "/session"},
		"me":            {http.MethodGet, "/me"},
		"describe":      {http.MethodGet, "/describe"},
		"providers":     {http.MethodGet, "/providers"},
		"sessions":      {http.MethodGet, "/sessions"},
		"revokeSession": {http.MethodDelete, "/sessions/{sessionId}"},
	}[name]
	return p, ok
}

// envelope is the wire form of oRPC.
type envelope struct {
	JSON any   `json:"json"`
	Meta []any `json:"meta"`
}

// ServeHTTP implements http.Handler.
func (p *rpc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	called, ok := procedureOf(strings.TrimPrefix(r.URL.EscapedPath(), rpcPath+"/"))
	if !ok {
		p.refuse(w, notFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		p.refuse(w, methodNotAllowed)
		return
	}
	input, problem := readRPC(w, r)
	if problem != nil {
		p.refuse(w, *problem)
		return
	}
	inner, problem := called.request(r, input)
	if problem != nil {
		p.refuse(w, *problem)
		return
	}
	answer := &recorder{header: w.Header()}
	p.contract.ServeHTTP(answer, inner)
	p.write(w, answer)
}

// readRPC returns the input of a call, nil when it has none. It accepts what oRPC's client sends for inputs of plain
// values; of the other types of its meta list, only "undefined" has a place in the contract's inputs.
func readRPC(w http.ResponseWriter, r *http.Request) (json.RawMessage, *wireError) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRPCBody))
	if err != nil {
		return nil, &wireError{true, "PAYLOAD_TOO_LARGE", http.StatusRequestEntityTooLarge, "The body is larger than 64 KiB.", map[string]any{}}
	}
	if len(body) == 0 {
		return nil, nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" || len(r.Header.Values("Content-Type")) != 1 {
		return nil, &wireError{true, "UNSUPPORTED_MEDIA_TYPE", http.StatusUnsupportedMediaType, "The body must be JSON.", map[string]any{}}
	}
	members, err := strictjson.Object(body, len(body))
	if err != nil {
		return nil, invalidInput("the body is not one JSON object")
	}
	if meta := members["meta"]; meta != nil && !plainMeta(meta) {
		return nil, invalidInput("the input has values of types that no operation takes")
	}
	input := members["json"]
	if bytes.Equal(input, []byte("null")) {
		input = nil
	}
	return input, nil
}

// metaUndefined is oRPC's number for the type "undefined".
const metaUndefined = "3"

// plainMeta reports whether a meta list names no types, or only an input that is undefined as a whole.
func plainMeta(raw json.RawMessage) bool {
	var meta [][]json.RawMessage
	if json.Unmarshal(raw, &meta) != nil {
		return false
	}
	return !slices.ContainsFunc(meta, func(item []json.RawMessage) bool {
		return len(item) != 1 || string(item[0]) != metaUndefined
	})
}

func invalidInput(complaint string) *wireError {
	return &wireError{true, "VALIDATION_ERROR", http.StatusUnprocessableEntity, "The input is not valid.",
		map[string]any{"formErrors": []string{complaint}, "fieldErrors": map[string][]string{}, "reason": "validation"}}
}

// request returns the HTTP request that asks for the operation, with the credentials and context of r.
func (p procedure) request(r *http.Request, input json.RawMessage) (*http.Request, *wireError) {
	path := p.path
	if strings.Contains(path, "{sessionId}") {
		id, ok := sessionIDOf(input)
		if !ok {
			e := invalidInput("")
			e.Data["formErrors"], e.Data["fieldErrors"] = []string{}, map[string][]string{"sessionId": {"must be a session's id"}}
			return nil, e
		}
		path = strings.Replace(path, "{sessionId}", id, 1)
	}
	inner := r.Clone(r.Context())
	inner.Method = p.method
	inner.URL = &url.URL{Path: basePath + path}
	inner.RequestURI = ""
	inner.Header.Set("Accept", "application/json")
	inner.Header.Del("Content-Type")
	inner.Body, inner.ContentLength = http.NoBody, 0
	if p.method == http.MethodPost {
		if input == nil {
			input = json.RawMessage("{}")
		}
		inner.Header.Set("Content-Type", "application/json")
		inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(input)), int64(len(input))
	}
	return inner, nil
}

// sessionIDOf returns the sessionId of an input. Ids consist of characters that need no encoding in a path.
func sessionIDOf(input json.RawMessage) (string, bool) {
	members, err := strictjson.Object(input, len(input))
	if err != nil {
		return "", false
	}
	var id string
	if raw := members["sessionId"]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &id) != nil {
		return "", false
	}
	if id == "" || strings.ContainsFunc(id, func(c rune) bool { return !idRune(c) }) || strings.Trim(id, ".") == "" {
		return "", false
	}
	return id, true
}

func idRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~", c)
}

// write puts the contract's answer into the envelope.
func (p *rpc) write(w http.ResponseWriter, answer *recorder) {
	writeJSON(w, answer.status, envelope{json.RawMessage(answer.body.Bytes()), []any{}})
}

func (p *rpc) refuse(w http.ResponseWriter, e wireError) {
	writeJSON(w, e.Status, envelope{e, []any{}})
}

// recorder keeps an answer's status and body. Its header is that of the real answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *recorder) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *recorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *recorder) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}
