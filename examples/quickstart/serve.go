package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	triedPorts   = 20
	readTimeout  = 10 * time.Second
	shutdownTime = 2 * time.Second
)

// site is a web site of this process.
type site struct {
	listener net.Listener
	handler  http.Handler
	url      string // its origin
	note     string // what became of the address that was asked for; empty if that is it
}

// listen listens on addr, or on the next free port if that one is taken.
func listen(addr string) (*site, error) {
	ip, port, err := parseLoopback(addr)
	if err != nil {
		return nil, fmt.Errorf("-addr %s: %w", addr, err)
	}
	name := ip.String()
	if ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || ip == netip.IPv6Loopback() {
		name = "localhost"
	}
	for p := port; ; p++ {
		s, err := listenAs(name, netip.AddrPortFrom(ip, p).String())
		taken := errors.Is(err, syscall.EADDRINUSE) && p-port < triedPorts && p < 1<<16-1
		if taken {
			continue
		}
		if err == nil && p != port {
			s.note = fmt.Sprintf("Port %d is taken, so this is port %d.\n", port, p)
		}
		return s, err
	}
}

// listenAs listens on addr for a site that is called name.
func listenAs(name, addr string) (*site, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &site{listener: l, url: "http://" + net.JoinHostPort(name, port)}, nil
}

// parseLoopback refuses every address that another machine could reach: anybody can sign in here as anybody, over plain
// http. No name but localhost is looked up, since what a name means is for others to decide.
func parseLoopback(addr string) (netip.Addr, uint16, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.Addr{}, 0, errors.New("not an address with a port, such as 127.0.0.1:8094")
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return netip.Addr{}, 0, errors.New("the port is not a number up to 65535")
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() || ip.Zone() != "" {
		return netip.Addr{}, 0, errors.New("not a loopback address: this is a demonstration in which anyone signs in " +
			"as anyone, without a password and over plain http, so no other machine may reach it; use 127.0.0.1 or ::1")
	}
	return ip.Unmap(), uint16(port), nil
}

// onlyHost sends a browser that came by another name of this machine to the one that the cookies are for. It also keeps
// out pages of a name that somebody else points at loopback (DNS rebinding).
func onlyHost(url string, next http.Handler) http.Handler {
	host := strings.TrimPrefix(url, "http://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == host:
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet:
			http.Redirect(w, r, url+r.URL.RequestURI(), http.StatusFound) //nolint:gosec // the origin is ours
		default:
			http.Error(w, "this site is "+url, http.StatusMisdirectedRequest)
		}
	})
}

// close stops listening. It does nothing for a site that was served.
func (s *site) close() { _ = s.listener.Close() }

// serve serves all sites until ctx is done, and then lets the requests under way finish.
func serve(ctx context.Context, sites ...*site) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(sites))
	for _, s := range sites {
		go func() {
			defer cancel() // one without the others is of no use
			ended <- s.serve(ctx)
		}()
	}
	var errs []error
	for range sites {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

func (s *site) serve(ctx context.Context) error {
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: readTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := server.Shutdown(late)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close() // browsers keep connections open that they never use
	}
	return err
}
