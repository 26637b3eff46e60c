package workos

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netscript/auth"
)

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Who comes a moment too late, with keys that somebody has since replaced, gets the new ones without a fetch.
func TestKeysAreNotFetchedTwice(t *testing.T) {
	n := 0
	client := &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		n++
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"keys":[]}`))}, nil
	})}
	s := newKeySet("https://api.test", "client", client, time.Now)
	first, err := s.fetch(context.Background(), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.fetch(context.Background(), nil, false)
	if err != nil || second != first || n != 1 {
		t.Errorf("%v, the same keys: %v, %d fetches", err, second == first, n)
	}
	if third, err := s.fetch(context.Background(), first, false); err != nil || third == first || n != 2 {
		t.Errorf("%v, the same keys: %v, %d fetches", err, third == first, n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	for _, limit := range []int{1, 8, 1000} {
		c := newCache(limit)
		for i := range 20 * limit {
			c.put(c.digestOf(strings.Repeat("x", i)), &verified{})
		}
		held := 0
		for i := range c.shards {
			held += len(c.shards[i].young) + len(c.shards[i].old)
		}
		if bound := (limit + 31) / 32 * 32; held > bound || held == 0 {
			t.Errorf("%d of at most %d are held", held, bound)
		}
	}
}

// What is used stays when the rest goes.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c, k := newCache(32), &keys{} // one of a generation in each shard
	now := time.Unix(0, 0)
	used := digest{0, 1}
	c.put(used, &verified{answer: &auth.Authentication{}, keys: k, until: now.Add(time.Second)})
	for i := range byte(10) {
		c.put(digest{0, 2, i}, &verified{keys: k})
		if c.get(used, k, now) == nil {
			t.Fatalf("gone after %d others", i+1)
		}
	}
}

func TestRenewalsAreBounded(t *testing.T) {
	r := &renewals{}
	now := time.Unix(0, 0)
	for i := range 2*maxRenewals + 2 {
		f := &renewal{done: make(chan struct{}), until: now.Add(time.Second)}
		r.sweep(now)
		r.flights[renewalKey("token", strings.Repeat("x", i))] = f
		if len(r.flights) > maxRenewals {
			t.Fatalf("%d are held", len(r.flights))
		}
	}
}

func TestEndedIsBounded(t *testing.T) {
	e := &ended{}
	now := time.Unix(0, 0)
	e.add("old", now)
	now = now.Add(keepEnded)
	for i := range maxEnded - 1 {
		e.add(strconv.Itoa(i), now)
	}
	e.add("new", now)
	if e.has("old") || !e.has("5") || !e.has("new") || len(e.at) > maxEnded {
		t.Errorf("old %v, new %v, %d held", e.has("old"), e.has("new"), len(e.at))
	}
	for i := range maxEnded + 1 {
		e.add("more"+strconv.Itoa(i), now)
	}
	if len(e.at) > maxEnded {
		t.Errorf("%d held", len(e.at))
	}
}
