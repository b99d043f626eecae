package health

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
)

// livePoll is one poll of a real pair of the coordinated era, recorded once a second.
type livePoll struct {
	At            float64 // Unix seconds
	GwatError     string
	GwatSilent    bool
	Syncing       bool // eth_syncing was an object
	State         *CoordinatedState
	Number        *uint64
	Slot          primitives.Slot
	Peers         *uint64
	BeaconError   string
	BeaconSilent  bool
	Head          primitives.Slot
	Distance      primitives.Slot
	BeaconSyncing bool
	Root          common.Hash
	Justified     primitives.Epoch
	BeaconPeers   *uint64
}

// liveSpec is that of the recorded network.
var liveSpec = checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 3, DepositChainID: 1337, GenesisTime: 1795634225}

func reachOf(text string, silent bool) Reach {
	switch {
	case text == "":
		return Answers
	case silent:
		return Silent
	}
	return Down
}

func (p livePoll) input(begin float64) Input {
	at := time.UnixMicro(int64(p.At * 1e6))
	in := Input{
		At: at, Elapsed: time.Duration((p.At - begin) * float64(time.Second)), Stage: fsm.Working, Spec: &liveSpec,
		Gwat: Gwat{
			Node:    Node{Reach: reachOf(p.GwatError, p.GwatSilent), Error: p.GwatError, Peers: p.Peers},
			Syncing: p.Syncing, Number: p.Number, Slot: p.Slot,
		},
		Beacon:      Beacon{Node: Node{Reach: reachOf(p.BeaconError, p.BeaconSilent), Error: p.BeaconError, Peers: p.BeaconPeers}},
		Coordinated: &Coordinated{State: p.State, BeaconSyncing: p.BeaconSyncing},
	}
	if in.Beacon.Reach == Answers {
		in.Beacon.Known, in.Beacon.Head, in.Beacon.Root = true, p.Head, p.Root
		in.Beacon.Clock, in.Beacon.ClockAt, in.Beacon.Justified = p.Head+p.Distance, at, p.Justified
	}
	return in
}

// change is a finding that was reported or cleared, with the time in seconds after genesis.
type change struct {
	at   float64
	what string
}

// recording is what was recorded of a pair, with the network that it is of.
type recording struct {
	spec  checkpoint.Spec
	every time.Duration // between two polls
	polls []livePoll
}

// recordingOf returns what was recorded of a pair.
func recordingOf(t *testing.T, pair int) *recording {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("testdata/coordinated-pair%d.jsonl.gz", pair))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	r := &recording{spec: liveSpec, every: time.Second}
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		var p livePoll
		require.NoError(t, json.Unmarshal(lines.Bytes(), &p))
		r.polls = append(r.polls, p)
	}
	return r
}

// replay returns what an engine reports for a recording.
func (r *recording) replay(t *testing.T) (out []change) {
	t.Helper()
	engine := NewCoordinated(r.every)
	for _, p := range r.polls {
		in := p.input(r.polls[0].At)
		in.Spec = &r.spec
		report := engine.Observe(in)
		at := p.At - float64(r.spec.GenesisTime)
		for _, f := range report.Gone {
			out = append(out, change{at, "- " + f.Name})
		}
		for _, f := range report.Appeared {
			require.NotEmpty(t, f.Evidence, f.Name)
			out = append(out, change{at, "+ " + f.Name})
		}
	}
	return out
}

// whole is a change with its time in whole seconds.
func whole(changes []change) (out []change) {
	for _, c := range changes {
		out = append(out, change{math.Trunc(c.at), c.what})
	}
	return out
}

// What was done to the recorded pairs, and what an engine must report: nothing
// else, and nothing in the calm time between. Times are seconds after genesis; a slot
// has 3 s. Pair 1 was left alone. What follows from a finding that is reported is not reported itself:
// most often that is duties_at_risk.
func TestLivePairsOfTheCoordinatedEra(t *testing.T) {
	for pair, want := range map[int][]change{
		1: nil,
		3: {
			// 148 to 191: gwat stopped (A1).
			{152, "+ gwat_hung"}, {192, "- gwat_hung"},
			// 230 to 236: gwat killed and started with peers (B0).
			{231, "+ gwat_unreachable"}, {237, "- gwat_unreachable"},
			// 297 to 409: the beacon node stopped; gwat leaves normal work after 32 slots without a call.
			{300, "+ beacon_hung"}, {409, "- beacon_hung"},
			// 409: it goes on, proposes on its stale head, and follows a fork of its own (A2).
			{415, "+ sawtooth"}, {427, "- sawtooth"}, {427, "+ private_fork"}, {484, "- private_fork"},
			// 490: gwat refuses every block since (A2').
			{500, "+ duties_at_risk"}, {521, "+ gwat_wedged"},
			// 628: gwat restarted; the beacon node makes no call. 672: calls by hand.
			{630, "- gwat_wedged"}, {630, "+ gwat_unreachable"}, {633, "- gwat_unreachable"}, {633, "+ gwat_restart_rollback"},
			{644, "+ beacon_silent"}, {673, "- beacon_silent"}, {675, "- gwat_restart_rollback"}, {676, "- duties_at_risk"},
			{679, "+ sawtooth"}, {712, "- sawtooth"}, {712, "+ private_fork"},
			// 729: the beacon node restarted (A3).
			{730, "- private_fork"}, {730, "+ beacon_unreachable"}, {734, "- beacon_unreachable"},
			// From 770 on it misses blocks and resyncs now and then (S).
			{795, "+ sawtooth"}, {979, "- sawtooth"},
			{984, "+ duties_at_risk"}, {1010, "- duties_at_risk"}, {1029, "+ sawtooth"},
			// 1234 to 1357: gwat dead; then it waits for a call that does not come (B7).
			{1237, "+ gwat_unreachable"}, {1267, "- sawtooth"},
			{1360, "- gwat_unreachable"}, {1360, "+ gwat_restart_rollback"}, {1366, "+ duties_at_risk"}, {1371, "+ beacon_silent"},
			{1411, "- beacon_silent"}, {1412, "- gwat_restart_rollback"}, {1415, "- duties_at_risk"},
			{1417, "+ sawtooth"}, {1459, "- sawtooth"}, {1491, "+ sawtooth"},
		},
		4: {
			// 493 to 549: gwat runs alone, then both sync from zero (C1).
			{495, "+ beacon_unreachable"}, {552, "- beacon_unreachable"},
			// 788: gwat killed and started with peers (B1).
			{789, "+ gwat_unreachable"}, {796, "- gwat_unreachable"},
			// 830: gwat restarted without peers (B2). 862: calls by hand. 889: peers added.
			{832, "+ gwat_unreachable"}, {835, "- gwat_unreachable"}, {835, "+ gwat_restart_rollback"}, {836, "+ duties_at_risk"},
			{846, "+ no_peers_loop"}, {863, "- no_peers_loop"}, {877, "+ no_peers_loop"}, {891, "- no_peers_loop"},
			{892, "- gwat_restart_rollback"}, {894, "- duties_at_risk"},
		},
	} {
		require.Equal(t, want, whole(recordingOf(t, pair).replay(t)), "pair %d", pair)
	}
}
