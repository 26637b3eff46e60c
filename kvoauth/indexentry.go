package kvoauth

import (
	"slices"
	"time"
)

// indexEntry is one session in an index.
type indexEntry struct {
	_      struct{} `cbor:",toarray"`
	Digest digest
	EndsAt int64 // the absolute limit, Unix milliseconds
	Ending bool  // somebody who ends all has claimed it: whoever is just creating it must not go on
}

// over reports whether the session of e has ended by any process's clock.
func (e indexEntry) over(now time.Time) bool {
	return !now.Before(time.UnixMilli(e.EndsAt).Add(maxClockDifference))
}

// indexEntries are the sessions of one record of an index.
type indexEntries []indexEntry

// unended returns those that are not over.
func (l indexEntries) unended(now time.Time) indexEntries {
	return slices.DeleteFunc(l, func(e indexEntry) bool { return e.over(now) })
}

// keep reports whether the session of d is listed and nobody is ending it.
func (l indexEntries) keep(d digest) bool {
	return slices.ContainsFunc(l, func(e indexEntry) bool { return e.Digest == d && !e.Ending })
}

// forget takes gone out of the list, and reports whether any was in it.
func (l *indexEntries) forget(gone []digest) bool {
	before := len(*l)
	*l = slices.DeleteFunc(*l, func(e indexEntry) bool { return slices.Contains(gone, e.Digest) })
	return len(*l) != before
}

// claim marks all as ending. It returns them, and whether any was not marked before.
func (l indexEntries) claim() (claimed []digest, fresh bool) {
	for i := range l {
		fresh = fresh || !l[i].Ending
		l[i].Ending = true
		claimed = append(claimed, l[i].Digest)
	}
	return claimed, fresh
}

// ttl is a little longer than the last of them can live.
func (l indexEntries) ttl(now time.Time) time.Duration {
	ttl := emptyPageTTL
	for _, e := range l {
		ttl = max(ttl, time.UnixMilli(e.EndsAt).Sub(now)+emptyPageTTL)
	}
	return ttl
}
