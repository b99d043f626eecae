package publish

import (
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/status"
)

// SwitchSlots is how long the switch takes at best: two new heads must come.
const SwitchSlots = headsync.NewHeads + 1

// eta estimates when the pair may work; nil while that is not known: a part of
// the way shows no pace, or something must happen first that has no time.
func (s *State) eta(shown *status.Snapshot) *time.Time {
	o, spec := s.Nodes.Last, s.Nodes.Measured.Spec
	if spec == nil || o == nil || !o.Up() || shown.Verdict != status.VerdictSyncing {
		return nil
	}
	slot := spec.SlotDuration()
	at := s.At
	later := func(t *time.Time) bool {
		if t == nil {
			return false
		}
		if t.After(at) {
			at = *t
		}
		return true
	}
	switch s.Stage.Name {
	case fsm.CheckpointSync, fsm.DAGSync:
		if !o.Beacon.Progress(spec.SlotAt(s.At)).NearHead() && !later(chase(shown.Beacon.Progress, s.At, slot)) {
			return nil
		}
		if o.Gwat.Sync.Activity.Loads() && !later(chase(shown.Gwat.Progress, s.At, slot)) {
			return nil
		}
	case fsm.HeadSyncReady:
		if s.Work.Inhibit != "" || s.Work.Failed > 0 {
			return nil
		}
	case fsm.HeadSync:
		if p := shown.Push; p == nil || p.Progress.Target > p.Progress.Current && !later(p.Progress.ETA) {
			return nil
		}
	case fsm.Switching:
		at = s.Stage.Since
	default:
		return nil
	}
	if genesis := spec.SlotStart(0); at.Before(genesis) {
		at = genesis
	}
	at = at.Add(SwitchSlots * slot)
	if least := s.At.Add(slot); at.Before(least) {
		at = least
	}
	return &at
}

// chase returns when a progress reaches its target; one in slots runs after the wall clock.
func chase(p *status.Progress, now time.Time, slot time.Duration) *time.Time {
	if p == nil || p.ETA == nil {
		return nil
	}
	if p.Unit != unitSlot {
		return p.ETA
	}
	left := float64(checkpoint.Lag(primitives.Slot(p.Current), primitives.Slot(p.Target)))
	closing := p.Rate - 1/slot.Seconds()
	if closing <= 0 || left/closing > (1000*time.Hour).Seconds() {
		return nil
	}
	t := now.Add(time.Duration(left / closing * float64(time.Second)))
	return &t
}
