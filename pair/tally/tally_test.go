package tally

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/metrics"
	"github.com/gwatsync/syncd/watch/heal"
)

// gathered are the metrics of a tally by name and label values.
func gathered(t *testing.T, tally *Tally) map[string]*dto.Metric {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(tally.Collectors()...)
	return metrics.Series(t, r)
}

// A counter is there, with 0, before its first event: rate() sees that one, too.
func TestCountersBeginAtZero(t *testing.T) {
	counters := 0
	for name, m := range gathered(t, New()) {
		require.NotNil(t, m.GetCounter(), name)
		require.Zero(t, m.GetCounter().GetValue(), name)
		counters++
	}
	events := map[fsm.Event]bool{}
	for _, row := range fsm.Table() {
		events[row.Event] = true
	}
	require.Equal(t, len(events)+3*len(heal.All), counters)
}

func TestWhatHappensIsCounted(t *testing.T) {
	tally := New()
	event, from := fsm.Table()[0].Event, fsm.DAGSync
	tally.Changed(fsm.Change{Event: event, From: from}, 90*time.Second)
	tally.Changed(fsm.Change{Event: event, From: from}, 30*time.Second)
	tally.Healed(heal.Drive, nil)
	tally.Healed(heal.Drive, fmt.Errorf("seen: %w", heal.ErrStopped))
	tally.Healed(heal.Drive, errors.New("gwat answered false"))
	tally.Healed(heal.Drive, errors.New("gwat answered false"))
	tally.Observe("gwat")("eth_syncing", 250*time.Millisecond, nil)
	tally.Observe("gwat")("eth_syncing", 2*time.Second, gwatclient.ErrLost)
	got := gathered(t, tally)
	require.EqualValues(t, 2, got["syncd_stage_changes_total "+string(event)].GetCounter().GetValue())
	stage := got["syncd_stage_duration_seconds "+string(from)].GetHistogram()
	require.EqualValues(t, 2, stage.GetSampleCount())
	require.EqualValues(t, 120, stage.GetSampleSum())
	for result, n := range map[string]float64{HealDone: 1, HealStopped: 1, HealFailed: 2} {
		require.Equal(t, n, got["syncd_heals_total "+string(heal.Drive)+" "+result].GetCounter().GetValue(), result)
	}
	for result, seconds := range map[string]float64{"ok": 0.25, "lost": 2} {
		call := got["syncd_rpc_duration_seconds eth_syncing gwat "+result].GetHistogram()
		require.EqualValues(t, 1, call.GetSampleCount(), result)
		require.Equal(t, seconds, call.GetSampleSum(), result)
	}
}

// The times that people think in are bounds, so that "at most a minute" is counted exactly; a
// call's are finer, and reach beyond its timeout.
func TestRoundTimesAreToldExactly(t *testing.T) {
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		told  func(tally *Tally, took time.Duration)
		times []time.Duration
	}{
		"syncd_stage_duration_seconds": {func(tally *Tally, took time.Duration) { tally.Changed(fsm.Change{From: fsm.DAGSync}, took) },
			[]time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, day, 7 * day}},
		"syncd_rpc_duration_seconds": {func(tally *Tally, took time.Duration) { tally.Observe("gwat")("eth_syncing", took, nil) },
			[]time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute}},
	} {
		for _, took := range tc.times {
			t.Run(name+" "+took.String(), func(t *testing.T) {
				tally := New()
				tc.told(tally, took)
				for metric, m := range gathered(t, tally) {
					if !strings.HasPrefix(metric, name) {
						continue
					}
					for _, b := range m.GetHistogram().GetBucket() {
						if b.GetCumulativeCount() == 1 {
							require.InDelta(t, took.Seconds(), b.GetUpperBound(), 1e-9)
							return
						}
					}
				}
				t.Fatal("it is beyond every bound")
			})
		}
	}
}

func TestResultsAreFewWords(t *testing.T) {
	for want, errs := range map[string][]error{
		"ok":          {nil},
		"canceled":    {context.Canceled, fmt.Errorf("x: %w", context.Canceled)},
		"down":        {gwatclient.ErrDown, beaconclient.ErrDown},
		"lost":        {gwatclient.ErrLost, beaconclient.ErrLost},
		"malformed":   {gwatclient.ErrMalformed, beaconclient.ErrMalformed, beaconclient.ErrTooLarge},
		"http_status": {gwatclient.ErrHTTPStatus, gwatclient.ErrUnauthorized, beaconclient.ErrHTTPStatus},
		"not_found":   {beaconclient.ErrNotFound},
		"refused":     {gwatclient.ErrLocked, gwatclient.ErrRPC, beaconclient.ErrBadRequest, errors.New("anything"), failure.RetryLater},
	} {
		for _, err := range errs {
			require.Equal(t, want, Result(err), err)
			if err != nil {
				require.Equal(t, want, Result(fmt.Errorf("call: %w", err)))
			}
		}
	}
}
