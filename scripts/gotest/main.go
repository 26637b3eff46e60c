// Command gotest runs `go test` in the modules named on its command line and
// prints what a reader needs: failures as they happen, tests that were skipped
// with their reasons, the time each module took, and go test's closing lines
// last. In CI (environment variable CI set) a skipped test is a failure: it
// means that the machine lacks what the test needs.
//
//	gotest [-flags of go test] -- dir...
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

func main() {
	flags, dirs, err := splitArgs(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	inCI := os.Getenv("CI") != ""
	ok := true
	for _, dir := range dirs {
		passed, err := runModule(os.Stdout, dir, flags, inCI)
		if err != nil {
			fmt.Fprintln(os.Stderr, "gotest:", err)
		}
		ok = ok && passed && err == nil
	}
	if !ok {
		os.Exit(1)
	}
}

func splitArgs(args []string) (flags, dirs []string, err error) {
	i := slices.Index(args, "--")
	if i < 0 || i == len(args)-1 {
		return nil, nil, errors.New("usage: gotest [-flags of go test] -- DIR [DIR]...; no DIR given")
	}
	return args[:i], args[i+1:], nil
}

// runModule runs every test of the module in dir and reports whether all passed.
func runModule(w io.Writer, dir string, flags []string, inCI bool) (bool, error) {
	fmt.Fprintf(w, "==> go test in %s\n", dir)
	start := time.Now()
	args := append([]string{"test", "-json"}, flags...)
	cmd := exec.Command("go", append(args, "./...")...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	r := newReport(w)
	readErr := r.read(bufio.NewReader(stdout))
	waitErr := cmd.Wait()
	passed := r.finish(dir, time.Since(start).Round(time.Millisecond*100), inCI)
	var exit *exec.ExitError
	if errors.As(waitErr, &exit) {
		return false, readErr
	}
	return passed, errors.Join(readErr, waitErr)
}

// read consumes the JSON lines of go test until the end. Lines that are not
// JSON come from the go command itself and are passed on.
func (r *report) read(in *bufio.Reader) error {
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.add(e)
			} else {
				r.closing = append(r.closing, string(line))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
