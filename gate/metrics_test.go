package gate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/metrics"
)

// series returns the metrics of a family by the values of their labels, in the order
// of the labels' names.
func series(t *testing.T, r prometheus.Gatherer, name string) map[string]*dto.Metric {
	t.Helper()
	out := map[string]*dto.Metric{}
	for key, m := range metrics.Series(t, r) {
		if labels, ok := strings.CutPrefix(key, name+" "); ok {
			out[" "+labels] = m
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	m, err := NewMetrics(r)
	require.NoError(t, err)
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, "1") })
	g := startGate(t, gwat.endpoint("http"), headSync, func(cfg *Config) { cfg.Observe = m.Observe })
	c := dialGate(t, g, "http")
	call := func(method string) {
		_, _, err := c.call(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[{}]}`, method))
		require.NoError(t, err)
	}
	call("eth_chainId")
	call(methodReady)
	const made = 100
	for i := range made { // what a caller makes up has one label
		call(fmt.Sprintf("eth_made%d", i))
	}
	waitFor(t, "every call is recorded", func() bool { return g.Status().Calls == made+2 })
	calls := series(t, r, "syncd_gate_calls_total")
	require.Len(t, calls, 3)
	require.EqualValues(t, 1, calls[" eth_chainId ok"].GetCounter().GetValue())
	require.EqualValues(t, 1, calls[" dag_headSyncReady answered"].GetCounter().GetValue())
	require.EqualValues(t, made, calls[" other ok"].GetCounter().GetValue())
	took := series(t, r, "syncd_gate_call_duration_seconds")
	require.Len(t, took, 3)
	require.EqualValues(t, made, took[" forward other"].GetHistogram().GetSampleCount())
	require.EqualValues(t, 1, took[" answer dag_headSyncReady"].GetHistogram().GetSampleCount())
	m.Observe(Call{Method: methodFinalize, Action: ActionHold, Outcome: OutcomeAbsorbed, Duration: 20 * time.Second})
	require.InDelta(t, 20, series(t, r, "syncd_gate_call_duration_seconds")[" hold dag_finalize"].GetHistogram().GetSampleSum(), 0)
	_, err = NewMetrics(r)
	require.Error(t, err, "twice in one registry")
}
