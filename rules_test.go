package auth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/netscript/auth"
)

func rules(t testing.TB, who func(*http.Request) (*auth.Authentication, error), list ...auth.Rule) http.Handler {
	t.Helper()
	wrap, err := auth.NewRules(&fakeCore{authenticate: who}, list)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(page)
}

func TestRules(t *testing.T) {
	list := []auth.Rule{
		{Path: "/{$}", Allow: auth.AllowAnonymous},
		{Path: "/static/", Methods: []string{"GET"}, Allow: auth.AllowAnonymous},
		{Path: "/internal/", Allow: auth.AllowNobody},
		{Path: "/orders/{id}", Methods: []string{"GET"}, Scopes: []string{"orders:read"}},
		{Path: "/orders/{id}", Scopes: []string{"orders:write"}},
		{Path: "/admin/{rest...}", Roles: []string{"admin"}},
		{Path: "/account"},
	}
	tests := []struct {
		method, path      string
		nobody, alice     int
		whenStoreIsBroken int
	}{
		{"GET", "/", 200, 200, 200},
		{"GET", "/static/a/b.css", 200, 200, 200},
		{"HEAD", "/static/a.css", 200, 200, 200},
		{"POST", "/static/a.css", 403, 403, 403}, // no rule
		{"GET", "/internal/x", 403, 403, 403},
		{"GET", "/internal", 403, 403, 403},
		{"GET", "/orders/7", 401, 200, 503},
		{"HEAD", "/orders/7", 401, 200, 503},
		{"DELETE", "/orders/7", 401, 403, 503},
		{"GET", "/orders/7/lines", 403, 403, 403},
		{"GET", "/orders/", 403, 403, 403},
		{"GET", "/admin/", 401, 403, 503},
		{"GET", "/admin/users", 401, 403, 503},
		{"GET", "/account", 401, 200, 503},
		{"OPTIONS", "/account", 401, 200, 503},
		{"GET", "/account/", 403, 403, 403},
		{"GET", "/Account", 403, 403, 403},
		{"GET", "/nothing", 403, 403, 403},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			for _, c := range []struct {
				who    func(*http.Request) (*auth.Authentication, error)
				status int
			}{{nobody, tt.nobody}, {alice, tt.alice}, {storeDown, tt.whenStoreIsBroken}} {
				wantStatus(t, do(rules(t, c.who, list...), request(tt.method, tt.path, "")), c.status)
			}
		})
	}
}

// The first match wins, and a path that looks like an earlier rule's must satisfy that one too.
func TestRulesOrder(t *testing.T) {
	public := auth.Rule{Path: "/", Allow: auth.AllowAnonymous}
	tests := []struct {
		name   string
		rules  []auth.Rule
		path   string
		status int
	}{
		{"first wins", []auth.Rule{public, {Path: "/admin"}}, "/admin", 200},
		{"protected first", []auth.Rule{{Path: "/admin"}, public}, "/admin", 401},
		{"elsewhere", []auth.Rule{{Path: "/admin"}, public}, "/other", 200},
		{"slash added", []auth.Rule{{Path: "/admin"}, public}, "/admin/", 401},
		{"slash left out", []auth.Rule{{Path: "/admin/"}, public}, "/admin", 401},
		{"below an exact rule", []auth.Rule{{Path: "/admin"}, public}, "/admin/x", 200},
		{"case", []auth.Rule{{Path: "/admin"}, public}, "/ADMIN", 401},
		{"case that only Unicode folds", []auth.Rule{{Path: "/desk"}, public}, "/des%E2%84%AA", 401},
		{"lower case that only Unicode has", []auth.Rule{{Path: "/admin"}, public}, "/adm%C4%B0n", 401},
		{"upper case that only Unicode has", []auth.Rule{{Path: "/admin"}, public}, "/adm%C4%B1n", 401},
		{"case below", []auth.Rule{{Path: "/admin/"}, public}, "/Admin/x", 401},
		{"two that look alike", []auth.Rule{{Path: "/a", Allow: auth.AllowAnonymous}, {Path: "/a/", Allow: auth.AllowNobody}, public}, "/A/", 403},
		{"an anonymous exact rule does not open its subtree", []auth.Rule{{Path: "/login", Allow: auth.AllowAnonymous}, {Path: "/"}}, "/login/", 401},
		{"nor what looks like it", []auth.Rule{{Path: "/login", Allow: auth.AllowAnonymous}, {Path: "/"}}, "/LOGIN", 401},
		{"the directory alone", []auth.Rule{{Path: "/a/{$}", Allow: auth.AllowAnonymous}, {Path: "/"}}, "/a/", 200},
		{"not below it", []auth.Rule{{Path: "/a/{$}", Allow: auth.AllowAnonymous}, {Path: "/"}}, "/a/b", 401},
		{"no rules", nil, "/", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantStatus(t, do(rules(t, nobody, tt.rules...), request("GET", tt.path, "")), tt.status)
		})
	}
}

func TestRulesRefuseOddPaths(t *testing.T) {
	open := rules(t, nobody, auth.Rule{Path: "/", Allow: auth.AllowAnonymous})
	for _, p := range []string{"//", "//a", "/a//b", "/./a", "/a/.", "/a/..", "/a/../b", "/a%2fb", "/a%2Fb", "/%61", "/a%5cb", `/a\b`,
		"/a;b", "/a%3bb", "/a.", "/a./b", "/a%20", "/a%20/b", "/a%00", "/a%0d%0ab", "/a%7f", "/%2e%2e/a", "/a%252fb", "/a%23b", "/a%3Fb", "/%ff", "/%7Euser"} {
		w := do(open, request("GET", p, ""))
		wantError(t, w, 400, "BAD_REQUEST", "")
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", p, w.Header())
		}
	}
	for _, p := range []string{"/", "/a", "/a/", "/a/b.css", "/.well-known/x", "/caf%C3%A9", "/caf%c3%a9", "/a%20b", "/~user/a-b_c", "/a@b", "/a%40b", "/a!b%20c", "/a+b", "/x?a=//b/../c;d", "/..a"} {
		wantStatus(t, do(open, request("GET", p, "")), 200)
	}
	r := request("OPTIONS", "/", "")
	r.URL.Path = "*"
	wantStatus(t, do(open, r), 400)
}

// Only the method of the request counts.
func TestRulesIgnoreMethodOverride(t *testing.T) {
	h := rules(t, nobody, auth.Rule{Path: "/", Methods: []string{"GET"}, Allow: auth.AllowAnonymous})
	wantStatus(t, do(h, request("DELETE", "/a?_method=GET", "", "X-HTTP-Method-Override", "GET")), 403)
	wantStatus(t, do(h, request("GET", "/a?_method=DELETE", "", "X-HTTP-Method-Override", "DELETE")), 200)
}

func TestRulesConfig(t *testing.T) {
	bad := []auth.Rule{
		{}, {Path: "admin"}, {Path: "/a//b"}, {Path: "/{"}, {Path: "/{}"}, {Path: "/{1}"}, {Path: "/a{id}"}, {Path: "/{$}/a"}, {Path: "/{x...}/a"},
		{Path: "/%61"}, {Path: "/a b"}, {Path: "/a@b"}, {Path: "/."}, {Path: "/a."}, {Path: "GET /a"}, {Path: "/{...}"},
		{Path: "/a", Allow: 7}, {Path: "/a", Allow: -1},
		{Path: "/a", Allow: auth.AllowAnonymous, Scopes: []string{"x"}}, {Path: "/a", Allow: auth.AllowNobody, Roles: []string{"x"}},
		{Path: "/a", Methods: []string{}}, {Path: "/a", Methods: []string{"get"}}, {Path: "/a", Methods: []string{""}},
	}
	for _, r := range bad {
		if wrap, err := auth.NewRules(&fakeCore{}, []auth.Rule{r}); auth.CodeOf(err) != auth.CodeConfigInvalid || wrap != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, err := auth.NewRules(nil, nil); auth.CodeOf(err) != auth.CodeConfigInvalid {
		t.Errorf("no authenticator: %v", err)
	}
}

func TestRulesCopy(t *testing.T) {
	list := []auth.Rule{
		{Path: "/role", Roles: []string{"admin"}}, {Path: "/scope", Scopes: []string{"orders:write"}}, {Path: "/method", Methods: []string{"PUT"}},
	}
	h := rules(t, alice, list...)
	list[0].Roles[0], list[1].Scopes[0], list[2].Methods[0] = "clerk", "orders:read", "GET"
	for _, path := range []string{"/role", "/scope", "/method"} {
		wantStatus(t, do(h, request("GET", path, "")), 403)
	}
}

// A rule matches the paths that http.ServeMux serves with the same pattern, for all patterns and paths of a small alphabet.
func TestRulesMatchAsServeMux(t *testing.T) {
	words := []string{"", "a", "b", "{}"}
	ends := []string{"", "/", "/{$}", "/{r...}"}
	var patterns, paths []string
	for _, x := range words {
		for _, y := range words {
			stem := ""
			for _, w := range []string{x, y} {
				if w != "" {
					stem += "/" + strings.Replace(w, "{", "{x"+strconv.Itoa(len(stem)), 1)
				}
			}
			for _, end := range ends {
				if stem+end != "" {
					patterns = append(patterns, stem+end)
				}
			}
		}
	}
	for _, x := range []string{"", "/a", "/b", "/c"} {
		for _, y := range []string{"", "/a", "/b", "/%20a"} {
			for _, z := range []string{"", "/a"} {
				paths = append(paths, x+y+z+"/", x+y+z)
			}
		}
	}
	for _, pattern := range patterns {
		mux := http.NewServeMux()
		mux.Handle(pattern, page)
		guard := rules(t, nobody, auth.Rule{Path: pattern, Allow: auth.AllowAnonymous})
		for _, p := range paths {
			if p == "" {
				continue
			}
			served := do(mux, request("GET", p, "")).Code == 200
			if allowed := do(guard, request("GET", p, "")).Code == 200; allowed != served {
				t.Errorf("pattern %s, path %s: rule matches %v, http.ServeMux %v", pattern, p, allowed, served)
			}
		}
	}
}

// protected are routes that nobody may reach without a sign-in, whatever the router makes of the path.
var protected = []string{"/admin", "/admin/", "/orders/{id}/secret", "/files/{p...}", "/x.y/~z", "/end/{$}"}

// readings are what routers, proxies, file systems and middleware do to a path before they match it.
var readings = map[string]func(*url.URL) string{
	"decoded":            func(u *url.URL) string { return u.Path },
	"encoded":            func(u *url.URL) string { return u.EscapedPath() },
	"cleaned":            func(u *url.URL) string { return path.Clean(u.Path) },
	"cleaned with slash": func(u *url.URL) string { return strings.TrimSuffix(path.Clean(u.Path), "/") + "/" },
	"upper case":         func(u *url.URL) string { return strings.ToLower(strings.ToUpper(u.Path)) },
	"lower case":         func(u *url.URL) string { return strings.ToLower(u.Path) },
	"slash stripped":     func(u *url.URL) string { return "/" + strings.Trim(u.Path, "/") },
	"slash added":        func(u *url.URL) string { return strings.TrimSuffix(u.Path, "/") + "/" },
	"backslashes":        func(u *url.URL) string { return path.Clean(strings.ReplaceAll(u.Path, `\`, "/")) },
	"decoded again":      func(u *url.URL) string { s, _ := url.PathUnescape(u.Path); return s },
	"without parameters": func(u *url.URL) string {
		return eachSegment(u.Path, func(s string) string { s, _, _ = strings.Cut(s, ";"); return s })
	},
	"without ends": func(u *url.URL) string {
		return eachSegment(u.Path, func(s string) string { return strings.TrimRight(s, ". ") })
	},
	"cut at NUL":          func(u *url.URL) string { s, _, _ := strings.Cut(u.Path, "\x00"); return s },
	"cut at question":     func(u *url.URL) string { s, _, _ := strings.Cut(u.Path, "?"); return s },
	"cut at hash":         func(u *url.URL) string { s, _, _ := strings.Cut(u.Path, "#"); return s },
	"controls dropped":    func(u *url.URL) string { return strings.Map(dropControl, u.Path) },
	"doubled slashes one": func(u *url.URL) string { return strings.ReplaceAll(u.Path, "//", "/") },
}

func eachSegment(p string, f func(string) string) string {
	segments := strings.Split(p, "/")
	for i := range segments {
		segments[i] = f(segments[i])
	}
	return strings.Join(segments, "/")
}

func dropControl(r rune) rune {
	if r < 0x20 || r == 0x7f {
		return -1
	}
	return r
}

type pathWorld struct {
	guard  http.Handler
	router *http.ServeMux
}

func newPathWorld(t testing.TB) pathWorld {
	router := http.NewServeMux()
	router.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	var list []auth.Rule
	for _, p := range protected {
		router.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		list = append(list, auth.Rule{Path: p})
	}
	return pathWorld{rules(t, nobody, append(list, auth.Rule{Path: "/", Allow: auth.AllowAnonymous})...), router}
}

// check sends target to the guard, and if it lets it through, gives every reading of it to the router.
func (p pathWorld) check(t *testing.T, target string) (passed bool) {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil || u.Host != "" || u.Scheme != "" {
		return false
	}
	r := &http.Request{Method: "GET", URL: u, Header: http.Header{}, Host: "app.example"}
	if do(p.guard, r).Code != http.StatusOK {
		return false
	}
	if _, pattern := p.router.Handler(r); pattern != "/" {
		t.Errorf("%q passed without a sign-in, and is served as %q", target, pattern)
	}
	if w := do(p.router, r); w.Code != http.StatusOK {
		t.Errorf("%q passed, and the router answers %d", target, w.Code)
	}
	for name, read := range readings {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: read(u)}
		if do(p.router, r).Code == http.StatusTeapot {
			t.Errorf("%q passed without a sign-in, and is protected when %s", target, name)
		}
	}
	return true
}

var oddPaths = []string{
	"/", "/a", "/admin", "/admin/", "/admin/x", "/Admin", "/ADMIN/x", "/admin.", "/admin%20", "/admin./x", "//admin", "/./admin", "/a/../admin", "/a/..%2fadmin",
	"/%61dmin", "/admin%2f", "/admin%2Fx", "/admin%5cx", `/admin\x`, "/admin;x", "/admin;x/y", "/;/admin", "/admin%3bx", "/admin%00", "/%00/admin", "/admin%3fx", "/admin%23x",
	"/admin?x", "/admin/%2e%2e/a", "/%2561dmin", "/orders/7/secret", "/orders/7/secret/", "/orders/%37/secret", "/orders//secret", "/orders/7/Secret", "/files", "/files/",
	"/files/a/b", "/FILES/a", "/x.y/~z", "/x.y/%7ez", "/x%2ey/~z", "/end", "/end/", "/end/x", "/healthz", "/adm%C4%B1n", "/adm%C4%B0n", "/%E2%84%AA", "/caf%c3%a9", "/ad%0dmin", "*", "",
}

func TestRulesReadingsOfAPath(t *testing.T) {
	w := newPathWorld(t)
	passed := 0
	for _, p := range oddPaths {
		if w.check(t, p) {
			passed++
		}
	}
	if passed < 5 { // "/", "/a", "/end/x", "/healthz", "/caf%c3%a9", ...
		t.Errorf("only %d paths passed: the guard refuses everything", passed)
	}
}

// FuzzRulesPath is F-PATH: what the guard lets through is not protected by any reading of the path, and http.ServeMux takes
// it for canonical.
func FuzzRulesPath(f *testing.F) {
	for _, p := range oddPaths {
		f.Add(p)
	}
	w := newPathWorld(f)
	f.Fuzz(func(t *testing.T, target string) { w.check(t, target) })
}
