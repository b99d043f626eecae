package headsync

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// Errors of a plan.
var (
	// ErrSpineMissing: gwat lacks the block of a spine, so its DAG sync is not done.
	ErrSpineMissing = failure.As(failure.RetryLater, errors.New("gwat lacks the block of a spine"))
	// ErrNoAnchor: none of the entries has spines that gwat has finalized.
	ErrNoAnchor = failure.As(failure.RetryLater, errors.New("gwat has finalized no spine of the collected chain"))
)

// MissingSpine is ErrSpineMissing with the spine.
type MissingSpine struct{ Spine common.Hash }

func (m *MissingSpine) Error() string { return fmt.Sprintf("%v: %s", ErrSpineMissing, m.Spine) }

// Unwrap gives ErrSpineMissing.
func (m *MissingSpine) Unwrap() error { return ErrSpineMissing }

// Plan says what a head sync has to do.
type Plan struct {
	// Level: gwat has everything up to the last entry; nothing is to be done.
	Level bool
	// Checkpoint is what ready is asked with.
	Checkpoint checkpoint.ConsensusInfo
	// CheckpointRoot is its beacon block; zero for the genesis checkpoint.
	CheckpointRoot common.Hash
	// Push is what follows, from the checkpoint's own entry to head.
	Push []Entry
	// Proven is the slot up to which gwat was proved right.
	Proven primitives.Slot
	// Missing is the first spine whose block gwat lacks; the plan cannot be
	// carried out before gwat has it.
	Missing *common.Hash
}

// MakePlan looks for the newest proven entry and plans the push from there.
// entries is the linked canonical chain, with the last checkpoint's block or an
// older one first; refused holds roots of checkpoints that gwat refused.
// ErrNoAnchor asks for a chain that begins earlier.
func MakePlan(entries []Entry, justified primitives.Slot, view View, refused map[common.Hash]bool) (Plan, error) {
	base, ok := anchor(entries, justified, view)
	if !ok {
		return Plan{}, ErrNoAnchor
	}
	var number uint64
	var hash common.Hash
	if spine, has := entries[base].Info.LastSpine(); has {
		number, hash = *view.ByHash[spine].Number, spine
	}
	proven := base + Proven(number, hash, entries[base+1:], view)
	plan := Plan{Proven: entries[proven].Slot()}
	if proven == len(entries)-1 {
		plan.Level = true
		return plan, nil
	}
	from, ok := checkpointAt(entries[:proven+1], view, refused)
	if !ok {
		return Plan{}, ErrNoAnchor
	}
	plan.Push = entries[from:]
	if _, has := entries[from].Info.LastSpine(); has {
		plan.Checkpoint, plan.CheckpointRoot = entries[from].Info, entries[from].Root
	} else {
		plan.Checkpoint = checkpoint.Genesis()
	}
	for _, spine := range Spines(plan.Push) {
		if view.ByHash[spine] == nil {
			plan.Missing = &spine
			break
		}
	}
	return plan, nil
}

// anchor is the newest entry at or before the justified slot whose last spine
// gwat has finalized as a spine. The genesis block needs no spine.
func anchor(entries []Entry, justified primitives.Slot, view View) (int, bool) {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Slot() > justified {
			continue
		}
		if usable(entries[i], view) {
			return i, true
		}
	}
	return 0, false
}

// checkpointAt is the newest of the proven entries that ready may be asked with.
func checkpointAt(proven []Entry, view View, refused map[common.Hash]bool) (int, bool) {
	for i := len(proven) - 1; i >= 0; i-- {
		if usable(proven[i], view) && !refused[proven[i].Root] {
			return i, true
		}
	}
	return 0, false
}

func usable(e Entry, view View) bool {
	spine, has := e.Info.LastSpine()
	if !has {
		return e.Slot() == 0
	}
	b := view.ByHash[spine]
	// A checkpoint above slot 0 is needed for gwat to roll anything back to it.
	return b != nil && b.IsSpine()
}
