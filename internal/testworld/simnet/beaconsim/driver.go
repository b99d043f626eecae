package beaconsim

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const (
	readyEvery    = time.Second // HEAD_SYNC_READY_INTERVAL
	driverTimeout = 30 * time.Second
)

// drive is the built-in head sync with its recorded faults: the first ready
// names the last slot of the checkpoint's epoch, the head does not move while
// it waits, all is pushed in one call up to that stale head, and whatever gwat
// answers to the push counts as success.
func (n *Node) drive(ctx context.Context) {
	select {
	case <-n.caughtUp:
	case <-ctx.Done():
		return
	}
	head := n.State().Head
	from := n.checkpointBlock(head)
	ready := n.consensusInfo(from.Slot, n.stateFinalization(from))
	first := ready
	first.Slot = n.spec.StartSlot(n.spec.Epoch(from.Slot)+1) - 1
	for next := first; ; next = ready {
		var ok bool
		if err := n.gwat.call(ctx, driverTimeout, &ok, "dag_headSyncReady", next); err == nil && ok {
			break
		}
		if !wait(ctx, readyEvery, nil) {
			return
		}
	}
	var answer bool
	_ = n.gwat.call(ctx, driverTimeout, &answer, "dag_headSync", n.pushed(from, head))

	n.mu.Lock()
	n.driving = false
	n.mu.Unlock()
	n.signal()
}

// stateFinalization is what the state after a block finalizes; where a network
// has nothing new and leaves it empty, the last spines before. gwat would refuse
// an empty checkpoint for ever, and no recorded state was empty.
func (n *Node) stateFinalization(block *world.BeaconBlock) []common.Hash {
	list := n.chain.NextFinalization(block)
	for len(list) == 0 {
		list = block.Finalization
		parent, ok := n.chain.Block(block.ParentRoot)
		if !ok {
			break
		}
		block = parent
	}
	return list
}

// pushed are the entries from a block to head, both included.
func (n *Node) pushed(from, head *world.BeaconBlock) []checkpoint.ConsensusInfo {
	out := []checkpoint.ConsensusInfo{}
	for slot := from.Slot; slot <= head.Slot; slot++ {
		if block, ok := n.chain.Ancestor(head, slot); ok {
			out = append(out, n.consensusInfo(slot, block.Finalization))
		}
	}
	return out
}
