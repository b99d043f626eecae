package protocol

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Activity is what a gwat does that is not in normal work.
type Activity int

// The activities.
const (
	Idle         Activity = iota // nothing that the others name
	LoadingChain                 // it loads the finalized chain from its peers
	LoadingDAG                   // it loads the DAG after its checkpoint from its peers
	Prepared                     // a Prepare is in force: its lock is held
	Behind                       // it is behind its tips, loads nothing, and waits to be driven
)

// Loads reports whether gwat loads from its peers.
func (a Activity) Loads() bool { return a == LoadingChain || a == LoadingDAG }

// State is what gwat said of itself in one poll. What an era does not report is zero.
type State struct {
	Syncing  bool // gwat is not in normal work; only then the rest but Mark is known
	Activity Activity
	Word     string // gwat's own word for Activity, for people

	CurrentBlock, HighestBlock uint64          // of LoadingChain
	CoordSlot                  primitives.Slot // the newest slot that a call of normal work has named
	TipSlot                    primitives.Slot // the newest slot among gwat's tips

	// Mark is where the last call has left gwat, if gwat says it: a head sync begins
	// there. If it is nil, a head sync begins after any block of the beacon's chain whose
	// spines block reads show to be finalized.
	Mark *Mark
}

// Mark is where gwat is by the last call that it carried out.
type Mark struct {
	LastFinalized common.Hash // spine
	Epoch         primitives.Epoch
	Root          common.Hash // beacon block of the checkpoint; zero for genesis
}

// MayBegin returns why a head sync may not begin now: ErrLockHeld, ErrBusy; nil if it may.
func (s State) MayBegin() error {
	switch {
	case s.Activity == Prepared:
		return ErrLockHeld
	case s.Activity.Loads():
		return fmt.Errorf("%w: eth_syncing says stage %s", ErrBusy, s.Word)
	}
	return nil
}
