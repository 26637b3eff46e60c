package storetest

import (
	"bytes"

	"github.com/netscript/auth/store"
)

var conditionalChecks = []check{
	{name: "GetIfChanged/absent", conditional: checkConditionalAbsent},
	{name: "GetIfChanged/unchanged returns the version only", conditional: checkUnchanged},
	{name: "GetIfChanged/seen 0 matches nothing", conditional: checkSeenZero},
	{name: "GetIfChanged/empty value", conditional: checkConditionalEmpty},
	{name: "GetIfChanged/every write is seen", conditional: checkEveryWrite},
	{name: "GetIfChanged/the same bytes again are a change", conditional: checkSameBytes},
	{name: "GetIfChanged/failed CompareAndSwap is no change", conditional: checkNoChange},
	{name: "GetIfChanged/version not reused after removal", conditional: checkVersionAfterRemoval},
	{name: "GetIfChanged/expiry is seen", conditional: checkConditionalExpiry},
	{name: "GetIfChanged/result may be changed", conditional: checkConditionalOwnership},
	{name: "GetIfChanged/reads are never stale", conditional: checkConditionalStale},
	{name: "GetIfChanged/cancelled context", conditional: checkConditionalCancelled},
}

// changed calls GetIfChanged, wants value to come back under a version that is not among seen, and returns the version.
func (p *probe) changed(cg store.ConditionalGetter, name string, seen []uint64, want []byte) uint64 {
	if p.err != nil {
		return 0
	}
	var last uint64
	if len(seen) > 0 {
		last = seen[len(seen)-1]
	}
	value, version, found, err := cg.GetIfChanged(p.ctx, p.key(name), last)
	p.answer("GetIfChanged", name, value, found, err)
	p.wantValue("GetIfChanged", name, value, found, want)
	if p.err == nil && version == 0 {
		p.failf("GetIfChanged(%s): version 0", name)
	}
	for _, s := range seen {
		if p.err == nil && version == s {
			p.failf("GetIfChanged(%s): version %d a second time", name, version)
		}
	}
	return version
}

func (p *probe) unchanged(cg store.ConditionalGetter, name string, seen uint64) {
	if p.err != nil {
		return
	}
	value, version, found, err := cg.GetIfChanged(p.ctx, p.key(name), seen)
	switch {
	case err != nil:
		p.failf("GetIfChanged(%s): %w", name, err)
	case !found:
		p.failf("GetIfChanged(%s): an unchanged record was not found", name)
	case version != seen || value != nil:
		p.failf("GetIfChanged(%s): version %d and value %s for an unchanged record of version %d", name, version, show(value), seen)
	}
}

func (p *probe) gone(cg store.ConditionalGetter, name string, seen uint64) {
	if p.err != nil {
		return
	}
	value, version, found, err := cg.GetIfChanged(p.ctx, p.key(name), seen)
	switch {
	case err != nil:
		p.failf("GetIfChanged(%s): %w", name, err)
	case found:
		p.failf("GetIfChanged(%s): found, want absent", name)
	case version != 0 || value != nil:
		p.failf("GetIfChanged(%s): version %d and value %s for an absent record", name, version, show(value))
	}
}

func checkConditionalAbsent(p *probe, cg store.ConditionalGetter) {
	p.gone(cg, "k", 0)
	p.gone(cg, "k", 1)
	p.set("other", one, long)
	p.gone(cg, "k", p.changed(cg, "other", nil, one))
}

func checkUnchanged(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, long)
	v := p.changed(cg, "k", nil, one)
	p.unchanged(cg, "k", v)
	p.set("other", two, long)
	p.wantGet("k", one)
	p.unchanged(cg, "k", v)
}

func checkSeenZero(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, long)
	v := p.changed(cg, "k", nil, one)
	if again := p.changed(cg, "k", nil, one); again != v {
		p.failf("GetIfChanged: version %d, then %d, of one record", v, again)
	}
}

func checkConditionalEmpty(p *probe, cg store.ConditionalGetter) {
	p.set("k", []byte{}, long)
	p.unchanged(cg, "k", p.changed(cg, "k", nil, []byte{}))
}

// checkEveryWrite includes ABA: the bytes of the first version come back, its number does not.
func checkEveryWrite(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, long)
	seen := []uint64{p.changed(cg, "k", nil, one)}
	p.set("k", two, long)
	seen = append(seen, p.changed(cg, "k", seen, two))
	p.set("k", one, long)
	seen = append(seen, p.changed(cg, "k", seen, one))
	p.wantSwap("k", one, two, long, true)
	seen = append(seen, p.changed(cg, "k", seen, two))
	p.wantSwap("k", two, one, long, true)
	p.changed(cg, "k", seen, one)
	p.changed(cg, "k", seen[:1], one)
}

func checkSameBytes(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, long)
	seen := []uint64{p.changed(cg, "k", nil, one)}
	p.set("k", one, long)
	seen = append(seen, p.changed(cg, "k", seen, one))
	p.wantSwap("k", one, one, long, true)
	p.changed(cg, "k", seen, one)
}

func checkNoChange(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, long)
	v := p.changed(cg, "k", nil, one)
	p.wantSwap("k", two, one, long, false)
	p.wantSwap("k", nil, one, long, false)
	p.unchanged(cg, "k", v)
}

func checkVersionAfterRemoval(p *probe, cg store.ConditionalGetter) {
	var seen []uint64
	for range 5 {
		p.set("k", one, long)
		seen = append(seen, p.changed(cg, "k", seen, one))
		p.delete("k")
		p.gone(cg, "k", seen[len(seen)-1])
		p.wantSwap("k", nil, one, long, true)
		seen = append(seen, p.changed(cg, "k", seen, one))
		p.wantTake("k", one)
		p.gone(cg, "k", seen[len(seen)-1])
	}
}

func checkConditionalExpiry(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, medium)
	seen := []uint64{p.changed(cg, "k", nil, one)}
	p.elapse(medium)
	p.gone(cg, "k", seen[0])
	p.gone(cg, "k", 0)
	p.set("k", one, long)
	p.changed(cg, "k", seen, one)
}

func checkConditionalOwnership(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, long)
	if p.err != nil {
		return
	}
	value, _, _, _ := cg.GetIfChanged(p.ctx, p.key("k"), 0)
	clear(value)
	p.changed(cg, "k", nil, one)
	p.wantGet("k", one)
}

// checkConditionalStale reads as a caller with a cache does.
func checkConditionalStale(p *probe, cg store.ConditionalGetter) {
	p.neverStale(func(name string) func() ([]byte, bool, error) {
		var seen uint64
		var cached []byte
		return func() ([]byte, bool, error) {
			value, version, found, err := cg.GetIfChanged(p.ctx, p.key(name), seen)
			if err != nil || !found {
				return nil, found, err
			}
			if value != nil {
				cached = bytes.Clone(value)
			}
			seen = version
			return cached, true, nil
		}
	})
}

func checkConditionalCancelled(p *probe, cg store.ConditionalGetter) {
	p.set("k", one, long)
	v := p.changed(cg, "k", nil, one)
	p.set("k", two, long)
	if p.err != nil {
		return
	}
	value, version, found, err := cg.GetIfChanged(p.cancelled(), p.key("k"), v)
	if !p.refused("GetIfChanged", err, value == nil && version == 0 && !found) {
		p.wantValue("GetIfChanged with a cancelled context", "k", value, found, two)
	}
}
