package betterauth_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
)

// TestCookieNames computes the names and attributes that the real server computes from the same options.
func TestCookieNames(t *testing.T) {
	text, err := os.ReadFile("testdata/cookie-names.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Env     string `json:"NODE_ENV"`
			URL     string `json:"BETTER_AUTH_URL"`
			Options string
			Result  map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Cases) < 30 {
		t.Fatal(len(file.Cases), err)
	}
	for _, c := range file.Cases {
		t.Run(c.Env+c.URL+c.Options, func(t *testing.T) {
			r := newRig(t, engines()[0], func(config *betterauth.Config) { cookieOptions(config, c.Env, c.URL, c.Options) })
			d, err := r.SignOut(withCookie("x", "y"), auth.SignOutParams{})
			if err != nil {
				t.Fatal(err)
			}
			for i, key := range []string{"session_token", "session_data", "dont_remember"} {
				var want vectorCookie
				if err := json.Unmarshal(c.Result[key], &want); err != nil {
					t.Fatal(err)
				}
				compareCookie(t, d.Cookies[i], want)
			}
		})
	}
}

func compareCookie(t *testing.T, got *http.Cookie, want vectorCookie) {
	t.Helper()
	a := want.Attributes
	// The server writes Secure for such a name whatever its attributes say.
	secure := a.Secure || strings.HasPrefix(want.Name, "__Host-")
	if got.Name != want.Name || got.Secure != secure || got.Domain != a.Domain || got.Path != a.Path || !got.HttpOnly {
		t.Errorf("%s, want %s %+v", got, want.Name, a)
	}
}

var option = regexp.MustCompile(`(baseURL|protocol|cookiePrefix|session_token|session_data):(?:\{name:)?'([^']*)'`)

// cookieOptions translates the server's options.
func cookieOptions(c *betterauth.Config, env, url, options string) {
	c.BaseURL = url
	c.Cookies.Names = map[string]string{}
	protocol := ""
	for _, m := range option.FindAllStringSubmatch(options, -1) {
		switch m[1] {
		case "baseURL":
			c.BaseURL = m[2]
		case "protocol":
			protocol = m[2]
		case "cookiePrefix":
			c.Cookies.Prefix = m[2]
		default:
			c.Cookies.Names[m[1]] = m[2]
		}
	}
	switch {
	case strings.Contains(options, "useSecureCookies:true"), protocol == "https":
		c.Cookies.Security = betterauth.SecureAlways
	case protocol == "http", strings.HasPrefix(c.BaseURL, "http://"), c.BaseURL == "" && env != "production":
		c.Cookies.Security = betterauth.InsecureNever
	}
	if strings.Contains(options, "crossSubDomainCookies") {
		c.Cookies.Domain = strings.TrimPrefix(c.BaseURL, "https://")
	}
	if strings.Contains(options, "partitioned:true") {
		c.Cookies.Partitioned, c.Cookies.SameSite = true, http.SameSiteNoneMode
	}
}
