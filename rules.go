package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Access is whom a [Rule] lets through.
type Access int

// The kinds of access. The zero value is the one that asks for a sign-in.
const (
	AllowAuthenticated Access = iota // whoever is authenticated and has the rule's scopes and roles
	AllowAnonymous                   // everybody; nobody is asked who they are, and FromContext is false
	AllowNobody
)

// Rule says who may send which requests.
type Rule struct {
	// Methods are the methods that the rule is about; GET includes HEAD, as on an http.ServeMux. If nil, all.
	Methods []string
	// Path is a pattern of http.ServeMux without method and host: "/orders/{id}" matches one segment, "/static/" and
	// "/files/{path...}" everything below, "/{$}" and "/orders/{$}" the directory alone. Literal segments consist of
	// letters, digits, '-', '_', '~' and '.'. Required.
	Path string
	// Allow is whom the rule lets through. If zero, whoever is authenticated.
	Allow Access
	// Scopes that the principal must have, all of them. If nil, none. Only with AllowAuthenticated.
	Scopes []string
	// Roles that the principal must have, all of them. If nil, none. Only with AllowAuthenticated.
	Roles []string
	// MaxAge is how long ago the person may have proven who they are, as with [Guard.RequireRecentAuth], at least a second.
	// If zero, any time is good. Only with AllowAuthenticated.
	MaxAge time.Duration
	// ACRValues are the authentication context classes of which the session must have one, as with [Guard.RequireACR]. If
	// nil, any will do. Only with AllowAuthenticated.
	ACRValues []string
}

// NewRules returns a middleware that decides by the first rule that matches a request; a request that none matches is
// refused with 403. It is Guard{Authenticator: a}.Rules(rules). An error is of [CodeConfigInvalid].
//
// Rules guard what the router behind them serves, so a path must mean the same to both. A path that routers, proxies or
// file systems read in different ways (an encoded or doubled slash, a dot segment, a backslash, a semicolon, a trailing
// dot, an encoded letter) is refused with 400 before any rule is looked at. A path that differs from an earlier rule's
// only in case or in a trailing slash must satisfy that rule too, because some routers serve it as the same.
//
// The method is that of the request. A middleware that changes it, or the path, belongs outside of this one.
func NewRules(a AuthenticatorPort, rules []Rule) (func(http.Handler) http.Handler, error) {
	return Guard{Authenticator: a}.Rules(rules)
}

// Rules is the middleware that [NewRules] describes.
func (g Guard) Rules(rules []Rule) (func(http.Handler) http.Handler, error) {
	set := make(ruleSet, 0, len(rules))
	for i, r := range rules {
		c, err := compileRule(r)
		if err != nil {
			return nil, configError("rules", fmt.Errorf("rule %d: %w", i, err))
		}
		set = append(set, c)
	}
	if g.Authenticator == nil {
		return nil, configError("rules", errors.New("no authenticator"))
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.applyRules(w, r, set, next) })
	}, nil
}

func (g Guard) applyRules(w http.ResponseWriter, r *http.Request, set ruleSet, next http.Handler) {
	if !canonicalPath(r.URL) {
		h := w.Header()
		noStore(h)
		h.Set("X-Content-Type-Options", "nosniff")
		writeWire(w, wireBadPath.body(nil))
		return
	}
	deciding := set.deciding(r.Method, r.URL.Path)
	if len(deciding) == 0 || slices.ContainsFunc(deciding, func(c *rule) bool { return c.allow == AllowNobody }) {
		g.refuse(w, r, &Error{Code: CodeForbidden, Op: "rules"})
		return
	}
	if !slices.ContainsFunc(deciding, func(c *rule) bool { return c.allow != AllowAnonymous }) {
		next.ServeHTTP(w, r)
		return
	}
	r, ok := g.admit(w, r)
	if !ok {
		return
	}
	a, _ := FromContext(r.Context())
	for _, c := range deciding {
		if err := c.check(a, g.now()); err != nil {
			g.turnAway(w, r, "rules", err, c.demand)
			return
		}
	}
	next.ServeHTTP(w, r)
}

// rule is a Rule that was checked.
type rule struct {
	demand
	methods []string // nil: all
	path    pattern
	allow   Access
}

type ruleSet []*rule

// deciding returns the rules that a request must all satisfy: the first that matches, and before it those that would
// match if case and a trailing slash did not count. It is empty when none matches.
func (s ruleSet) deciding(method, path string) []*rule {
	var all []*rule
	for _, c := range s {
		if !c.hasMethod(method) || !c.path.matches(path, true) {
			continue
		}
		all = append(all, c)
		if c.path.matches(path, false) {
			return all
		}
	}
	return nil
}

func (c *rule) hasMethod(method string) bool {
	if c.methods == nil || slices.Contains(c.methods, method) {
		return true
	}
	return method == http.MethodHead && slices.Contains(c.methods, http.MethodGet)
}

func compileRule(r Rule) (*rule, error) {
	p, err := parsePattern(r.Path)
	if err != nil {
		return nil, err
	}
	if r.Allow < AllowAuthenticated || r.Allow > AllowNobody {
		return nil, errors.New("no such access")
	}
	if r.Allow != AllowAuthenticated && (len(r.Scopes)+len(r.Roles)+len(r.ACRValues) > 0 || r.MaxAge != 0) {
		return nil, errors.New("scopes, roles, an age and classes need AllowAuthenticated")
	}
	if r.MaxAge != 0 && r.MaxAge < time.Second {
		return nil, errors.New("MaxAge is below a second")
	}
	if r.ACRValues != nil && (len(r.ACRValues) == 0 || !validACRValues(r.ACRValues)) {
		return nil, errors.New("ACRValues is not a list of authentication context classes; nil means any")
	}
	if r.Methods != nil && len(r.Methods) == 0 {
		return nil, errors.New("methods are empty; nil means all")
	}
	for _, m := range r.Methods {
		if m == "" || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return nil, errors.New("methods are not upper-case names")
		}
	}
	return &rule{
		demand: demand{
			scopes: slices.Clone(r.Scopes), roles: slices.Clone(r.Roles),
			strength: strength{maxAge: r.MaxAge, acr: slices.Clone(r.ACRValues)},
		},
		methods: slices.Clone(r.Methods), path: p, allow: r.Allow,
	}, nil
}
