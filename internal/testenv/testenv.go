// Package testenv says what happens when a program that a test needs is not installed.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of the first of names that is installed. If none is, it ends the test: as a failure in CI
// (environment variable CI set), as a skip elsewhere.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, names[0])
	return ""
}

// Missing ends the test because something is not installed: as a failure in CI, as a skip elsewhere.
func Missing(t testing.TB, what string) {
	t.Helper()
	const fix = "run `make setup`"
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, fix)
	}
	t.Skipf("%s is missing: %s", what, fix)
}
