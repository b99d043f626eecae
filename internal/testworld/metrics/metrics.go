package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// Series returns every series, by its name and the values of its labels with spaces between
// them, in the order of the labels' names.
func Series(t *testing.T, from prometheus.Gatherer) map[string]*dto.Metric {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	out := map[string]*dto.Metric{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m
		}
	}
	return out
}

// Values returns the value of every gauge and counter of a collector, by names as of Series.
func Values(t *testing.T, of prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(of))
	out := map[string]float64{}
	for name, m := range Series(t, registry) {
		out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return out
}
