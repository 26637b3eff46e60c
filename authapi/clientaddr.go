package authapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress returns whose request r is, as an address range: one IPv4 address, or an IPv6 network of 64 bits, of
// which one customer has all addresses. It is the connection's peer; behind a proxy that is trusted, it is the last
// address of X-Forwarded-For that is not a trusted proxy's. Nothing else of the request is believed, and a value that
// cannot be read ends the walk. A request without an address shares one with all such.
func clientAddress(r *http.Request, proxies []netip.Prefix) netip.Prefix {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr := plain(peer.Addr())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusted(addr, proxies); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = plain(hop)
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func trusted(a netip.Addr, proxies []netip.Prefix) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
