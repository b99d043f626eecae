package health

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// todaysPoll is one poll of a pair of today's era while gwat was
// restarted: 73 s of polls 0.3 s apart.
type todaysPoll struct {
	At          float64 // Unix seconds
	Head        primitives.Slot
	Distance    primitives.Slot
	IsSyncing   bool
	BeaconPeers uint64
	GwatDown    bool // the socket was gone
	GwatPeers   uint64
	EthSyncing  bool   // it was an object
	CPSlot      uint64 // of wat_info: the slot of gwat's own checkpoint
	MaxDAGSlot  primitives.Slot
}

// todaysSpec is that network's; the clock passed to slot 205 at 1795207931.
var todaysSpec = checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 2, CreatorsPerSlot: 4, DepositChainID: 1337, GenesisTime: 1795207931 - 205*2}

// input maps today's answers: the slot of gwat's checkpoint stands for its
// finality, for it moves forth and back with it; spines are not part of the answer.
func (p todaysPoll) input(begin float64) Input {
	at := time.UnixMicro(int64(p.At * 1e6))
	in := Input{At: at, Elapsed: time.Duration((p.At - begin) * float64(time.Second)), Stage: fsm.Working, Spec: &todaysSpec}
	in.Beacon = Beacon{Node: Node{Reach: Answers, Peers: &p.BeaconPeers}, Known: true, Head: p.Head, Clock: p.Head + p.Distance, ClockAt: at, Justified: todaysSpec.Epoch(p.Head) - 2}
	binary.BigEndian.PutUint64(in.Beacon.Root[:], uint64(p.Head))
	in.Events = uint64(p.Head)
	if p.GwatDown {
		in.Stage = fsm.Connecting
		in.Gwat.Node = Node{Reach: Down, Error: "no such file or directory"}
		return in
	}
	if p.EthSyncing {
		in.Stage = fsm.CheckpointSync
	}
	in.Gwat = Gwat{Node: Node{Reach: Answers, Peers: &p.GwatPeers}, Syncing: p.EthSyncing, TipSlot: p.MaxDAGSlot, Number: &p.CPSlot, Slot: primitives.Slot(p.CPSlot)}
	return in
}

// The verdict on today's nodes, at times of their restart. What is expected comes
// from what happened: gwat was killed 1.5 s after the first poll and came back
// 26.3 s after it, set back from its checkpoint at slot 124 and without peers; it
// found one at 36.6 s, synced, and had its checkpoint back at 38.2 s. All the
// while the beacon node said is_syncing false at a distance of at most 1.
func TestTodaysNodesOverARestart(t *testing.T) {
	expected := []struct {
		after    float64 // seconds after the first poll
		findings []string
		verdict  string
	}{
		{1.3, nil, status.VerdictWorking},
		{1.9, nil, status.VerdictSyncing}, // two polls without an answer
		{2.3, []string{"gwat_unreachable"}, status.VerdictFailing},
		{10, []string{"gwat_unreachable"}, status.VerdictFailing},
		{26.2, []string{"gwat_unreachable"}, status.VerdictFailing},
		{26.7, []string{"gwat_unreachable"}, status.VerdictFailing}, // two answers
		{27, []string{"gwat_rolled_back"}, status.VerdictFailing},
		{29, []string{"gwat_rolled_back"}, status.VerdictFailing},
		{31, []string{"gwat_no_peers", "gwat_rolled_back"}, status.VerdictFailing},
		{36.5, []string{"gwat_no_peers", "gwat_rolled_back"}, status.VerdictFailing},
		{37.5, []string{"gwat_rolled_back"}, status.VerdictFailing}, // three polls with a peer
		{38.7, nil, status.VerdictSyncing},                          // it climbs in its own sync
		{39.5, nil, status.VerdictWorking},
		{60, nil, status.VerdictWorking},
		{73, nil, status.VerdictWorking},
	}
	file, err := os.Open("testdata/coordinated-restart.jsonl")
	require.NoError(t, err)
	defer file.Close()
	j := New(300 * time.Millisecond)
	begin, next := 0.0, 0
	var last Report
	var stage fsm.Stage
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var p todaysPoll
		require.NoError(t, json.Unmarshal(lines.Bytes(), &p))
		require.False(t, p.IsSyncing, "the beacon node's flag never showed anything")
		require.LessOrEqual(t, p.Distance, primitives.Slot(1))
		if begin == 0 {
			begin = p.At
		}
		for ; next < len(expected) && p.At-begin > expected[next].after; next++ {
			want := expected[next]
			require.ElementsMatch(t, want.findings, names(last.Findings), "after %.1f s", want.after)
			require.Equal(t, want.verdict, Of(stage, last.Findings, true), "after %.1f s", want.after)
		}
		in := p.input(begin)
		stage, last = in.Stage, j.Observe(in)
	}
	require.Equal(t, len(expected), next, "the recording ends too early")
}

// The driver's calls for past epochs succeed each second and change gwat's checkpoint, while
// no block becomes final: with peers that is a wedged gwat, without them the loop.
func TestACheckpointThatChangesIsNoProgress(t *testing.T) {
	for finding, peers := range map[string]uint64{"gwat_wedged": 2, "no_peers_loop": 0} {
		told := false
		e, three := NewCoordinated(time.Second), uint64(3)
		for i := range 60 {
			at := todaysSpec.SlotStart(200).Add(time.Duration(i) * time.Second)
			head := todaysSpec.SlotAt(at)
			in := Input{At: at, Elapsed: time.Duration(i) * time.Second, Stage: fsm.CheckpointSync, Spec: &todaysSpec}
			in.Beacon = Beacon{Node: Node{Reach: Answers, Peers: &three}, Known: true, Head: head, Clock: head, ClockAt: at, Justified: todaysSpec.Epoch(head) - 1}
			in.Gwat = Gwat{Node: Node{Reach: Answers, Peers: &peers}}
			in.Coordinated = &Coordinated{
				State:           &CoordinatedState{Epoch: primitives.Epoch(4 + i%2)},
				CheckpointKnown: new(true), HeadFinal: new(bool),
			}
			told = slices.Contains(names(e.Observe(in).Findings), finding)
		}
		require.True(t, told, finding)
	}
}
