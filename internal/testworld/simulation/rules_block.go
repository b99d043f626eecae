package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
)

// checkBlocks: beside the nodes, syncd holds gwat's head lock over no block that a
// beacon node at work processes, as far as it can know how long gwat needs.
func (c *record) checkBlocks() {
	if c.plan.gated || !c.plan.beacon.BadBlocks {
		return
	}
	slot := c.plan.chain.Spec().SlotDuration()
	for _, x := range c.net.exchanges {
		if x.link != beaconGwat || x.call != callFinalize || x.arrived == never || !strings.Contains(c.calls[x.id()].Answer, `"synchronization"`) {
			continue
		}
		begin := c.calls[x.id()].Begin.Sub(c.sched.begin)
		for i, ready := range c.ours {
			if ready.call != callReady || ready.node != x.node || !ready.saidTrue() {
				continue
			}
			from, to := c.lockOf(i)
			if begin < from || begin > to || to-from > slot/2 || c.headStands(from) || c.disturbed(from-4*slot, to) {
				continue
			}
			c.broken("block", x.arrived, fmt.Sprintf("a block met gwat's lock, which syncd held from %.3fs to %.3fs", from.Seconds(), to.Seconds()))
			return
		}
	}
}

// headStands reports whether the chain has brought no block for so long that a beacon
// node counts as one whose head does not move.
func (c *record) headStands(at time.Duration) bool {
	clock := c.plan.chain.Spec().SlotAt(c.sched.begin.Add(at))
	return clock > c.plan.chain.HeadAt(clock-1).Slot+headsync.QuietSlots
}

// lockOf is when gwat's lock was held by one of syncd's readies.
func (c *record) lockOf(ready int) (from, to time.Duration) {
	call := c.calls[c.ours[ready].id()]
	from = call.Begin.Sub(c.sched.begin)
	to = call.End.Sub(c.sched.begin)
	for _, x := range c.ours[ready+1:] {
		if x.call == callPush && x.arrived != never {
			if end, ok := c.calls[x.id()]; ok {
				to = end.End.Sub(c.sched.begin)
			}
			break
		}
	}
	return from, to
}

// disturbed reports whether anything was wrong in a time, or a process had just begun.
func (c *record) disturbed(from, to time.Duration) bool {
	for _, f := range c.plan.Faults {
		if f.begun && f.kind != operatorResyncs && f.began <= to && (c.endOf(f) >= from || f.kind.ends) {
			return true
		}
	}
	for _, at := range c.beaconsFrom {
		if at >= from-c.plan.hold() && at <= to && !c.worked(at, from) {
			return true
		}
	}
	for _, l := range c.incarnations {
		if l.begin >= from && l.begin <= to && l.number > 1 {
			return true
		}
	}
	return false
}

// worked reports whether syncd said working between two times: then it knows that the
// beacon node is at work.
func (c *record) worked(from, to time.Duration) bool {
	return slices.ContainsFunc(c.stages, func(s stageChange) bool {
		return s.To == string(fsm.Working) && s.at > from && s.at < to
	})
}
