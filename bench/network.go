package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// Constants of the networks that are measured on.
const (
	slotsPerEpoch  = 32
	justifiedEpoch = 3   // where a stalled network stays
	beyond         = 107 // blocks after the last checkpoint on the recorded pair
	most           = 100 // of them, when gwat has most
)

// network is a generated world. With last set its head stands still there and no
// gwat block comes after, so that every run finds the same state.
type network struct {
	*world.World
	last       primitives.Slot
	validators []world.Validator // instead of the world's own, if set
}

// HeadAt implements world.Chain.
func (n *network) HeadAt(slot primitives.Slot) *world.BeaconBlock {
	if n.last > 0 {
		slot = min(slot, n.last)
	}
	return n.World.HeadAt(slot)
}

// DAGSlot implements world.Chain.
func (n *network) DAGSlot(slot primitives.Slot) []*world.DAGBlock {
	if n.last > 0 && slot > n.last {
		return nil
	}
	return n.World.DAGSlot(slot)
}

// Validators implements world.Chain.
func (n *network) Validators() []world.Validator {
	if n.validators != nil {
		return n.validators
	}
	return n.World.Validators()
}

// now is the head at the moment.
func (n *network) now() *world.BeaconBlock { return n.HeadAt(n.Spec().SlotAt(time.Now())) }

// checkpoint is the last checkpoint's block in the state after head.
func (n *network) checkpoint(head *world.BeaconBlock) *world.BeaconBlock {
	if b, ok := n.Block(n.Finality(head).CurrentJustified.Root); ok {
		return b
	}
	return n.HeadAt(0)
}

// number is the number that gwat's last finalized block has once the body of b
// and all before it are applied.
func (n *network) number(b *world.BeaconBlock) uint64 {
	for {
		if len(b.Finalization) > 0 {
			spine, ok := n.DAGBlock(b.Finalization[len(b.Finalization)-1])
			if ok {
				return spine.Height
			}
		}
		parent, ok := n.Block(b.ParentRoot)
		if !ok || b.Slot == 0 {
			return 0
		}
		b = parent
	}
}

// entries is how many blocks a push from b to head has.
func (n *network) entries(b, head *world.BeaconBlock) int {
	count := 1
	for head.Slot > b.Slot {
		parent, ok := n.Block(head.ParentRoot)
		if !ok {
			break
		}
		head = parent
		count++
	}
	return count
}

// stops reports whether gwat can stand at a number before head: where a body ends.
func (n *network) stops(head *world.BeaconBlock, number uint64) bool {
	for b, ok := head, true; ok && n.number(b) >= number; b, ok = n.Block(b.ParentRoot) {
		if n.number(b) == number {
			return true
		}
	}
	return false
}

// busyNetwork has a head with exactly `beyond` blocks to finalize after the last
// checkpoint, and blocks that cross each other.
func busyNetwork(seed uint64) (*network, error) {
	const age = 1500
	w, err := world.New(world.Config{
		Seed: seed, GenesisTime: uint64(time.Now().Unix()) - 4*(age+100), SecondsPerSlot: 4, SlotsPerEpoch: slotsPerEpoch,
		Validators: 256, MaxBlocksPerSlot: 3, MissRate: 0.05, ForkRate: 0.02,
	})
	if err != nil {
		return nil, err
	}
	n := &network{World: w}
	for slot := primitives.Slot(4 * slotsPerEpoch); slot < age; slot++ {
		head := n.World.HeadAt(slot)
		cp := n.checkpoint(head)
		if head.Slot == slot && len(cp.Finalization) > 0 && n.number(head)-n.number(cp) == beyond && n.stops(head, n.number(cp)+most) {
			n.last = slot
			return n, nil
		}
	}
	return nil, fmt.Errorf("the network of seed %d has no head with %d blocks past the checkpoint and a body that ends at %d", seed, beyond, most)
}

// stalledNetwork justifies nothing for so long that the last checkpoint lies
// `behind` slots before the head. A still one stays so; else its slots of a
// second go on.
func stalledNetwork(seed uint64, behind int, still bool) (*network, error) {
	last := primitives.Slot(justifiedEpoch*slotsPerEpoch + behind)
	genesis := time.Now().Unix() - int64(last)
	if still {
		genesis -= slotsPerEpoch
	}
	w, err := world.New(world.Config{
		Seed: seed, GenesisTime: uint64(genesis), SecondsPerSlot: 1, SlotsPerEpoch: slotsPerEpoch, MaxBlocksPerSlot: 2,
		StallJustification: []world.EpochRange{{From: justifiedEpoch + 1, To: 1 << 20}},
	})
	if err != nil {
		return nil, err
	}
	n := &network{World: w}
	if still {
		n.last = last
	}
	return n, nil
}

// wideNetwork is a still one whose slots have 64 creators with an address each.
func wideNetwork(seed uint64, behind int) (*network, error) {
	const committees, members = 16, 4
	last := primitives.Slot(justifiedEpoch*slotsPerEpoch + behind)
	w, err := world.New(world.Config{
		Seed: seed, GenesisTime: uint64(time.Now().Unix()) - uint64(last) - slotsPerEpoch, SecondsPerSlot: 1,
		SlotsPerEpoch: slotsPerEpoch, MaxBlocksPerSlot: 2, CreatorsPerSlot: members, CommitteesPerSlot: committees,
		Validators:         slotsPerEpoch * committees * members,
		StallJustification: []world.EpochRange{{From: justifiedEpoch + 1, To: 1 << 20}},
	})
	if err != nil {
		return nil, err
	}
	n := &network{World: w, last: last, validators: append([]world.Validator(nil), w.Validators()...)}
	for i := range n.validators {
		var credentials common.Hash // a generated world has eight addresses only
		credentials[0] = 1
		for at := 12; at < common.HashLength; at += 4 {
			binary.BigEndian.PutUint32(credentials[at:], uint32(i)*2654435761+uint32(at))
		}
		n.validators[i].WithdrawalCredentials = credentials
	}
	return n, nil
}
