package health

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"slices"
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

// change is a finding that was told or cleared, with the time in seconds after genesis.
type change struct {
	at   int
	what string
}

// replayLive returns what an engine tells of a recorded pair.
func replayLive(t *testing.T, pair int) []change {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("testdata/coordinated-pair%d.jsonl.gz", pair))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	engine := NewCoordinated(time.Second)
	begin := 0.0
	var out []change
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		var p livePoll
		require.NoError(t, json.Unmarshal(lines.Bytes(), &p))
		if begin == 0 {
			begin = p.At
		}
		r := engine.Observe(p.input(begin))
		at := int(p.At - float64(liveSpec.GenesisTime))
		for _, f := range r.Gone {
			out = append(out, change{at, "- " + f.Name})
		}
		for _, f := range r.Appeared {
			require.NotEmpty(t, f.Evidence, f.Name)
			out = append(out, change{at, "+ " + f.Name})
		}
	}
	return out
}

// What was done to the recorded pairs, and what an engine must tell of it: nothing
// else, and nothing in the calm time between. Times are seconds after genesis; a slot
// has 3 s. Pair 1 was left alone. What follows from a finding that stands is not told:
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
		require.Equal(t, want, replayLive(t, pair), "pair %d", pair)
	}
}

// coordinatedSteady is poll n of a healthy pair: a poll a second, three to a slot.
func coordinatedSteady(n int) Input {
	head := primitives.Slot(330 + n/3)
	number, peers, known := uint64(300+n/3), uint64(2), true
	in := Input{
		At: time.Unix(int64(liveSpec.GenesisTime)+int64(head)*3+int64(n%3), 0), Elapsed: time.Duration(n) * time.Second,
		Stage: fsm.Working, Spec: &liveSpec,
		Gwat: Gwat{Node: Node{Reach: Answers, Peers: &peers}, Number: &number, Slot: head - 4},
		Beacon: Beacon{Node: Node{Reach: Answers, Peers: &peers}, Known: true, Head: head, Root: common.BigToHash(big.NewInt(int64(head))),
			Clock: head, Justified: liveSpec.Epoch(head) - 2},
		Coordinated: &Coordinated{CheckpointKnown: &known, State: &CoordinatedState{LastFinalized: common.BigToHash(big.NewInt(int64(number))), Epoch: liveSpec.Epoch(head)}},
	}
	in.Beacon.ClockAt = in.At
	return in
}

// The incidents that the recordings lack: what brings them, and the first poll that
// tells and that clears them.
func TestWindowsOfTheCoordinatedEra(t *testing.T) {
	no := false
	none := uint64(0)
	stuck := CoordinatedState{LastFinalized: common.Hash{1}, Epoch: 10, Checkpoint: common.Hash{2}}
	for name, tc := range map[string]struct {
		fault       func(*Input)
		tells, goes int
		also        []string
	}{
		"foreign_checkpoint": {fault: func(in *Input) { in.Coordinated.CheckpointKnown, in.Coordinated.State = &no, &stuck },
			tells: 2, goes: 1},
		"beacon_without_peers": {fault: func(in *Input) { in.Beacon.Peers = &none },
			tells: 11, goes: 2},
		"finalize_silently_failed": {fault: func(in *Input) { in.Coordinated.NullAnswers = 2 },
			tells: 1, goes: 1},
		"no_peers_loop": {fault: func(in *Input) { in.Gwat.Peers, in.Gwat.Syncing, in.Coordinated.State = &none, true, &stuck },
			tells: 14, goes: 1, also: []string{"duties_at_risk"}},
		"gwat_wedged": {fault: func(in *Input) { in.Coordinated.State = &stuck },
			tells: 31, goes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			engine, n := NewCoordinated(time.Second), 0
			for ; n < 30; n++ {
				require.Empty(t, engine.Observe(coordinatedSteady(n)).Findings)
			}
			for i := 1; i <= tc.tells; i++ {
				in := coordinatedSteady(n)
				tc.fault(&in)
				told := names(engine.Observe(in).Findings)
				require.Equal(t, i == tc.tells, slices.Contains(told, name), "poll %d of the fault: %v", i, told)
				require.Subset(t, append(tc.also, name), told)
				n++
			}
			for i := 1; i <= tc.goes; i++ {
				told := names(engine.Observe(coordinatedSteady(n)).Findings)
				require.Equal(t, i < tc.goes, slices.Contains(told, name), "poll %d after the fault: %v", i, told)
				n++
			}
		})
	}
}

// A poll in which a node did not answer is no second sign: what the poll still
// carries of that node's state is from before.
func TestAPollWithoutAnAnswerIsNoSign(t *testing.T) {
	no := false
	for name, tc := range map[string]struct{ fault, unanswered func(*Input) }{
		"foreign_checkpoint": {
			func(in *Input) { in.Coordinated.CheckpointKnown = &no },
			func(in *Input) { in.Gwat.Reach = Down },
		},
		"private_fork": {
			func(in *Input) { in.Beacon.Justified-- },
			func(in *Input) { in.Beacon.Reach, in.Beacon.Known = Down, false },
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine := NewCoordinated(time.Second)
			observe := func(n int, faults ...func(*Input)) []string {
				in := coordinatedSteady(n)
				for _, f := range faults {
					f(&in)
				}
				return names(engine.Observe(in).Findings)
			}
			for n := range 5 {
				require.Empty(t, observe(n))
			}
			require.Empty(t, observe(5, tc.fault))
			require.Empty(t, observe(6, tc.fault, tc.unanswered))
			require.Contains(t, observe(7, tc.fault), name)
		})
	}
}

// Before the network's constants are known nothing is judged by its epochs.
func TestCoordinatedPairOfAnUnknownNetwork(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 10 {
		in := coordinatedSteady(n)
		in.Spec, in.Beacon.Justified = nil, 0
		require.Empty(t, engine.Observe(in).Findings)
	}
}

// Before genesis gwat is not in normal work and nothing calls it: nobody is silent
// and nothing loops. Real nodes look so. Four slots after genesis both would be wrong.
func TestBeforeGenesisNoCallIsMissing(t *testing.T) {
	none := uint64(0)
	for name, change := range map[string]func(*Input){
		"beacon_silent": func(*Input) {},
		"no_peers_loop": func(in *Input) { in.Gwat.Peers = &none },
	} {
		t.Run(name, func(t *testing.T) {
			engine := NewCoordinated(time.Second)
			told := 0
			for n := range 100 {
				in := coordinatedSteady(n)
				in.At = liveSpec.SlotStart(0).Add(time.Duration(n-60) * time.Second)
				in.Stage, in.Gwat.Syncing, in.Coordinated.State = fsm.HeadSync, true, &CoordinatedState{LastFinalized: common.Hash{1}}
				in.Beacon.Head, in.Beacon.Root, in.Beacon.Justified = 0, common.Hash{1}, 0
				in.Beacon.Clock, in.Beacon.ClockAt = liveSpec.SlotAt(in.At), in.At
				change(&in)
				if slices.Contains(names(engine.Observe(in).Findings), name) {
					told = n - 60
					break
				}
			}
			require.GreaterOrEqual(t, told, UnmovedSlots*3, "seconds after genesis")
		})
	}
}

// On a network without transactions gwat has nothing to finalize: for 22 s of a real one
// the head went on and gwat's state stayed as it was. That is no wedged gwat as long as
// gwat has all that the head finalizes, and no loop without peers either.
func TestAnIdleNetworkIsNoFault(t *testing.T) {
	yes, no, none, some := true, false, uint64(0), uint64(1)
	for _, tc := range []struct {
		final *bool
		peers *uint64
		want  string
	}{
		{&yes, &some, ""}, {&yes, &none, ""},
		{&no, &some, "gwat_wedged"}, {nil, &some, "gwat_wedged"},
		{&no, &none, "no_peers_loop"}, {nil, &none, ""},
	} {
		engine := NewCoordinated(time.Second)
		var told []string
		for n := range 120 {
			in := coordinatedSteady(n)
			in.Gwat.Peers, in.Coordinated.HeadFinal = tc.peers, tc.final
			in.Coordinated.State.LastFinalized = common.Hash{1}
			told = append(told, names(engine.Observe(in).Findings)...)
		}
		slices.Sort(told)
		told = slices.Compact(told)
		if tc.want == "" {
			require.Empty(t, told)
		} else {
			require.Equal(t, []string{tc.want}, told)
		}
	}
}

// A beacon node that syncs from nothing takes its head over whole epochs while nothing is
// justified yet. A real one was polled so: slot 0 with is_syncing true, then slot 48 with
// is_syncing false. A head that jumps without a sync is a block on a stale head.
func TestTheEndOfASyncIsNoForkOfItsOwn(t *testing.T) {
	for syncing, fork := range map[bool]bool{true: false, false: true} {
		engine := NewCoordinated(time.Second)
		var told []string
		for n := range 20 {
			in := coordinatedSteady(n)
			clock := primitives.Slot(47 + n/6)
			in.At = liveSpec.SlotStart(clock)
			in.Beacon.Head, in.Beacon.Clock, in.Beacon.ClockAt, in.Beacon.Justified = clock, clock, in.At, 0
			if n < 6 {
				in.Beacon.Head, in.Coordinated.BeaconSyncing = 0, syncing
			}
			for _, f := range engine.Observe(in).Findings {
				told = append(told, f.Name)
			}
		}
		require.Equal(t, fork, slices.Contains(told, "private_fork"), "is_syncing before: %t", syncing)
	}
}

// Fifty quiet minutes of a healthy pair tells nothing.
func TestHealthyCoordinatedPairBringsNoFinding(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 3_000 {
		require.Empty(t, engine.Observe(coordinatedSteady(n)).Findings, "poll %d", n)
	}
}

func TestCoordinatedCatalog(t *testing.T) {
	shared := 0
	for _, e := range CoordinatedCatalog() {
		require.NotEmpty(t, e.Meaning, e.Name)
		require.NotEmpty(t, e.Remedy, e.Name)
		require.NotEmpty(t, e.Window, e.Name)
		if slices.Contains(coordinatedShared, e.Name) {
			shared++
		}
	}
	require.Equal(t, len(coordinatedShared), shared)
}
