package authapi

import (
	"compress/gzip"
	_ "embed"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/swaggest/swgui/v5/static"
)

const docsPath = "/api/docs"

//go:embed docs.html
var docsPage []byte

//go:embed docs.js
var docsScript []byte

// docsPolicy lets the page reach this service and nothing else. Swagger UI writes style attributes.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs shows the OpenAPI document in a browser, by Swagger UI out of this program.
type docs struct{}

// ServeHTTP implements http.Handler.
func (docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !onlyReads(w, r) {
		return
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	switch name := strings.TrimPrefix(r.URL.Path, docsPath); name {
	case "":
		h.Set("Content-Security-Policy", docsPolicy)
		h.Set("X-Frame-Options", "DENY")
		writeAsset(w, "text/html; charset=utf-8", docsPage)
	case "/docs.js":
		writeAsset(w, "text/javascript; charset=utf-8", docsScript)
	case "/swagger-ui-bundle.js":
		writePacked(w, r, "text/javascript; charset=utf-8", name[1:])
	case "/swagger-ui.css":
		writePacked(w, r, "text/css; charset=utf-8", name[1:])
	default:
		writeError(w, notFound)
	}
}

func writeAsset(w http.ResponseWriter, media string, body []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// writePacked writes a file of Swagger UI, which is kept compressed, and unpacks it for who does not take it so.
func writePacked(w http.ResponseWriter, r *http.Request, media, name string) {
	packed, err := static.FS.Open(name + ".gz")
	if errors.Is(err, fs.ErrNotExist) {
		writeError(w, notFound)
		return
	}
	if err != nil {
		writeError(w, wireError{true, "INTERNAL", http.StatusInternalServerError, "The page cannot be shown.", map[string]any{}})
		return
	}
	defer func() { _ = packed.Close() }()
	h := w.Header()
	h.Set("Cache-Control", "max-age=3600")
	h.Set("Content-Type", media)
	h.Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		_, _ = io.Copy(w, packed)
		return
	}
	plain, err := gzip.NewReader(packed)
	if err == nil {
		_, _ = io.Copy(w, plain) //nolint:gosec // a file of this program
	}
}
