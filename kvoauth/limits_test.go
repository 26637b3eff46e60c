package kvoauth_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth/kvoauth"
)

// TestDocumentedLimits holds what SECURITY.md says about the lifetimes of sessions against the code (ASVS 7.1.1 to 7.1.3).
// That the code keeps to them, the tests of sessions show.
func TestDocumentedLimits(t *testing.T) {
	text, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	limits := fmt.Sprintf("| `kvoauth.Config.IdleTimeout`, `AbsoluteTimeout` | %d hours, %d days |",
		kvoauth.DefaultIdleTimeout/time.Hour, kvoauth.DefaultAbsoluteTimeout/(24*time.Hour))
	document := strings.Join(strings.Fields(string(text)), " ")
	for _, said := range []string{
		limits, // 7.1.1
		"may have any number of sessions at once",                                                     // 7.1.2
		"depends on neither the life of the provider's tokens nor that of the provider's own session", // 7.1.3
	} {
		if !strings.Contains(document, said) {
			t.Errorf("SECURITY.md does not say %q", said)
		}
	}
	if kvoauth.DefaultIdleTimeout%time.Hour != 0 || kvoauth.DefaultAbsoluteTimeout%(24*time.Hour) != 0 {
		t.Error("the limits are no whole hours and days: the document would round them")
	}
}
