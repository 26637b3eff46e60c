package authapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/netscript/auth/interop/browser"
)

// TestDocs opens the page of the API in a browser: it shows the operations, and asks nobody but the service.
func TestDocs(t *testing.T) {
	e := env{"NETSCRIPT_AUTH_CLIENT_ID": "x", "NETSCRIPT_AUTH_REDIRECT_URI": "https://app.test" + base + "/callback", "NETSCRIPT_AUTH_ISSUER": "https://idp.test",
		"NETSCRIPT_AUTH_KV_OAUTH_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", "NETSCRIPT_AUTH_KV": "memory"}
	s := newService(t, e, nil)
	var mu sync.Mutex
	asked := map[string]int{}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		mu.Unlock()
		s.ServeHTTP(w, r)
	}))
	defer site.Close()
	tab := browser.Start(t, browser.Options{}).NewTab()
	tab.Open(site.URL + "/api/docs")
	if got := tab.Text("#operations-session-me"); !strings.Contains(got, "/api/v1/auth/me") {
		t.Errorf("the page shows %q", got)
	}
	if got := tab.Text(".info .title"); !strings.Contains(got, "Auth API") || !strings.Contains(got, "OAS 3.1") {
		t.Errorf("the title is %q", got)
	}
	tab.Screenshot("docs")
	resources := browser.Run(tab, "list what was loaded", chromedp.Evaluate[[]string](`performance.getEntriesByType("resource").map(e => e.name)`))
	if len(resources) < 4 {
		t.Errorf("loaded %q", resources)
	}
	for _, r := range resources {
		if !strings.HasPrefix(r, site.URL+"/") && !strings.HasPrefix(r, "data:") {
			t.Errorf("the page reaches for %s", r)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, path := range []string{"/api/docs", "/api/docs/docs.js", "/api/docs/swagger-ui-bundle.js", "/api/docs/swagger-ui.css", "/api/openapi.json"} {
		if asked[path] == 0 {
			t.Errorf("%s was not asked for", path)
		}
	}
}
