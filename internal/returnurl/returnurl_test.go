package returnurl_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/netscript/auth/internal/returnurl"
)

// The backends' own tests hold a large corpus, and a browser's rules, against this package.
func TestAccept(t *testing.T) {
	origins, errs := returnurl.ParseOrigins("ReturnOrigins", []string{"https://app.test", "https://WWW.app.test:443/"}, false)
	if errs != nil {
		t.Fatal(errs)
	}
	for raw, want := range map[string]bool{
		"/": true, "/orders?x=1#y": true, "/a/../b": true, "/%09/x": true, "https://app.test/a": true, "https://www.app.test/": true, "https://app.test:443/": true,
		"": false, "orders": false, "//evil.test": false, `/\evil.test`: false, "/..//evil.test": false, "/a/%2e%2E//evil.test": false, "/%2f/evil.test": false,
		"/%5cevil.test": false, "/\tevil.test": false, "https:evil.test": false, "https:///evil.test": false, "https://app.test.evil.test": false,
		"https://app.test@evil.test": false, "https://app.test:444/": false, "http://app.test/": false, "javascript:alert(1)": false,
		"HTTPS://app.test/": false, "/caf\u00e9": false, "/" + strings.Repeat("a", returnurl.MaxLength): false,
	} {
		if u, ok := origins.Accept(raw); ok != want || ok && u == nil {
			t.Errorf("%q: %v", raw, ok)
		}
	}
}

func TestParseOrigins(t *testing.T) {
	_, errs := returnurl.ParseOrigins("List", []string{"https://a.test", "http://b.test", "https://c.test/path", "x", "https://u@d.test", "https://e.test?q"}, false)
	if len(errs) != 5 || !strings.Contains(errs[0].Error(), "List[1]") {
		t.Errorf("%v", errs)
	}
	if _, errs := returnurl.ParseOrigins("List", []string{"http://b.test"}, true); errs != nil {
		t.Errorf("%v", errs)
	}
	u, err := url.Parse("http://A.test:80/x")
	if err != nil || returnurl.Origin(u) != "http://a.test" {
		t.Errorf("%v, %v", u, err)
	}
}
