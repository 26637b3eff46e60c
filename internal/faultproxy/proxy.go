// Package faultproxy puts a TCP proxy between a client and a server that breaks the connection in the ways networks do,
// when a test says so.
package faultproxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy forwards connections to a server. A new one forwards everything at once; its methods change that for the
// connections that are open and for those that follow, and may be called at any time.
type Proxy struct {
	target string
	addr   string

	delay     atomic.Int64 // of what the server sends, in nanoseconds
	silent    atomic.Bool
	mute      atomic.Bool
	cutAfter  atomic.Int64 // bytes the server may still send; negative: no bound
	accepted  atomic.Int64
	fromCount atomic.Int64
	toCount   atomic.Int64

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	closed   bool
	wake     chan struct{} // closed and replaced when silence ends
	working  sync.WaitGroup
}

// Start returns a proxy on a free loopback port for the server at target, which need not be up.
func Start(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, addr: l.Addr().String(), listener: l, links: make(map[*link]struct{}), wake: make(chan struct{})}
	p.cutAfter.Store(-1)
	p.working.Go(func() { p.accept(l) })
	return p, nil
}

// Addr returns the address that clients connect to. It stays the same.
func (p *Proxy) Addr() string { return p.addr }

// Delay holds everything that the server sends back for d. Zero ends it.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// BlackHole forwards nothing in either direction and tells nobody: connections stay open and are accepted, as behind a
// firewall that drops packets. What was sent meanwhile arrives when it ends.
func (p *Proxy) BlackHole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent.Store(on)
	if !on {
		close(p.wake)
		p.wake = make(chan struct{})
	}
}

// DropReplies forwards what the client sends and throws away what the server answers. When it ends all connections
// break, because no network delivers a stream with a hole in it.
func (p *Proxy) DropReplies(on bool) {
	if !on && p.mute.Load() {
		p.Cut()
	}
	p.mute.Store(on)
}

// CutAfter breaks a connection when the server has sent n more bytes over it or over others. It happens once.
func (p *Proxy) CutAfter(n int) { p.cutAfter.Store(int64(n)) }

// Cut breaks all open connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Refuse makes connecting fail, and breaks what is connected, until it is called with false.
func (p *Proxy) Refuse(on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on == (p.listener == nil) || p.closed {
		return nil
	}
	if on {
		err := p.listener.Close()
		p.listener = nil
		for l := range p.links {
			l.cut()
		}
		return err
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = l
	p.working.Go(func() { p.accept(l) })
	return nil
}

// Open returns how many connections are open.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Accepted returns how many connections there have been.
func (p *Proxy) Accepted() int { return int(p.accepted.Load()) }

// Bytes returns how many bytes clients have sent to the server, and how many of the server's have reached them.
func (p *Proxy) Bytes() (sent, received int64) { return p.toCount.Load(), p.fromCount.Load() }

// Close breaks everything and waits until nothing of the proxy is left.
func (p *Proxy) Close() error {
	err := p.Refuse(true)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.working.Wait()
	return err
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		p.working.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client, broken: make(chan struct{})}
	if !p.add(l) {
		l.cut()
		return
	}
	defer func() {
		l.cut()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if !p.wait(l) {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil || !l.connected(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { defer l.cut(); p.forward(l) })
	both.Go(func() { defer l.cut(); p.back(l) })
	both.Wait()
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

// forward copies what the client sends.
func (p *Proxy) forward(l *link) {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		if n > 0 {
			if !p.wait(l) {
				return
			}
			p.toCount.Add(int64(n))
			if _, err := l.server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// back copies what the server sends, with its faults.
func (p *Proxy) back(l *link) {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buf)
		if n > 0 && p.deliver(l, buf[:n]) != nil || err != nil {
			return
		}
	}
}

var errCut = errors.New("cut")

func (p *Proxy) deliver(l *link, data []byte) error {
	if d := time.Duration(p.delay.Load()); d > 0 && !l.sleep(d) {
		return errCut
	}
	if !p.wait(l) {
		return errCut
	}
	if p.mute.Load() {
		return nil
	}
	last := false
	if left := p.cutAfter.Load(); left >= 0 {
		last = int64(len(data)) >= left
		data = data[:min(int64(len(data)), left)]
		p.cutAfter.Store(left - int64(len(data)))
		if last {
			p.cutAfter.Store(-1)
		}
	}
	// Counted first: whoever has read a byte finds it counted.
	p.fromCount.Add(int64(len(data)))
	n, err := l.client.Write(data)
	p.fromCount.Add(int64(n - len(data)))
	if last {
		return errCut
	}
	return err
}

// wait returns when the proxy is not a black hole, and false if the link broke before.
func (p *Proxy) wait(l *link) bool {
	for p.silent.Load() {
		p.mu.Lock()
		wake := p.wake
		p.mu.Unlock()
		if !p.silent.Load() {
			break
		}
		select {
		case <-wake:
		case <-l.broken:
			return false
		}
	}
	return true
}
