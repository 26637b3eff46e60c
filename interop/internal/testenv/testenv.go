// Package testenv finds the repository that a test runs in and says what
// happens when a program the test needs is not installed.
package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	rootModule    = "github.com/netscript/auth"
	interopModule = rootModule + "/interop"
)

// Root returns the directory of the repository.
func Root(t testing.TB) string {
	t.Helper()
	return moduleDir(t, rootModule)
}

// Interop returns the directory of the interop module, where node_modules is.
func Interop(t testing.TB) string {
	t.Helper()
	return moduleDir(t, interopModule)
}

// Missing ends the test because something is not installed: as a failure in CI
// (environment variable CI set), as a skip elsewhere.
func Missing(t testing.TB, what string) {
	t.Helper()
	const fix = "run `make setup`"
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, fix)
	}
	t.Skipf("%s is missing: %s", what, fix)
}

// moduleDir walks up from the working directory, which go test sets to the
// directory of the package under test.
func moduleDir(t testing.TB, module string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+module+"\n") {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatalf("no directory above the test holds the module %s", module)
		}
		dir = parent
	}
}
