package authapi_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestDocs: the page and all that it loads come from here. That a browser can show it, interop/authapi proves.
func TestDocs(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv()))
	page := do(s, "GET", "/api/docs", "")
	if page.Code != 200 || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", page.Code, page.Header())
	}
	policy := page.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "http") || strings.Contains(policy, "*") || strings.Contains(policy, "unsafe-eval") {
		t.Errorf("policy %q", policy)
	}
	assets := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(assets) < 3 {
		t.Fatalf("the page loads %v", assets)
	}
	for _, a := range assets {
		if a[1] == "data:," || a[1] == "/api/openapi.json" {
			continue
		}
		w := do(s, "GET", a[1], "")
		if w.Code != 200 || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Body.Len() == 0 {
			t.Errorf("%s: %d %v", a[1], w.Code, w.Header())
		}
		if packed := do(s, "GET", a[1], "", "Accept-Encoding", "br, gzip"); packed.Header().Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(packed.Body)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(r)
			if err != nil || string(plain) != w.Body.String() {
				t.Errorf("%s is another one when compressed: %v", a[1], err)
			}
		}
	}
}

type document struct {
	OpenAPI    string
	Paths      map[string]map[string]json.RawMessage // "parameters" is a member too
	Components struct {
		SecuritySchemes map[string]struct{ Type, In, Name, Scheme string }
	}
}

// TestOpenAPIRoutes: every operation of the document is answered, and every route is in the document.
func TestOpenAPIRoutes(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv().with("NETSCRIPT_AUTH_COOKIE_NAME", "__Host-other", "NETSCRIPT_AUTH_VERIFY_KEY", kvOAuthEnv()["NETSCRIPT_AUTH_KV_OAUTH_KEY"])))
	var doc document
	decode(t, do(s, "GET", "/api/openapi.json", "").Body.Bytes(), &doc)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	if c := doc.Components.SecuritySchemes["session"]; c.In != "cookie" || c.Name != "__Host-other" {
		t.Errorf("cookie scheme %+v", c)
	}
	if b := doc.Components.SecuritySchemes["bearer"]; b.Type != "http" || b.Scheme != "bearer" {
		t.Errorf("bearer scheme %+v", b)
	}
	for path, item := range doc.Paths {
		known := map[string]bool{}
		for method := range item {
			known[strings.ToUpper(method)] = true
		}
		concrete := strings.NewReplacer("{sessionId}", strings.Repeat("A", 43), "{providerId}", "default").Replace(path)
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			w := do(s, method, concrete, "{}", "Content-Type", "application/json")
			if answered := w.Code != 405 && w.Code != 404; answered != known[method] {
				t.Errorf("%s %s: %d, and in the document: %v", method, path, w.Code, known[method])
			}
		}
	}
	var described struct {
		RouteGroups []struct{ Routes []string }
	}
	decode(t, do(s, "GET", base+"/describe", "").Body.Bytes(), &described)
	for _, g := range described.RouteGroups {
		for _, route := range g.Routes {
			method, path, _ := strings.Cut(route, " ")
			if _, ok := doc.Paths[strings.Replace(path, "{id}", "{sessionId}", 1)][strings.ToLower(method)]; !ok {
				t.Errorf("%s is not in the document", route)
			}
		}
	}
}
