package authapi

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/workos"
)

// openAPISource is the OpenAPI 3.1 document of everything that the service answers. A test sends every request that it
// describes and holds every answer against it.
//
//go:embed openapi.json
var openAPISource []byte

// document is a JSON document that does not change.
type document struct{ body []byte }

// openAPIDocument returns the document with what depends on the configuration filled in.
func openAPIDocument(version, cookie string) (*document, error) {
	var root map[string]any
	if err := json.Unmarshal(openAPISource, &root); err != nil {
		return nil, err
	}
	if info, ok := root["info"].(map[string]any); ok && version != "" {
		info["version"] = version
	}
	components, _ := root["components"].(map[string]any)
	schemes, _ := components["securitySchemes"].(map[string]any)
	if session, ok := schemes["session"].(map[string]any); ok {
		session["name"] = cookie
	}
	body, err := json.Marshal(root)
	return &document{body}, err
}

// ServeHTTP implements http.Handler.
func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !onlyReads(w, r) {
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(d.body)))
	_, _ = w.Write(d.body) //nolint:gosec // JSON of this program
}

// cookieName returns the name of the session's cookie, for the document.
func (p plan) cookieName() string {
	switch p.name {
	case backendWorkOS:
		return workos.DefaultCookieName
	case backendBetterAuth:
		return p.betterAuth.cookieName()
	}
	return kvOAuthCookie(p.kvOAuth)
}

func kvOAuthCookie(c kvoauth.Config) string {
	switch {
	case c.CookieName != "":
		return c.CookieName
	case isHTTP(c.RedirectURL):
		return kvoauth.DefaultCookieName[len("__Host-"):]
	}
	return kvoauth.DefaultCookieName
}
