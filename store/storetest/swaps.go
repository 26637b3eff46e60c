package storetest

var swapChecks = []check{
	{name: "CompareAndSwap/nil creates", run: checkSwapCreates},
	{name: "CompareAndSwap/nil needs absence", run: checkSwapNeedsAbsence},
	{name: "CompareAndSwap/prev needs presence", run: checkSwapNeedsPresence},
	{name: "CompareAndSwap/prev needs equal bytes", run: checkSwapNeedsEquality},
	{name: "CompareAndSwap/empty is not nil", run: checkSwapEmpty},
	{name: "CompareAndSwap/same bytes", run: checkSwapSame},
	{name: "CompareAndSwap/long values", run: checkSwapLong},
}

var (
	one = []byte("one")
	two = []byte("two")
)

func checkSwapCreates(p *probe) {
	p.wantSwap("k", nil, one, long, true)
	p.wantGet("k", one)
	p.wantTake("k", one)
	p.wantSwap("k", nil, two, long, true)
	p.wantGet("k", two)
}

func checkSwapNeedsAbsence(p *probe) {
	p.set("k", one, long)
	p.wantSwap("k", nil, two, long, false)
	p.wantSwap("k", nil, one, long, false)
	p.wantGet("k", one)
	p.set("empty", []byte{}, long)
	p.wantSwap("empty", nil, two, long, false)
	p.wantGet("empty", []byte{})
}

// checkSwapNeedsPresence is what keeps a refresh from bringing back a session that was signed out.
func checkSwapNeedsPresence(p *probe) {
	p.wantSwap("never", one, two, long, false)
	p.wantAbsent("never")
	p.set("deleted", one, long)
	p.delete("deleted")
	p.wantSwap("deleted", one, two, long, false)
	p.wantAbsent("deleted")
	p.set("taken", one, long)
	p.wantTake("taken", one)
	p.wantSwap("taken", one, two, long, false)
	p.wantAbsent("taken")
}

func checkSwapNeedsEquality(p *probe) {
	p.set("k", one, long)
	for _, prev := range []string{"two", "on", "onee", "One", "one ", "one\x00", " one", ""} {
		p.wantSwap("k", []byte(prev), two, long, false)
		p.wantGet("k", one)
	}
	p.wantSwap("k", one, two, long, true)
	p.wantGet("k", two)
	p.wantSwap("k", one, one, long, false)
	p.wantGet("k", two)
}

func checkSwapEmpty(p *probe) {
	p.wantSwap("k", []byte{}, one, long, false)
	p.wantAbsent("k")
	p.set("k", []byte{}, long)
	empty, _ := p.get("k")
	p.wantSwap("k", empty, one, long, true)
	p.wantGet("k", one)
	p.wantSwap("k", one, []byte{}, long, true)
	p.wantSwap("k", []byte{}, two, long, true)
	p.wantGet("k", two)
}

func checkSwapSame(p *probe) {
	p.set("k", one, long)
	p.wantSwap("k", one, one, long, true)
	p.wantSwap("k", one, one, long, true)
	p.wantGet("k", one)
}

// checkSwapLong differs in the last byte only, and in nothing but the length.
func checkSwapLong(p *probe) {
	value := bigValue()
	almost := bigValue()
	almost[len(almost)-1]++
	p.set("k", value, long)
	p.wantSwap("k", almost, one, long, false)
	p.wantSwap("k", value[:len(value)-1], one, long, false)
	p.wantGet("k", value)
	p.wantSwap("k", value, almost, long, true)
	p.wantGet("k", almost)
}
