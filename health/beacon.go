package health

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/status"
)

const (
	// StalledHeadSlots is how long a head may stay the same: with a tenth of the
	// slots missed so many in a row come once in 10^8.
	StalledHeadSlots = 8
	// BehindSlots is how far a moving head may be behind the wall clock, and
	// BehindFor for how many slots without coming nearer.
	BehindSlots = 8
	BehindFor   = 12
	// UnheardHeads is how many new heads may come without an event of the stream,
	// and over how many slots: a stream that reconnects misses some.
	UnheardHeads = 4
	// OldEpochs is how many epochs the last checkpoint may be behind the head:
	// in normal work it is one or two; YoungEpochs is when it is well again.
	OldEpochs   = 5
	YoungEpochs = 3
)

var beaconRules = []rule{
	{
		Entry: Entry{Name: "beacon_slow", Severity: status.SeverityWarning, Node: nodeBeacon,
			Meaning: fmt.Sprintf("The beacon node answers, but a call takes %s or more.", SlowCall),
			Remedy:  "Look at the beacon node's CPU and disk and at the latency between the hosts."},
		window: polls(5), windowNote: "with a slow call", clear: polls(5), clearNote: fmt.Sprintf("in which every call took less than %s", FastCall),
		needs: beacon, look: func(v *view) signal { return slow(&v.Beacon.Node) },
	},
	{
		Entry: Entry{Name: "beacon_no_peers", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "The beacon node has no peers: it gets no blocks from the network, and no other node gets its blocks.",
			Remedy:  "Check the beacon node's p2p ports (usually 13000/TCP and 12000/UDP) in the firewall, its boot nodes, and that it was started for the right network. A node that was cut off finds peers again by itself within minutes. In a network with a single beacon node, set peers-optional."},
		window: polls(NoPeersPolls), windowNote: "without peers; peers are read every 30th poll, and in each once there are none", clear: polls(3), clearNote: "with a peer",
		needs: beacon, look: func(v *view) signal { return v.noPeers(&v.Beacon.Node) },
	},
	{
		Entry: Entry{Name: "beacon_stalled_head", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "The beacon node's head does not move.",
			Remedy:  "A beacon node whose call to gwat failed while it processed a block ignores that block and all that follow, for good: if gwat was away or locked before, restart the beacon node. Look whether it has peers and what its log says about blocks it refuses. If its own head-sync driver waits for gwat, its head does not move until that is done. If the heads of other nodes do not move either, the network makes no blocks and there is nothing to repair here."},
		window: polls(1), windowNote: fmt.Sprintf("after %d slots with the same head", StalledHeadSlots), clear: slots(2), clearNote: "in which the head moves",
		needs: beacon, look: (*view).stalledHead,
	},
	{
		Entry: Entry{Name: "beacon_behind", Severity: status.SeverityWarning, Node: nodeBeacon,
			Meaning: "The beacon node's head moves, but stays far behind the wall clock: it does not catch up.",
			Remedy:  "Look at the beacon node's CPU and disk, at its peers and at its log: it processes blocks no faster than they are made. syncd waits for it."},
		window: polls(1), windowNote: fmt.Sprintf("after %d slots more than %d slots behind without coming nearer", BehindFor, BehindSlots), clear: polls(3), clearNote: fmt.Sprintf("with a head that comes nearer or is at most %d slots behind", BehindSlots),
		needs: beacon, look: (*view).behind,
	},
	{
		Entry: Entry{Name: "beacon_rolled_back", Severity: status.SeverityWarning, Node: nodeBeacon,
			Meaning: fmt.Sprintf("The beacon node's head has gone back by more than %d slots: it was restarted, which takes it back to its last checkpoint, lost data, or left a long fork.", checkpoint.NearHead),
			Remedy:  "Nothing by hand: it syncs again with its peers, and syncd goes on from there. If this happens again and again, its log says why it restarts."},
		window: polls(1), windowNote: "with a lower head", clear: polls(1), clearNote: "with the head back where it was, or near the wall clock",
		needs: beacon, look: (*view).beaconFell,
	},
	{
		Entry: Entry{Name: "finality_stalled", Severity: status.SeverityWarning, Node: nodeBeacon,
			Meaning: fmt.Sprintf("The beacon node's last checkpoint is %d or more epochs behind its head: the network does not justify its blocks.", OldEpochs),
			Remedy:  "The cause is in the network, not in this pair: too few validators attest. Check whether other nodes see the same; if they do not, this node is on a fork: check its peers and its version."},
		window: polls(3), clear: polls(3), clearNote: fmt.Sprintf("with a checkpoint at most %d epochs behind", YoungEpochs),
		needs: beacon, look: (*view).finality,
	},
	{
		Entry: Entry{Name: "sse_silent", Severity: status.SeverityWarning, Node: nodeBeacon,
			Meaning: "The beacon node's head advances, but its event stream brings no events: syncd sees changes only by polling.",
			Remedy:  "syncd reconnects by itself and goes on by polling meanwhile. If it lasts, look for a proxy in between that buffers or cuts long answers, and whether curl -N <beacon URL>/eth/v1/events?topics=head shows events."},
		window: polls(1), windowNote: fmt.Sprintf("after %d new heads, and as many slots, without an event", UnheardHeads), clear: slots(2), clearNote: "with an event for each new head",
		needs: beacon, look: func(v *view) signal {
			switch {
			case v.mem.unheard >= UnheardHeads && v.mem.now-v.mem.unheardFrom >= UnheardHeads*v.mem.slot():
				return shows(counted.Of(v.mem.unheard, "new head") + " since the last event").from(v.mem.unheardFrom)
			case v.mem.unheard <= 1:
				return healthy
			}
			return unmeasured
		},
	},
}

func (v *view) stalledHead() signal {
	m := v.mem
	if !v.Beacon.Known || m.spec == nil || v.At.Before(m.spec.SlotStart(1)) {
		return unmeasured
	}
	still := v.headStillFor()
	if still < StalledHeadSlots*m.slot() {
		return healthy
	}
	return shows(
		fmt.Sprintf("its head is slot %d for %s", m.head, counted.Of(still/m.slot(), "slot")),
		fmt.Sprintf("the wall clock is at slot %d", m.spec.SlotAt(v.At)),
	).from(m.now - still)
}

// headStillFor returns for how long the beacon's head has been the same. Before genesis no
// head can move.
func (v *view) headStillFor() time.Duration {
	still := v.mem.now - v.mem.headSince
	if v.mem.spec != nil {
		still = min(still, v.At.Sub(v.mem.spec.SlotStart(0)))
	}
	return max(0, still)
}

// headStalled reports whether the beacon's head has not moved for StalledHeadSlots.
func (v *view) headStalled() bool {
	return v.mem.headKnown && v.headStillFor() >= StalledHeadSlots*v.mem.slot()
}

func (v *view) behind() signal {
	m := v.mem
	switch {
	case !v.Beacon.Known || m.spec == nil:
		return unmeasured
	case !m.behind || m.now-m.lagSince < BehindFor*m.slot():
		return healthy
	case v.headStalled():
		return unmeasured
	}
	return shows(fmt.Sprintf("its head is slot %d, the wall clock is at slot %d, and the gap was never below %d for %d slots",
		v.Beacon.Head, m.spec.SlotAt(v.At), m.lag, (m.now-m.lagSince)/m.slot())).from(m.lagSince)
}

func (v *view) beaconFell() signal {
	switch {
	case !v.Beacon.Known:
		return unmeasured
	case v.Beacon.Head+checkpoint.NearHead >= v.mem.highHead || v.nearHead():
		return healthy
	}
	return shows(fmt.Sprintf("its head is slot %d, it was %d", v.Beacon.Head, v.mem.highHead))
}

func (v *view) finality() signal {
	if !v.Beacon.Known || v.mem.spec == nil {
		return unmeasured
	}
	epoch := v.mem.spec.Epoch(v.Beacon.Head)
	switch {
	case epoch <= v.Beacon.Justified+YoungEpochs:
		return healthy
	case epoch < v.Beacon.Justified+OldEpochs:
		return unmeasured
	}
	return shows(fmt.Sprintf("its head is in epoch %d, its last checkpoint is of epoch %d", epoch, v.Beacon.Justified))
}
