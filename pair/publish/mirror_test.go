package publish

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

// Each value of a snapshot is one metric, and a value that is not known is none.
func TestEachValueOfASnapshotIsAMetric(t *testing.T) {
	at := time.UnixMilli(1_000_500)
	slot, n, latency := primitives.Slot(30), uint64(7), 20.0
	always := map[string]float64{"syncd_snapshot_seq": 5, "syncd_snapshot_timestamp_seconds": 1000.5, "syncd_stage_entered_timestamp_seconds": 940.5,
		"syncd_build_info false v": 1, "syncd_pair_info b g ": 1}
	for _, stage := range fsm.Stages() {
		always["syncd_stage "+string(stage)] = 0
	}
	always["syncd_stage switching"] = 1
	for _, v := range []string{"unknown", "syncing", "working", "failing", "paused", "halted"} {
		always["syncd_verdict "+v] = 0
	}
	always["syncd_verdict syncing"] = 1
	bare := status.Snapshot{Seq: 5, At: at, Since: at.Add(-time.Minute), Stage: "switching", Verdict: status.VerdictSyncing, Version: "v", Gwat: status.Node{Version: "g"}, Beacon: status.Node{Version: "b"}}
	for name, tc := range map[string]struct {
		change func(*status.Snapshot)
		more   map[string]float64
	}{
		"nothing more": {func(*status.Snapshot) {}, nil},
		"all of it": {func(s *status.Snapshot) {
			s.ETA = &at
			s.Push = &status.Push{Progress: status.Progress{Current: 2, Target: 9}}
			s.Checkpoint = &status.Checkpoint{Slot: 24}
			s.Confirmed = &status.Confirmed{Slot: 26}
			s.Gwat = status.Node{Version: "g", Reachable: true, LatencyMS: &latency, Peers: &n, Slot: &slot, LagSlots: &n, Finalized: &n, Progress: &status.Progress{Current: 3}}
			s.Beacon = status.Node{Version: "b", Error: &status.Error{Message: "gone"}, LastKnown: &status.LastKnown{At: at}}
		}, map[string]float64{
			"syncd_eta_timestamp_seconds": 1000.5, "syncd_push_entries_done": 2, "syncd_push_entries_target": 9,
			"syncd_checkpoint_slot": 24, "syncd_confirmed_slot": 26,
			"syncd_node_up gwat": 1, "syncd_node_latency_seconds gwat": 0.02, "syncd_node_peers gwat": 7, "syncd_node_slot gwat": 30,
			"syncd_node_lag_slots gwat": 7, "syncd_gwat_finalized_number": 7, "syncd_node_progress gwat": 3,
			"syncd_node_up beacon": 0, "syncd_node_last_answer_timestamp_seconds beacon": 1000.5,
			"syncd_gwat_lock_held syncd": 0, "syncd_gwat_lock_held another": 0,
		}},
		"the beacon's finality": {func(s *status.Snapshot) { s.Beacon = status.Node{Version: "b", Reachable: true, Finalized: &n} },
			map[string]float64{"syncd_node_up beacon": 1, "syncd_beacon_finalized_slot": 7}},
		"our lock": {func(s *status.Snapshot) { s.Gwat.Reachable, s.Lock = true, &status.Lock{Ours: true} },
			map[string]float64{"syncd_node_up gwat": 1, "syncd_gwat_lock_held syncd": 1, "syncd_gwat_lock_held another": 0}},
		"another's lock": {func(s *status.Snapshot) { s.Gwat.Reachable, s.Lock = true, &status.Lock{} },
			map[string]float64{"syncd_node_up gwat": 1, "syncd_gwat_lock_held syncd": 0, "syncd_gwat_lock_held another": 1}},
		"a lock nobody can see": {func(s *status.Snapshot) { s.Lock = &status.Lock{Ours: true} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := bare
			tc.change(&s)
			want := maps.Clone(always)
			maps.Copy(want, tc.more)
			require.Equal(t, want, gauges(t, &s))
		})
	}
}

func TestWhatIsTrueOfThePairIsALabel(t *testing.T) {
	s := &status.Snapshot{
		Version: "v", Observe: true, Gwat: status.Node{Version: "g"}, Beacon: status.Node{Version: "b"},
		Network: &status.Network{Name: "devnet", CurrentSlot: 33},
	}
	got := gauges(t, s)
	require.EqualValues(t, 1, got["syncd_build_info true v"])
	require.EqualValues(t, 1, got["syncd_pair_info b g devnet"])
	require.EqualValues(t, 33, got["syncd_wall_clock_slot"])
}

// Every finding of the catalog has a metric; one that is active has its own severity.
func TestEveryFindingOfTheCatalogIsAMetric(t *testing.T) {
	catalog := []health.Entry{{Name: "a", Severity: status.SeverityWarning}, {Name: "b", Severity: status.SeverityWarning}, {Name: "c", Severity: status.SeverityWarning}}
	s := &status.Snapshot{Findings: []status.Finding{{Name: "b", Severity: status.SeverityCritical}, {Name: "c", Severity: status.SeverityWarning, ExplainedBy: "b"}}}
	got := map[string]float64{}
	for name, v := range gauges(t, s, catalog...) {
		if len(name) > 13 && name[:13] == "syncd_finding" {
			got[name] = v
		}
	}
	require.Equal(t, map[string]float64{
		"syncd_finding a warning": 0, "syncd_finding b critical": 1, "syncd_finding c warning": 1, "syncd_finding_explained b c": 1,
	}, got)
}

func TestNoMetricBeforeTheFirstSnapshot(t *testing.T) {
	require.Empty(t, gauges(t, nil))
	descs := make(chan *prometheus.Desc, 100)
	NewMirror(nil, nil).Describe(descs)
	require.NotEmpty(t, descs, "it says beforehand what it may collect")
}

// What a node that answers lags behind is counted at the newest poll while polls come, and
// at the clock when none has ended for more than two intervals.
func TestLagIsCountedAtTheNewestPoll(t *testing.T) {
	for name, tc := range map[string]struct {
		since time.Duration // the newest poll, at the last moment of slot 32
		want  uint64
	}{
		"two intervals":   {2 * time.Second, 2},
		"a moment longer": {2*time.Second + 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := stateAt(fsm.Working)
			s.Nodes.Last.At = spec.SlotStart(33).Add(-time.Millisecond)
			s.Nodes.Last.Gwat.At = s.Nodes.Last.At
			s.At = s.Nodes.Last.At.Add(tc.since)
			require.Equal(t, tc.want, *Build(s).Gwat.LagSlots)
		})
	}
}

// A node that answered at once is no further behind because the poll waited for the other one.
func TestAHungNodePutsTheOtherOneNotBehind(t *testing.T) {
	s := stateAt(fsm.Connecting)
	o := s.Nodes.Last
	o.Beacon.At = spec.SlotStart(31)
	o.At = o.Beacon.At.Add(5 * time.Second) // in the next slot
	s.At = o.At
	o.Gwat.Err = context.DeadlineExceeded
	require.Zero(t, *Build(s).Beacon.LagSlots)
}

func TestBeaconIsSyncedNearTheClock(t *testing.T) {
	s := stateAt(fsm.DAGSync)
	s.Nodes.Last.Beacon.Syncing.HeadSlot, s.Nodes.Last.Beacon.Syncing.Distance = 1, 31
	require.Equal(t, "syncing", Build(s).Beacon.SyncStage)
	s.Nodes.Last.Beacon.Syncing.Distance = checkpoint.NearHead
	require.Equal(t, "synced", Build(s).Beacon.SyncStage)
	s.Nodes.Measured.Spec = nil
	require.Empty(t, Build(s).Beacon.SyncStage, "without the network there is no clock to be near to")
}
