package simulation

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
)

// readers is how many answers an attempt waits for at a time, at least.
const readers = 16

// progress is how far the pair has come, as the nodes themselves show it.
type progress struct {
	at     time.Duration // when the pair last came further, or something was still wrong
	number uint64        // of gwat's last finalized block when it was looked at last
}

// hold is how long a pair may stand still for reasons that no fault of now explains:
// an outlived call may hold gwat's lock until it runs out, an error that needs a human
// stands for half a minute, a competing driver is waited for, and a node may have to
// come back from an epoch behind.
func (p *Plan) hold() time.Duration {
	spec := p.chain.Spec()
	slots := 3 + 2*int(spec.SlotsPerEpoch) + 12
	return p.pair.PushTimeout + 2*p.pair.LockTime + 30*time.Second + time.Duration(slots)*spec.SlotDuration()
}

// hop is how long a request and its answer travel, at most.
func (p *Plan) hop() time.Duration {
	return 2*(4*time.Millisecond+p.far) + p.beacon.AnswerCost
}

// reads is how long reading so many entries takes, from both nodes, at most.
func (p *Plan) reads(entries int) time.Duration {
	return time.Duration(2*entries/readers+20) * p.hop()
}

// pushes is how long pushing so many entries takes, at most: each segment has its
// own calls, and in the worst case a segment is one entry.
func (p *Plan) pushes(entries int) time.Duration {
	perSegment := entries
	if p.pair.SegmentBytes > 0 {
		const largestEntry = 400 // bytes, of two creators and one spine
		perSegment = max(1, p.pair.SegmentBytes/largestEntry)
	}
	if soft := p.pair.SegmentTime; soft > 0 && p.gwat.EntryCost > 0 {
		perSegment = max(1, min(perSegment, int(soft/p.gwat.EntryCost)/2))
	}
	segments := 1 + entries/max(1, perSegment)
	return time.Duration(entries)*(p.gwat.EntryCost+p.gwat.RollbackCost) + time.Duration(8*segments)*p.hop()
}

// left is how many entries may have to be pushed again, at worst: gwat may be rolled
// back to its last checkpoint, and the chain goes on meanwhile.
func (r *run) left() int {
	spec := r.plan.chain.Spec()
	head := r.plan.chain.HeadAt(spec.SlotAt(time.Now()))
	return int(head.Slot-r.plan.checkpointSlot(head)) + 2*int(spec.SlotsPerEpoch)
}

// bound is how long a pair may take from the end of the last fault to working mode:
// as long as it may stand still, what the work left takes, and the switch may be
// tried twice.
func (r *run) bound() time.Duration {
	left := r.left()
	switches := time.Duration(12) * r.plan.chain.Spec().SlotDuration()
	return r.plan.hold() + switches + 2*(r.plan.reads(left)+r.plan.pushes(left))
}

// standstill is how long nothing may come further while nothing is wrong.
func (r *run) standstill() time.Duration {
	return r.plan.hold() + r.plan.reads(r.left())
}

// watchProgress notes whether the pair has come further, and reports whether it has
// stood still for too long while nothing was wrong.
func (r *run) watchProgress() bool {
	now := r.now()
	l := r.syncd()
	if l == nil || r.plan.pair.Observe || r.somethingWrong() {
		r.progress = progress{at: now}
		return false
	}
	snap := l.pair.Snapshot()
	number := uint64(0)
	if s := r.samples[len(r.samples)-1]; s.up && s.home {
		number = s.number
	}
	if number > r.progress.number || snap.Stage == string(fsm.Working) {
		r.progress.at = now
	}
	r.progress.number = number
	if still := now - r.progress.at; still <= r.plan.hold() || still <= r.standstill() {
		return false
	}
	r.stuck = fmt.Sprintf("no progress in %s, which are %d polls, while nothing is wrong; gwat is at number %d; stage %s: %s",
		(now - r.progress.at).Round(time.Second), (now-r.progress.at)/r.plan.pair.PollInterval, number, snap.Stage, snap.Reason)
	return true
}

// somethingWrong reports whether a fault holds, or a node is such that the pair cannot
// come to work until it is healed.
func (r *run) somethingWrong() bool {
	if !r.healed && !r.plan.healthy() {
		return true
	}
	for _, f := range r.plan.Faults {
		if f.begun && (f.endsNow != nil || r.endOf(f) > r.now()) {
			return true
		}
	}
	if r.plan.beacon.BadBlocks && r.beacon.BadBlocks() > 0 {
		return true // its head does not move until the operator restarts it
	}
	return !r.gwatHost.up || r.gwatHost.paused || !r.beaconHost.up || r.beaconHost.paused
}

// healthy reports whether nothing but the faults keeps a pair from work: a pair that is
// only watched need not come to it, and a beacon node that drives or is idle
// from the start is set right only when all faults are over.
func (p *Plan) healthy() bool {
	return p.coordinated == nil && !p.pair.Observe && (p.gated || p.drives || p.driver != beaconsim.DriverOn) && (p.polite || !p.beacon.IdleWork)
}
