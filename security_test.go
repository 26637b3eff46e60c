package auth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityNamesEveryWeakening holds SECURITY.md against the code: what weakens a default is in its table, with what
// it opens, and the table names nothing that does not exist.
func TestSecurityNamesEveryWeakening(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	insecure := regexp.MustCompile(`\bInsecure[A-Za-z]+`)
	documented := map[string]bool{}
	for _, name := range insecure.FindAllString(string(text), -1) {
		documented[name] = true
	}
	declared := insecureNames(t)
	if len(declared) < 10 {
		t.Fatalf("only %d found: %v", len(declared), declared)
	}
	for name, where := range declared {
		if !documented[name] {
			t.Errorf("SECURITY.md does not say what %s (%s) opens", name, where)
		}
	}
	for name := range documented {
		if declared[name] == "" {
			t.Errorf("SECURITY.md speaks of %s, which does not exist", name)
		}
	}
}

// insecureNames returns the exported fields and functions of this module that are called Insecure..., and their files.
func insecureNames(t *testing.T) map[string]string {
	names := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "internal" || name == "interop" || name == "examples") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.StructType:
				for _, f := range n.Fields.List {
					for _, id := range f.Names {
						note(names, id, path)
					}
				}
			case *ast.FuncDecl:
				note(names, n.Name, path)
				return false
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func note(names map[string]string, id *ast.Ident, path string) {
	if strings.HasPrefix(id.Name, "Insecure") {
		names[id.Name] = path
	}
}
