package auth_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const thisModule = "github.com/netscript/auth"

// depsRules say what a package may not depend on, directly or through others.
// Patterns are import paths, relative to the module where they start with "./",
// and a trailing "/..." takes in what lies below.
var depsRules = []depsRule{
	{
		name:   "standard library only",
		of:     []string{".", "./providers/...", "./store", "./store/storetest", "./authtest/..."},
		forbid: []string{"third party"},
	},
	{
		name:   "what the root imports does not import the root",
		of:     []string{"."},
		forbid: []string{"."},
	},
	{
		name:   "the root and its plain data know no backend and no kit",
		of:     []string{".", "./providers/...", "./store"},
		forbid: []string{"./kvoauth/...", "./workos/...", "./betterauth/...", "./authapi/...", "./store/storetest", "./authtest/..."},
	},
	{
		name:   "a backend links no other backend, database or store driver",
		of:     []string{"./kvoauth/..."},
		forbid: []string{"gorm.io/...", "github.com/redis/...", "database/sql/...", "./workos/...", "./betterauth/...", "./store/redisstore/...", "./store/sqlstore/...", "./authapi/..."},
	},
	{
		name: "workos links no OpenID client, other backend, database or store",
		of:   []string{"./workos/..."},
		forbid: []string{"github.com/coreos/...", "golang.org/x/oauth2/...", "gorm.io/...", "github.com/redis/...", "database/sql/...",
			"./kvoauth/...", "./betterauth/...", "./authapi/...", "./store/..."},
	},
	{
		name:   "test support stays out of programs",
		of:     []string{"./..."},
		except: testKits,
		forbid: append([]string{"testing/...", "net/http/httptest"}, testKits...),
	},
	{
		name:   "the fake provider is for tests and demonstrations",
		of:     []string{"./..."},
		except: []string{"./authtest/...", "./examples/...", "./internal/sessionmodel"},
		forbid: []string{"./authtest/..."},
	},
	{
		name:   "the fake WorkOS is for tests and demonstrations",
		of:     []string{"./..."},
		except: []string{"./workos/workostest", "./examples/..."},
		forbid: []string{"./workos/workostest"},
	},
}

// testKits are the packages that test other packages, and so may use testing.
var testKits = []string{"./authtest", "./store/storetest", "./internal/testenv", "./internal/redistest", "./internal/sqltest", "./internal/sessionmodel", "./internal/fuzzcheck"}

type depsRule struct {
	name   string
	of     []string
	except []string
	forbid []string // patterns, or "third party"
}

type depsPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

type depsGraph map[string]depsPackage

func TestDeps(t *testing.T) {
	graph, err := listDeps(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range graph.violations(depsRules) {
		t.Error(v)
	}
}

// listDeps asks the go command for all packages of this module and everything
// they import, without their tests.
func listDeps(t *testing.T) (depsGraph, error) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports", "./...")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Logf("go list: %s", exit.Stderr)
	}
	if err != nil {
		return nil, err
	}
	graph := make(depsGraph)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p depsPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return graph, nil
		} else if err != nil {
			return nil, err
		}
		graph[p.ImportPath] = p
	}
}

// violations returns a sentence for each breach, with the chain of imports. A
// rule that no package falls under is one too: a renamed package must not lose
// its rule.
func (g depsGraph) violations(rules []depsRule) []string {
	var found []string
	for _, r := range rules {
		for _, pattern := range r.of {
			subjects := g.matching(pattern, r.except)
			if len(subjects) == 0 {
				found = append(found, r.name+": no package is "+pattern)
			}
			for _, p := range subjects {
				for _, chain := range g.chains(p, r) {
					found = append(found, r.name+": "+strings.Join(chain, " -> "))
				}
			}
		}
	}
	return found
}

func (g depsGraph) matching(pattern string, except []string) []string {
	var paths []string
	for path := range g {
		isExcepted := func(e string) bool { return matchesPath(e, path) }
		if inModule(path) && matchesPath(pattern, path) && !slices.ContainsFunc(except, isExcepted) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// chains walks the imports of a package breadth first and returns the shortest
// chain to each forbidden one. What a standard package imports is its own
// business, and so is what a forbidden one does.
func (g depsGraph) chains(from string, r depsRule) [][]string {
	var found [][]string
	seen := make(map[string]bool)
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		for _, path := range g[chain[len(chain)-1]].Imports {
			if seen[path] {
				continue
			}
			seen[path] = true
			next := append(slices.Clone(chain), path)
			if r.forbids(g, path) {
				found = append(found, next)
			} else if !g[path].Standard {
				queue = append(queue, next)
			}
		}
	}
	return found
}

func (r depsRule) forbids(g depsGraph, path string) bool {
	return slices.ContainsFunc(r.forbid, func(pattern string) bool {
		if pattern == "third party" {
			return !g[path].Standard && !inModule(path)
		}
		return matchesPath(pattern, path)
	})
}

func matchesPath(pattern, path string) bool {
	if pattern == "." || strings.HasPrefix(pattern, "./") {
		pattern = thisModule + pattern[1:]
	}
	parent, below := strings.CutSuffix(pattern, "/...")
	return path == parent || below && strings.HasPrefix(path, parent+"/")
}

func inModule(path string) bool { return matchesPath("./...", path) }

func TestDepsRulesCanFail(t *testing.T) {
	const m = thisModule
	clean := map[string][]string{
		m:                               {"net/http", m + "/internal/strictjson"},
		m + "/internal/strictjson":      {"encoding/json"},
		m + "/providers":                {"net/url"},
		m + "/store":                    {"sync"},
		m + "/store/storetest":          {m + "/store", "testing"},
		m + "/authtest":                 {m, m + "/authtest/fakeop", "testing"},
		m + "/authtest/fakeop":          {"net/http"},
		m + "/kvoauth":                  {m, m + "/store", "golang.org/x/oauth2"},
		m + "/workos":                   {m, "github.com/go-jose/go-jose/v4"},
		m + "/workos/workostest":        {m + "/workos"},
		m + "/examples/quickstart":      {m + "/kvoauth", m + "/authtest/fakeop"},
		"golang.org/x/oauth2":           {"net/http"},
		"github.com/go-jose/go-jose/v4": {"crypto/rsa"},
		"gorm.io/gorm":                  {"database/sql"},
		"net/http":                      {"testing"}, // made up: standard packages are not walked
		"testing":                       {}, "crypto/rsa": {}, "encoding/json": {}, "net/url": {}, "sync": {}, "database/sql": {},
	}
	tests := []struct {
		name, pkg string
		imports   []string // added to the package; nil removes the package
		want      []string
	}{
		{"clean", m + "/store", []string{}, nil},
		{"third party", m + "/store", []string{"gorm.io/gorm"}, []string{
			"standard library only: " + m + "/store -> gorm.io/gorm",
			"standard library only: " + m + "/store/storetest -> " + m + "/store -> gorm.io/gorm",
			"a backend links no other backend, database or store driver: " + m + "/kvoauth -> " + m + "/store -> gorm.io/gorm",
		}},
		{"import of the root", m + "/internal/strictjson", []string{m}, []string{
			"what the root imports does not import the root: " + m + " -> " + m + "/internal/strictjson -> " + m,
		}},
		{"testing", "golang.org/x/oauth2", []string{"testing"}, []string{
			"test support stays out of programs: " + m + "/examples/quickstart -> " + m + "/kvoauth -> golang.org/x/oauth2 -> testing",
			"test support stays out of programs: " + m + "/kvoauth -> golang.org/x/oauth2 -> testing",
		}},
		{"kit", m + "/providers", []string{m + "/store/storetest"}, []string{
			"the root and its plain data know no backend and no kit: " + m + "/providers -> " + m + "/store/storetest",
			"test support stays out of programs: " + m + "/providers -> " + m + "/store/storetest",
		}},
		{"OpenID client", "github.com/go-jose/go-jose/v4", []string{"golang.org/x/oauth2"}, []string{
			"workos links no OpenID client, other backend, database or store: " + m + "/workos -> github.com/go-jose/go-jose/v4 -> golang.org/x/oauth2",
			"workos links no OpenID client, other backend, database or store: " + m + "/workos/workostest -> " + m + "/workos -> github.com/go-jose/go-jose/v4 -> golang.org/x/oauth2",
		}},
		{"store", m + "/workos/workostest", []string{m + "/store"}, []string{
			"workos links no OpenID client, other backend, database or store: " + m + "/workos/workostest -> " + m + "/store",
		}},
		{"fake WorkOS", m + "/kvoauth", []string{m + "/workos/workostest"}, []string{
			"a backend links no other backend, database or store driver: " + m + "/kvoauth -> " + m + "/workos/workostest",
			"the fake WorkOS is for tests and demonstrations: " + m + "/kvoauth -> " + m + "/workos/workostest",
		}},
		{"fake provider", m + "/kvoauth", []string{m + "/authtest/fakeop"}, []string{
			"the fake provider is for tests and demonstrations: " + m + "/kvoauth -> " + m + "/authtest/fakeop",
		}},
		{"renamed", m + "/providers", nil, []string{
			"standard library only: no package is ./providers/...",
			"the root and its plain data know no backend and no kit: no package is ./providers/...",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			graph := make(depsGraph)
			for path, imports := range clean {
				standard := !strings.Contains(strings.Split(path, "/")[0], ".")
				graph[path] = depsPackage{path, standard, imports}
			}
			p := graph[tt.pkg]
			p.Imports = append(slices.Clone(p.Imports), tt.imports...)
			graph[tt.pkg] = p
			if tt.imports == nil {
				delete(graph, tt.pkg)
			}
			if got := graph.violations(depsRules); !slices.Equal(got, tt.want) {
				t.Errorf("violations:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
