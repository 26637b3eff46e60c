package clientaddr_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/netscript/auth/internal/clientaddr"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestOf(t *testing.T) {
	const client, evil = "192.0.2.1", "203.0.113.66"
	for name, c := range map[string]struct {
		peer   string
		header string
		lines  []string
		want   string // "" is no address
	}{
		"a peer that is no proxy":         {client + ":1", "X-Forwarded-For", []string{evil}, client},
		"a proxy":                         {"10.0.0.1:1", "X-Forwarded-For", []string{client}, client},
		"what the client said":            {"10.0.0.1:1", "X-Forwarded-For", []string{evil + ", " + client}, client},
		"two proxies":                     {"10.0.0.1:1", "X-Forwarded-For", []string{evil + "," + client + " ,\t10.0.0.2"}, client},
		"two lines":                       {"10.0.0.1:1", "X-Forwarded-For", []string{evil, client}, client},
		"two lines, the last a proxy":     {"10.0.0.1:1", "X-Forwarded-For", []string{client, "10.0.0.2"}, client},
		"proxies alone":                   {"10.0.0.1:1", "X-Forwarded-For", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"nothing":                         {"10.0.0.1:1", "X-Forwarded-For", nil, "10.0.0.1"},
		"an empty line":                   {"10.0.0.1:1", "X-Forwarded-For", []string{""}, "10.0.0.1"},
		"a name":                          {"10.0.0.1:1", "X-Forwarded-For", []string{evil + ", unknown"}, "10.0.0.1"},
		"a name before the client":        {"10.0.0.1:1", "X-Forwarded-For", []string{"<script>, " + client}, client},
		"a port":                          {"10.0.0.1:1", "X-Forwarded-For", []string{client + ":4711"}, client},
		"IPv6":                            {"[fd00::1]:1", "X-Forwarded-For", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 with a port":                {"[fd00::1]:1", "X-Forwarded-For", []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		"IPv6 in brackets":                {"[fd00::1]:1", "X-Forwarded-For", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv4 in brackets":                {"[fd00::1]:1", "X-Forwarded-For", []string{"[" + client + "]"}, "fd00::1"},
		"a mapped proxy":                  {"[::ffff:10.0.0.1]:1", "X-Forwarded-For", []string{"::ffff:" + client}, client},
		"a zone":                          {"[fe80::1%eth0]:1", "X-Forwarded-For", []string{evil}, "fe80::1"},
		"a line break":                    {"10.0.0.1:1", "X-Forwarded-For", []string{client + "\r\n"}, "10.0.0.1"},
		"no address":                      {"@", "X-Forwarded-For", []string{client}, ""},
		"another header":                  {"10.0.0.1:1", "Forwarded", []string{}, "10.0.0.1"},
		"RFC 7239":                        {"10.0.0.1:1", "Forwarded", []string{"for=" + client + ";proto=https;by=10.0.0.1"}, client},
		"RFC 7239, what the client said":  {"10.0.0.1:1", "Forwarded", []string{"for=" + evil + ", For=" + client}, client},
		"RFC 7239, quoted":                {"10.0.0.1:1", "Forwarded", []string{`for="` + client + `:80"`}, client},
		"RFC 7239, IPv6":                  {"10.0.0.1:1", "Forwarded", []string{`for="[2001:db8::1]:4711", for=10.0.0.7`}, "2001:db8::1"},
		"RFC 7239, a comma in quotes":     {"10.0.0.1:1", "Forwarded", []string{`by="a, for=` + evil + `";for=` + client}, client},
		"RFC 7239, an escaped quote":      {"10.0.0.1:1", "Forwarded", []string{`by="\", for=` + evil + `";for=` + client}, client},
		"RFC 7239, quotes left open":      {"10.0.0.1:1", "Forwarded", []string{`for="` + evil + `, for=` + client}, "10.0.0.1"},
		"RFC 7239, open on another line":  {"10.0.0.1:1", "Forwarded", []string{`for="` + evil, "for=" + client}, client},
		"RFC 7239, hidden":                {"10.0.0.1:1", "Forwarded", []string{"for=" + evil + ", for=_hidden"}, "10.0.0.1"},
		"RFC 7239, unknown":               {"10.0.0.1:1", "Forwarded", []string{"for=" + evil + ", for=unknown"}, "10.0.0.1"},
		"RFC 7239, nobody":                {"10.0.0.1:1", "Forwarded", []string{"for=" + evil + ", proto=https"}, "10.0.0.1"},
		"RFC 7239, twice in one element":  {"10.0.0.1:1", "Forwarded", []string{"for=" + client + ";for=" + evil}, "10.0.0.1"},
		"RFC 7239, proto twice":           {"10.0.0.1:1", "Forwarded", []string{"for=" + client + ";proto=https;proto=http"}, "10.0.0.1"},
		"RFC 7239, an address as a token": {"10.0.0.1:1", "Forwarded", []string{"for=2001:db8::1"}, "10.0.0.1"},
		"RFC 7239, spaces":                {"10.0.0.1:1", "Forwarded", []string{"for=" + client + " ; proto=http , for=10.0.0.2"}, client},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			for _, other := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
				if other != c.header {
					r.Header.Set(other, strings.Repeat("for=", strings.Count(other, "F")%2)+evil) // is not read
				}
			}
			r.Header[c.header] = c.lines
			want := netip.Addr{}
			if c.want != "" {
				want = netip.MustParseAddr(c.want)
			}
			if got := clientaddr.Of(r, proxies, c.header); got != want {
				t.Errorf("%v, want %v", got, want)
			}
			r.Header = nil
			peer := clientaddr.Of(r, proxies, c.header)
			if got := clientaddr.Of(r, nil, c.header); got != peer {
				t.Errorf("without proxies %v, want the peer", got)
			}
		})
	}
}

// FuzzOf is F-FWD: a header changes nothing for a peer that is no proxy, and what a client sends in front of what a proxy
// appends on a line of its own changes nothing at all.
func FuzzOf(f *testing.F) {
	for _, v := range []string{"", "192.0.2.1", " 10.0.0.1 , 192.0.2.1", "for=192.0.2.60;proto=http;by=203.0.113.43", `for="[2001:db8::1]:80"`, `for="`,
		`for="\`, "for=_hidden, for=unknown", "192.0.2.1\r\n 10.0.0.1", ",,,", "fe80::1%eth0", "::ffff:192.0.2.1", "proto=https;proto=http", strings.Repeat("10.0.0.1,", 50)} {
		f.Add("192.0.2.9:1", v, false)
		f.Add("10.0.0.1:1", v, true)
		f.Add("@", v, true)
	}
	f.Fuzz(func(t *testing.T, peer, sent string, rfc bool) {
		header, appended := clientaddr.XForwardedFor, "198.51.100.7"
		if rfc {
			header, appended = clientaddr.Forwarded, `for="198.51.100.7:80"`
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		plain := clientaddr.Of(r, proxies, header)
		r.Header[header] = []string{sent}
		got := clientaddr.Of(r, proxies, header)
		isProxy := plain.IsValid() && (proxies[0].Contains(plain) || proxies[1].Contains(plain))
		if !isProxy && got != plain {
			t.Errorf("%q with %q is %v, not %v", peer, sent, got, plain)
		}
		if got != got.Unmap().WithZone("") || plain.IsValid() && !got.IsValid() {
			t.Errorf("%q with %q is %v", peer, sent, got)
		}
		r.Header[header] = []string{sent, appended}
		if got := clientaddr.Of(r, proxies, header); isProxy && got.String() != "198.51.100.7" {
			t.Errorf("%q pretends to be %v", sent, got)
		}
	})
}
