package storetest

import (
	"context"
	"errors"
)

var contextChecks = []check{
	{name: "Context/cancelled Get", run: checkCancelledGet},
	{name: "Context/cancelled Set", run: checkCancelledSet},
	{name: "Context/cancelled Take", run: checkCancelledTake},
	{name: "Context/cancelled CompareAndSwap", run: checkCancelledSwap},
	{name: "Context/cancelled Delete", run: checkCancelledDelete},
}

// cancelled returns a context that is done.
func (p *probe) cancelled() context.Context {
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	return ctx
}

// refused reports whether a call with a cancelled context returned an error, and holds it to the contract. Without an
// error the answer must be right.
func (p *probe) refused(method string, err error, zero bool) bool {
	if err == nil {
		return false
	}
	if !errors.Is(err, context.Canceled) {
		p.failf("%s with a cancelled context: the error does not wrap context.Canceled: %w", method, err)
	}
	if !zero {
		p.failf("%s with a cancelled context: a result beside the error %w", method, err)
	}
	return true
}

func checkCancelledGet(p *probe) {
	p.set("k", one, long)
	if p.err != nil {
		return
	}
	value, found, err := p.kv.Get(p.cancelled(), p.key("k"))
	if !p.refused("Get", err, value == nil && !found) {
		p.wantValue("Get with a cancelled context", "k", value, found, one)
	}
	value, found, err = p.kv.Get(p.cancelled(), p.key("absent"))
	if !p.refused("Get", err, value == nil && !found) && found {
		p.failf("Get with a cancelled context found an absent key")
	}
}

func checkCancelledSet(p *probe) {
	p.set("k", one, long)
	if p.err != nil {
		return
	}
	if !p.refused("Set", p.kv.Set(p.cancelled(), p.key("k"), two, long), true) {
		p.wantGet("k", two)
		return
	}
	if got, found := p.get("k"); p.err == nil && (!found || (string(got) != "one" && string(got) != "two")) {
		p.failf("after a Set with a cancelled context: found %t, %s", found, show(got))
	}
}

func checkCancelledTake(p *probe) {
	p.set("k", one, long)
	if p.err != nil {
		return
	}
	value, found, err := p.kv.Take(p.cancelled(), p.key("k"))
	if !p.refused("Take", err, value == nil && !found) {
		p.wantValue("Take with a cancelled context", "k", value, found, one)
		p.wantAbsent("k")
		return
	}
	if got, found := p.get("k"); found && string(got) != "one" {
		p.failf("after a Take with a cancelled context: got %s", show(got))
	}
}

func checkCancelledSwap(p *probe) {
	p.set("k", one, long)
	if p.err != nil {
		return
	}
	swapped, err := p.kv.CompareAndSwap(p.cancelled(), p.key("k"), two, []byte("three"), long)
	if !p.refused("CompareAndSwap", err, !swapped) && swapped {
		p.failf("CompareAndSwap with a cancelled context swapped a different value")
	}
	p.wantGet("k", one)
	if p.err != nil {
		return
	}
	swapped, err = p.kv.CompareAndSwap(p.cancelled(), p.key("k"), one, two, long)
	if !p.refused("CompareAndSwap", err, !swapped) {
		if !swapped {
			p.failf("CompareAndSwap with a cancelled context: no error and no swap of an equal value")
		}
		p.wantGet("k", two)
		return
	}
	if got, found := p.get("k"); p.err == nil && (!found || (string(got) != "one" && string(got) != "two")) {
		p.failf("after a CompareAndSwap with a cancelled context: found %t, %s", found, show(got))
	}
}

func checkCancelledDelete(p *probe) {
	p.set("k", one, long)
	if p.err != nil {
		return
	}
	if !p.refused("Delete", p.kv.Delete(p.cancelled(), p.key("k")), true) {
		p.wantAbsent("k")
		return
	}
	if got, found := p.get("k"); found && string(got) != "one" {
		p.failf("after a Delete with a cancelled context: got %s", show(got))
	}
}
