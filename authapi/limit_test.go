package authapi_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netscript/auth/authapi"
)

const proxyPeer = "127.0.0.1:5000"

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := kvOAuthEnv().with("NETSCRIPT_AUTH_RATE_LIMIT", "2/m", "NETSCRIPT_AUTH_TRUSTED_PROXIES", "127.0.0.0/8", "NETSCRIPT_AUTH_PROVIDER_ID", "only")
		s := newService(t, options(t, e))
		ask := func(peer, path, forwarded string) int {
			r := httptest.NewRequest("POST", path, strings.NewReader("{}"))
			r.RemoteAddr = peer
			r.Header.Set("Content-Type", "application/json")
			if forwarded != "" {
				r.Header.Set("X-Forwarded-For", forwarded)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if (w.Code == 429) != (w.Header().Get("Retry-After") != "" && w.Code != 503) {
				t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			return w.Code
		}
		limited := func(name string, want bool, got int) {
			t.Helper()
			if (got == 429) != want {
				t.Errorf("%s: %d", name, got)
			}
		}
		limited("first", false, ask("192.0.2.1:1", base+"/callback", ""))
		limited("second, of the mirror", false, ask("192.0.2.1:2", "/api/rpc/v1/auth/callback", ""))
		limited("third", true, ask("192.0.2.1:3", base+"/callback/only", ""))
		limited("third, of the mirror", true, ask("192.0.2.1:4", "/api/rpc/v1/auth/signin", ""))
		limited("third, with a forged address", true, ask("192.0.2.1:5", base+"/signin", "198.51.100.9"))
		limited("sign-out", false, ask("192.0.2.1:6", base+"/signout", ""))
		limited("session", false, ask("192.0.2.1:6", base+"/session", ""))
		limited("another client", false, ask("192.0.2.2:1", base+"/callback", ""))
		limited("v6", false, ask("[2001:db8::1]:1", base+"/callback", ""))
		limited("v6, its neighbour", false, ask("[2001:db8::2]:1", base+"/callback", ""))
		limited("v6, the rest of the network", true, ask("[2001:db8::ffff:3]:1", base+"/callback", ""))
		limited("v6, another network", false, ask("[2001:db8:0:1::1]:1", base+"/callback", ""))
		limited("behind the proxy", false, ask("127.0.0.1:1", base+"/callback", "192.0.2.50"))
		limited("behind the proxy, another", false, ask("127.0.0.1:1", base+"/callback", "192.0.2.51"))
		limited("behind the proxy, with what it was told", false, ask("127.0.0.1:1", base+"/callback", "10.9.9.9, 192.0.2.50"))
		limited("behind the proxy, once too often", true, ask("127.0.0.1:1", base+"/callback", "10.9.9.8, 192.0.2.50"))
		time.Sleep(30 * time.Second)
		limited("half a minute later", false, ask("192.0.2.1:7", base+"/callback", ""))
		limited("and again", true, ask("192.0.2.1:7", base+"/callback", ""))
	})
}

func TestNoRateLimit(t *testing.T) {
	s := newService(t, options(t, kvOAuthEnv()))
	for range 200 {
		if w := do(s, "GET", base+"/callback", ""); w.Code == 429 {
			t.Fatal("limited without being asked to")
		}
	}
}

// FuzzClientAddress is F-FWD: a client that is not behind a trusted proxy is known by its connection, whatever it says.
func FuzzClientAddress(f *testing.F) {
	for _, v := range []string{"", "192.0.2.1", " 10.0.0.1 , 192.0.2.1", "for=192.0.2.60;proto=http", `"[2001:db8::1]:80"`, "_hidden", "unknown", "192.0.2.1\r\n 10.0.0.1", ",,,",
		"fe80::1%eth0", "::ffff:192.0.2.1", "192.0.2.1:80", strings.Repeat("127.0.0.1,", 50)} {
		f.Add("192.0.2.9:1", v, v)
		f.Add("127.0.0.1:1", v, "192.0.2.1")
		f.Add("@", v, "")
	}
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"] = []string{first, second}
		r.Header["Forwarded"] = []string{first}
		got := authapi.ClientAddress(r, loopback)
		r.Header = nil
		plain := authapi.ClientAddress(r, loopback)
		addr, err := netip.ParseAddrPort(peer)
		if (err != nil || !loopback[0].Contains(addr.Addr().Unmap())) && got != plain {
			t.Errorf("%q with %q, %q is %v, not %v", peer, first, second, got, plain)
		}
		if err == nil && !got.IsValid() || got.IsValid() && got != got.Masked() {
			t.Errorf("%q with %q, %q is %v", peer, first, second, got)
		}
	})
}
