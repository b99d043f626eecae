package health

import (
	"fmt"

	"github.com/gwatsync/syncd/status"
)

// coordinatedRules are the findings of the coordinated era alone. Each is an
// incident that was brought about on real nodes.
var coordinatedRules = []rule{
	{
		Entry: Entry{Name: "foreign_checkpoint", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: "gwat's checkpoint is not a block of the beacon node's chain. The beacon node asks for the coordinated state, does not find it, and asks again every second, for ever, while both nodes report that all is well.",
			Remedy:  "Stop gwat, remove its chain data but not its node key, and start it with peers: it syncs again from them. A checkpoint that was only exchanged comes back with a restart of gwat until two more epochs are final."},
		window: polls(2), windowNote: "in which the beacon node has no such header", clear: polls(1), clearNote: "in which it has one",
		needs: both, look: (*view).foreignCheckpoint,
	},
	{
		Entry: Entry{Name: "no_peers_loop", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: fmt.Sprintf("gwat has no peers and does not follow the beacon node, whose calls need a peer of gwat even when every block is local: they fail every second, for ever. Where gwat's endpoint does not report its peers, such as authrpc, this means that gwat was restarted and that the calls for a moving head have not changed it for %d slots.", WedgedSlots),
			Remedy:  "Give gwat a peer: admin_addPeer over its IPC socket, with the enode of a node that it knew before. Check gwat's p2p port (usually 30303, TCP and UDP) and its boot nodes."},
		window: polls(2), windowNote: fmt.Sprintf("after %d slots without peers and without a newly finalized spine", UnmovedSlots), clear: polls(1), clearNote: "with a peer, or with a newly finalized spine",
		needs: gwat, look: (*view).noPeersLoop,
	},
	{
		Entry: Entry{Name: "private_fork", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "The beacon node follows a chain of its own: its head is near the clock, but its justified checkpoint does not follow. It is synced with itself only, or the whole network does not justify.",
			Remedy:  "Compare head and justified epoch with another node of the network. If they differ, check the beacon node's peers, and restart it; if gwat then stays where it is, restart gwat, and the beacon node once more."},
		window: polls(2), windowNote: "with a head that jumped over an epoch while finality stayed, or three epochs past the justified one", clear: polls(2), clearNote: "with a new justified epoch",
		needs: beacon, look: (*view).privateFork,
	},
	{
		Entry: Entry{Name: "gwat_wedged", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: "The beacon's head moves, gwat answers and has peers, but the beacon node's calls change nothing in gwat. It may follow a fork that the network has left, and refuse every block since.",
			Remedy:  "Restart gwat. If its state still does not move after 4 slots, restart the beacon node too."},
		window: slots(WedgedSlots), windowNote: fmt.Sprintf("in which the head is %d slots past the last change of what is final in gwat", UnmovedSlots), clear: polls(1), clearNote: "with a newly finalized spine",
		needs: both, look: (*view).wedged,
	},
	{
		Entry: Entry{Name: "beacon_silent", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: "gwat waits for the beacon node, whose head does not move: it makes its next call only for a new head, and reports that it is synced.",
			Remedy:  "Wait for the next head; if none comes within two slots, restart the beacon node."},
		window: polls(2), windowNote: fmt.Sprintf("after %d slots since a restart of gwat, %d epochs without one if gwat lacks what the head finalizes, in which neither the head nor gwat's state moved", UnmovedSlots, SilentEpochs), clear: polls(1), clearNote: "with a new head or a change of the state",
		needs: both, look: (*view).beaconSilent,
	},
	{
		Entry: Entry{Name: "network_stalled", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: fmt.Sprintf("The beacon's head has not moved for more than %d epochs, although the beacon node has peers. It would have synced again if one of them were ahead: most likely the whole network makes no blocks.", SilentEpochs),
			Remedy:  "Compare the head with another node of the network or with an explorer. If it has not moved there either, nothing is to be repaired here: the pair goes on by itself with the next block. If it moves there, restart the beacon node and look at its peers."},
		window: polls(2), windowNote: fmt.Sprintf("after %d epochs and %d slots with the same head, of a beacon node with peers", SilentEpochs, LagSlots), clear: polls(1), clearNote: "with a new head",
		needs: beacon, look: (*view).networkStalled,
	},
	{
		Entry: Entry{Name: "beacon_without_peers", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "The beacon node has no peers: it gets no blocks of the network.",
			Remedy:  "Check the beacon node's p2p ports (usually 13000 TCP and 12000 UDP) and its boot nodes. It finds peers again by itself once it can reach them."},
		window: seconds(10), windowNote: "without peers", clear: polls(2), clearNote: "with a peer",
		needs: beacon, look: (*view).beaconWithoutPeers,
	},
	{
		Entry: Entry{Name: "sawtooth", Severity: status.SeverityWarning, Node: nodeBeacon,
			Meaning: fmt.Sprintf("The beacon node reports that it is synced, but its head is more than %d slots behind the clock: it misses blocks, and catches up by a resync now and then.", LagSlots),
			Remedy:  "Look at the number and the quality of the beacon node's peers, at its CPU and disk, and at the clock of the host. If the head does not move for more than two epochs, see network_stalled."},
		window: slots(2), windowNote: "with such a lag", clear: polls(2), clearNote: "without it",
		needs: beacon, look: (*view).sawtooth,
	},
	{
		Entry: Entry{Name: "finalize_silently_failed", Severity: status.SeverityCritical, Node: nodePair,
			Meaning: "gwat answers dag_finalize with null in every field, which means that a spine was not found. The beacon node takes that for success and goes on over the hole.",
			Remedy:  "Wait until gwat has loaded the missing block from a peer. If it stays, restart gwat, then the beacon node."},
		window: polls(1), windowNote: "after two such answers in a row", clear: polls(1), clearNote: "after another answer",
		needs: gwat, look: (*view).silentFailure,
	},
	{
		Entry: Entry{Name: "gwat_restart_rollback", Severity: status.SeverityInfo, Node: nodeGwat,
			Meaning: "gwat was restarted and went back: to its last checkpoint, two to three epochs, as with every start in this era, or to block 0 if its data was removed or it had no checkpoint yet.",
			Remedy:  "Nothing: the beacon node finalizes it again within seconds once gwat has peers."},
		window: polls(1), windowNote: "with a lower number after a restart", clear: polls(1), clearNote: "with the number back",
		needs: gwat, look: (*view).restartRollback,
	},
	{
		Entry: Entry{Name: "duties_at_risk", Severity: status.SeverityWarning, Node: nodePair,
			Meaning: "gwat is not in normal work. Validators that run on this pair miss every duty meanwhile, whatever the beacon node reports; a pair without validators loses nothing. No node says whether it has any.",
			Remedy:  "Remove the cause: another finding names it. If there is none, gwat is still syncing; wait for it."},
		window: span{polls: 4, slots: 2}, windowNote: "in which gwat was away or synchronizing after normal work", clear: polls(2), clearNote: "with gwat in normal work",
		needs: nobody, look: (*view).dutiesAtRisk,
	},
}
