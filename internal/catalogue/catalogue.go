// Package catalogue is the table of what a hostile or broken provider, browser, proxy or store may do, what must come of
// it, and which test shows that it does. Its own test holds the table against the sources of all tests, so that a row
// without a test or a reason, and a test that is gone, are noticed.
//
// The rows are in the directory rows, a file for each part:
//
//	ID | what the provider or attacker does | what must come of it | where that is from
//		package.TestName
//		package.TestName/a text in the test
//
// or, in the place of the tests, why the row does not apply:
//
//   - class: reason
//
// A package is named by its directory, the root as auth. The text behind a slash is a string literal of the test or of
// something that the test uses: in most cases the name of the subtest or of the row of its table.
package catalogue

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed rows/*.txt
var files embed.FS

// Row is one line of the table.
type Row struct {
	ID     string
	Act    string // what the provider or attacker does
	Expect string // what must come of it
	Source string // standard, advisory or module
	Tests  []string
	Class  string // of Reason
	Reason string // why the row does not apply; empty if it has tests
	At     string // file and line
}

// classes are those of reasons, with what each means.
var classes = map[string]string{
	"unsupported":  "the library has no such feature, and says so",
	"design":       "there is nothing that could do it: no such code, no such input, no such state",
	"other party":  "it binds the provider, the browser or the application, not this library",
	"no statement": "the row requires nothing",
}

// Rows returns the table in the order of the files.
func Rows() ([]Row, error) {
	names, err := fs.Glob(files, "rows/*.txt")
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		more, err := parse(name, string(text))
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func parse(name, text string) (rows []Row, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		at := fmt.Sprintf("%s:%d", name, n)
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] != '\t':
			row, err := parseRow(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			row.At = at
			rows = append(rows, row)
		case len(rows) == 0:
			return nil, fmt.Errorf("%s: stands under no row", at)
		default:
			if err := rows[len(rows)-1].add(line[1:]); err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
		}
	}
	return rows, nil
}

func parseRow(line string) (Row, error) {
	cells := strings.Split(line, " | ")
	if len(cells) != 4 {
		return Row{}, fmt.Errorf("%d cells, want 4", len(cells))
	}
	for _, c := range cells {
		if c != strings.TrimSpace(c) || c == "" {
			return Row{}, fmt.Errorf("cell %q is empty or has white space around it", c)
		}
	}
	return Row{ID: cells[0], Act: cells[1], Expect: cells[2], Source: cells[3]}, nil
}

// add takes the name of a test or a reason.
func (r *Row) add(s string) error {
	text, isReason := strings.CutPrefix(s, "- ")
	switch {
	case r.Reason != "" || isReason && len(r.Tests) > 0:
		return fmt.Errorf("%s has a reason, and something beside it", r.ID)
	case !isReason:
		r.Tests = append(r.Tests, s)
		return nil
	}
	class, reason, _ := strings.Cut(text, ": ")
	if classes[class] == "" || len(reason) < 20 {
		return fmt.Errorf("%s: %q is no reason of a known class", r.ID, text)
	}
	r.Class, r.Reason = class, reason
	return nil
}
