package storetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	racers = 64
	rounds = 10
)

var concurrencyChecks = []check{
	{name: "Concurrency/Take has one winner", run: checkTakeRace},
	{name: "Concurrency/CompareAndSwap(nil) has one winner", run: func(p *probe) { checkSwapRace(p, nil) }},
	{name: "Concurrency/CompareAndSwap(prev) has one winner", run: func(p *probe) { checkSwapRace(p, []byte("prev")) }},
	{name: "Concurrency/Take and CompareAndSwap never both win", run: checkTakeAgainstSwap},
	{name: "Concurrency/counter loses no increment", run: checkCounter},
	{name: "Concurrency/values are never torn", run: checkTorn},
	{name: "Concurrency/reads are never stale", run: checkStale},
}

// race runs f in n goroutines that start together and returns how many answered true.
func race(n int, f func(i int) (bool, error)) (wins int, err error) {
	var won atomic.Int64
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			ok, err := f(i)
			if errs[i] = err; ok {
				won.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(won.Load()), errors.Join(errs...)
}

func (p *probe) wantOneWinner(round int, f func(i int) (bool, error)) {
	if p.err != nil {
		return
	}
	if wins, err := race(racers, f); err != nil {
		p.failf("round %d: %w", round, err)
	} else if wins != 1 {
		p.failf("round %d: %d of %d concurrent calls won, want 1", round, wins, racers)
	}
}

func checkTakeRace(p *probe) {
	for round := range rounds {
		p.set("k", []byte("v"), long)
		p.wantOneWinner(round, func(int) (bool, error) {
			value, found, err := p.kv.Take(p.ctx, p.key("k"))
			if found && string(value) != "v" {
				err = fmt.Errorf("the winner got %s", show(value))
			}
			return found, err
		})
		p.wantAbsent("k")
	}
}

func checkSwapRace(p *probe, prev []byte) {
	for round := range rounds {
		if prev == nil {
			p.delete("k")
		} else {
			p.set("k", prev, long)
		}
		var winner atomic.Int64
		p.wantOneWinner(round, func(i int) (bool, error) {
			swapped, err := p.kv.CompareAndSwap(p.ctx, p.key("k"), prev, []byte{byte(i)}, long)
			if swapped {
				winner.Store(int64(i))
			}
			return swapped, err
		})
		p.wantGet("k", []byte{byte(winner.Load())})
	}
}

// checkTakeAgainstSwap is sign-out against refresh: when the swap came first Take gets its value, when Take came first
// the swap fails; in both cases nothing is left.
func checkTakeAgainstSwap(p *probe) {
	for round := range rounds * 5 {
		p.set("k", []byte("a"), long)
		if p.err != nil {
			return
		}
		var taken []byte
		var swapped bool
		_, err := race(2, func(i int) (ok bool, err error) {
			if i == 0 {
				taken, ok, err = p.kv.Take(p.ctx, p.key("k"))
				return ok, err
			}
			swapped, err = p.kv.CompareAndSwap(p.ctx, p.key("k"), []byte("a"), []byte("b"), long)
			return swapped, err
		})
		want := "a"
		if swapped {
			want = "b"
		}
		switch {
		case err != nil:
			p.failf("round %d: %w", round, err)
		case string(taken) != want:
			p.failf("round %d: Take got %s and the swap's answer was %t", round, show(taken), swapped)
		}
		p.wantAbsent("k")
	}
}

func checkCounter(p *probe) {
	const goroutines, each = 8, 20
	p.set("n", make([]byte, 8), long)
	if p.err != nil {
		return
	}
	_, err := race(goroutines, func(int) (bool, error) {
		for range each {
			if err := p.increment("n"); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		p.failf("%w", err)
	}
	p.wantGet("n", binary.BigEndian.AppendUint64(nil, goroutines*each))
}

func (p *probe) increment(name string) error {
	for {
		prev, found, err := p.kv.Get(p.ctx, p.key(name))
		if err != nil || !found || len(prev) != 8 {
			return fmt.Errorf("counter: found %t, value %s, error %w", found, show(prev), err)
		}
		next := binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(prev)+1)
		swapped, err := p.kv.CompareAndSwap(p.ctx, p.key(name), prev, next, long)
		if swapped || err != nil {
			return err
		}
	}
}

// checkTorn writes values of one repeated byte and of different lengths; no reader sees a mixture.
func checkTorn(p *probe) {
	values := make([][]byte, 8)
	for i := range values {
		values[i] = bytes.Repeat([]byte{byte(i)}, 700*(i+1))
	}
	p.set("k", values[0], long)
	if p.err != nil {
		return
	}
	_, err := race(8, func(i int) (bool, error) {
		for n := range 50 {
			if i%2 == 0 {
				if err := p.kv.Set(p.ctx, p.key("k"), values[(i+n)%len(values)], long); err != nil {
					return false, err
				}
				continue
			}
			got, found, err := p.kv.Get(p.ctx, p.key("k"))
			if err != nil {
				return false, err
			}
			if !found || len(got) == 0 || int(got[0]) >= len(values) || !bytes.Equal(got, values[got[0]]) {
				return false, fmt.Errorf("a reader beside writers got found %t, %s", found, show(got))
			}
		}
		return true, nil
	})
	if err != nil {
		p.failf("%w", err)
	}
}

// checkStale has one writer and several readers: a read never finds less than what was acknowledged before it began.
func checkStale(p *probe) {
	p.neverStale(func(name string) func() ([]byte, bool, error) {
		return func() ([]byte, bool, error) { return p.kv.Get(p.ctx, p.key(name)) }
	})
}

// neverStale makes a reader with newReader in each reading goroutine. At the end the record is deleted, after which no
// read may find it.
func (p *probe) neverStale(newReader func(name string) func() ([]byte, bool, error)) {
	p.set("k", make([]byte, 8), long)
	if p.err != nil {
		return
	}
	s := staleness{read: make(chan struct{}), failed: make(chan struct{})}
	_, err := race(staleReaders+1, func(i int) (bool, error) {
		if i == 0 {
			return true, s.write(p)
		}
		err := s.check(newReader("k"))
		if err != nil {
			s.fail.Do(func() { close(s.failed) })
		}
		return true, err
	})
	if err != nil {
		p.failf("%w", err)
	}
}

const (
	staleReaders = 4
	staleWrites  = 50
)

// staleness is what the writer and the readers of neverStale know of each other.
type staleness struct {
	acknowledged atomic.Uint64 // number of the last write that has returned; more than staleWrites: deleted
	deleting     atomic.Bool
	read         chan struct{} // a read has returned
	failed       chan struct{} // a reader has given up
	fail         sync.Once
}

func (s *staleness) write(p *probe) error {
	defer s.acknowledged.Store(staleWrites + 1) // also lets the readers go after an error
	for n := range uint64(staleWrites) {
		if err := p.kv.Set(p.ctx, p.key("k"), binary.BigEndian.AppendUint64(nil, n), long); err != nil {
			return err
		}
		s.acknowledged.Store(n)
		// Of one more reads than there are readers, one has begun after the write.
		for range staleReaders + 1 {
			select {
			case <-s.read:
			case <-s.failed:
				return nil
			}
		}
	}
	s.deleting.Store(true)
	return p.kv.Delete(p.ctx, p.key("k"))
}

func (s *staleness) check(read func() ([]byte, bool, error)) error {
	for {
		least := s.acknowledged.Load()
		value, found, err := read()
		switch {
		case err != nil:
			return err
		case least > staleWrites && found && s.deleting.Load():
			return errors.New("a read after Delete had returned found the record")
		case least > staleWrites:
			return nil
		case found && (len(value) != 8 || binary.BigEndian.Uint64(value) < least):
			return fmt.Errorf("a read after write %d had returned got %s", least, show(value))
		case !found && !s.deleting.Load():
			return fmt.Errorf("a read after write %d had returned found nothing", least)
		}
		select {
		case s.read <- struct{}{}:
		default:
			runtime.Gosched() // on one processor the writer would wait for a preemption
		}
	}
}
