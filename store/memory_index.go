package store

import "math/bits"

const (
	minSlots   = 8
	indexBytes = 64 // what a record costs here on average at the lowest fill, for the accounting
)

// entry is one record's line in the index: everything that a read needs to tell changed from unchanged, in half a
// cache line and without a pointer.
type entry struct {
	hash    uint64 // 0: the slot is empty
	version uint64
	expires int64  // nanoseconds since the store was made
	head    uint32 // first block
	size    uint32 // length of the value
}

// index is a hash table with linear probing. A Go map would keep the table and the entries in different places and
// could not be swept a few slots at a time.
type index struct {
	slots []entry
	used  int
}

// home is where the search for a hash begins. It uses the high bits; the low ones chose the shard.
func (x *index) home(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(x.slots)))
	return int(hi)
}

func (x *index) after(i int) int {
	if i++; i < len(x.slots) {
		return i
	}
	return 0
}

// insert adds an entry whose key is not in the index. At most three quarters of the slots are in use, so a search
// always ends at an empty one.
func (x *index) insert(e entry) {
	if x.used >= len(x.slots)/4*3 {
		x.resize(max(minSlots, len(x.slots)+len(x.slots)/2))
	}
	x.place(e)
	x.used++
}

func (x *index) place(e entry) {
	i := x.home(e.hash)
	for x.slots[i].hash != 0 {
		i = x.after(i)
	}
	x.slots[i] = e
}

// remove empties slot i and moves later entries of the same run up, so that every search still meets its entry before
// an empty slot.
func (x *index) remove(i int) {
	n := len(x.slots)
	for j := x.after(i); x.slots[j].hash != 0; j = x.after(j) {
		if fromHome := (j - x.home(x.slots[j].hash) + n) % n; fromHome >= (j-i+n)%n {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = entry{}
	x.used--
}

// shrink gives memory back when few slots are in use.
func (x *index) shrink() {
	if n := len(x.slots); n > minSlots && x.used < n/8 {
		x.resize(max(minSlots, n/3))
	}
}

func (x *index) resize(n int) {
	old := x.slots
	x.slots = make([]entry, n)
	for i := range old {
		if old[i].hash != 0 {
			x.place(old[i])
		}
	}
}

// moveHead follows a record whose first block moved.
func (x *index) moveHead(m move) {
	for i := x.home(m.hash); x.slots[i].hash != 0; i = x.after(i) {
		if e := &x.slots[i]; e.hash == m.hash && e.head == m.from {
			e.head = m.to
			return
		}
	}
}
