package storetest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/netscript/auth/store"
)

// probe makes calls and remembers the first answer that was wrong; after that it makes no more. It is used by one
// goroutine at a time.
type probe struct {
	kv      store.KV
	ctx     context.Context
	advance func(time.Duration)
	prefix  string
	err     error
}

// key returns a key that no other check and no other run uses.
func (p *probe) key(name string) string { return p.prefix + name }

func (p *probe) failf(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// elapse lets d and a little more pass in the store.
func (p *probe) elapse(d time.Duration) {
	if p.err != nil {
		return
	}
	d += 100 * time.Millisecond
	if p.advance != nil {
		p.advance(d)
		return
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(50*time.Millisecond, time.Until(end)))
	}
}

func (p *probe) set(name string, value []byte, ttl time.Duration) {
	if p.err != nil {
		return
	}
	if err := p.kv.Set(p.ctx, p.key(name), value, ttl); err != nil {
		p.failf("Set(%s, ttl %v): %w", name, ttl, err)
	}
}

func (p *probe) delete(name string) {
	if p.err != nil {
		return
	}
	if err := p.kv.Delete(p.ctx, p.key(name)); err != nil {
		p.failf("Delete(%s): %w", name, err)
	}
}

// get returns what Get found and the rules that every answer keeps.
func (p *probe) get(name string) (value []byte, found bool) {
	if p.err != nil {
		return nil, false
	}
	value, found, err := p.kv.Get(p.ctx, p.key(name))
	p.answer("Get", name, value, found, err)
	return value, found
}

func (p *probe) take(name string) (value []byte, found bool) {
	if p.err != nil {
		return nil, false
	}
	value, found, err := p.kv.Take(p.ctx, p.key(name))
	p.answer("Take", name, value, found, err)
	return value, found
}

func (p *probe) answer(method, name string, value []byte, found bool, err error) {
	switch {
	case err != nil:
		p.failf("%s(%s): %w", method, name, err)
	case found && value == nil:
		p.failf("%s(%s): found a nil value; an empty value must not be nil", method, name)
	case !found && value != nil:
		p.failf("%s(%s): not found, and yet a value of %d bytes", method, name, len(value))
	}
}

func (p *probe) wantGet(name string, want []byte) {
	got, found := p.get(name)
	p.wantValue("Get", name, got, found, want)
}

func (p *probe) wantTake(name string, want []byte) {
	got, found := p.take(name)
	p.wantValue("Take", name, got, found, want)
}

func (p *probe) wantValue(method, name string, got []byte, found bool, want []byte) {
	switch {
	case p.err != nil:
	case !found:
		p.failf("%s(%s): not found, want a value of %d bytes", method, name, len(want))
	case !bytes.Equal(got, want):
		p.failf("%s(%s): got %s, want %s", method, name, show(got), show(want))
	}
}

func (p *probe) wantAbsent(name string) {
	if _, found := p.get(name); found {
		p.failf("Get(%s): found, want absent", name)
	}
}

func (p *probe) wantNoTake(name string) {
	if _, found := p.take(name); found {
		p.failf("Take(%s): found, want absent", name)
	}
}

func (p *probe) wantSwap(name string, prev, next []byte, ttl time.Duration, want bool) {
	if p.err != nil {
		return
	}
	switch swapped, err := p.kv.CompareAndSwap(p.ctx, p.key(name), prev, next, ttl); {
	case err != nil:
		p.failf("CompareAndSwap(%s, prev %s): %w", name, show(prev), err)
	case swapped != want:
		p.failf("CompareAndSwap(%s, prev %s): swapped is %t, want %t", name, show(prev), swapped, want)
	}
}

// show prints a value, of a long one the beginning.
func show(value []byte) string {
	switch {
	case value == nil:
		return "nil"
	case len(value) > 40:
		return fmt.Sprintf("%q... (%d bytes)", value[:40], len(value))
	default:
		return fmt.Sprintf("%q", value)
	}
}
