package storetest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const long = time.Hour

var valueChecks = []check{
	{name: "Get/absent", run: func(p *probe) { p.wantAbsent("k") }},
	{name: "Take/absent", run: func(p *probe) { p.wantNoTake("k") }},
	{name: "Delete/absent", run: func(p *probe) { p.delete("k") }},
	{name: "Set/every byte value", run: func(p *probe) { roundtrip(p, everyByte()) }},
	{name: "Set/empty value", run: func(p *probe) { roundtrip(p, []byte{}) }},
	{name: "Set/nil value is empty", run: checkNilValue},
	{name: "Set/value of 1 MiB", run: func(p *probe) { roundtrip(p, bigValue()) }},
	{name: "Set/invalid UTF-8 and trailing zeros and spaces", run: checkTextTraps},
	{name: "Set/overwrites", run: checkOverwrite},
	{name: "Take/removes", run: checkTakeRemoves},
	{name: "Delete/removes", run: checkDeleteRemoves},
	{name: "Keys/whole alphabet", run: checkKeyAlphabet},
	{name: "Keys/1 and 200 bytes", run: checkKeyLengths},
	{name: "Keys/prefixes of each other", run: checkKeyPrefixes},
	{name: "Keys/case counts", run: checkKeyCase},
	{name: "Slices/argument may be changed after the call", run: checkArgumentOwnership},
	{name: "Slices/result may be changed", run: checkResultOwnership},
	{name: "Slices/arguments are not written to", run: checkArgumentsUntouched},
}

func everyByte() []byte {
	value := make([]byte, 256)
	for i := range value {
		value[i] = byte(i)
	}
	return value
}

func bigValue() []byte {
	value := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(value)
	return value
}

// roundtrip sends a value through every method that returns or compares one.
func roundtrip(p *probe, value []byte) {
	p.set("k", value, long)
	p.wantGet("k", value)
	p.wantSwap("k", value, []byte("other"), long, true)
	p.wantGet("k", []byte("other"))
	p.wantSwap("k", []byte("other"), value, long, true)
	p.wantGet("k", value)
	p.wantTake("k", value)
	p.wantSwap("k", nil, value, long, true)
	p.wantGet("k", value)
}

func checkNilValue(p *probe) {
	p.set("set", nil, long)
	p.wantGet("set", []byte{})
	p.wantTake("set", []byte{})
	p.wantSwap("swap", nil, nil, long, true)
	p.wantGet("swap", []byte{})
}

// checkTextTraps catches stores that keep values in a text column.
func checkTextTraps(p *probe) {
	for _, v := range []string{"\x00", "a\x00", "a ", "a", "A", "\xff\xfe", "\xed\xa0\x80", "e\u0301", "\u00e9", "\\", "'", "1", "01", "1.0", "null", " "} {
		roundtrip(p, []byte(v))
		p.wantSwap("k", []byte(v+" "), []byte("x"), long, false)
		p.wantSwap("k", []byte(v+"\x00"), []byte("x"), long, false)
	}
	p.set("k", []byte("a"), long)
	p.wantSwap("k", []byte("A"), []byte("x"), long, false)
	p.wantGet("k", []byte("a"))
}

func checkOverwrite(p *probe) {
	for _, n := range []int{10, 5_000, 3, 5_000, 0, 70_000, 1} {
		value := bytes.Repeat([]byte{byte(n)}, n)
		p.set("k", value, long)
		p.wantGet("k", value)
	}
}

func checkTakeRemoves(p *probe) {
	p.set("k", []byte("v"), long)
	p.set("other", []byte("w"), long)
	p.wantTake("k", []byte("v"))
	p.wantNoTake("k")
	p.wantAbsent("k")
	p.wantGet("other", []byte("w"))
	p.set("k", []byte("v2"), long)
	p.wantTake("k", []byte("v2"))
}

func checkDeleteRemoves(p *probe) {
	p.set("k", []byte("v"), long)
	p.set("other", []byte("w"), long)
	p.delete("k")
	p.wantAbsent("k")
	p.wantNoTake("k")
	p.delete("k")
	p.wantGet("other", []byte("w"))
	p.set("k", []byte("v2"), long)
	p.wantGet("k", []byte("v2"))
}

// checkKeyAlphabet uses each allowed byte as a key of its own and all of them in one, wildcards and quotes included.
func checkKeyAlphabet(p *probe) {
	var all strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		all.WriteByte(c)
		p.set(string(c), []byte{c}, long)
	}
	p.set(all.String(), []byte("all"), long)
	for c := byte('!'); c <= '~'; c++ {
		p.wantGet(string(c), []byte{c})
	}
	p.wantGet(all.String(), []byte("all"))
	for _, name := range []string{"*", "%", "_", "?"} {
		p.delete(name)
		p.wantAbsent(name)
	}
	p.wantTake("a", []byte("a"))
	p.wantGet("b", []byte("b"))
	p.wantGet(all.String(), []byte("all"))
}

func checkKeyLengths(p *probe) {
	full := strings.Repeat("x", 200-len(p.prefix)-1)
	p.set(full+"a", []byte("a"), long)
	p.set(full+"b", []byte("b"), long)
	p.wantGet(full+"a", []byte("a"))
	p.wantGet(full+"b", []byte("b"))
	p.wantAbsent(full + "c")
	p.delete(full + "a")
	p.wantAbsent(full + "a")
	p.wantGet(full+"b", []byte("b"))

	one := *p
	one.prefix = ""
	one.set("~", []byte("v"), long)
	one.wantTake("~", []byte("v"))
	p.err = one.err
}

func checkKeyPrefixes(p *probe) {
	names := []string{"a", "a/", "a/b", "a/b/c", "a:b", "ab"}
	for _, n := range names {
		p.set(n, []byte(n), long)
	}
	for i, n := range names {
		p.wantGet(n, []byte(n))
		p.delete(n)
		for _, later := range names[i+1:] {
			p.wantGet(later, []byte(later))
		}
	}
}

func checkKeyCase(p *probe) {
	p.set("Key", []byte("upper"), long)
	p.wantAbsent("key")
	p.set("key", []byte("lower"), long)
	p.wantGet("Key", []byte("upper"))
	p.wantTake("key", []byte("lower"))
	p.wantGet("Key", []byte("upper"))
}

func checkArgumentOwnership(p *probe) {
	value := []byte("before")
	p.set("set", value, long)
	p.wantSwap("swap", nil, value, long, true)
	copy(value, "after!")
	p.wantGet("set", []byte("before"))
	p.wantGet("swap", []byte("before"))
}

func checkResultOwnership(p *probe) {
	p.set("k", []byte("value"), long)
	for range 2 {
		got, _ := p.get("k")
		for i := range got {
			got[i] = 'X'
		}
		_ = append(got, "more"...)
		p.wantGet("k", []byte("value"))
	}
	taken, _ := p.take("k")
	p.set("k", []byte("again"), long)
	if p.err == nil && string(taken) != "value" {
		p.failf("Take: a later Set changed the value that was returned")
	}
}

func checkArgumentsUntouched(p *probe) {
	backing := []byte("prevnextrest")
	want := slices.Clone(backing)
	prev, next := backing[:4], backing[4:8]
	p.set("k", prev, long)
	p.wantSwap("k", prev, next, long, true)
	p.wantSwap("k", prev, next, long, false)
	if p.err == nil && !bytes.Equal(backing, want) {
		p.failf("an argument was written to: %q, want %q", backing, want)
	}
}
