package redisstore

import (
	"strings"
	"testing"
	"time"
)

// reader is one call of GetIfChanged that has to ask the server, step by step.
type reader struct {
	c    *cache
	m    mark
	text string
}

const testKey = "k"

func (c *cache) asks(text string) reader {
	return reader{c, c.begin(testKey), strings.Clone(text)} // every reply has bytes of its own
}

func (r reader) answered(from *tracker) { r.c.offer(from, testKey, r.text, time.Hour) }

func (r reader) returns() uint64 {
	defer r.c.end(r.m, testKey)
	return r.c.admit(r.m, testKey, r.text)
}

func (c *cache) wants(t *testing.T, when, text string) uint64 {
	t.Helper()
	got, version, ok := c.get(testKey)
	if got != text || ok != (text != "") {
		t.Errorf("%s: %q, %t; want %q", when, got, ok, text)
	}
	return version
}

// TestCacheInterleavings plays the orders of events that a network rarely has.
func TestCacheInterleavings(t *testing.T) {
	t.Parallel()
	const old, next = "old", "new"
	tests := map[string]struct {
		play func(c *cache, a, b *tracker)
		want string
	}{
		"read": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			r.answered(a)
			r.returns()
		}, old},
		"not before the call returns": {func(c *cache, a, _ *tracker) { c.asks(old).answered(a) }, ""},
		"news between the answer and the return": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			r.answered(a)
			c.drop(testKey)
			r.returns()
		}, ""},
		"write between the answer and the return": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			r.answered(a)
			c.writing(testKey)
			c.written(testKey, false)
			r.returns()
		}, ""},
		"answer read after our write, news later still": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			c.writing(testKey)
			c.written(testKey, false)
			r.answered(a)
			r.returns()
		}, ""},
		"asked during the write, answered before it": {func(c *cache, a, _ *tracker) {
			c.writing(testKey)
			r := c.asks(old)
			r.answered(a)
			r.returns()
		}, ""},
		"asked during the write, which then ends": {func(c *cache, a, _ *tracker) {
			c.writing(testKey)
			r := c.asks(old)
			r.answered(a)
			c.written(testKey, false)
			r.returns()
		}, ""},
		"asked during the write, returned and the write ends": {func(c *cache, a, _ *tracker) {
			c.writing(testKey)
			r := c.asks(old)
			r.answered(a)
			r.returns()
			c.written(testKey, false)
		}, ""},
		"hidden while it is written": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			r.answered(a)
			r.returns()
			c.writing(testKey)
		}, ""},
		"still hidden when one of two writes has ended": {func(c *cache, a, _ *tracker) {
			c.writing(testKey)
			c.writing(testKey)
			c.written(testKey, true)
			r := c.asks(old)
			r.answered(a)
			r.returns()
		}, ""},
		"asked again after a write that changed nothing": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			r.answered(a)
			r.returns()
			c.writing(testKey)
			c.written(testKey, true)
		}, ""},
		"gone with its connection": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			r.answered(a)
			r.returns()
			c.dropAll(a)
		}, ""},
		"not with another": {func(c *cache, a, b *tracker) {
			r := c.asks(old)
			r.answered(a)
			r.returns()
			c.dropAll(b)
		}, old},
		"the late end of the old connection leaves the new one's": {func(c *cache, a, b *tracker) {
			r := c.asks(old)
			r.answered(a)
			r.returns()
			r = c.asks(next)
			r.answered(b)
			r.returns()
			c.dropAll(a)
		}, next},
		"connection lost between the answer and the return": {func(c *cache, a, _ *tracker) {
			r := c.asks(old)
			r.answered(a)
			c.dropAll(a)
			r.returns()
		}, ""},
		"somebody else's answer is not mine": {func(c *cache, a, b *tracker) {
			r := c.asks(next)
			r.answered(b)
			c.asks(old).answered(a) // a connection that was given up is read to its end
			r.returns()
		}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCache(time.Hour, 1<<20)
			tt.play(c, &tracker{cache: c}, &tracker{cache: c, keys: keyspace{"b"}})
			c.wants(t, "afterwards", tt.want)
		})
	}
}

// TestCacheVersions: one version never stands for two contents, and stays while it can be known that nothing happened.
func TestCacheVersions(t *testing.T) {
	t.Parallel()
	c := newCache(time.Hour, 1<<20)
	a, b := &tracker{cache: c}, &tracker{cache: c, keys: keyspace{"b"}}
	ask := func(from *tracker, text string) uint64 {
		r := c.asks(text)
		r.answered(from)
		return r.returns()
	}
	first := ask(a, "one")
	steps := []struct {
		name string
		do   func()
		from *tracker
		text string
		same bool
	}{
		{"nothing", func() {}, a, "one", true},
		{"a write that changed nothing", func() { c.writing(testKey); c.written(testKey, true) }, a, "one", true},
		{"other bytes, and no news", func() {}, a, "two", false},
		{"news", func() { c.drop(testKey) }, a, "two", false},
		{"another connection", func() {}, b, "two", false},
		{"a write", func() { c.writing(testKey); c.written(testKey, false) }, b, "two", false},
	}
	seen := map[uint64]bool{first: true}
	last := first
	for _, s := range steps {
		s.do()
		v := ask(s.from, s.text)
		if s.same != (v == last) || !s.same && seen[v] || v == 0 {
			t.Errorf("after %s: version %d, was %d", s.name, v, last)
		}
		seen[v], last = true, v
	}
	if len(c.shard(testKey).reads)+len(c.shard(testKey).writers) != 0 {
		t.Error("calls are believed to be under way")
	}
}

func TestKeyspace(t *testing.T) {
	t.Parallel()
	k := newKeyspace("a b:ü")
	const prefix = "a%20b%3A%C3%BC:"
	for key, want := range map[string]string{"s:x": prefix + "s:{x}", "x": prefix + "{x}", "a:b:c": prefix + "a:b:{c}", ":": prefix + ":{}"} {
		if got := k.physical(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
		if got, ok := k.logical(want); got != key || !ok {
			t.Errorf("%q: %q, %t", want, got, ok)
		}
	}
	for _, foreign := range []string{"", "s:{x}", prefix, prefix + "s:x", prefix + "{x", prefix + "s:x}", prefix + "{s:x}"} {
		if key, ok := k.logical(foreign); ok {
			t.Errorf("%q: %q", foreign, key)
		}
	}
}
