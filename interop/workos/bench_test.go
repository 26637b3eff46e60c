package workos

import (
	"syscall"
	"testing"
	"time"

	"github.com/netscript/auth/workos"
	"github.com/netscript/auth/workos/workostest"
)

// BenchmarkAuthenticate authenticates one cookie of ordinary size with the keys in hand: the SDK in its process, and this
// library with and without its memory of verified cookies. x-sdk is how many of ours fit into the CPU time of one of the
// SDK's, all threads counted: on a machine that others use, the time on the wall says little.
func BenchmarkAuthenticate(b *testing.B) {
	r := newRig(b, workos.Config{})
	d, err := r.server.SignIn(workostest.Person{
		ID: "user_01HBEQKA6K4QJAS93VPE39W1JT", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", OrganizationID: "org_01HRDMC6CM357W30QMHMQ96Q0S",
		Picture: "https://workoscdn.com/images/v1/123abc", Role: "admin", Permissions: []string{"posts:read", "posts:write"},
	})
	if err != nil {
		b.Fatal(err)
	}
	cookie, err := r.backend.SessionCookie(d)
	if err != nil {
		b.Fatal(err)
	}
	var theirs struct{ NanosecondsPerOperation float64 }
	b.Run("sdk", func(b *testing.B) {
		for b.Loop() {
		}
		for range 2 { // the first lets the SDK's code get warm
			if err := r.sdk.do("bench", map[string]any{"cookie": cookie.Value, "milliseconds": 1500}, &theirs); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(theirs.NanosecondsPerOperation, "cpu-ns/op")
		b.ReportMetric(0, "ns/op")
	})
	for name, cached := range map[string]int{"verified": -1, "remembered": 0} {
		b.Run(name, func(b *testing.B) {
			backend, req := r.newBackend(b, workos.Config{CachedSessions: cached}), request(cookie.Value)
			b.ReportAllocs()
			n := 0
			start := cpuTime()
			for b.Loop() {
				if _, err := backend.Authenticate(req); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(n), "cpu-ns/op")
			b.ReportMetric(theirs.NanosecondsPerOperation*float64(n)/float64(cpuTime()-start), "x-sdk")
		})
	}
}

// cpuTime is what this process has used of its processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
