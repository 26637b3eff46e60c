package catalogue

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// wantIDs are the ids that the table must have, in their order.
func wantIDs(t *testing.T) (ids []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/ids.txt")
	if err != nil {
		t.Fatal(err)
	}
	for id := range strings.Lines(string(text)) {
		if id = strings.TrimSpace(id); id != "" && id[0] != '#' {
			ids = append(ids, id)
		}
	}
	if len(ids) < 400 {
		t.Fatalf("only %d ids", len(ids))
	}
	return ids
}

func table(t *testing.T) []Row {
	t.Helper()
	rows, err := Rows()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestRows: every id has its one row, in order, with tests that are there or with a reason.
func TestRows(t *testing.T) {
	rows, all, whole := table(t), allSources(t), isWhole(t)
	if !whole {
		t.Log("this is not the whole repository: tests of its other modules are not looked for")
	}
	have := make([]string, len(rows))
	for i, r := range rows {
		have[i] = r.ID
		if len(r.Tests) == 0 && r.Reason == "" {
			t.Errorf("%s: %s has neither a test nor a reason", r.At, r.ID)
		}
		for _, ref := range r.Tests {
			if !whole && (strings.HasPrefix(ref, "interop/") || strings.HasPrefix(ref, "examples/routers.")) {
				continue
			}
			if err := find(all, ref); err != nil {
				t.Errorf("%s: %s: %s: %v", r.At, r.ID, ref, err)
			}
		}
	}
	checkIDs(t, have, wantIDs(t))
}

func checkIDs(t *testing.T, have, want []string) {
	t.Helper()
	for i, id := range have {
		if slices.Contains(have[:i], id) {
			t.Errorf("%s has two rows", id)
		}
		if !slices.Contains(want, id) {
			t.Errorf("%s is no id of the catalogue", id)
		}
	}
	for _, id := range want {
		if !slices.Contains(have, id) {
			t.Errorf("%s has no row", id)
		}
	}
	if !t.Failed() && !slices.Equal(have, want) {
		t.Error("the rows are not in the order of the ids")
	}
}

// TestCounts prints how many rows are tested, and why the others are not.
func TestCounts(t *testing.T) {
	tested, tests, reasons := 0, map[string]bool{}, map[string]int{}
	rows := table(t)
	for _, r := range rows {
		if r.Reason != "" {
			reasons[r.Class]++
			continue
		}
		tested++
		for _, ref := range r.Tests {
			tests[ref] = true
		}
	}
	t.Logf("%d rows: %d tested, by %d tests and subtests; %d do not apply", len(rows), tested, len(tests), len(rows)-tested)
	for _, class := range slices.Sorted(maps.Keys(reasons)) {
		t.Logf("%4d %s: %s", reasons[class], class, classes[class])
	}
}

// TestParseRefuses: a table that is not written as it should be is an error, with its line.
func TestParseRefuses(t *testing.T) {
	const row = "A | b | c | d\n"
	for text, ok := range map[string]bool{
		"":                                 true,
		"# only a comment\n\n":             true,
		row:                                true,
		row + "\tpkg.Test\n\tpkg.Test/x\n": true,
		row + "\t- design: there is nothing that could do it\n": true,
		"A | b | c\n":         false,
		"A | b | c | d | e\n": false,
		"A |  | c | d\n":      false,
		"\tpkg.Test\n":        false,
		row + "\t- unheard of: there is nothing that could do it\n":         false,
		row + "\t- design: no\n":                                            false,
		row + "\t- there is nothing that could do it\n":                     false,
		row + "\t- design: there is nothing that could do it\n\tpkg.Test\n": false,
		row + "\tpkg.Test\n\t- design: there is nothing that could do it\n": false,
	} {
		if _, err := parse("x", text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		} else if err != nil && !strings.HasPrefix(err.Error(), "x:") {
			t.Errorf("%q: %v does not say where", text, err)
		}
	}
}
