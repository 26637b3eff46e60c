package sessionmodel

import (
	"math/rand/v2"
	"sync"

	"github.com/netscript/auth/store/storetest"
)

// sky is how the store looks from a process.
type sky int

const (
	calm   sky = iota
	down       // nothing works
	frozen     // reads work, writes fail
	mute       // reads work, the replies to writes are lost
	flaky      // one call in four fails, or only its reply is lost
	hiccup     // one of the next calls fails, or only its reply is lost; then it is calm
	dying      // the process crashes at one of the next calls
	dead
)

// weather decides what happens to the calls of one process. It is safe for concurrent use.
type weather struct {
	mu     sync.Mutex
	random *rand.Rand
	sky    sky
	left   int    // calls before the hiccup or the crash
	died   func() // called at the crash
	faults int
}

// decide is the Fault function of a storetest.Faulty.
func (w *weather) decide(op storetest.Op, _ string) storetest.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.fault(op)
	if f != storetest.None {
		w.faults++
	}
	return f
}

func (w *weather) fault(op storetest.Op) storetest.Fault {
	switch w.sky {
	case down, dead:
		return storetest.Fail
	case frozen:
		if op != storetest.OpGet {
			return storetest.Fail
		}
	case mute:
		if op != storetest.OpGet {
			return storetest.LoseReply
		}
	case flaky:
		if w.random.IntN(4) == 0 {
			return w.failOrLose()
		}
	case hiccup:
		if w.left--; w.left < 0 {
			w.sky = calm
			return w.failOrLose()
		}
	case dying:
		if w.left--; w.left < 0 {
			w.sky = dead
			w.died()
			return w.failOrLose()
		}
	}
	return storetest.None
}

func (w *weather) failOrLose() storetest.Fault {
	return []storetest.Fault{storetest.Fail, storetest.LoseReply}[w.random.IntN(2)]
}

func (w *weather) turn(s sky) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sky = s
}

// failAfter makes a call fail, after so many that do not.
func (w *weather) failAfter(calls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sky, w.left = hiccup, calls
}

// dieAfter lets the process live for so many calls more.
func (w *weather) dieAfter(calls int, died func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sky, w.left, w.died = dying, calls, died
}

func (w *weather) now() (s sky, faults int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sky, w.faults
}
