package faults

import "slices"

// Row is one fault: what syncd does about it, what the operator sees of it, and
// what proves it.
type Row struct {
	Group string
	Fault string
	Does  string
	Sees  string   // in the status: the stage, the findings by name
	Tests []string // "package.Test", the package as its directory
	// Key is the fault in the measured times; one that ends with a colon stands for
	// all cases that begin with it, On bounds them to one part of the pair.
	Key, On string
	Instead string // of a measured time, where the pair never left work
}

// Groups of the table.
const (
	GroupProcesses   = "Processes"
	GroupConnections = "Connections"
	GroupNetworks    = "Networks, disk and memory"
	GroupSimulation  = "Simulated, from a seed"
	GroupIncidents   = "Simulated, from a seed: the coordinated era"
	GroupInput       = "Bad input"
)

// Table is every fault that syncd is put through.
func Table() []Row {
	return slices.Concat(processRows, connectionRows, networkRows, simulationRows, incidentRows, inputRows)
}

var processRows = []Row{
	{Group: GroupProcesses, Fault: "kill -9 of gwat, the beacon node or syncd, in every stage", Key: "kill",
		Does:  "A lost node: goes to connecting and looks once a poll. Itself: reads the journal, then both nodes, and goes on from what they have; a call whose answer died with it is judged by what gwat says.",
		Sees:  "`connecting`, waiting names the node; `gwat_unreachable` or `beacon_unreachable` after three polls",
		Tests: []string{"process.TestKillInEveryStage"}},
	{Group: GroupProcesses, Fault: "SIGSTOP of each, in every stage, SIGCONT later", Key: "stop",
		Does:  "A node that hangs is one that does not answer in time. Stopped itself, it reads the head again before it pushes, and never pushes on what it read before.",
		Sees:  "`connecting`; `gwat_hung` or `beacon_hung`. A stopped syncd answers nothing, and nothing from before the stop passes for new: the snapshot's time tells",
		Tests: []string{"process.TestStopInEveryStage"}},
	{Group: GroupProcesses, Fault: "gwat killed for 20, 60, 120 and 240 s, or stopped for 25 and 60 s, under a beacon node at work behind the gate", Instead: "the beacon node's chain goes on",
		Does:  "Holds the beacon node's `dag_finalize`, absorbs it after 20 s, and proves or pushes later what was absorbed.",
		Sees:  "`gwat_unreachable` or `gwat_hung`, `gwat_behind_gate`. Without the gate the beacon node's head has stopped for good",
		Tests: []string{"pair.TestTheBeaconKeepsItsChainBehindTheGate", "pair.TestTheBeaconLosesItsChainWithoutTheGate"}},
	{Group: GroupProcesses, Fault: "`resync` of a working pair at each phase of a slot, gwat's lock held for longer than a slot", Instead: "the beacon node's chain goes on",
		Does:  "Holds the beacon node's `dag_finalize` until its push has ended.",
		Sees:  "the stages of the resync. With a gate that does not wait the beacon node's head has stopped for good",
		Tests: []string{"pair.TestAResyncBehindTheGateHarmsNoChain", "pair.TestResyncsEndTheChainIfTheGateDoesNotWait"}},
	{Group: GroupProcesses, Fault: "gwat 20,000 slots behind under a beacon node at work behind the gate", Instead: "the beacon node's chain goes on",
		Does:  "Pushes in batches, and lets what waits through in between.",
		Sees:  "the push's progress",
		Tests: []string{"pair.TestALongPushUnderABeaconAtWork"}},
}

var connectionRows = []Row{
	{Group: GroupConnections, Fault: "latency of 90 ms with 60 ms of jitter", Key: "latency",
		Does:  "Works on. A look that does not end in its time keeps what it has read, and the next one goes on from there.",
		Sees:  "`latencyMs` of the node; `gwat_slow` or `beacon_slow` from its window on",
		Tests: []string{"process.TestToxicInEveryStage", "pair.TestABeaconFarAwayIsLookedAtInParts"}},
	{Group: GroupConnections, Fault: "bandwidth of 16 KB/s to the node, 32 KB/s back", Key: "bandwidth",
		Does:  "Works on; a push is cut by gwat's measured pace.",
		Sees:  "the push's progress and rate",
		Tests: []string{"process.TestToxicInEveryStage"}},
	{Group: GroupConnections, Fault: "slow close: the node dies and its end arrives 3 s late", Key: "slow_close",
		Does:  "Gives a call its time and no more, then looks again.",
		Sees:  "as for a killed node",
		Tests: []string{"process.TestToxicInEveryStage"}},
	{Group: GroupConnections, Fault: "timeout: answers (between the nodes: requests) get lost", Key: "timeout",
		Does:  "What was sent may have been carried out: writes it down before, and sends nothing that changes gwat until it is seen to be over or its lock has run out.",
		Sees:  "`gwat_hung` or `beacon_hung`; `waiting` names the call without an answer and until when. Between the nodes: `beacon_ahead_of_gwat`, and `working` is taken back",
		Tests: []string{"process.TestToxicInEveryStage"}},
	{Group: GroupConnections, Fault: "reset_peer: the connection is reset as an answer comes", Key: "reset_peer",
		Does:  "As for a lost answer.",
		Sees:  "`connecting`, the error names the reset; `gwat_unreachable` or `beacon_unreachable`, between the nodes `beacon_ahead_of_gwat`",
		Tests: []string{"process.TestToxicInEveryStage"}},
	{Group: GroupConnections, Fault: "limit_data: a connection is cut in mid-answer", Key: "limit_data",
		Does:  "Half an answer counts as no answer.",
		Sees:  "`connecting`, the error names the cut answer; `gwat_unreachable` or `beacon_unreachable`, between the nodes `beacon_ahead_of_gwat`",
		Tests: []string{"process.TestToxicInEveryStage"}},
	{Group: GroupConnections, Fault: "down: connections are refused", Key: "down",
		Does:  "As for a killed node. While gwat still holds its lock, syncd does not take it for restarted.",
		Sees:  "`gwat_unreachable` or `beacon_unreachable` after three polls. Between the nodes: `beacon_ahead_of_gwat`, and `working` is taken back, the reason says which head is late",
		Tests: []string{"process.TestToxicInEveryStage"}},
	{Group: GroupConnections, Fault: "refused for a second while a push runs", Key: "refused",
		Does:  "Knows the call that goes on in gwat for its own, waits for it and pushes nothing beside it.",
		Sees:  "`connecting`, then the stage of the pair; no `second_driver`",
		Tests: []string{"process.TestRefusedWhileAPushRuns", "protocol.TestClassifyPendingOfAHeadSync"}},
}

var networkRows = []Row{
	{Group: GroupNetworks, Fault: "the network of one link, or of all three, is cut", Key: "cut",
		Does:  "As for a node that does not answer; connects again when the name resolves again.",
		Sees:  "`connecting`; `gwat_hung` or `beacon_hung`; between the nodes: `switching`, the reason",
		Tests: []string{"networks.TestNetworks"}},
	{Group: GroupNetworks, Fault: "containers restarted one after the other", Key: "restart",
		Does:  "As for a killed node; stopped in good order, syncd waits a moment for a call in flight.",
		Sees:  "as for a killed node",
		Tests: []string{"networks.TestNetworks"}},
	{Group: GroupNetworks, Fault: "the journal's disk is full, from before the first push", Key: "disk full", On: "syncd",
		Does:  "Goes on without the journal, tries again every 30 polls, and writes by itself once there is room.",
		Sees:  "`journal_failing` while it lasts",
		Tests: []string{"networks.TestNetworks"}},
	{Group: GroupNetworks, Fault: "64 MiB of memory, 8,000 slots to be pushed", Key: "memory limit",
		Does:  "Collects and pushes in segments; what is not confirmed is bounded.",
		Sees:  "nothing but the push's progress",
		Tests: []string{"networks.TestMemoryLimit"}},
}

// simulated is a row of the simulation.
func simulated(fault, does, sees string) Row {
	return Row{Group: GroupSimulation, Fault: fault, Key: fault, On: "simulation", Does: does, Sees: sees, Tests: []string{"simulation.TestSeeds"}}
}

const (
	unanswered = "a critical finding of the node from three polls on; `connecting`"
	unseen     = "nothing: what the events tell is read from the node"
)

var simulationRows = []Row{
	simulated("slow link", "Works on within the call's time.", "`latencyMs`, `gwat_slow` or `beacon_slow`"),
	simulated("requests refused", "Looks once a poll.", unanswered),
	simulated("no way", "Gives each call its time.", unanswered),
	simulated("requests reset", "Nothing was carried out: tries again.", unanswered),
	simulated("requests late", "A call may be carried out after its caller gave up: waits until it is seen to be over.", "`waiting` names the call and until when"),
	simulated("answers reset", "It may have been carried out: as above.", unanswered),
	simulated("answers cut", "Half an answer counts as no answer.", unanswered),
	simulated("answers garbled", "Refuses what does not decode, with its place.", "`gwat_bad_answers` or `beacon_bad_answers`"),
	simulated("answers of a proxy", "Takes an error page for no answer of the node.", "`gwat_bad_answers` or `beacon_bad_answers`"),
	simulated("answers never", "Gives each call its time; a change is judged by what gwat says.", unanswered),
	simulated("events lost", "Looks once a poll whether or not an event comes.", "`sse_silent` after its window"),
	simulated("events twice", "Reads the node.", unseen),
	simulated("events out of order", "Reads the node.", unseen),
	simulated("events cut", "Takes the stream up again.", unseen),
	simulated("events garbled", "Drops the event, reads the node.", unseen),
	simulated("gwat killed", "Connects again and finds by reading what gwat has.", "`gwat_unreachable`"),
	simulated("gwat killed, data lost", "Drops what it kept as confirmed, begins below it.", "`gwat_unreachable`, `gwat_rolled_back`"),
	simulated("gwat hangs", "Gives each call its time.", "`gwat_hung`"),
	simulated("gwat lacks blocks", "Goes back to DAG sync and waits for the block.", "`dag_sync`, waiting names the spine"),
	simulated("gwat of another network", "Halts before it sends anything; goes on when the right one is back.", "`halted`, `wrong_network`"),
	simulated("gwat slow", "Measures the pace and pushes smaller segments.", "the push's rate; `gwat_slow`"),
	simulated("beacon killed", "Connects again.", "`beacon_unreachable`"),
	simulated("beacon hangs", "Gives each call its time.", "`beacon_hung`"),
	simulated("beacon does not move", "Takes working back; goes through all stages once it moves again.", "`beacon_stalled_head`, `beacon_behind`"),
	simulated("beacon idle", "Takes working back, completes gwat's resync once, pushes what is missing.", "`switching`, the reason"),
	simulated("beacon of another network", "Halts before it sends anything.", "`halted`, `wrong_network`"),
	simulated("beacon drives", "Keeps its hands off until three quiet slots have passed.", "`second_driver`"),
	simulated("another driver", "Keeps its hands off until the lock is free and three quiet slots have passed.", "`second_driver`, `lock_held`"),
	simulated("rolled back by another", "Drops what is confirmed no longer, watches, pushes it again.", "`second_driver`, `gwat_rolled_back`"),
	simulated("syncd killed", "Judges the call it had in flight by its journal and by gwat.", "no answer; then the stage that the nodes have reached"),
	simulated("syncd stopped", "Waits a moment for the call in flight; as above.", "no answer; then the stage that the nodes have reached"),
	simulated("disk full", "Goes on without the journal.", "`journal_failing`"),
	simulated("disk slow", "Publishes a step before it writes it.", "nothing else: the status does not wait for the disk"),
	simulated("clock jumps", "Measures by the monotonic clock; slots follow the wall clock.", "`clock_skew`"),
	simulated("operator pauses", "Sends nothing that changes a node until resumed.", "`paused`, verdict paused"),
}
