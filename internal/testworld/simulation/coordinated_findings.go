package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/gwatsync/syncd/health"
)

// truth returns whether a finding that is reported at a time was true lately; false for a
// finding that nothing in this world brings about.
func (c *coordinatedRecord) truth(name string, told saidChange) bool {
	to, from := told.at, told.at-c.slack()
	world := func(holds func(*worldSample) bool) bool { return c.was(from, to, holds) }
	slot := c.slotTime()
	switch {
	case strings.HasPrefix(name, "gwat_un"), strings.HasPrefix(name, "gwat_hung"), strings.HasPrefix(name, "gwat_bad"), name == "gwat_slow":
		return c.onWay(from, to) || world(func(s *worldSample) bool { return !s.answers })
	case strings.HasPrefix(name, "beacon_un"), strings.HasPrefix(name, "beacon_hung"), strings.HasPrefix(name, "beacon_bad"), name == "beacon_slow":
		return c.onWay(from, to) || world(func(s *worldSample) bool { return !s.beaconAnswers })
	case name == "nodes_unreachable":
		return c.onWay(from, to) || world(func(s *worldSample) bool { return !s.answers || !s.beaconAnswers })
	}
	switch name {
	case "no_peers_loop":
		// authrpc reports no peers: a gwat that is wedged, that nobody calls or whose head moves
		// without a call, as under a drive, looks alike.
		return world(func(s *worldSample) bool { return s.gwat.Peers == 0 }) ||
			c.authRPC && c.unmoved(from, to, health.WedgedSlots*slot-c.slack())
	case "foreign_checkpoint":
		return world(func(s *worldSample) bool { return s.foreign })
	case "beacon_without_peers":
		return world(func(s *worldSample) bool { return s.peers == 0 })
	case "beacon_silent":
		return world(func(s *worldSample) bool { return !s.gwat.Synced }) && c.unmoved(from, to, health.UnmovedSlots*slot-c.slack())
	case "network_stalled":
		return c.headStood(from, to, time.Duration(health.SilentEpochs*c.epoch+health.LagSlots)*slot-c.slack())
	case "gwat_wedged":
		return c.unmoved(from, to, health.UnmovedSlots*slot-c.slack())
	case "sawtooth":
		return world(func(s *worldSample) bool { return !s.initial && c.clockAt(s.at)+1 > s.head+health.LagSlots }) ||
			world(func(s *worldSample) bool { return c.clockAt(to) > s.head+health.LagSlots })
	case "finalize_silently_failed":
		return c.nullAnswers(to) >= 2
	case "gwat_restart_rollback":
		return c.gwatHost.incarnation > 1
	case "duties_at_risk":
		return c.onWay(from, to) || world(func(s *worldSample) bool { return !s.answers || !s.gwat.Synced })
	case "clock_skew":
		return c.jumped(to)
	case "journal_failing":
		return slices.ContainsFunc(c.plan.Faults, func(f *fault) bool { return f.begun && f.kind.name == "disk full" && f.began <= to })
	case "needs_human":
		return c.jumped(to) || slices.ContainsFunc(c.tries, func(t begunTry) bool { return t.incarnation == told.incarnation && t.at <= to-healPause+time.Second })
	}
	return false
}

// checkNamed: what no heal removed is reported by its name before the operator repairs it. All
// else is well by then, so that nothing hides it but a head that stands.
func (c *coordinatedRecord) checkNamed() {
	if !c.rescued {
		return
	}
	w, want := c.worldAt(c.healedAt-1), ""
	switch {
	case !w.answers || !w.beaconAnswers || w.initial || c.clockAt(c.healedAt) > w.head+health.LagSlots:
		return
	case w.foreign:
		want = "foreign_checkpoint"
	case w.gwat.Peers == 0 && !c.authRPC: // which reports no peers
		want = "no_peers_loop"
	case w.gwat.Wedged:
		want = "gwat_wedged"
	default:
		return
	}
	var told saidChange
	for _, s := range c.said {
		if s.at < c.healedAt {
			told = s
		}
	}
	if !slices.Contains(told.names(), want) {
		c.broken("finding", c.healedAt, "%s is not reported for what no heal removed, but %s", want, strings.Join(told.names(), " "))
	}
}

// clockAt is the slot of the clock at a time of the run.
func (c *coordinatedRun) clockAt(at time.Duration) uint64 { return c.wall + uint64(at/c.slotTime()) }

// unmoved reports whether gwat was where it had been for so long, at a time between two.
func (c *coordinatedRecord) unmoved(from, to, forLong time.Duration) bool {
	for i := range c.world {
		s := &c.world[i]
		if c.stood(from, to, max(forLong, 0), func(o *worldSample) bool { return o.gwat.Final == s.gwat.Final && o.process == s.process }) {
			return true
		}
	}
	return false
}

// headStood reports whether the beacon's head had not moved for so long, or was so old, at a
// time between two.
func (c *coordinatedRecord) headStood(from, to, forLong time.Duration) bool {
	return c.was(from, to, func(s *worldSample) bool {
		return c.clockAt(to) >= s.head+uint64(forLong/c.slotTime()) || c.stood(from, to, max(forLong, 0), func(o *worldSample) bool { return o.head == s.head })
	})
}

// onWay reports whether a fault of syncd's links, its machine or its clock held between two times.
func (c *coordinatedRecord) onWay(from, to time.Duration) bool {
	return slices.ContainsFunc(c.plan.Faults, func(f *fault) bool {
		return f.begun && f.began <= to && f.ended >= from && slices.Contains(faultKinds, f.kind)
	})
}

// checkFindings: what is reported was true lately.
func (c *coordinatedRecord) checkFindings() {
	told := map[string]bool{}
	incarnation := 0
	for _, s := range c.said {
		if s.incarnation != incarnation {
			incarnation, told = s.incarnation, map[string]bool{}
		}
		now := map[string]bool{}
		for _, f := range s.findings {
			now[f.Name] = true
			if !told[f.Name] && !c.truth(f.Name, s) {
				c.broken("finding", s.at, "%s is reported: %s", f.Name, strings.Join(f.Evidence, "; "))
			}
		}
		told = now
	}
}
