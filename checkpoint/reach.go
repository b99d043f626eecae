package checkpoint

import (
	"fmt"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// NearHead is how many slots a head may be behind the wall clock and still
// count as synced: slots are missed and blocks take time to arrive.
const NearHead = 4

// Genesis is the ConsensusInfo that represents the checkpoint before the first
// justification: slot 0, nothing finalized. gwat takes it as it is.
func Genesis() ConsensusInfo { return ConsensusInfo{} }

// ExpectedSlot is the slot of the last checkpoint in normal work,
// at the earliest: the start of the epoch before the previous one.
func (s Spec) ExpectedSlot(now primitives.Slot) primitives.Slot {
	epoch := s.Epoch(now)
	if epoch < 2 {
		return 0
	}
	return s.StartSlot(epoch - 2)
}

// BeforeGenesis reports whether the network has not begun at a time, and when it
// will: no block can come before.
func (s Spec) BeforeGenesis(now time.Time) (bool, string) {
	genesis := s.SlotStart(0)
	if !now.Before(genesis) {
		return false, ""
	}
	return true, fmt.Sprintf("genesis at %s, in %s", genesis.UTC().Format(time.RFC3339), genesis.Sub(now).Round(time.Second))
}

// BeaconProgress is what a beacon node says of its sync.
type BeaconProgress struct {
	Head     primitives.Slot
	Distance uint64 // sync_distance
	Now      primitives.Slot
}

// AtCheckpoint reports whether the beacon's head has reached the last checkpoint
// of the network. That checkpoint is not to be had from a node that is behind,
// so its slot in normal work is taken.
func (b BeaconProgress) AtCheckpoint(s Spec) (bool, string) {
	want := s.ExpectedSlot(b.Now)
	if b.Head >= want || b.NearHead() {
		return true, fmt.Sprintf("the beacon's head is at slot %d", b.Head)
	}
	return false, fmt.Sprintf("the beacon's head at slot %d to reach the last checkpoint at about slot %d", b.Head, want)
}

// NearHead reports whether the beacon's DAG sync is over: its head is within a few
// slots of the wall clock, or its sync distance has come down to that.
// is_syncing is not asked: a built-in driver holds it true.
func (b BeaconProgress) NearHead() bool {
	return Lag(b.Head, b.Now) <= NearHead || b.Distance <= NearHead
}

// Behind is the resync rule: synced epoch < current epoch - 1.
func (s Spec) Behind(synced, now primitives.Slot) bool {
	return s.Epoch(synced) < s.Epoch(now) && s.Epoch(now)-s.Epoch(synced) > 1
}
