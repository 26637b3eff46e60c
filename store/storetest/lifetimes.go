package storetest

import "time"

const (
	// short is a lifetime that a check waits for. No check depends on getting a call done before its end.
	short = 400 * time.Millisecond

	// medium is one whose end a check must be ahead of, also on a slow machine. It is not a whole number of seconds.
	medium = 1500 * time.Millisecond
)

var lifetimeChecks = []check{
	{name: "TTL/zero or less is refused", run: checkRefusedTTL},
	{name: "TTL/Get after expiry", run: func(p *probe) { expired(p, "k"); p.wantAbsent("k") }},
	{name: "TTL/Take after expiry", run: func(p *probe) { expired(p, "k"); p.wantNoTake("k"); p.wantAbsent("k") }},
	{name: "TTL/Delete after expiry", run: func(p *probe) { expired(p, "k"); p.delete("k"); p.wantAbsent("k") }},
	{name: "TTL/Set after expiry", run: func(p *probe) { expired(p, "k"); p.set("k", []byte("n"), long); p.wantGet("k", []byte("n")) }},
	{name: "TTL/CompareAndSwap(nil) after expiry", run: checkCreateAfterExpiry},
	{name: "TTL/CompareAndSwap(prev) after expiry", run: checkSwapAfterExpiry},
	{name: "TTL/record of CompareAndSwap expires", run: checkSwappedExpires},
	{name: "TTL/Set starts a new lifetime", run: checkSetRenews},
	{name: "TTL/CompareAndSwap starts a new lifetime", run: checkSwapRenews},
	{name: "TTL/failed CompareAndSwap leaves the lifetime", run: checkFailedSwapLeaves},
	{name: "TTL/reading does not prolong", run: checkReadDoesNotProlong},
	{name: "TTL/not too early", run: checkNotTooEarly},
	{name: "TTL/one nanosecond to ten years", run: checkExtremeTTL},
}

var old = []byte("old")

// expired leaves a record whose ttl has run out, and one that still lives to show that the store is well.
func expired(p *probe, name string) {
	p.set(name, old, short)
	p.set("living", []byte("yes"), long)
	p.elapse(short)
	p.wantGet("living", []byte("yes"))
}

func checkRefusedTTL(p *probe) {
	p.set("k", old, long)
	for _, ttl := range []time.Duration{0, -1, -time.Hour} {
		for _, name := range []string{"k", "absent"} {
			if p.err == nil && p.kv.Set(p.ctx, p.key(name), []byte("new"), ttl) == nil {
				p.failf("Set(%s) with a ttl of %v: no error", name, ttl)
			}
		}
		refusedSwap(p, "k", old, ttl)
		refusedSwap(p, "absent", nil, ttl)
		p.wantGet("k", old)
		p.wantAbsent("absent")
	}
}

func refusedSwap(p *probe, name string, prev []byte, ttl time.Duration) {
	if p.err != nil {
		return
	}
	if swapped, err := p.kv.CompareAndSwap(p.ctx, p.key(name), prev, []byte("new"), ttl); err == nil || swapped {
		p.failf("CompareAndSwap(%s) with a ttl of %v: swapped %t, error %v", name, ttl, swapped, err)
	}
}

func checkCreateAfterExpiry(p *probe) {
	expired(p, "k")
	p.wantSwap("k", nil, []byte("new"), long, true)
	p.wantGet("k", []byte("new"))
}

func checkSwapAfterExpiry(p *probe) {
	expired(p, "k")
	p.wantSwap("k", old, []byte("new"), long, false)
	p.wantAbsent("k")
}

func checkSwappedExpires(p *probe) {
	p.wantSwap("created", nil, old, short, true)
	p.set("swapped", []byte("older"), long)
	p.wantSwap("swapped", []byte("older"), old, short, true)
	p.elapse(short)
	p.wantAbsent("created")
	p.wantAbsent("swapped")
}

func checkSetRenews(p *probe) {
	p.set("longer", old, short)
	p.set("longer", []byte("new"), long)
	p.set("shorter", old, long)
	p.set("shorter", []byte("new"), short)
	p.elapse(short)
	p.wantGet("longer", []byte("new"))
	p.wantAbsent("shorter")
}

func checkSwapRenews(p *probe) {
	p.set("longer", old, medium)
	p.wantSwap("longer", old, old, long, true)
	p.set("shorter", old, long)
	p.wantSwap("shorter", old, old, medium, true)
	p.elapse(medium)
	p.wantGet("longer", old)
	p.wantAbsent("shorter")
}

func checkFailedSwapLeaves(p *probe) {
	p.set("k", old, short)
	p.set("l", old, long)
	p.wantSwap("k", []byte("wrong"), []byte("new"), long, false)
	p.wantSwap("k", nil, []byte("new"), long, false)
	p.wantSwap("l", []byte("wrong"), []byte("new"), short, false)
	p.elapse(short)
	p.wantAbsent("k")
	p.wantGet("l", old)
}

func checkReadDoesNotProlong(p *probe) {
	p.set("k", old, short)
	for range 4 {
		p.elapse(short / 4)
		p.get("k")
	}
	p.elapse(0)
	p.wantAbsent("k")
}

// checkNotTooEarly catches ttls that are cut to whole seconds.
func checkNotTooEarly(p *probe) {
	begin := time.Now()
	p.set("k", old, medium)
	if p.advance != nil {
		p.advance(medium - 10*time.Millisecond)
		p.wantGet("k", old)
		return
	}
	for p.err == nil {
		_, found := p.get("k")
		switch lived := time.Since(begin); {
		case !found && lived < medium:
			p.failf("Get: a record with a ttl of %v was absent after %v", medium, lived)
		case lived >= medium:
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func checkExtremeTTL(p *probe) {
	p.set("brief", old, 1)
	p.wantSwap("brief-swap", nil, old, 1, true)
	p.set("years", old, 10*365*24*time.Hour)
	p.wantSwap("years-swap", nil, old, 10*365*24*time.Hour, true)
	p.elapse(0)
	p.wantAbsent("brief")
	p.wantAbsent("brief-swap")
	p.wantGet("years", old)
	p.wantGet("years-swap", old)
}
