package catalogue

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// sources are the test files of one directory: their top-level declarations by name. Two of one name, methods or an
// internal and an external package's, count as one.
type sources map[string][]ast.Node

// allSources parses the test files of all modules of the repository, by directory.
func allSources(t *testing.T) map[string]sources {
	t.Helper()
	all := map[string]sources{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if dir = filepath.ToSlash(dir); dir == "." {
			dir = "auth"
		}
		if all[dir] == nil {
			all[dir] = sources{}
		}
		all[dir].add(file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s sources) add(file *ast.File) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			s[d.Name.Name] = append(s[d.Name.Name], d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch sp := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range sp.Names {
						s[name.Name] = append(s[name.Name], sp)
					}
				case *ast.TypeSpec:
					s[sp.Name.Name] = append(s[sp.Name.Name], sp)
				}
			}
		}
	}
}

// isTest reports whether name is a test or fuzz target.
func (s sources) isTest(name string) bool {
	if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
		return false
	}
	return slices.ContainsFunc(s[name], func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		return ok && f.Recv == nil && f.Body != nil && len(f.Body.List) > 0 && len(f.Type.Params.List) == 1
	})
}

// texts returns the string literals of name and of everything in the directory that it uses, directly or not.
func (s sources) texts(name string) map[string]bool {
	texts, seen := map[string]bool{}, map[string]bool{name: true}
	for todo := []string{name}; len(todo) > 0; todo = todo[1:] {
		for _, node := range s[todo[0]] {
			ast.Inspect(node, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
						texts[text] = true
					}
				case *ast.Ident:
					if !seen[n.Name] && s[n.Name] != nil {
						seen[n.Name] = true
						todo = append(todo, n.Name)
					}
				}
				return true
			})
		}
	}
	return texts
}

var (
	errNoPackage = errors.New("no such directory with tests")
	errNoTest    = errors.New("no such test")
	errNoText    = errors.New("the test has no such text")
)

// find reports whether the sources hold what ref names.
func find(all map[string]sources, ref string) error {
	name, text, hasText := ref, "", false
	if i := strings.Index(ref, "."); i >= 0 {
		if j := strings.IndexByte(ref[i:], '/'); j >= 0 {
			name, text, hasText = ref[:i+j], ref[i+j+1:], true
		}
	}
	dir, test, _ := strings.Cut(name, ".")
	s, ok := all[dir]
	switch {
	case !ok:
		return errNoPackage
	case !s.isTest(test):
		return errNoTest
	case hasText && (text == "" || !s.texts(test)[text]):
		return errNoText
	}
	return nil
}

// isWhole reports whether this is the repository, and not the module alone as the module cache has it.
func isWhole(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(root, "interop", "go.mod"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// TestFind: the search finds what is there and misses what is not.
func TestFind(t *testing.T) {
	const own = "a text of its own"
	all := allSources(t)
	for ref, want := range map[string]error{
		"internal/catalogue.TestFind":              nil,
		"internal/catalogue.TestFind/" + own:       nil,
		"internal/catalogue.TestFind/_test.go":     nil, // of what it uses
		"internal/catalogue.TestFind/another text": errNoText,
		"internal/catalogue.TestFind/":             errNoText,
		"internal/catalogue.TestGone":              errNoTest,
		"internal/catalogue.find":                  errNoTest,
		"internal/catalogue.":                      errNoTest,
		"internal/nothing.TestFind":                errNoPackage,
		"TestFind":                                 errNoPackage,
		"":                                         errNoPackage,
	} {
		if err := find(all, ref); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", ref, err, want)
		}
	}
}
