package pair

import (
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// standing tells where both nodes stand against the wall clock.
func (p *Pair) standing(o *poll.Observation, gwat, beacon *status.Node) {
	if gwat.Reachable && o.Gwat.Latest != nil {
		slot := max(p.polls.history.Coordinated, o.Gwat.Latest.Slot)
		gwat.Slot, gwat.Finalized = &slot, o.Gwat.Latest.Number
	}
	if beacon.Reachable {
		slot := o.Beacon.Head.Header.Slot
		beacon.Slot, beacon.Finalized = &slot, o.Beacon.Finalized
	}
	if p.polls.identity == nil {
		return
	}
	wall := p.polls.identity.Spec.SlotAt(o.At)
	for _, n := range []*status.Node{gwat, beacon} {
		if n.Slot != nil {
			lag := checkpoint.Lag(*n.Slot, wall)
			n.LagSlots = &lag
		}
	}
}

// switchSlots is how long the switch takes at best: two new heads must come.
const switchSlots = headsync.NewHeads + 1

// eta estimates when the pair may work; nil while that cannot be told: a part of
// the way shows no pace, or something must happen first that has no time.
func (p *Pair) eta(s *status.Snapshot, now time.Time) *time.Time {
	if p.polls.identity == nil || p.polls.last == nil || !p.polls.last.Up() || s.Verdict != status.VerdictSyncing {
		return nil
	}
	slot := p.polls.identity.Spec.SlotDuration()
	at := now
	later := func(t *time.Time) bool {
		if t == nil {
			return false
		}
		if t.After(at) {
			at = *t
		}
		return true
	}
	switch fsm.Stage(s.Stage) {
	case fsm.CheckpointSync, fsm.DAGSync:
		if !p.polls.last.Beacon.Progress(p.polls.identity.Spec.SlotAt(now)).NearHead() && !later(chase(s.Beacon.Progress, now, slot)) {
			return nil
		}
		if loads(p.polls.last.Gwat.Sync.Stage) && !later(chase(s.Gwat.Progress, now, slot)) {
			return nil
		}
	case fsm.HeadSyncReady:
		if p.writes.inhibit != "" || p.health.failed > 0 {
			return nil
		}
	case fsm.HeadSync:
		if s.Push == nil || s.Push.Progress.Target > s.Push.Progress.Current && !later(s.Push.Progress.ETA) {
			return nil
		}
	case fsm.Switching:
		at = p.stage.since
	default:
		return nil
	}
	if genesis := p.polls.identity.Spec.SlotStart(0); at.Before(genesis) {
		at = genesis
	}
	at = at.Add(switchSlots * slot)
	if least := now.Add(slot); at.Before(least) {
		at = least
	}
	return &at
}

func loads(stage gwatclient.Stage) bool {
	return stage == gwatclient.StageFinalized || stage == gwatclient.StageDAG
}

// chase is when a progress reaches its target; one in slots runs after the wall clock.
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
