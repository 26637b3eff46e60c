package authapi

import (
	"net/http"
	"net/netip"

	"github.com/netscript/auth/internal/clientaddr"
)

// clientAddress returns whose request r is, as an address range: one IPv4 address, or an IPv6 network of 64 bits, of
// which one customer has all addresses. A request without an address shares one with all such.
func clientAddress(r *http.Request, proxies []netip.Prefix) netip.Prefix {
	addr := clientaddr.Of(r, proxies, clientaddr.XForwardedFor)
	if !addr.IsValid() {
		return netip.Prefix{}
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}
