package faultproxy

import (
	"net"
	"sync"
	"time"
)

// link is one connection of a client and the one to the server that belongs to it.
type link struct {
	client net.Conn
	server net.Conn
	broken chan struct{}

	mu     sync.Mutex
	closed bool
}

// connected reports whether the link was still wanted when its server answered.
func (l *link) connected(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = server.Close()
		return false
	}
	l.server = server
	return true
}

// cut closes both ends. What has been written to them is delivered before the end of the stream.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.broken)
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}

// sleep waits for d and returns false if the link broke before.
func (l *link) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.broken:
		return false
	}
}
