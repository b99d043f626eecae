package pair

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/testworld/section"
	"github.com/gwatsync/syncd/internal/webhook"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

func ptr[T any](v T) *T { return &v }

// fullSnapshot has every value that a metric mirrors.
func fullSnapshot() *status.Snapshot {
	at := time.Unix(1_700_000_000, 500_000_000)
	first := health.Catalog()[0]
	return &status.Snapshot{
		Seq: 42, At: at, Version: "v1", Observe: true, Stage: string(fsm.HeadSync), Verdict: status.VerdictFailing, Since: at.Add(-time.Minute), ETA: ptr(at.Add(time.Hour)),
		Findings: []status.Finding{{Name: first.Name, Severity: first.Severity, ExplainedBy: "wrong_network"}},
		Network:  &status.Network{Name: "testnet", CurrentSlot: 101},
		Gwat:     status.Node{Reachable: true, Version: "gwat/1", Peers: ptr(uint64(3)), LatencyMS: ptr(12.5), Slot: ptr(primitives.Slot(97)), LagSlots: ptr(uint64(4)), Finalized: ptr(uint64(77)), Progress: &status.Progress{Current: 78}},
		Beacon: status.Node{
			Version: "prysm/1", Error: &status.Error{}, Peers: ptr(uint64(0)), LatencyMS: ptr(2.0), Slot: ptr(primitives.Slot(99)), LagSlots: ptr(uint64(2)), Finalized: ptr(uint64(64)),
			LastKnown: &status.LastKnown{At: at},
		},
		Push:       &status.Push{Progress: status.Progress{Current: 5, Target: 9}},
		Checkpoint: &status.Checkpoint{Slot: 80}, Confirmed: &status.Confirmed{Slot: 96}, Lock: &status.Lock{Ours: true},
	}
}

// filled is a registry in which every metric has a value.
func filled(t *testing.T, snapshot func() *status.Snapshot) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewRegistry()
	m, err := newMetrics(r, "main")
	require.NoError(t, err)
	require.NoError(t, m.mirror(snapshot))
	m.Changed(fsm.Change{From: fsm.HeadSync, To: fsm.Switching, Event: fsm.Pushed}, time.Minute)
	m.ended(nil, false)
	m.pushed.Add(3)
	m.Observe(publish.NodeGwat)("eth_syncing", time.Millisecond, nil)
	d := timedDriver{fakeDriver{}, m}
	require.ErrorIs(t, d.Prepare(context.Background(), checkpoint.ConsensusInfo{}), protocol.ErrRefused)
	_, err = d.Push(context.Background(), nil)
	require.NoError(t, err)
	require.NoError(t, d.Release(context.Background()))
	passed, err := gate.NewMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"pair": "main"}, r))
	require.NoError(t, err)
	require.NoError(t, prometheus.WrapRegistererWith(prometheus.Labels{"pair": "main"}, r).Register(webhook.New(webhook.Config{})))
	passed.Observe(gate.Call{Method: "dag_finalize", Action: gate.ActionHold, Outcome: gate.OutcomeOK})
	return r
}

// fakeDriver refuses to prepare and does the rest.
type fakeDriver struct{ headsync.Driver }

func (fakeDriver) Prepare(context.Context, checkpoint.ConsensusInfo) error {
	return protocol.ErrRefused
}
func (fakeDriver) Push(context.Context, []checkpoint.ConsensusInfo) (*protocol.Mark, error) {
	return nil, nil
}
func (fakeDriver) Release(context.Context) error { return nil }

// gathered gives the families of a registry by name.
func gathered(t *testing.T, r prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	out := map[string]*dto.MetricFamily{}
	for _, f := range families {
		out[f.GetName()] = f
	}
	return out
}

// value is that of the series of a gauge or counter with these label values, the
// count of a histogram.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	require.Contains(t, families, name)
	for _, m := range families[name].GetMetric() {
		var values []string
		for _, l := range m.GetLabel() {
			if l.GetName() == "pair" {
				require.Equal(t, "main", l.GetValue())
				continue
			}
			values = append(values, l.GetValue())
		}
		if !slices.Equal(values, labels) {
			continue
		}
		if h := m.GetHistogram(); h != nil {
			return float64(h.GetSampleCount())
		}
		return m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	require.Failf(t, "no such series", "%s %v", name, labels)
	return 0
}

func TestMirrorTellsWhatTheSnapshotTells(t *testing.T) {
	f := gathered(t, filled(t, fullSnapshot))
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{42, "syncd_snapshot_seq", nil},
		{1_700_000_000.5, "syncd_snapshot_timestamp_seconds", nil},
		{1, "syncd_build_info", []string{"true", "v1"}},
		{1, "syncd_pair_info", []string{"prysm/1", "gwat/1", "testnet"}},
		{1, "syncd_stage", []string{"head_sync"}},
		{0, "syncd_stage", []string{"working"}},
		{1_699_999_940.5, "syncd_stage_entered_timestamp_seconds", nil},
		{1, "syncd_verdict", []string{"failing"}},
		{0, "syncd_verdict", []string{"working"}},
		{1_700_003_600.5, "syncd_eta_timestamp_seconds", nil},
		{1, "syncd_node_up", []string{"gwat"}},
		{0, "syncd_node_up", []string{"beacon"}},
		{.0125, "syncd_node_latency_seconds", []string{"gwat"}},
		{3, "syncd_node_peers", []string{"gwat"}},
		{0, "syncd_node_peers", []string{"beacon"}},
		{97, "syncd_node_slot", []string{"gwat"}},
		{2, "syncd_node_lag_slots", []string{"beacon"}},
		{78, "syncd_node_progress", []string{"gwat"}},
		{101, "syncd_wall_clock_slot", nil},
		{77, "syncd_gwat_finalized_number", nil},
		{64, "syncd_beacon_finalized_slot", nil},
		{80, "syncd_checkpoint_slot", nil},
		{96, "syncd_confirmed_slot", nil},
		{5, "syncd_push_entries_done", nil},
		{9, "syncd_push_entries_target", nil},
		{1, "syncd_gwat_lock_held", []string{"syncd"}},
		{0, "syncd_gwat_lock_held", []string{"another"}},
		{1, "syncd_stage_changes_total", []string{"pushed"}},
		{0, "syncd_stage_changes_total", []string{"work_lost"}},
		{1, "syncd_stage_duration_seconds", []string{"head_sync"}},
		{1, "syncd_head_sync_attempts_total", []string{"pushed"}},
		{0, "syncd_head_sync_attempts_total", []string{"level"}},
		{3, "syncd_pushed_entries_total", nil},
		{1, "syncd_rollback_duration_seconds", []string{"not_done"}},
		{2, "syncd_push_duration_seconds", []string{"ok"}},
		{1, "syncd_rpc_duration_seconds", []string{"eth_syncing", "gwat", "ok"}},
	} {
		require.Equal(t, c.want, value(t, f, c.name, c.labels...), "%s %v", c.name, c.labels)
	}
	for i, e := range health.Catalog() {
		want := 0.0
		if i == 0 {
			want = 1
		}
		require.Equal(t, want, value(t, f, "syncd_finding", e.Name, e.Severity), e.Name)
	}
	require.Len(t, f["syncd_finding"].GetMetric(), len(health.Catalog()))
	require.Equal(t, 1.0, value(t, f, "syncd_finding_explained", "wrong_network", health.Catalog()[0].Name))
}

// What is not known is absent, not 0.
func TestMirrorLeavesOutWhatIsNotKnown(t *testing.T) {
	f := gathered(t, filled(t, func() *status.Snapshot { return &status.Snapshot{Seq: 1, Stage: string(fsm.Connecting)} }))
	for _, name := range []string{
		"syncd_node_slot", "syncd_node_lag_slots", "syncd_node_progress", "syncd_node_peers", "syncd_eta_timestamp_seconds", "syncd_wall_clock_slot", "syncd_gwat_finalized_number",
		"syncd_beacon_finalized_slot", "syncd_checkpoint_slot", "syncd_confirmed_slot", "syncd_push_entries_done", "syncd_push_entries_target",
	} {
		require.NotContains(t, f, name)
	}
	require.NotContains(t, gathered(t, filled(t, func() *status.Snapshot { return nil })), "syncd_snapshot_seq")
}

// However fast snapshots come, a scrape is of one.
func TestAScrapeIsOfOneSnapshot(t *testing.T) {
	var asked uint64
	r := filled(t, func() *status.Snapshot {
		asked++
		s := fullSnapshot()
		s.Seq, s.Gwat.Finalized, s.Confirmed = asked, &asked, &status.Confirmed{Slot: primitives.Slot(asked)}
		return s
	})
	for i := range uint64(5) {
		f := gathered(t, r)
		require.EqualValues(t, i+1, value(t, f, "syncd_snapshot_seq"))
		require.EqualValues(t, i+1, value(t, f, "syncd_gwat_finalized_number"))
		require.EqualValues(t, i+1, value(t, f, "syncd_confirmed_slot"))
		require.Equal(t, i+1, asked)
	}
}

func TestMetricsOfAPair(t *testing.T) {
	onBench(t, func(t *testing.T) {
		r := prometheus.NewRegistry()
		b := newBench(t, quickWorld(t, nil), nil, idle)
		d := b.start(func(c *Config) { c.Registerer, c.Name = r, "main" })
		d.reaches(fsm.Switching)
		b.beacon.SetIdle(false)
		d.reaches(fsm.Working)
		f := gathered(t, r)
		require.EqualValues(t, 1, value(t, f, "syncd_stage_changes_total", "verified"))
		for _, stage := range []fsm.Stage{fsm.Connecting, fsm.CheckpointSync, fsm.DAGSync, fsm.HeadSyncReady, fsm.HeadSync, fsm.Switching} {
			require.EqualValues(t, 1, value(t, f, "syncd_stage_duration_seconds", string(stage)), stage)
		}
		require.Positive(t, value(t, f, "syncd_head_sync_attempts_total", "pushed"))
		require.Positive(t, value(t, f, "syncd_pushed_entries_total"))
		require.EqualValues(t, b.calls("dag_headSync"), value(t, f, "syncd_push_duration_seconds", "ok"))
		require.Positive(t, value(t, f, "syncd_rollback_duration_seconds", "ok"))
		require.EqualValues(t, b.calls("dag_headSync"), value(t, f, "syncd_rpc_duration_seconds", "dag_headSync", "gwat", "ok"))
		require.Positive(t, value(t, f, "syncd_rpc_duration_seconds", "eth_syncing", "gwat", "ok"))
		require.Positive(t, value(t, f, "syncd_rpc_duration_seconds", "/eth/v1/beacon/headers/{id}", "beacon", "ok"))
		b.gwatHost.Down()
		d.reaches(fsm.Connecting)
		failed := map[string]bool{}
		for _, m := range gathered(t, r)["syncd_rpc_duration_seconds"].GetMetric() {
			if m.GetLabel()[1].GetValue() == publish.NodeGwat {
				failed[m.GetLabel()[3].GetValue()] = true
			}
		}
		require.True(t, failed["down"] || failed["lost"], "%v", failed)
	})
}

// An attempt and a call to gwat are counted by how they ended; the bounds of a push's
// time are round ones.
func TestHowAttemptsAndPushesEnd(t *testing.T) {
	r := prometheus.NewRegistry()
	m, err := newMetrics(r, "main")
	require.NoError(t, err)
	m.ended(nil, true)
	m.ended(nil, false)
	m.ended(protocol.ErrBusy, true)
	for _, answer := range []error{nil, protocol.ErrRefused, gwatclient.ErrLost} {
		d := timedDriver{&fakeCalls{readyErr: answer}, m}
		require.ErrorIs(t, d.Prepare(t.Context(), checkpoint.Genesis()), answer)
		_, err := d.Push(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, d.Release(t.Context()))
	}
	f := gathered(t, r)
	for result, n := range map[string]float64{"level": 1, "pushed": 1, "retry_later": 1, "retry_now": 0, "restart_attempt": 0, "needs_human": 0} {
		require.Equal(t, n, value(t, f, "syncd_head_sync_attempts_total", result), result)
	}
	for _, result := range []string{"ok", "not_done", "lost"} {
		require.EqualValues(t, 1, value(t, f, "syncd_rollback_duration_seconds", result), result)
	}
	require.EqualValues(t, 6, value(t, f, "syncd_push_duration_seconds", "ok"))
	var bounds []float64
	for _, b := range f["syncd_push_duration_seconds"].GetMetric()[0].GetHistogram().GetBucket() {
		bounds = append(bounds, b.GetUpperBound())
	}
	for _, seconds := range []float64{1, 5, 10, 20, 40, 80, 120} {
		require.Contains(t, bounds, seconds)
	}
}

// docs/metrics.md has one row for each metric, as the registry has it; -update
// writes the table.
func TestMetricsDocument(t *testing.T) {
	const path, begin, end = "../docs/metrics.md", "<!-- table -->\n", "<!-- end of the table -->"
	var table strings.Builder
	table.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	families, err := filled(t, fullSnapshot).Gather()
	require.NoError(t, err)
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			if l.GetName() != "pair" {
				labels = append(labels, "`"+l.GetName()+"`")
			}
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	section.Require(t, path, begin, end, table.String(), *update)
}
