package health

import (
	"fmt"
	"slices"

	"github.com/gwatsync/syncd/status"
)

// Entry documents one finding. Window says how long its signals must last before it is
// reported, Clears how long they must be absent before it is gone.
type Entry struct {
	Name     string
	Severity string // one of status's severities; Meaning says what changes it
	Node     string // "gwat", "beacon", "pair" or "syncd"
	Meaning  string
	Window   string
	Clears   string
	Remedy   string
	Advice
}

// Catalog lists every finding that syncd can report, in the order in which a
// document should show them.
func Catalog() []Entry {
	return entries(rules)
}

func entries(table []rule) []Entry {
	out := make([]Entry, len(table))
	for i, r := range table {
		out[i] = r.Entry
		out[i].Advice = advice[r.Name]
		out[i].Window = windowed(r.window, r.windowNote)
		out[i].Clears = windowed(r.clear, r.clearNote)
	}
	return out
}

func windowed(s span, note string) string {
	if note == "" {
		return s.String()
	}
	return fmt.Sprintf("%s %s", s, note)
}

// The names of the nodes of a finding.
const (
	nodeGwat   = "gwat"
	nodeBeacon = "beacon"
	nodePair   = "pair"
	nodeSyncd  = "syncd"
)

// needs says which node must answer for a rule to mean anything.
type needs int

const (
	nobody needs = iota
	gwat
	beacon
	both
)

// rule is an Entry with how it is evaluated.
type rule struct {
	Entry
	window, clear         span
	windowNote, clearNote string
	needs                 needs
	reach                 bool // it is about whether the node answers at all
	look                  func(*view) signal
	harmless              func(*view) bool // if true, it is reported as info; nil is never
	graver                func(*view) bool // if true, an info is reported as a warning; nil is never
	critical              func(*view) bool // if true, a warning is reported as critical; nil is never
}

// view is what a rule evaluates: the poll and what is kept of those before.
type view struct {
	*Input
	mem *memory
}

// rules is the one table of findings.
var rules = slices.Concat(nodesRule, reachRules, gwatRules, beaconRules, pairRules, gateRules)

// StartingSeconds is how long a beacon node may say that it lacks the state of its head:
// real ones took 2 to 16 s.
const StartingSeconds = 60

var reachRules = []rule{
	{
		Entry: Entry{Name: "gwat_unreachable", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "Nothing answers at gwat's endpoint: the process is gone, the endpoint is wrong or the network between is cut.",
			Remedy:  "Look whether gwat runs (systemctl status, docker ps) and start it; read its last log lines for why it ended. If it runs, compare gwat's endpoint in syncd's config with the address gwat listens on, and try it from syncd's host with curl. syncd goes on by itself once gwat answers."},
		window: polls(3), windowNote: "without an answer", clear: polls(3), clearNote: "that were answered",
		needs: gwat, reach: true, look: func(v *view) signal { return reach(&v.Gwat.Node, Down) },
	},
	{
		Entry: Entry{Name: "gwat_hung", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "gwat takes connections, and perhaps answers cheap calls, but real calls get no answer in time.",
			Remedy:  "Look at gwat's CPU, disk and memory (top, iostat, dmesg for out-of-memory): a full disk or a stopped process looks like this. If it is busy with a long rollback it comes back by itself. Otherwise restart gwat."},
		window: polls(3), windowNote: "without an answer within call-timeout (5 s); only the first poll takes so long, then each further second without an answer counts as a poll", clear: polls(3), clearNote: "that were answered",
		needs: gwat, reach: true, look: func(v *view) signal { return reach(&v.Gwat.Node, Silent) },
	},
	{
		Entry: Entry{Name: "gwat_auth", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "gwat refuses syncd, for the token or for the host name (HTTP 401 or 403), or the file of gwat.jwt-secret cannot be read, so that syncd has no token.",
			Remedy:  "Give syncd the JWT secret file that gwat runs with, and check that the clocks of both hosts agree (a token is valid for 60 s). If gwat says invalid host, add the name in the endpoint to gwat's virtual hosts, or use the IPC socket, which asks for neither."},
		window: polls(3), windowNote: "that were refused", clear: polls(3), clearNote: "that were answered",
		needs: gwat, reach: true, look: func(v *view) signal { return reach(&v.Gwat.Node, Denied) },
	},
	{
		Entry: Entry{Name: "gwat_bad_answers", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "What listens at gwat's endpoint answers, but not as a gwat of this era does.",
			Remedy:  "Check that the endpoint is gwat's and not another program's or a proxy's, that the APIs dag, eth, net and web3 are served there (the IPC socket serves all; on today's network dag is served there and by authrpc only), and that both nodes are of one network's versions. `syncd check` names what differs."},
		window: polls(3), windowNote: "with unusable answers", clear: polls(3), clearNote: "that were answered",
		needs: gwat, reach: true, look: func(v *view) signal { return reach(&v.Gwat.Node, Garbled) },
	},
	{
		Entry: Entry{Name: "gwat_rate_limited", Severity: status.SeverityCritical, Node: nodeGwat,
			Meaning: "Something in front of gwat refuses syncd's calls because of their number: HTTP 429, or the JSON-RPC error -32005 or 429. syncd then waits for as long as the answer asks, at most a minute at a time.",
			Remedy:  "Point syncd at gwat itself and not at a public or shared endpoint, or raise the limit of the proxy in between: syncd makes five to ten calls a poll, and many more during a sync."},
		window: polls(3), windowNote: "that were refused", clear: polls(3), clearNote: "that were answered",
		needs: gwat, reach: true, look: func(v *view) signal { return reach(&v.Gwat.Node, Limited) },
	},
	{
		Entry: Entry{Name: "beacon_unreachable", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "Nothing answers at the beacon node's URL: the process is gone, the URL is wrong or the network between is cut.",
			Remedy:  "Look whether the beacon node runs and start it; read its last log lines for why it ended. If it runs, compare the beacon URL in syncd's config with the address of its REST API (usually port 3500), and try it from syncd's host with curl. syncd goes on by itself once it answers."},
		window: polls(3), windowNote: "without an answer", clear: polls(3), clearNote: "that were answered",
		needs: beacon, reach: true, look: func(v *view) signal { return reach(&v.Beacon.Node, Down) },
	},
	{
		Entry: Entry{Name: "beacon_hung", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "The beacon node takes connections, but calls get no answer in time.",
			Remedy:  "Look at the beacon node's CPU, disk and memory. Right after a start it may be reading its database: give it some minutes. Otherwise restart it."},
		window: polls(3), windowNote: "without an answer within call-timeout (5 s); only the first poll takes so long, then each further second without an answer counts as a poll", clear: polls(3), clearNote: "that were answered",
		needs: beacon, reach: true, look: func(v *view) signal { return reach(&v.Beacon.Node, Silent) },
	},
	{
		Entry: Entry{Name: "beacon_bad_answers", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "What listens at the beacon URL answers, but not as a beacon node of a gwat network does.",
			Remedy:  "Check that the URL is the beacon node's REST API (usually port 3500) and not its gRPC port, gwat or a proxy, and that the node is of a gwat network. `syncd check` names what differs."},
		window: polls(3), windowNote: "with unusable answers", clear: polls(3), clearNote: "that were answered",
		needs: beacon, reach: true, look: func(v *view) signal {
			if v.Beacon.Reach == Denied {
				return shows(v.Beacon.Error)
			}
			return reach(&v.Beacon.Node, Garbled)
		},
	},
	{
		Entry: Entry{Name: "beacon_rate_limited", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "Something in front of the beacon node refuses syncd's calls because of their number: HTTP 429. syncd then waits for as long as the answer asks, at most a minute at a time.",
			Remedy:  "Point syncd at the beacon node itself and not at a public or shared endpoint, or raise the limit of the proxy in between: syncd makes five to ten calls a poll, and many more during a sync."},
		window: polls(3), windowNote: "that were refused", clear: polls(3), clearNote: "that were answered",
		needs: beacon, reach: true, look: func(v *view) signal { return reach(&v.Beacon.Node, Limited) },
	},
	{
		Entry: Entry{Name: "beacon_starting", Severity: status.SeverityCritical, Node: nodeBeacon,
			Meaning: "The beacon node was started and cannot answer for its own head: its database lacks the summary of that state. For some seconds after a start this is normal and not reported.",
			Remedy:  "Look into the beacon node's log. If it says that a state summary is missing for the finalized root, a restart may not heal it: start it without --disable-sync, or from a checkpoint with an empty database."},
		window: seconds(StartingSeconds), windowNote: "in which it said so", clear: polls(1), clearNote: "that was answered",
		needs: beacon, reach: true, look: func(v *view) signal { return reach(&v.Beacon.Node, Starting) },
	},
}
