package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// event is one line of `go test -json`; see `go doc cmd/test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

// report turns the events of one module into text.
type report struct {
	w       io.Writer
	pending map[string][]string // output of tests that have not ended, by package and test
	skips   []skip
	passed  int
	failed  int
	broken  bool     // a test or a whole package failed
	closing []string // go test's own last lines, one per package
}

type skip struct{ pkg, test, reason string }

func newReport(w io.Writer) *report {
	return &report{w: w, pending: make(map[string][]string)}
}

func (r *report) add(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "output":
		r.output(key, e)
	case "pass":
		if e.Test != "" {
			r.passed++
			delete(r.pending, key)
		}
	case "skip":
		if e.Test != "" {
			r.skips = append(r.skips, skip{e.Package, e.Test, reason(r.pending[key])})
			delete(r.pending, key)
		}
	case "fail":
		r.broken = true
		if e.Test != "" {
			r.failed++
		}
		r.flush(key)
	}
}

// output keeps what a test prints until it is known how the test ended, and
// sorts what belongs to the package into its closing lines and the rest.
func (r *report) output(key string, e event) {
	switch {
	case e.Test != "":
		if !isProgress(e.Output) {
			r.pending[key] = append(r.pending[key], e.Output)
		}
	case isClosing(e.Output):
		r.closing = append(r.closing, e.Output)
	case e.Output == "PASS\n" || e.Output == "FAIL\n" || strings.HasPrefix(e.Output, "testing: warning: no tests"):
	default:
		fmt.Fprint(r.w, e.Output)
	}
}

func (r *report) flush(key string) {
	for _, line := range r.pending[key] {
		fmt.Fprint(r.w, line)
	}
	delete(r.pending, key)
}

// finish prints the summary and the closing lines, and reports whether the
// module passed.
func (r *report) finish(dir string, took time.Duration, inCI bool) bool {
	for key := range r.pending { // a test that never ended: the binary crashed or timed out
		r.flush(key)
	}
	for _, s := range r.skips {
		fmt.Fprintf(r.w, "--- SKIP: %s %s: %s\n", s.pkg, s.test, s.reason)
	}
	fmt.Fprintf(r.w, "==> %s: %d passed, %d failed, %d skipped, %s\n", dir, r.passed, r.failed, len(r.skips), took)
	for _, line := range r.closing {
		fmt.Fprint(r.w, line)
	}
	if inCI && len(r.skips) > 0 {
		fmt.Fprintf(r.w, "FAIL\t%s: %d skipped, and in CI nothing may be\n", dir, len(r.skips))
		return false
	}
	return !r.broken
}

func isProgress(line string) bool {
	for _, p := range []string{"=== RUN", "=== PAUSE", "=== CONT", "=== NAME"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return false
}

func isClosing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t") ||
		strings.Contains(line, "\tcoverage: ")
}

// reason is what a skipped test logged, on one line.
func reason(output []string) string {
	var parts []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "--- SKIP") {
			parts = append(parts, line)
		}
	}
	if len(parts) == 0 {
		return "no reason given"
	}
	return strings.Join(parts, " ")
}
