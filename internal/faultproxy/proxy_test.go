package faultproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/netscript/auth/internal/faultproxy"
)

// echo starts a server that answers every line with the same line, and a proxy before it.
func echo(t *testing.T) *faultproxy.Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	p, err := faultproxy.Start(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, p *faultproxy.Proxy) client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return client{c, bufio.NewReader(c)}
}

// ask sends a line and returns what came back within the time.
func (c client) ask(line string, within time.Duration) (string, error) {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return c.r.ReadString('\n')
}

func (c client) want(t *testing.T, line string) {
	t.Helper()
	if got, err := c.ask(line, 5*time.Second); got != line+"\n" || err != nil {
		t.Errorf("asked %q, got %q, %v", line, got, err)
	}
}

func TestForwards(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	c.want(t, "one")
	dial(t, p).want(t, "two")
	if sent, received := p.Bytes(); sent != 8 || received != 8 || p.Accepted() != 2 || p.Open() != 2 {
		t.Errorf("%d bytes sent, %d received, %d connections of %d", sent, received, p.Open(), p.Accepted())
	}
}

func TestDelay(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Delay(50 * time.Millisecond)
	start := time.Now()
	c.want(t, "slow")
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("came after %v", d)
	}
	p.Delay(0)
	c.want(t, "quick")
}

func TestBlackHole(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	c.want(t, "before")
	p.BlackHole(true)
	if got, err := c.ask("during", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %q, %v", got, err)
	}
	fresh := dial(t, p)
	if got, err := fresh.ask("fresh", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %q, %v", got, err)
	}
	p.BlackHole(false)
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if got, err := c.r.ReadString('\n'); got != "during\n" || err != nil {
		t.Errorf("afterwards %q, %v", got, err)
	}
}

func TestDropReplies(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.DropReplies(true)
	if got, err := c.ask("lost", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %q, %v", got, err)
	}
	if sent, received := p.Bytes(); sent != 5 || received != 0 {
		t.Errorf("%d bytes sent, %d received", sent, received)
	}
	p.DropReplies(false)
	if got, err := c.ask("more", 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a hole in the stream: %q, %v", got, err)
	}
	dial(t, p).want(t, "back")
}

func TestCutAfter(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.CutAfter(3)
	if got, err := c.ask("abcdef", 5*time.Second); got != "abc" || !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v", got, err)
	}
	dial(t, p).want(t, "abcdef")
}

func TestCut(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	c.want(t, "before")
	p.Cut()
	if got, err := c.ask("after", 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", got, err)
	}
	dial(t, p).want(t, "again")
}

func TestRefuse(t *testing.T) {
	p := echo(t)
	dial(t, p).want(t, "before")
	for range 2 {
		if err := p.Refuse(true); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		_ = c.Close()
		t.Error("connected")
	}
	for range 2 {
		if err := p.Refuse(false); err != nil {
			t.Fatal(err)
		}
	}
	dial(t, p).want(t, "after")
}
