package coordinated

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// FinalizeLag is how many slots a spine is behind the block that finalizes it.
const FinalizeLag = 4

// Network is the chain that all nodes of a network share.
type Network struct {
	ChainID        uint64
	GenesisTime    uint64 // Unix seconds
	SecondsPerSlot uint64
	SlotsPerEpoch  uint64
	Now            func() time.Time // time.Now if it is nil
}

func (n *Network) now() time.Time {
	if n.Now == nil {
		return time.Now()
	}
	return n.Now()
}

// Slot returns the slot of the clock.
func (n *Network) Slot() uint64 {
	since := n.now().Unix() - int64(n.GenesisTime)
	if since < 0 {
		return 0
	}
	return uint64(since) / n.SecondsPerSlot
}

// SlotTime returns the length of a slot.
func (n *Network) SlotTime() time.Duration { return time.Duration(n.SecondsPerSlot) * time.Second }

func (n *Network) epoch(slot uint64) uint64 { return slot / n.SlotsPerEpoch }

func named(kind byte, slot uint64) common.Hash {
	var b [9]byte
	b[0] = kind
	binary.BigEndian.PutUint64(b[1:], slot)
	return sha256.Sum256(b[:])
}

// Root is the root of the beacon block of a slot.
func (n *Network) Root(slot uint64) common.Hash { return named('b', slot) }

// Spine is the gwat block of a slot; its number and height are the slot.
func (n *Network) Spine(slot uint64) common.Hash { return named('s', slot) }

// SlotOfRoot returns the slot of a beacon block up to the clock's.
func (n *Network) SlotOfRoot(root common.Hash) (uint64, bool) { return n.find(root, n.Root) }

// SlotOfSpine returns the slot of a gwat block up to the clock's.
func (n *Network) SlotOfSpine(hash common.Hash) (uint64, bool) { return n.find(hash, n.Spine) }

func (n *Network) find(hash common.Hash, of func(uint64) common.Hash) (uint64, bool) {
	for slot := n.Slot() + 1; slot > 0; slot-- { // the newest ones are asked for most
		if of(slot-1) == hash {
			return slot - 1, true
		}
	}
	return 0, false
}

// State is what the state after the block of a slot says.
type State struct {
	Slot, Epoch               uint64
	Justified, Finalized      uint64 // epochs
	JustifiedAt, FinalizedAt  uint64 // slots of their blocks
	CPFinalized, Finalization []common.Hash
}

// State returns the state after the block of a slot.
func (n *Network) State(slot uint64) State {
	s := State{Slot: slot, Epoch: n.epoch(slot)}
	if s.Epoch >= 2 {
		s.Justified = s.Epoch - 1
		s.Finalized = s.Epoch - 2
	}
	s.JustifiedAt, s.FinalizedAt = s.Justified*n.SlotsPerEpoch, s.Finalized*n.SlotsPerEpoch
	base, point := uint64(0), finalizedBy(s.FinalizedAt)
	if s.Finalized > 0 {
		base = finalizedBy((s.Finalized - 1) * n.SlotsPerEpoch)
	}
	s.CPFinalized = n.spines(base, point)
	if end := finalizedBy(slot); end > point {
		s.Finalization = n.spines(point+1, end)
	}
	return s
}

// finalizedBy returns the slot of the newest spine that the block of a slot finalizes.
func finalizedBy(slot uint64) uint64 { return slot - min(slot, FinalizeLag) }

func (n *Network) spines(from, to uint64) []common.Hash {
	var out []common.Hash
	for slot := from; slot <= to; slot++ {
		out = append(out, n.Spine(slot))
	}
	return out
}

// Call returns the parameters with which a beacon node makes gwat follow the state of a
// slot.
func (n *Network) Call(slot uint64, mode SyncMode) Finalize {
	s := n.State(slot)
	spines := append(append([]common.Hash{}, s.CPFinalized[1:]...), s.Finalization...)
	return Finalize{
		Spines: spines, BaseSpine: &s.CPFinalized[0], Mode: mode,
		Checkpoint: &Checkpoint{
			Epoch: s.Finalized, FinEpoch: s.Epoch, Root: n.Root(s.FinalizedAt), Spine: n.Spine(finalizedBy(s.FinalizedAt)),
		},
	}
}
