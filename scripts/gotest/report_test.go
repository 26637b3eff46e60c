package main

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	const (
		pass = `{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"output","Package":"m/a","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"m/a","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"m/a","Test":"TestA"}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a"}
`
		skipped = `{"Action":"output","Package":"m/b","Test":"TestB","Output":"    b_test.go:3: no browser\n"}
{"Action":"output","Package":"m/b","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"m/b","Test":"TestB"}
{"Action":"output","Package":"m/b","Output":"ok  \tm/b\t0.1s\n"}
{"Action":"pass","Package":"m/b"}
`
		failed = `{"Action":"output","Package":"m/c","Test":"TestC","Output":"    c_test.go:3: wrong\n"}
{"Action":"fail","Package":"m/c","Test":"TestC"}
{"Action":"output","Package":"m/c","Output":"FAIL\tm/c\t0.1s\n"}
{"Action":"fail","Package":"m/c"}
`
		broken = `{"Action":"build-output","ImportPath":"m/d","Output":"d.go:1: syntax error\n"}
{"Action":"output","Package":"m/d","Output":"FAIL\tm/d [build failed]\n"}
{"Action":"fail","Package":"m/d","FailedBuild":"m/d"}
`
		crashed = `{"Action":"output","Package":"m/e","Test":"TestE","Output":"last words\n"}
{"Action":"output","Package":"m/e","Output":"FAIL\tm/e\t0.1s\n"}
{"Action":"fail","Package":"m/e"}
`
		noTests = `{"Action":"output","Package":"m/f","Output":"?   \tm/f\t[no test files]\n"}
{"Action":"skip","Package":"m/f"}
`
	)
	tests := []struct {
		name, in string
		ci, want bool
		shows    []string
		lastLine string
	}{
		{"pass", pass, true, true, []string{"1 passed, 0 failed, 0 skipped"}, "ok  \tm/a\t0.1s"},
		{"skip here", pass + skipped, false, true, []string{"m/b TestB: b_test.go:3: no browser", "1 skipped"}, "ok  \tm/b\t0.1s"},
		{"skip in CI", skipped + pass, true, false, []string{"no browser", "ok  \tm/a"}, "FAIL\tm: 1 skipped, and in CI nothing may be"},
		{"fail", failed + pass, false, false, []string{"c_test.go:3: wrong", "1 passed, 1 failed"}, "ok  \tm/a\t0.1s"},
		{"does not compile", broken, false, false, []string{"syntax error"}, "FAIL\tm/d [build failed]"},
		{"crash", crashed, false, false, []string{"last words"}, "FAIL\tm/e\t0.1s"},
		{"package without tests", noTests, true, true, []string{"0 skipped"}, "?   \tm/f\t[no test files]"},
		{"not JSON", pass + "go: something\n", true, true, nil, "go: something"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(bufio.NewReader(strings.NewReader(tt.in))); err != nil {
				t.Fatal(err)
			}
			if got := r.finish("m", time.Second, tt.ci); got != tt.want {
				t.Errorf("passed = %v, want %v", got, tt.want)
			}
			text := strings.TrimSuffix(out.String(), "\n")
			for _, want := range tt.shows {
				if !strings.Contains(text, want) {
					t.Errorf("output lacks %q:\n%s", want, text)
				}
			}
			if last := text[strings.LastIndexByte(text, '\n')+1:]; last != tt.lastLine {
				t.Errorf("last line is %q, want %q", last, tt.lastLine)
			}
			if strings.Contains(text, "chatter") || strings.Contains(text, "=== RUN") {
				t.Errorf("output of a passing test is shown:\n%s", text)
			}
		})
	}
}
