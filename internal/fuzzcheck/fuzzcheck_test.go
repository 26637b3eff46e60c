package fuzzcheck_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/netscript/auth/internal/fuzzcheck"
)

// judge is a test that remembers whether it failed.
type judge struct {
	testing.TB
	failed bool
}

func (*judge) Helper()                 {}
func (j *judge) Errorf(string, ...any) { j.failed = true }
func (j *judge) Error(...any)          { j.failed = true }

func TestBounded(t *testing.T) {
	var keep []byte
	for _, c := range []struct {
		size, allocates int
		fails           bool
	}{{0, 1 << 10, false}, {0, 2 << 20, true}, {1 << 16, 2 << 20, false}, {1 << 16, 8 << 20, true}} {
		j := &judge{TB: t}
		fuzzcheck.Bounded(j, c.size, func() { keep = make([]byte, c.allocates) })
		if j.failed != c.fails {
			t.Errorf("%d bytes for %d: failed %t", c.allocates, c.size, j.failed)
		}
	}
	_ = keep
}

func TestDiscreet(t *testing.T) {
	long := strings.Repeat("0123456789", 10)
	for _, c := range []struct {
		err    error
		input  string
		secret string
		fails  bool
	}{
		{nil, long, long, false},
		{errors.New("not acceptable"), long, "canary", false},
		{fmt.Errorf("read %q", long), long, "", true},
		{fmt.Errorf("read %q", long[3:67]), long, "", false},
		{fmt.Errorf("read %q", long[3:68]), long, "", true},
		{errors.New("the canary"), "", "canary", true},
		{errors.New(strings.Repeat("x", 513)), "", "", true},
	} {
		j := &judge{TB: t}
		if fuzzcheck.Discreet(j, c.err, c.input, c.secret); j.failed != c.fails {
			t.Errorf("%v: failed %t", c.err, j.failed)
		}
	}
}

func TestOffline(t *testing.T) {
	j := &judge{TB: t}
	t.Run("offline", func(t *testing.T) {
		j.TB = t
		fuzzcheck.Offline(j)
		if r, err := http.Get("http://127.0.0.1:1/"); err == nil {
			_ = r.Body.Close()
			t.Error("connected")
		}
	})
	if !j.failed {
		t.Error("nobody noticed")
	}
	if _, ok := http.DefaultTransport.(*http.Transport); !ok {
		t.Error("not restored")
	}
}
