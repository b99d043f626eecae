package health

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/status"
)

const (
	// SkewSlots is how far apart two clocks must be: one slot may only mean that a slot
	// began between the two reads.
	SkewSlots = 2
	// JumpSlots is for how long a jump of the wall clock is reported.
	JumpSlots = 4
	// FailedAttempts is how many head-sync attempts must fail in a row, and
	// FailedSlots for how long: one a second is how syncd waits for gwat.
	FailedAttempts = 5
	FailedSlots    = 12
)

var pairRules = []rule{
	{
		Entry: Entry{Name: "beacon_ahead_of_gwat", Severity: status.SeverityWarning, Node: nodePair,
			Meaning: fmt.Sprintf("The beacon's head is more than %d slots past what gwat has finalized, and gwat runs no sync of its own, whatever eth_syncing says. Before stage switching every sync looks like this, and it is reported as info.", AheadSlots),
			Remedy:  "Nothing while syncd is on its way to head sync: its push closes the gap. If the pair was at work, the beacon node's calls do not get through: see gwat_stalled."},
		window: slots(2), clear: polls(3), clearNote: "without the gap, outside the stages of head sync and switching",
		needs: both, look: (*view).beaconAhead, harmless: func(v *view) bool { return v.onTheWay() || v.level() },
	},
	{
		Entry: Entry{Name: "gwat_ahead_of_beacon", Severity: status.SeverityInfo, Node: nodePair,
			Meaning: "gwat has finalized blocks of slots that the beacon's head has not reached: the beacon node still syncs, or was set back. A warning once the beacon's head does not move.",
			Remedy:  "Nothing while the beacon's head moves: it catches up, and syncd waits for it. If its head does not move, it does not catch up by itself: see beacon_stalled_head."},
		window: polls(3), clear: polls(3), clearNote: "with the beacon's head past gwat's last finalized block",
		needs: both, look: (*view).gwatAhead, graver: (*view).headStalled,
	},
	{
		Entry: Entry{Name: "spines_differ", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: "gwat has finalized other blocks, or in another order, than the beacon's blocks say: the two follow different chains.",
			Remedy:  "Compare the beacon node's head and finalized checkpoint with those of another node. If the beacon node is right, syncd's next push rolls gwat back to the last checkpoint that both have; if gwat was driven by two drivers, stop the other one first. If it stays, gwat's data is of another fork: resync gwat."},
		window: slots(2), clear: polls(3), clearNote: "in which both agree",
		needs: both, look: (*view).differ,
	},
	{
		Entry: Entry{Name: "second_driver", Severity: status.SeverityWarning, Node: nodePair,
			Meaning: "Something other than syncd drives gwat. syncd keeps its hands off while it does.",
			Remedy:  "Find the competing driver: the beacon node's built-in head sync, another syncd or a script. Two drivers roll each other back: leave one. syncd takes over after three slots without a sign of it."},
		window: polls(1), windowNote: "with a sign of it", clear: polls(1), clearNote: "after three slots without a sign, when the lock is free",
		needs: nobody, look: func(v *view) signal {
			if v.Competing == "" {
				return healthy
			}
			return shows(v.Competing)
		},
	},
	{
		Entry: Entry{Name: "wrong_network", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: "gwat and the beacon node are of two networks.",
			Remedy:  "Point both endpoints in syncd's config at nodes of one network, or start the wrong node with the right network's flags. syncd halts until they agree and goes on by itself then."},
		window: polls(1), windowNote: "that shows it; the identity of the nodes is read when both answer again, and in every 30th poll", clear: polls(1), clearNote: "in which both agree; meanwhile every poll asks",
		needs: nobody, look: func(v *view) signal { return said(v.Conflict) },
	},
	{
		Entry: Entry{Name: "needs_human", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: "A node refuses what syncd must ask for, and no retry repairs that.",
			Remedy:  "Do what the evidence says. syncd halts, tries again every 30 s and goes on by itself once it is healed."},
		window: polls(1), windowNote: "after the refusal", clear: polls(1), clearNote: "after it was tried again",
		needs: nobody, look: func(v *view) signal { return said(v.Human) },
	},
	{
		Entry: Entry{Name: "head_sync_failing", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: fmt.Sprintf("%d or more head-sync attempts in a row have failed.", FailedAttempts),
			Remedy:  "The evidence names the last error; syncd goes on trying. If gwat refuses each push with the same error, its log says why: broken state or missing blocks heal by restarting gwat, or by resyncing its data."},
		window: slots(FailedSlots), windowNote: fmt.Sprintf("of failing attempts, at least %d", FailedAttempts), clear: polls(1), clearNote: "after an attempt that succeeded",
		needs: nobody, look: func(v *view) signal {
			if v.Failed < FailedAttempts {
				return healthy
			}
			return shows(counted.Of(v.Failed, "attempt")+" in a row failed", v.FailedWhy).from(v.Elapsed - v.FailedFor)
		},
	},
	{
		Entry: Entry{Name: "clock_skew", Severity: status.SeverityWarning, Node: nodeSyncd,
			Meaning: "The clocks of syncd's host and of a node do not agree, or this host's clock has jumped: everything that is measured in wall-clock slots is wrong.",
			Remedy:  "Make all hosts keep time by NTP (timedatectl, chronyc tracking). After a jump, find out what set the clock, or whether the machine was suspended."},
		window: polls(3), windowNote: "with clocks that differ; a jump at the 3rd poll", clear: slots(JumpSlots), clearNote: fmt.Sprintf("without either; a jump is reported for %d slots", JumpSlots),
		needs: nobody, look: (*view).skew,
	},
	{
		Entry: Entry{Name: "journal_failing", Severity: status.SeverityWarning, Node: nodeSyncd,
			Meaning: "syncd cannot write its journal. The pair goes on, but a syncd that is restarted in a head sync must then wait for gwat's lock.",
			Remedy:  "Look at the disk of the journal: full, read-only, or not owned by syncd's user. syncd tries again every 30 polls and goes on writing by itself."},
		window: polls(1), windowNote: "after a write that failed", clear: polls(1), clearNote: "after a write that succeeded",
		needs: nobody, look: func(v *view) signal { return said(v.Journal) },
	},
}

func said(why string) signal {
	if why == "" {
		return healthy
	}
	return shows(why)
}

func (v *view) beaconAhead() signal {
	g := &v.Gwat
	switch {
	case !g.Compared || !v.Beacon.Known || g.Number == nil:
		return unmeasured
	case g.Syncing && (g.SyncStage == stageFinalized || g.SyncStage == stageDAG):
		return healthy
	case v.level():
		if v.pushed() {
			return unmeasured
		}
		return healthy
	case len(g.Spines) == 0:
		return unmeasured // a quiet network: its blocks are old on both sides
	}
	return shows(
		fmt.Sprintf("the beacon's head is slot %d, gwat's last finalized block is of slot %d", v.Beacon.Head, g.Slot),
		v.saysSyncing(),
	)
}

// level reports whether gwat has what the beacon's head asks for, or nearly.
func (v *view) level() bool {
	return v.follows() || checkpoint.Lag(v.Gwat.Slot, v.Beacon.Head) <= AheadSlots
}

func (v *view) gwatAhead() signal {
	switch {
	case v.Gwat.Number == nil || !v.Beacon.Known:
		return unmeasured
	case v.Gwat.Slot <= v.Beacon.Head:
		return healthy
	}
	said := fmt.Sprintf("gwat's last finalized block is of slot %d, the beacon's head is slot %d", v.Gwat.Slot, v.Beacon.Head)
	if v.headStalled() {
		return shows(said, "the beacon's head does not move: it will not catch up by itself")
	}
	return shows(said)
}

func (v *view) differ() signal {
	if !v.Gwat.Compared || v.Gwat.Number == nil {
		return unmeasured
	}
	for i, s := range v.Gwat.Spines {
		if s == checkpoint.SpineMisplace {
			return shows(fmt.Sprintf("spine %d of the beacon's head at slot %d is %s", i+1, v.Beacon.Head, s))
		}
	}
	for _, p := range v.Beacon.Points {
		// gwat finalizes in the order of slots, so that it cannot be past a
		// checkpoint without having finalized its spine.
		if p.State == checkpoint.SpineMisplace || p.State != checkpoint.SpineFinal && v.Gwat.Slot >= p.Slot {
			return shows(fmt.Sprintf("the spine of the checkpoint at slot %d is %s, and gwat's last finalized block is of slot %d", p.Slot, p.State, v.Gwat.Slot))
		}
	}
	return healthy
}

func (v *view) skew() signal {
	m := v.mem
	if m.jumped && m.now-m.jumpAt < JumpSlots*m.slot() {
		return shows(fmt.Sprintf("this host's clock jumped by %s", m.jump.Round(time.Millisecond))).from(m.jumpAt)
	}
	if m.spec == nil || v.At.Before(m.spec.SlotStart(1)) {
		return healthy
	}
	wall := m.spec.SlotAt(v.At)
	if v.Beacon.Known {
		if said := m.spec.SlotAt(v.Beacon.ClockAt); apart(uint64(v.Beacon.Clock), uint64(said)) >= SkewSlots {
			return shows(fmt.Sprintf("the beacon node's clock was at slot %d when this host's was at slot %d", v.Beacon.Clock, said))
		}
	}
	if v.Gwat.Syncing && v.Gwat.TipSlot >= wall+SkewSlots {
		return shows(fmt.Sprintf("gwat has blocks of slot %d, this host's clock is at slot %d", v.Gwat.TipSlot, wall))
	}
	return healthy
}

func apart(a, b uint64) uint64 { return max(a, b) - min(a, b) }
