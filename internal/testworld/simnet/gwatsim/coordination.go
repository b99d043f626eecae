package gwatsim

import (
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

var errSynchronization = errors.New("synchronization")

// candidateDelay is how many slots before the slot of a dag_sync its
// candidates end, as recorded: dag_sync(N) gives what getCandidates(N-2) does.
const candidateDelay = 2

// open advances the node and reports whether calls of normal work are answered:
// not in its own sync and not while the head lock is held. n.mu is held.
func (n *Node) open() bool {
	now := time.Now()
	n.advance(now)
	return n.sync.stage == StageNone && !n.locked(now)
}

// dagSync is the call that coordinates a slot. It alone sets lastCoordSlot, to
// whatever slot it names. A spine that is missing is named in the result; what
// real nodes do then was not recorded.
func (n *Node) dagSync(info checkpoint.ConsensusInfo) (syncResult, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.open() {
		return syncResult{Error: inResult(errSynchronization)}, nil
	}
	begin := time.Now()
	n.heard = begin
	n.coordinated = true
	n.lastCoordSlot = info.Slot
	n.creators[info.Slot] = info.Creators
	if err := n.finalizeAll(info.Finalizing); err != nil {
		return syncResult{Error: inResult(err)}, n.save()
	}
	candidates := []common.Hash{}
	if info.Slot >= candidateDelay {
		candidates = n.dag.candidates(n.ledger.last(), info.Slot-candidateDelay)
	}
	return syncResult{Info: &syncInfo{Elapsed: time.Since(begin).String()}, Candidates: candidates}, n.save()
}

// getCandidates are the spines after the last finalized block, up to a slot.
func (n *Node) getCandidates(slot primitives.Slot) candidatesResult {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.open() {
		return candidatesResult{Error: inResult(errSynchronization)}
	}
	return candidatesResult{Candidates: n.dag.candidates(n.ledger.last(), slot)}
}

// dagFinalize finalizes spines; those before a missing one stay final.
func (n *Node) dagFinalize(spines []common.Hash) (finalizeResult, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.open() {
		return finalizeResult{Error: inResult(errSynchronization)}, nil
	}
	n.heard = time.Now()
	if err := n.finalizeAll(spines); err != nil {
		return finalizeResult{Error: inResult(err)}, n.save()
	}
	return finalizeResult{}, n.save()
}

// finalizeAll finalizes spines in their order. n.mu is held.
func (n *Node) finalizeAll(spines []common.Hash) error {
	for _, spine := range spines {
		added, err := n.ledger.finalize(spine, n.dag.find)
		if err != nil {
			return err
		}
		n.dirty = n.dirty || added > 0
	}
	return nil
}

// validateSpines reports whether the node has all of the spines; no lock guards it.
func (n *Node) validateSpines(spines []common.Hash) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance(time.Now())
	for _, spine := range spines {
		if _, ok := n.dag.find(spine); !ok {
			return false
		}
	}
	return true
}

func (n *Node) sameSlots(info slotInfo) bool {
	return info.GenesisTime == n.spec.GenesisTime &&
		info.SecondsPerSlot == n.spec.SecondsPerSlot &&
		info.SlotsPerEpoch == n.spec.SlotsPerEpoch
}
