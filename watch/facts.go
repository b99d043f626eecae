package watch

import (
	"fmt"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/protocol"
)

// newHeads is over how many new heads gwat must follow before the pair counts as working (S5).
const newHeads = 2

// verifySlots is for how many slots the switch may wait for that proof.
const verifySlots = 8

// standing is what the loop knows beside the newest observation.
type standing struct {
	spec     *checkpoint.Spec
	conflict string
	judged   bool // the identity of both nodes is known
	now      primitives.Slot
	mark     *protocol.Mark // where gwat was driven to before it began to load; nil if that is not known

	// The proof of work: how many new heads gwat has followed by calls of the beacon
	// node, in which slot the wait for it began, and whether gwat follows now.
	followed int
	since    primitives.Slot
	follows  bool
}

// facts returns what an observation says as far as a stage depends on it. In this era
// the stages are left for these reasons:
//
//	checkpoint_sync  the beacon node is past its initial sync, and gwat's last call was
//	                 for the epoch of the beacon's justified checkpoint or a later one
//	dag_sync         the head is near the clock, and gwat's last call was for its epoch
//	head_sync_ready  gwat answers its state: it does not load from peers
//	head_sync        eth_syncing is false
//	switching        gwat has finalized what two new heads finalize
func facts(o *Observation, s *standing) fsm.Facts {
	f := fsm.Facts{Judged: s.judged, Conflict: s.conflict}
	if o == nil {
		f.UpWhy = "the first answer of both nodes"
		return f
	}
	f.Up, f.UpWhy = o.Up(), upWhy(o)
	if !f.Up || s.spec == nil {
		return f
	}
	f.CheckpointReached, f.CheckpointWhy = checkpointReached(o, s)
	f.DAGSynced, f.DAGWhy = dagSynced(o, s)
	f.FellBehind, f.FellBehindWhy = fellBehind(o, s)
	if f.FellBehind && f.DAGSynced { // at an epoch's change both rules would hold, and the stages go round for ever
		f.DAGSynced, f.DAGWhy = false, f.FellBehindWhy
	}
	f.Verified, f.VerifyWhy = verified(o, s)
	f.VerifyOver = !f.Verified && s.now >= s.since+verifySlots
	return f
}

func upWhy(o *Observation) string {
	switch {
	case o.Gwat.Err != nil:
		return "gwat to answer: " + o.Gwat.Err.Error()
	case o.Beacon.Err != nil:
		return "the beacon node to answer: " + o.Beacon.Err.Error()
	}
	return "both nodes answer"
}

// gwatEpoch is the epoch of the last call that gwat carried out. A gwat that loads does not say
// it, and each call of the beacon node may have it load for a moment: what it said before counts
// then.
func gwatEpoch(o *Observation, s *standing) (primitives.Epoch, bool) {
	mark := o.Gwat.Mark
	if mark == nil {
		mark = s.mark
	}
	if mark == nil {
		return 0, false
	}
	return mark.Epoch, true
}

func checkpointReached(o *Observation, s *standing) (bool, string) {
	head := o.Beacon.Head.Slot
	if o.Beacon.Syncing.IsSyncing && !near(head, s.now) {
		return false, fmt.Sprintf("the beacon node to finish its initial sync: head at slot %d of %d", head, s.now)
	}
	epoch, known := gwatEpoch(o, s)
	if !known {
		return false, "gwat to load the finalized chain from its peers" + watProgress(o)
	}
	justified := o.Beacon.Finality.CurrentJustified.Epoch
	if epoch < justified {
		return false, fmt.Sprintf("gwat to be driven through epoch %d of %d by the beacon node%s", epoch, justified, watProgress(o))
	}
	return true, fmt.Sprintf("gwat was driven to epoch %d, the last checkpoint is at epoch %d", epoch, justified)
}

func watProgress(o *Observation) string {
	if o.Gwat.Wat == nil {
		return ""
	}
	return fmt.Sprintf(" (its DAG is at slot %d)", o.Gwat.Wat.DAG)
}

func dagSynced(o *Observation, s *standing) (bool, string) {
	head := o.Beacon.Head.Slot
	if !near(head, s.now) {
		return false, fmt.Sprintf("the beacon's head at slot %d to come near slot %d", head, s.now)
	}
	epoch, known := gwatEpoch(o, s)
	if !known {
		return false, "gwat to load the blocks after the checkpoint" + watProgress(o)
	}
	if headEpoch := s.spec.Epoch(head); epoch+1 < headEpoch {
		return false, fmt.Sprintf("gwat to be driven through epoch %d of %d by the beacon node%s", epoch, headEpoch, watProgress(o))
	}
	return true, "both nodes have what follows the checkpoint"
}

// fellBehind is the resync rule over what both nodes have.
func fellBehind(o *Observation, s *standing) (bool, string) {
	synced := o.Beacon.Head.Slot
	if epoch, known := gwatEpoch(o, s); known {
		synced = min(synced, s.spec.StartSlot(epoch+1)-1)
	}
	if !s.spec.Behind(synced, s.now) {
		return false, ""
	}
	return true, fmt.Sprintf("synced to slot %d (epoch %d), the clock is at slot %d (epoch %d)", synced, s.spec.Epoch(synced), s.now, s.spec.Epoch(s.now))
}

func verified(o *Observation, s *standing) (bool, string) {
	switch {
	case o.Gwat.Syncing:
		return false, "gwat to be in normal work: eth_syncing is not false"
	case !s.follows:
		return false, fmt.Sprintf("gwat to finalize what the beacon's head at slot %d finalizes", o.Beacon.Head.Slot)
	case s.followed < newHeads:
		return false, fmt.Sprintf("gwat to follow %d of %d new heads", newHeads-s.followed, newHeads)
	}
	return true, fmt.Sprintf("gwat has finalized what %d new heads finalize, by the beacon node's calls", newHeads)
}

// near reports whether a head is near the clock.
func near(head, now primitives.Slot) bool { return checkpoint.Lag(head, now) <= checkpoint.NearHead }
