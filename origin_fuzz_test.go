package auth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/internal/fuzzcheck"
)

// FuzzOrigin is F-ORI: a request that changes something is let in if and only if net/http.CrossOriginProtection lets it
// in, but for a provider's form_post; and CORS gives its permission to the very text of an origin on its list.
func FuzzOrigin(f *testing.F) {
	for i, origin := range []string{
		"", "null", "https://app.example", "https://APP.example", "https://app.example:443", "https://app.example.", "https://u@app.example",
		"https://app.example/", "http://app.example", "https://äpp.example", "https://xn--pp-uia.example", "https://example.com", "https://example.com:443",
		"http://example.com:80", "https://app.example\t", "https://app.example, https://evil.example", "app.example", "https://", "\x00",
	} {
		for j, site := range []string{"", "same-origin", "same-site", "cross-site", "none", "Same-Origin"} {
			f.Add(uint8(i+j), "example.com", origin, site, "https://evil.example/")
			f.Add(uint8(i+j+4), "app.example:443", origin, site, "https://app.example/")
		}
	}
	cors, err := auth.NewCORS(auth.CORSConfig{Origins: []string{"https://app.example"}})
	if err != nil {
		f.Fatal(err)
	}
	reference := http.NewCrossOriginProtection()
	if err := reference.AddTrustedOrigin("https://app.example"); err != nil {
		f.Fatal(err)
	}
	fuzzcheck.Offline(f)
	f.Fuzz(func(t *testing.T, route uint8, host, origin, site, referer string) {
		b := working()
		h := cors(newHandler(t, b, auth.HandlerConfig{TrustedOrigins: []string{"https://app.example"}}))
		c := originRoutes[int(route)%len(originRoutes)]
		r := request(c.method, base+c.path, c.body, "Content-Type", c.media, "Accept", asJSON)
		r.Host, r.Header["Referer"] = host, []string{referer}
		if origin != "" {
			r.Header["Origin"] = []string{origin}
		}
		if site != "" {
			r.Header["Sec-Fetch-Site"] = []string{site}
		}
		w := do(h, r)
		if want := c.exempt || reference.Check(r) == nil; want != (w.Code < 400) || !want && (w.Code != http.StatusForbidden || b.asked() != 0) {
			t.Errorf("%s %s to %q from %q, %q: status %d, want accepted: %t", c.method, c.path, host, origin, site, w.Code, want)
		}
		permitted := w.Header().Values("Access-Control-Allow-Origin")
		if want := origin == "https://app.example"; want != slices.Equal(permitted, []string{origin}) || !want && len(permitted) > 0 {
			t.Errorf("from %q: permission to %q", origin, permitted)
		}
	})
}

// originRoutes are what a page may want to reach. The last two are not protected in this way: reading is not, and a
// form_post comes from the provider's page by nature.
var originRoutes = []struct {
	method, path, media, body string
	exempt                    bool
}{
	{"POST", "/signin", asForm, "a=b", false}, {"POST", "/signin", asJSON, "{}", false}, {"POST", "/signout", asForm, "a=b", false},
	{"POST", "/callback", asJSON, "{}", false}, {"DELETE", "/sessions/s-phone", asForm, "", false}, {"POST", "/callback", strings.ToUpper(asJSON), "{}", false},
	{"GET", "/me", asForm, "", true}, {"POST", "/callback", asForm, "code=c", true},
}
