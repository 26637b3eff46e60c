// Package clientaddr finds the address of the client that sent a request.
package clientaddr

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// The headers by which proxies say whom they forward for.
const (
	XForwardedFor = "X-Forwarded-For"
	Forwarded     = "Forwarded" // RFC 7239
)

// Of returns who sent r: the connection's peer, or, when that is one of proxies, the last address in header that is not.
// A proxy vouches only for what it has appended itself, so the walk goes from the last to the first, and ends at the first
// that is no proxy, or cannot be read. Only header is read: proxies set one, and pass the other on as the client sent it.
// The result is not valid for a peer without an IP address; it has no zone and is never an IPv4 address mapped into IPv6.
func Of(r *http.Request, proxies []netip.Prefix, header string) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := plain(peer.Addr())
	if !trusted(addr, proxies) { // most requests, without reading a header
		return addr
	}
	lines := r.Header.Values(header)
	for i := len(lines) - 1; i >= 0; i-- {
		hops, ok := split(lines[i], header)
		if !ok {
			return addr
		}
		for j := len(hops) - 1; j >= 0; j-- {
			hop, ok := parse(hops[j])
			if !ok {
				return addr
			}
			if addr = hop; !trusted(addr, proxies) {
				return addr
			}
		}
	}
	return addr
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func trusted(a netip.Addr, proxies []netip.Prefix) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parse reads an address, with or without a port.
func parse(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return plain(a), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return plain(a.Addr()), true
	}
	inner, ok := strings.CutPrefix(s, "[")
	if inner, closed := strings.CutSuffix(inner, "]"); ok && closed {
		if a, err := netip.ParseAddr(inner); err == nil && a.Is6() {
			return plain(a), true
		}
	}
	return netip.Addr{}, false
}

func split(line, header string) ([]string, bool) {
	if header == Forwarded {
		return splitForwarded(line)
	}
	hops := strings.Split(line, ",")
	for i, hop := range hops {
		hops[i] = strings.Trim(hop, " \t")
	}
	return hops, true
}
