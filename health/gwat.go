package health

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/status"
)

// The limits of the rules.
const (
	// A call that takes SlowCall or more is slow, one that takes less than FastCall is
	// not. Between the two nothing changes.
	SlowCall = time.Second
	FastCall = SlowCall / 2
	// NoPeersPolls is how many polls in a row must show no peers: a node that has just
	// started finds some in that time.
	NoPeersPolls = 10
	// StalledSlots is how long gwat may finalize nothing while the beacon's head carries
	// spines that it has not finalized.
	StalledSlots = 6
	// AheadSlots is how far the beacon's head may be past what gwat has: spines
	// are finalized some slots after their own.
	AheadSlots = 8
)

// The stages of eth_syncing in which gwat loads by itself.
const (
	stageFinalized = "finalized"
	stageDAG       = "dag"
)

// reach returns the signal that a node fails in one way. A poll that fails in another way
// does not restart the count, because a dying node fails in several.
func reach(n *Node, how Reach) signal {
	switch n.Reach {
	case how:
		return shows(n.Error)
	case NotAsked:
		return unmeasured
	case Answers:
		return healthy
	}
	return signal{state: otherwise}
}

func slow(n *Node) signal {
	switch {
	case n.Reach != Answers:
		return unmeasured
	case n.Latency >= SlowCall:
		return shows(fmt.Sprintf("the slowest call of the poll took %s", n.Latency.Round(time.Millisecond)))
	case n.Latency > FastCall:
		return unmeasured
	}
	return healthy
}

func (v *view) noPeers(n *Node) signal {
	switch {
	case v.PeersOptional:
		return healthy
	case n.Peers == nil:
		return unmeasured
	case *n.Peers == 0:
		return shows("it has 0 peers")
	}
	return healthy
}

var gwatRules = []rule{
	{
		Entry: Entry{Name: "gwat_slow", Severity: status.SeverityWarning, Node: nodeGwat,
			Meaning: fmt.Sprintf("gwat answers, but a real call takes %s or more.", SlowCall),
			Remedy:  "Look at gwat's CPU and disk and at the latency between the hosts. The beacon node's own calls have deadlines of a few seconds: if this grows, the pair falls out of work."},
		window: polls(5), windowNote: "with a slow call", clear: polls(5), clearNote: fmt.Sprintf("in which every call took less than %s", FastCall),
		needs: gwat, look: func(v *view) signal { return slow(&v.Gwat.Node) },
	},
	{
		Entry: Entry{Name: "gwat_no_peers", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "gwat has no peers: it gets no blocks from the network, and no other node gets its blocks.",
			Remedy:  "Check gwat's p2p port (usually 30303, TCP and UDP) in the firewall, its boot nodes and its network id. A gwat that was cut off finds peers again by itself within minutes. In a network with a single gwat, set peers-optional."},
		window: polls(NoPeersPolls), windowNote: "without peers; peers are read every 30th poll, and in each once there are none", clear: polls(3), clearNote: "with a peer",
		needs: gwat, look: func(v *view) signal { return v.noPeers(&v.Gwat.Node) },
	},
	{
		Entry: Entry{Name: "gwat_rolled_back", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "gwat has finalized less than before, and no call of syncd explains it: it lost data, or something else rolled it back.",
			Remedy:  "Nothing by hand at first: syncd brings gwat up again from what it has now. If gwat was restarted, it is normal that it goes back to its last checkpoint. If it happens again, look in gwat's log for an unclean shutdown or database errors, and for a second program that calls dag_headSyncReady."},
		window: polls(1), windowNote: "with a lower number", clear: polls(3), clearNote: "with the number back, the spines of the beacon's head finalized, or gwat climbing again in a stage before switching",
		needs: gwat, look: func(v *view) signal { return v.fell(false) },
	},
	{
		Entry: Entry{Name: "head_sync_rollback", Severity: status.SeverityInfo, Node: nodeGwat,
			Meaning: "syncd's own ready has rolled gwat back to the checkpoint that the push begins at: that is how a head sync begins.",
			Remedy:  "Nothing: the push that follows finalizes it again."},
		window: polls(1), windowNote: "with a lower number", clear: polls(1), clearNote: "with the number back or the spines of the beacon's head finalized",
		needs: gwat, look: func(v *view) signal { return v.fell(true) },
	},
	{
		Entry: Entry{Name: "gwat_stalled", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "gwat's last finalized block does not move although the beacon's head carries spines that gwat has not finalized.",
			Remedy:  "See whether the beacon node calls gwat: its log names errors of its execution endpoint, and gwat's last coordinated slot does not change if no call arrives. Check that the beacon node's execution endpoint and JWT secret are those of this gwat. If calls arrive and gwat refuses them, its log says why; a restart of gwat lets syncd bring the pair up again."},
		window: polls(1), windowNote: fmt.Sprintf("after %d slots without a move, in which the beacon's head asked for one; head_sync_ready and collecting do not count", StalledSlots), clear: polls(3), clearNote: "with a move or with all spines of the head finalized, outside the stages of head sync and switching",
		needs: both, look: (*view).stalled,
	},
	{
		Entry: Entry{Name: "lock_held", Severity: status.SeverityWarning, Node: nodeGwat,
			Meaning: "gwat's head-sync lock is held and no call of syncd is running: until it is free gwat refuses every call of normal work.",
			Remedy:  "Wait: gwat lets the lock go by itself 120 s after the ready at the latest, and syncd goes on then. If it comes again, a competing driver takes it: see second_driver."},
		window: polls(3), windowNote: "with the lock held", clear: polls(2), clearNote: "with the lock free",
		needs: gwat, look: (*view).lockHeld,
	},
	{
		Entry: Entry{Name: "checkpoint_refused", Severity: status.SeverityWarning, Node: nodeGwat,
			Meaning: "gwat refuses the checkpoint that the push should begin at, again and again.",
			Remedy:  "syncd tries older checkpoints by itself. If none of them is accepted, gwat lacks their state: restart gwat and let it sync with its peers; if that does not help, resync gwat's data."},
		window: polls(1), windowNote: fmt.Sprintf("after %d refusals of one checkpoint in a row", refusals), clear: polls(1), clearNote: "after a push that gwat took",
		needs: gwat, look: func(v *view) signal {
			if v.Refused < refusals {
				return healthy
			}
			return shows(fmt.Sprintf("%d refusals in a row", v.Refused), v.FailedWhy)
		},
	},
}

// refusals is how many times in a row one checkpoint must be refused.
const refusals = 3

// climbing reports whether a gwat that was rolled back syncs up again. A single rise does not
// count: a gwat that has just started may still search for its position.
func (v *view) climbing() bool {
	return v.mem.rises >= 2 && v.Stage != fsm.Switching && v.Stage != fsm.Working
}

// onTheWay reports whether the stage leads to a push of syncd that gives gwat what it lacks.
func (v *view) onTheWay() bool {
	switch v.Stage {
	case fsm.Connecting, fsm.CheckpointSync, fsm.DAGSync, fsm.HeadSyncReady, fsm.HeadSync:
		return true
	}
	return false
}

func (v *view) fell(ours bool) signal {
	m := v.mem
	switch {
	case v.Gwat.Number == nil:
		return unmeasured
	case !m.below() || m.fellOurs != ours || v.follows():
		return healthy
	case !ours && v.climbing():
		return healthy
	}
	return shows(fmt.Sprintf("its last finalized block is number %d, it was %d", m.number, m.high))
}

// follows reports whether gwat has finalized the spines of the beacon's head. A head without
// spines shows nothing.
func (v *view) follows() bool {
	return v.Gwat.Compared && len(v.Gwat.Spines) > 0 && followed(v.Gwat.Spines)
}

// nearHead reports whether the beacon's head is where the network's is.
func (v *view) nearHead() bool {
	return v.mem.spec != nil && v.Beacon.Known &&
		checkpoint.Lag(v.Beacon.Head, v.mem.spec.SlotAt(v.At)) <= checkpoint.NearHead
}

func (v *view) stalled() signal {
	m := v.mem
	if !v.Gwat.Compared || !m.numbered || m.spec == nil {
		return unmeasured
	}
	still, since := m.stalledFor()
	switch {
	case still < StalledSlots*m.slot() && v.pushed():
		return unmeasured
	case still < StalledSlots*m.slot():
		return healthy
	case !v.nearHead(), v.Stage == fsm.HeadSyncReady, v.Collecting:
		return unmeasured // gwat is not what the pair waits for
	}
	evidence := []string{
		fmt.Sprintf("its last finalized block is number %d of slot %d, for %s", m.number, v.Gwat.Slot, counted.Of(still/m.slot(), "slot")),
		fmt.Sprintf("the beacon's head at slot %d carries %s, not all finalized", v.Beacon.Head, counted.Of(len(v.Gwat.Spines), "spine")),
	}
	return shows(append(evidence, v.saysSyncing())...).from(since)
}

// pushed reports whether only a push of syncd may move gwat in this stage. Such a move does
// not show that gwat finalizes by itself, so it ends no finding.
func (v *view) pushed() bool {
	return v.Stage == fsm.HeadSyncReady || v.Stage == fsm.HeadSync || v.Stage == fsm.Switching
}

func (v *view) saysSyncing() string {
	if !v.Gwat.Syncing {
		return "eth_syncing says false"
	}
	return fmt.Sprintf("eth_syncing says stage %s, last coordinated slot %d, newest slot in its tips %d", v.Gwat.SyncStage, v.Gwat.CoordSlot, v.Gwat.TipSlot)
}

func (v *view) lockHeld() signal {
	switch {
	case v.Gwat.Reach != Answers:
		return unmeasured
	case v.Lock == nil || v.Lock.Running:
		return healthy
	}
	who := "it was not taken by syncd"
	if v.Lock.Ours {
		who = "it was taken by a call of syncd whose answer was lost"
	}
	if v.Lock.Until.IsZero() {
		return shows(who)
	}
	return shows(who, "free at the latest at "+v.Lock.Until.UTC().Format(time.RFC3339))
}
