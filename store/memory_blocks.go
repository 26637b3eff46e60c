package store

import (
	"encoding/binary"
	"math"
)

// A record is a chain of blocks. The first one begins with the hash and the key; value bytes fill the rest. Any block
// serves any record, and the blocks in use are always the first ones of the heap: releasing one moves the last one
// into the gap. So there is no fragmentation whatever the sizes are, and memory that is no longer needed is at the
// end, where it can be dropped.
const (
	blockSize   = 256
	blockHeader = 8                       // next and previous block, 4 bytes each
	payload     = blockSize - blockHeader // per block
	headHeader  = 9                       // hash and length of the key, in a first block only

	chunkBlocks = 512 // blocks are allocated by chunks of 128 KiB, which the collector sees as one object each
	firstBlocks = 4   // and the first chunk grows to that from here, because most stores are small

	noBlock = math.MaxUint32 // next of the last block of a chain, previous of the first
)

func blocksFor(key, value int) int {
	return (headHeader + key + value + payload - 1) / payload
}

// blocks is the heap of one shard.
type blocks struct {
	chunks [][]byte // all of full size, but a first one that is alone may be smaller
	used   uint32
}

func (b *blocks) at(i uint32) []byte {
	at := i % chunkBlocks * blockSize
	return b.chunks[i/chunkBlocks][at : at+blockSize : at+blockSize]
}

func next(block []byte) uint32        { return binary.LittleEndian.Uint32(block) }
func previous(block []byte) uint32    { return binary.LittleEndian.Uint32(block[4:]) }
func setNext(block []byte, i uint32)  { binary.LittleEndian.PutUint32(block, i) }
func setPrevious(b []byte, i uint32)  { binary.LittleEndian.PutUint32(b[4:], i) }
func hashOf(head []byte) uint64       { return binary.LittleEndian.Uint64(head[blockHeader:]) }
func setHash(head []byte, h uint64)   { binary.LittleEndian.PutUint64(head[blockHeader:], h) }
func keyLength(head []byte) int       { return int(head[blockHeader+8]) }
func setKeyLength(head []byte, n int) { head[blockHeader+8] = byte(n) }

// keyStart is where the key is in a first block. Keys of at most 200 bytes fit there as a whole.
const keyStart = blockHeader + headHeader

func (b *blocks) keyLen(head uint32) int { return keyLength(b.at(head)) }

func (b *blocks) keyIs(head uint32, key string) bool {
	block := b.at(head)
	return string(block[keyStart:keyStart+keyLength(block)]) == key
}

// read returns a copy of a value of the given size.
func (b *blocks) read(head uint32, size int) []byte {
	value := make([]byte, size)
	block := b.at(head)
	n := copy(value, block[keyStart+keyLength(block):])
	for n < size {
		block = b.at(next(block))
		n += copy(value[n:], block[blockHeader:])
	}
	return value
}

// equal reports whether the value of the given size is want.
func (b *blocks) equal(head uint32, size int, want []byte) bool {
	if size != len(want) {
		return false
	}
	block := b.at(head)
	part := block[keyStart+keyLength(block):]
	for {
		n := min(len(part), len(want))
		if string(part[:n]) != string(want[:n]) {
			return false
		}
		if want = want[n:]; len(want) == 0 {
			return true
		}
		block = b.at(next(block))
		part = block[blockHeader:]
	}
}

// write fills a chain that is long enough.
func (b *blocks) write(head uint32, r record) {
	block := b.at(head)
	setHash(block, r.hash)
	setKeyLength(block, len(r.key))
	copy(block[keyStart:], r.key)
	n := copy(block[keyStart+len(r.key):], r.value)
	for n < len(r.value) {
		block = b.at(next(block))
		n += copy(block[blockHeader:], r.value[n:])
	}
}

// extend lengthens the chain at head, noBlock for none yet, from have to want blocks and returns its head.
func (b *blocks) extend(head uint32, have, want int) uint32 {
	last := head
	for range have - 1 {
		last = next(b.at(last))
	}
	for range want - have {
		i := b.grow()
		block := b.at(i)
		setNext(block, noBlock)
		setPrevious(block, last)
		if last == noBlock {
			head = i
		} else {
			setNext(b.at(last), i)
		}
		last = i
	}
	return head
}

// cut shortens the chain at head to n blocks and returns the chain of the others.
func (b *blocks) cut(head uint32, n int) uint32 {
	block := b.at(head)
	for range n - 1 {
		block = b.at(next(block))
	}
	rest := next(block)
	setNext(block, noBlock)
	return rest
}

// grow takes the next block into use.
func (b *blocks) grow() uint32 {
	switch i := int(b.used); {
	case i/chunkBlocks == len(b.chunks):
		size := chunkBlocks
		if i == 0 {
			size = firstBlocks
		}
		b.chunks = append(b.chunks, make([]byte, size*blockSize))
	case i < chunkBlocks && i*blockSize == len(b.chunks[0]):
		larger := make([]byte, 2*i*blockSize)
		copy(larger, b.chunks[0])
		clear(b.chunks[0])
		b.chunks[0] = larger
	}
	b.used++
	return b.used - 1
}

// move tells that the first block of the record with this hash is now elsewhere. A hash of 0 means that none is.
type move struct {
	hash     uint64
	from, to uint32
}

// release gives back the first block of a chain that no record has any more and returns the rest of the chain.
func (b *blocks) release(chain uint32) (rest uint32, m move) {
	gap := b.at(chain)
	rest = next(gap)
	if rest != noBlock {
		setPrevious(b.at(rest), noBlock)
	}
	b.used--
	end := b.used
	last := b.at(end)
	if end != chain {
		copy(gap, last)
		if n := next(gap); n != noBlock {
			setPrevious(b.at(n), chain)
		}
		switch p := previous(gap); {
		case end == rest:
			rest = chain
		case p != noBlock:
			setNext(b.at(p), chain)
		default:
			m = move{hash: hashOf(gap), from: end, to: chain}
		}
	}
	clear(last) // a removed credential does not stay in memory
	b.shrink()
	return rest, m
}

// shrink drops chunks at the end, keeping an unused one so that a store that breathes does not allocate all the time.
func (b *blocks) shrink() {
	n := len(b.chunks)
	switch {
	case b.used == 0 && len(b.chunks[0]) > firstBlocks*blockSize:
		b.chunks = nil
	case n >= 3 && int(b.used) <= (n-2)*chunkBlocks:
		b.chunks[n-1] = nil
		b.chunks = b.chunks[:n-1]
	}
}
