package world

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// purpose separates the random streams, so that a choice of one kind never
// moves the choices of another.
type purpose uint64

const (
	forBeacon purpose = iota + 1
	forFork
	forDAG
	forPolicy
	forBranchPolicy
	forRepeat
	forCommittees
	forProposer
	forValidator
	forSide
)

// random is the stream of one purpose at one position: what it yields depends
// on nothing else, so a world may be extended in any steps.
func random(seed uint64, p purpose, position uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed^uint64(p)*0x9e3779b97f4a7c15, position))
}

// digest hashes the contents of a block.
type digest struct{ hash.Hash }

func newDigest(kind string, seed uint64) digest {
	d := digest{sha256.New()}
	d.Write([]byte(kind))
	d.number(seed)
	return d
}

func (d digest) number(n uint64) {
	d.Write(binary.BigEndian.AppendUint64(nil, n))
}

func (d digest) hashes(list []common.Hash) {
	d.number(uint64(len(list)))
	for _, h := range list {
		d.Write(h[:])
	}
}

// sum gives the hash with the slot folded into its last eight bytes, so that
// a block can be found by its hash before its slot was ever asked for.
func (d digest) sum(slot primitives.Slot) common.Hash {
	h := common.Hash(d.Hash.Sum(nil))
	binary.BigEndian.PutUint64(h[24:], binary.BigEndian.Uint64(h[:8])^uint64(slot))
	return h
}

// slotOf is the slot that sum folded into a hash; nonsense for other hashes.
func slotOf(h common.Hash) primitives.Slot {
	return primitives.Slot(binary.BigEndian.Uint64(h[24:]) ^ binary.BigEndian.Uint64(h[:8]))
}
