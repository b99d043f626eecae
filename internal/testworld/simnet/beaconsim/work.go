package beaconsim

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const (
	greetEvery   = 15 * time.Second // as recorded while gwat was down
	workPart     = 4                // the calls that follow a block begin this part of a slot in
	workBehind   = 2                // slots that a working node may be behind the clock
	candidateAge = 2
)

// greet finds out about gwat at start: its chain, then the slots' clock is told to it.
func (n *Node) greet(ctx context.Context) {
	info := struct {
		GenesisTime    uint64 `json:"genesisTime"`
		SecondsPerSlot uint64 `json:"secondsPerSlot"`
		SlotsPerEpoch  uint64 `json:"slotsPerEpoch"`
	}{n.spec.GenesisTime, n.spec.SecondsPerSlot, n.spec.SlotsPerEpoch}
	for {
		var answer json.RawMessage
		if n.gwat.greet(ctx, greetEvery) == nil &&
			n.gwat.call(ctx, greetEvery, &answer, "dag_syncSlotInfo", info) == nil {
			return
		}
		if !wait(ctx, greetEvery, nil) {
			return
		}
	}
}

// work makes the calls of normal work each slot. Their errors are in the call
// log only: as recorded, the node just calls again in the next slot.
func (n *Node) work(ctx context.Context) {
	for {
		now := time.Now()
		slot := n.spec.SlotAt(now) + 1
		if !wait(ctx, n.spec.SlotStart(slot).Sub(now), nil) {
			return
		}
		if head, ok := n.working(slot); ok {
			var answer json.RawMessage
			_ = n.gwat.call(ctx, n.spec.SlotDuration(), &answer, "dag_sync", n.consensusInfo(slot, n.chain.NextFinalization(head)))
		}
		if !wait(ctx, time.Until(n.spec.SlotStart(slot).Add(n.spec.SlotDuration()/workPart)), nil) {
			return
		}
		if head, ok := n.working(slot); ok {
			n.afterBlock(ctx, slot, head)
		}
	}
}

func (n *Node) afterBlock(ctx context.Context, slot primitives.Slot, head *world.BeaconBlock) {
	var answer json.RawMessage
	timeout := n.spec.SlotDuration()
	if slot > candidateAge {
		_ = n.gwat.call(ctx, timeout, &answer, "dag_getCandidates", uint64(slot-candidateAge))
	}
	if finalization := n.chain.NextFinalization(head); len(finalization) > 0 && n.gossip == nil {
		_ = n.gwat.call(ctx, timeout, &answer, "dag_finalize", finalization)
	}
	if len(head.Candidates) > 0 {
		_ = n.gwat.call(ctx, timeout, &answer, "dag_validateSpines", head.Candidates)
	}
}

// working gives the head if the node does normal work in a slot.
func (n *Node) working(slot primitives.Slot) (*world.BeaconBlock, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.chain.HeadAt(slot).Slot // slots without a block do not count as being behind
	return n.head, n.synced && !n.driving && !n.idle && checkpoint.Lag(n.head.Slot, seen) <= workBehind
}

func (n *Node) consensusInfo(slot primitives.Slot, finalizing []common.Hash) checkpoint.ConsensusInfo {
	return checkpoint.ConsensusInfo{Slot: slot, Creators: world.Creators(n.chain, slot), Finalizing: finalizing}
}
