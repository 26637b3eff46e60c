package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// maxProbes bounds how many calls at once try a server that has last failed. The others wait for their turn or their
// deadline, so that a server that is down or hangs does not collect goroutines.
const maxProbes = 16

// probePause is how long a probe that got no answer keeps its place.
const probePause = 100 * time.Millisecond

// maxDirect bounds how many calls at once use the pipeline directly. With the probes they never fill it, not even when
// all are given up and their commands stay in it until the connection is.
const maxDirect = 2048

// command is what a call asks of a server.
type command func(context.Context, rueidis.Client) rueidis.RedisResult

// link is the connection to the servers, made when it is first needed.
type link struct {
	option func() rueidis.ClientOption
	well   atomic.Bool                    // the last command was answered
	client atomic.Pointer[rueidis.Client] // nil until a connection was made
	direct atomic.Int64                   // calls that use the pipeline directly
	probes chan struct{}

	mu      sync.Mutex
	dialing *dial
	closed  bool
}

// dial is one attempt to connect, which any number of calls wait for.
type dial struct {
	done chan struct{}
	err  error // set before done is closed
}

func newLink(cfg Config, trackers rueidis.NewCacheStoreFn) *link {
	l := &link{probes: make(chan struct{}, maxProbes)}
	l.option = func() rueidis.ClientOption {
		o := cfg.option()
		o.NewCacheStoreFn = trackers
		o.DialCtxFn = l.dialServer
		return o
	}
	return l
}

// do runs a command and returns soon after ctx is done.
//
// The client library keeps that promise on a connection that is up, but a call that finds it down may wait for another
// call's attempt to connect, and one whose place in the pipeline is taken by commands that were given up waits too. So
// while the server is not known to be well, or has more to do than the pipeline holds, a command is a probe.
func (l *link) do(ctx context.Context, f command) (rueidis.RedisMessage, error) {
	if client := l.client.Load(); client != nil && l.well.Load() {
		n := l.direct.Add(1)
		defer l.direct.Add(-1)
		if n <= maxDirect {
			return l.run(ctx, *client, f)
		}
	}
	return l.probe(ctx, f)
}

// probe runs a command in a goroutine that is left behind when ctx is done first.
func (l *link) probe(ctx context.Context, f command) (rueidis.RedisMessage, error) {
	select {
	case l.probes <- struct{}{}:
	case <-ctx.Done():
		return rueidis.RedisMessage{}, ctx.Err()
	}
	type answer struct {
		reply rueidis.RedisMessage
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() { <-l.probes }()
		client, err := l.connect(ctx)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		reply, err := l.run(ctx, client, f)
		answers <- answer{reply, err}
		if errors.Is(err, context.DeadlineExceeded) { // its command stays in the pipeline
			time.Sleep(probePause)
		}
	}()
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
		return rueidis.RedisMessage{}, ctx.Err()
	}
}

func (l *link) run(ctx context.Context, client rueidis.Client, f command) (rueidis.RedisMessage, error) {
	reply, err := f(ctx, client).ToMessage()
	var answered *rueidis.RedisError // null is one too
	switch {
	case err == nil || errors.As(err, &answered):
		l.well.Store(true)
	case !errors.Is(err, context.Canceled):
		l.well.Store(false)
	}
	return reply, err
}

// connect returns the client, which is made once. Of concurrent calls one makes it, and the attempt goes on when that
// one's ctx is done.
func (l *link) connect(ctx context.Context) (rueidis.Client, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errClosed
	}
	if client := l.client.Load(); client != nil {
		l.mu.Unlock()
		return *client, nil
	}
	d := l.dialing
	if d == nil {
		d = &dial{done: make(chan struct{})}
		l.dialing = d
		go l.make(d)
	}
	l.mu.Unlock()
	select {
	case <-d.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d.err != nil {
		return nil, d.err
	}
	return *l.client.Load(), nil
}

func (l *link) make(d *dial) {
	client, err := rueidis.NewClient(l.option())
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(d.done)
	if err == nil && l.closed {
		err = errClosed
	}
	if err == nil {
		l.client.Store(&client)
	} else if client != nil {
		go client.Close() // may wait for a server that hangs
	}
	d.err, l.dialing = err, nil
}

// dialServer is how the client library connects, at first and again.
func (l *link) dialServer(ctx context.Context, addr string, dialer *net.Dialer, secure *tls.Config) (net.Conn, error) {
	l.well.Store(false)
	if secure == nil {
		return dialer.DialContext(ctx, "tcp", addr)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: secure}).DialContext(ctx, "tcp", addr)
}

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	client := l.client.Load()
	l.mu.Unlock()
	if client != nil {
		(*client).Close()
	}
}
