package api

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

// series are the gauges of a scrape, by name and the values of their labels.
func series(t *testing.T, url string) map[string]float64 {
	t.Helper()
	res, err := http.Get(url + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(res.Body)
	require.NoError(t, err)
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			key := name
			for _, l := range m.GetLabel() {
				if l.GetName() != "pair" {
					key += " " + l.GetValue()
				}
			}
			if m.GetGauge() != nil {
				out[key] = m.GetGauge().GetValue()
			}
		}
	}
	return out
}

// mirrored are the gauges that a snapshot asks for.
func mirrored(s *status.Snapshot) map[string]float64 {
	unix := func(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
	bit := map[bool]float64{true: 1}
	out := map[string]float64{
		"syncd_snapshot_seq": float64(s.Seq), "syncd_snapshot_timestamp_seconds": unix(s.At), "syncd_stage_entered_timestamp_seconds": unix(s.Since),
		"syncd_verdict working": bit[s.Verdict == status.VerdictWorking],
	}
	for _, stage := range fsm.Stages() {
		out["syncd_stage "+string(stage)] = bit[s.Stage == string(stage)]
	}
	for _, e := range health.Catalog() {
		out[fmt.Sprintf("syncd_finding %s %s", e.Name, e.Severity)] = 0
	}
	for _, f := range s.Findings {
		out[fmt.Sprintf("syncd_finding %s %s", f.Name, f.Severity)] = 1
	}
	for name, n := range map[string]status.Node{"gwat": s.Gwat, "beacon": s.Beacon} {
		if n.Reachable || n.Error != nil { // else it was not polled yet
			out["syncd_node_up "+name] = bit[n.Reachable]
		}
		if n.Slot != nil {
			out["syncd_node_slot "+name], out["syncd_node_lag_slots "+name] = float64(*n.Slot), float64(*n.LagSlots)
		}
	}
	if s.Gwat.Finalized != nil {
		out["syncd_gwat_finalized_number"] = float64(*s.Gwat.Finalized)
	}
	if s.Push != nil {
		out["syncd_push_entries_done"], out["syncd_push_entries_target"] = float64(s.Push.Progress.Current), float64(s.Push.Progress.Target)
	}
	return out
}

// On its whole way a pair tells the same in the metrics as over JSON-RPC: where
// the numbers of the snapshots are equal, so are the contents.
func TestMetricsAndStatusAreOfTheSameSnapshot(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := simulated(t, registry, 15, 500*time.Millisecond)
	url := "http://" + start(t, p, func(c *Config) { c.Gatherer = registry })
	c, err := rpc.DialContext(t.Context(), url)
	require.NoError(t, err)
	defer c.Close()
	compared, stages := 0, map[string]bool{}
	tick := time.NewTicker(60 * time.Millisecond) // the rate of one address is bounded
	defer tick.Stop()
	late := time.Now().Add(2 * time.Minute)
	for stage := ""; stage != string(fsm.Working) || compared < 10; {
		<-tick.C
		require.True(t, time.Now().Before(late), "%d compared, stages %v", compared, stages)
		var snap, after status.Snapshot
		require.NoError(t, c.CallContext(t.Context(), &snap, "syncd_status"))
		scrape := series(t, url)
		require.NoError(t, c.CallContext(t.Context(), &after, "syncd_status"))
		stage = after.Stage
		if scrape["syncd_snapshot_seq"] == float64(after.Seq) {
			snap = after
		}
		if scrape["syncd_snapshot_seq"] != float64(snap.Seq) {
			continue // one came between them
		}
		compared++
		stages[snap.Stage] = true
		for name, want := range mirrored(&snap) {
			got, ok := scrape[name]
			require.True(t, ok, name)
			require.InDelta(t, want, got, 1e-6, name)
		}
		var findings Findings
		require.NoError(t, c.CallContext(t.Context(), &findings, "syncd_findings"))
		if findings.Seq == snap.Seq {
			require.Equal(t, findingsOf(&snap), findings)
		}
	}
	require.GreaterOrEqual(t, len(stages), 3, "too few stages were compared: %v", stages)
}
