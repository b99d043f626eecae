package outage

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// Down says which nodes do not answer.
type Down struct {
	Name         string
	Gwat, Beacon bool
}

// Downs returns every combination with a node that does not answer.
func Downs() []Down {
	return []Down{{"gwat", true, false}, {"beacon", false, true}, {"both", true, true}}
}

// members are what a snapshot may have of a node that does not answer.
var members = []string{"endpoint", "reachable", "since", "version", "error", "lagSlots", "lastKnown"}

// Require holds a snapshot to what may be shown while nodes are down.
func Require(t *testing.T, s *status.Snapshot, down Down) {
	t.Helper()
	for _, n := range []struct {
		node status.Node
		down bool
	}{{s.Gwat, down.Gwat}, {s.Beacon, down.Beacon}} {
		require.Equal(t, !n.down, n.node.Reachable)
		if !n.down {
			require.Nil(t, n.node.LastKnown)
			continue
		}
		raw, err := json.Marshal(n.node)
		require.NoError(t, err)
		var shown map[string]any
		require.NoError(t, json.Unmarshal(raw, &shown))
		for member := range shown {
			require.Contains(t, members, member)
		}
		require.NotNil(t, n.node.Error)
		require.NotNil(t, n.node.LastKnown)
	}
	require.NotNil(t, s.Network, "the network stays known")
	require.True(t, !down.Gwat || s.Lock == nil, "only gwat says who holds its lock")
	require.True(t, !down.Beacon || s.Checkpoint == nil, "only the beacon node says what is justified")
	require.Nil(t, s.ETA)
}

// Eras returns both eras.
func Eras() []checkpoint.Era {
	return []checkpoint.Era{checkpoint.EraHeadSync, checkpoint.EraCoordinated}
}

const secondsPerSlot = 4

// silent is for how long a node that is down has not answered.
const silent = 10 * secondsPerSlot * time.Second

// Up returns the snapshot of a pair whose nodes answer.
func Up(stage fsm.Stage, era checkpoint.Era, at time.Time) status.Snapshot {
	const wall = 7_333_333
	s := status.Snapshot{
		Seq: 1, At: at, Pair: "main", Version: "v0.2.0", Era: string(era), Verdict: status.VerdictSyncing,
		Stage: string(stage), Since: at.Add(-time.Minute), Findings: []status.Finding{},
		Network: &status.Network{
			Name: "testnet", ChainID: 1337, GenesisTime: uint64(at.Unix()) - wall*secondsPerSlot, SecondsPerSlot: secondsPerSlot, SlotsPerEpoch: 32, CurrentSlot: wall,
		},
		Gwat:       node("ws://127.0.0.1:8546", 7_111_100, wall, at),
		Beacon:     node("http://127.0.0.1:3500", 7_222_200, wall, at),
		Checkpoint: &status.Checkpoint{Checkpoint: checkpoint.Checkpoint{Epoch: 7_222_208}, Slot: 7_222_209},
	}
	s.Gwat.Progress.Unit, s.Beacon.Progress.Unit = "block", "slot"
	if era == checkpoint.EraHeadSync {
		s.Lock = &status.Lock{Ours: true, Until: at.Add(time.Minute)}
		s.Push = &status.Push{Phase: "failed", From: 10, To: 20, Started: at.Add(-time.Minute), Progress: status.Progress{Unit: "entry", Current: 3, Target: 9}}
	}
	return s
}

// node returns a node with values that follow base.
func node(endpoint string, base, wall uint64, at time.Time) status.Node {
	slot, finalized, peers, latency, lag, eta := primitives.Slot(base+1), base+2, base+3, float64(base+4), wall-base-1, at.Add(time.Hour)
	return status.Node{
		Endpoint: endpoint, Reachable: true, Since: at.Add(-time.Hour), Version: "v1", Peers: &peers, LatencyMS: &latency, SyncStage: "finalized",
		Slot: &slot, LagSlots: &lag, Finalized: &finalized,
		Progress: &status.Progress{From: base + 5, Current: base + 6, Target: base + 7, Rate: float64(base + 8), ETA: &eta},
	}
}

// After returns what follows on Up when nodes have not answered since.
func After(up status.Snapshot, down Down) status.Snapshot {
	s := up
	s.Seq++
	s.At = up.At.Add(silent)
	network := *up.Network
	network.CurrentSlot += primitives.Slot(silent / (secondsPerSlot * time.Second))
	s.Network, s.Verdict = &network, status.VerdictFailing
	if down.Gwat {
		s.Gwat, s.Lock = dead(up.Gwat, up.At, network.CurrentSlot), nil
	}
	if down.Beacon {
		s.Beacon, s.Checkpoint = dead(up.Beacon, up.At, network.CurrentSlot), nil
	}
	return s
}

func dead(n status.Node, at time.Time, wall primitives.Slot) status.Node {
	lag := uint64(wall - *n.Slot)
	return status.Node{
		Endpoint: n.Endpoint, Version: n.Version, Since: at, LagSlots: &lag,
		Error:     &status.Error{Kind: "retry_later", Message: "connection refused", At: at.Add(silent)},
		LastKnown: &status.LastKnown{At: at, Slot: n.Slot, Finalized: n.Finalized},
	}
}

// Old returns the numbers of Up that nothing may show as of now while nodes are down.
func Old(up status.Snapshot, down Down) []string {
	var out []string
	old := func(n status.Node) {
		for i := *n.Slot; i < *n.Slot+8; i++ {
			out = append(out, fmt.Sprint(i))
		}
		out = append(out, fmt.Sprint(*n.LagSlots))
	}
	if down.Gwat {
		old(up.Gwat)
	}
	if down.Beacon {
		old(up.Beacon)
		out = append(out, fmt.Sprint(up.Checkpoint.Slot), fmt.Sprint(up.Checkpoint.Epoch))
	}
	return slices.Compact(out)
}
