// Package fuzzcheck holds what every fuzz target of a parser of outside bytes requires of it, whatever it parses.
package fuzzcheck

import (
	"errors"
	"net/http"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

const (
	allocPerByte = 64
	allocBase    = 1 << 20
	slowest      = 10 * time.Second // a hang, also on a machine that has much else to do
	attempts     = 3

	maxQuoted  = 64  // bytes of the input in a row
	maxMessage = 512 // bytes
)

// Bounded runs parse, which reads size bytes from outside and can be repeated, and requires that it does not hang and
// that it allocates at most 64 bytes for each of them and a mebibyte. What else the process does counts too, so that only
// the least of three attempts is judged.
func Bounded(t testing.TB, size int, parse func()) {
	t.Helper()
	limit := uint64(allocPerByte*size + allocBase)
	var bytes uint64
	var took time.Duration
	for range attempts {
		began, before := time.Now(), allocated()
		parse()
		if bytes, took = allocated()-before, time.Since(began); bytes <= limit && took <= slowest {
			return
		}
	}
	t.Errorf("%d bytes of input took %v and %d bytes of memory, of which %d are allowed", size, took, bytes, limit)
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Discreet requires that err, if there is one, is short, repeats no more than 64 bytes of input in a row, and holds none
// of secrets.
func Discreet(t testing.TB, err error, input string, secrets ...string) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if len(text) > maxMessage {
		t.Errorf("the error has %d bytes", len(text))
	}
	for i := 0; len(input) > maxQuoted && i+maxQuoted < len(text); i++ {
		if strings.Contains(input, text[i:i+maxQuoted+1]) {
			t.Errorf("the error repeats the input: %q", text)
			break
		}
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("the error holds a secret: %q", text)
		}
	}
}

var errOffline = errors.New("a parser must not connect to anything")

// Offline lets requests by http.DefaultTransport fail, and the test with them, until it ends: what a parser is not given
// a client for, it does not ask. Tests of the package must not run beside it.
func Offline(t testing.TB) {
	standard := http.DefaultTransport
	http.DefaultTransport = refusing{t}
	t.Cleanup(func() { http.DefaultTransport = standard })
}

type refusing struct{ t testing.TB }

// RoundTrip implements http.RoundTripper.
func (r refusing) RoundTrip(*http.Request) (*http.Response, error) {
	r.t.Error(errOffline)
	return nil, errOffline
}
