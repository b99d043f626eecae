package headsync

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/protocol"
)

// The rules of the switch.
const (
	// NewHeads is over how many new heads normal work must be seen (S5).
	NewHeads = 2
	// ResyncSlots is how long gwat may say resync before syncd completes the
	// switch with a dag_sync of its own, once per attempt.
	ResyncSlots = 2
	// SwitchSlots is how long the verification may go without progress.
	SwitchSlots = 12
	// LateSlots is how long the spines of a head may stay open in working mode.
	LateSlots = 2
)

// Evidence is what one poll shows of a pair that should be working.
type Evidence struct {
	At       time.Time
	Clock    primitives.Slot // the wall-clock slot
	Sync     protocol.State
	CallsErr error // of dag_getCandidates: a call of normal work
	Head     Entry // the beacon's head; Creators are not needed
	States   []checkpoint.SpineState
	Heights  []uint64              // of the same spines; 0 for one that gwat does not have
	Waiting  checkpoint.SpineState // of the spine that Verifier.Waiting names
}

// Verifier decides whether a pair is working (S5): eth_syncing is false, no answer has a
// result.error, and over at least two new heads the spines that they carry were finalized by
// calls that syncd did not make. A head without a spine of its own counts if the calls of
// normal work are answered.
type Verifier struct {
	slot     time.Duration
	ours     map[common.Hash]bool
	base     uint64 // gwat's last finalized number at the start
	started  time.Time
	progress time.Time
	synced   bool // our completing dag_sync was made
	doubt    bool // our call made eth_syncing false, so quiet heads do not count
	checked  checkedHeads
	good     int             // new heads that were good
	idle     int             // those of them that carried no spine of their own
	newest   primitives.Slot // of the newest head that was good
	lateFrom time.Time       // since when the head is not good; zero if it is
	waiting  *common.Hash    // a spine of an earlier head that gwat had not finalized, last seen
	alone    Entry           // the head that named it, if gwat has finalized all before it; else empty
	working  bool            // the pair was verified, and has not lost its work since
}

// checkedHeads are the two newest heads that were checked.
type checkedHeads struct {
	slot   primitives.Slot // of the newest one
	root   common.Hash     // of the newest one
	last   []common.Hash   // its spines
	before []common.Hash   // those of the head before it
}

// NewVerifier starts at a head and at gwat's last finalized number; ours are the
// spines that syncd itself pushed. A reorg may bring a head whose spines were final
// before: they are no evidence.
func NewVerifier(at time.Time, slot time.Duration, head primitives.Slot, number uint64, ours []common.Hash) *Verifier {
	v := &Verifier{slot: slot, base: number, ours: make(map[common.Hash]bool, len(ours)), newest: head, started: at, progress: at}
	for _, s := range ours {
		v.ours[s] = true
	}
	return v
}

// Covered is the slot of the newest head whose spines were seen finalized.
func (v *Verifier) Covered() primitives.Slot { return v.newest }

// Waiting is the spine of an earlier head that gwat has still to finalize; the next poll reads it.
// While it waits a head without spines is no quiet one.
func (v *Verifier) Waiting() (common.Hash, bool) {
	if v.waiting == nil {
		return common.Hash{}, false
	}
	return *v.waiting, true
}

// Verdict is what a Verifier says.
type Verdict struct {
	Working bool
	Why     string // what it is based on, or what is missing
	// Over: not working, and it made no progress for too long.
	Over bool
	// Complete: syncd may now make the completing dag_sync call.
	Complete bool
}

// Completed records that the completing call was made, for a head with these spines. Neither they
// nor the eth_syncing false that follows are evidence, so from now on a head counts only if it
// brings another spine that the beacon's calls finalized.
func (v *Verifier) Completed(head primitives.Slot, spines []common.Hash) {
	v.synced, v.doubt = true, true
	v.good, v.idle, v.newest = 0, 0, max(v.newest, head)
	for _, s := range spines {
		v.ours[s] = true
	}
}

// Doubt carries over from an earlier verification that a completing call of ours,
// and not one of the beacon's, has turned eth_syncing false.
func (v *Verifier) Doubt() { v.doubt = true }

// Observe evaluates one poll and returns the verdict.
func (v *Verifier) Observe(e Evidence) (out Verdict) {
	headWhy := v.head(e)
	defer func() { v.working = out.Working }()
	out = Verdict{Over: e.At.Sub(v.progress) >= SwitchSlots*v.slot}
	switch {
	case e.Sync.Syncing && !v.betweenCalls(e):
		out.Why = fmt.Sprintf("eth_syncing false (it says stage %s, last coordinated slot %d)", e.Sync.Word, e.Sync.CoordSlot)
		out.Complete = e.Sync.Activity == protocol.Behind && !v.synced &&
			e.At.Sub(v.started) >= ResyncSlots*v.slot && e.Head.Slot() >= e.Sync.CoordSlot
	case e.CallsErr != nil:
		out.Why = fmt.Sprintf("gwat's calls of normal work to be answered: %v", e.CallsErr)
	case v.good < NewHeads:
		out.Why = fmt.Sprintf("%d of %d new heads whose spines gwat finalized by the beacon's calls", v.good, NewHeads)
		if headWhy != "" {
			out.Why += "; " + headWhy
		}
	case !v.lateFrom.IsZero() && e.At.Sub(v.lateFrom) > LateSlots*v.slot:
		out.Why = headWhy
	default:
		out.Working = true
		out.Why = fmt.Sprintf("eth_syncing is false and %d new heads up to slot %d were finalized by the beacon's calls", v.good, v.newest)
	}
	return out
}

// betweenCalls reports whether gwat says resync only because the block of this slot arrived
// before the beacon's dag_sync of this slot. A pair that was verified still works then; in the
// first verification it does not count as work.
func (v *Verifier) betweenCalls(e Evidence) bool {
	return v.working && e.Sync.Activity == protocol.Behind && e.Sync.CoordSlot+1 >= e.Clock
}

// head checks the head of a poll and returns what is wrong with it; "" if it is good or not new.
func (v *Verifier) head(e Evidence) string {
	if v.replaced(e.Head) {
		v.waiting, v.alone = nil, Entry{}
	}
	if e.Head.Slot() <= v.newest {
		v.lateFrom = time.Time{}
		return ""
	}
	for i, s := range e.States {
		if s != checkpoint.SpineFinal {
			waits, _ := e.Head.Info.LastSpine()
			if v.waiting == nil && e.Head.Parent == v.checked.root { // and no poll missed a head between them
				v.alone = e.Head
			} else if v.alone.Root != e.Head.Root {
				v.alone = Entry{}
			}
			v.waiting = &waits
			v.late(e)
			return fmt.Sprintf("spine %s of the head at slot %d is %s", e.Head.Info.Finalizing[i], e.Head.Slot(), s)
		}
	}
	if len(e.States) > 0 || e.Waiting == checkpoint.SpineFinal {
		v.waiting = nil // a spine is final with all before it
	}
	if v.waiting != nil {
		v.late(e)
		return fmt.Sprintf("spine %s of a head before slot %d is %s", *v.waiting, e.Head.Slot(), e.Waiting)
	}
	v.lateFrom = time.Time{}
	// A head without a spine of its own counts only while normal calls are answered, and
	// one whose spines syncd pushed never counts.
	c := &v.checked
	if c.root = e.Head.Root; e.Head.Slot() != c.slot {
		c.slot, c.before, c.last = e.Head.Slot(), c.last, e.Head.Info.Finalizing
	}
	if !v.brings(e) {
		if !v.quiet(e.Head) || e.Sync.Syncing || e.CallsErr != nil || v.doubt {
			return ""
		}
		v.idle++
	}
	v.good++
	v.newest = e.Head.Slot()
	v.progress = e.At
	return ""
}

// replaced reports whether a head shows that a reorg removed the one head that named the
// spine that waits: both have one parent. Nobody has to finalize that spine any more.
func (v *Verifier) replaced(head Entry) bool {
	gone := v.alone
	return v.waiting != nil && gone.Root != (common.Hash{}) && head.Root != gone.Root && head.Parent == gone.Parent
}

// late notes a head that is not good: a spine waits. The network is not quiet then, so
// the heads that counted as quiet before prove nothing.
func (v *Verifier) late(e Evidence) {
	if v.lateFrom.IsZero() {
		v.lateFrom = e.At
	}
	if v.good < NewHeads {
		v.good, v.idle = v.good-v.idle, 0
	}
}

// quiet reports whether a head carries nothing, or what the head before it carried last.
func (v *Verifier) quiet(head Entry) bool {
	spine, has := head.Info.LastSpine()
	if !has {
		return true
	}
	before := v.checked.before
	return len(head.Info.Finalizing) == 1 && len(before) > 0 && before[len(before)-1] == spine
}

// brings reports whether a head carries a spine that was not final at the start and
// that syncd did not push itself.
func (v *Verifier) brings(e Evidence) bool {
	for i, s := range e.Head.Info.Finalizing {
		if !v.ours[s] && e.Heights[i] > v.base {
			return true
		}
	}
	return false
}
