package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestValuesNameEachSeries(t *testing.T) {
	of := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "calls_total", Help: "h"}, []string{"zone", "at"})
	of.WithLabelValues("a", "b").Add(3)
	of.WithLabelValues("a", "c").Inc()
	require.Equal(t, map[string]float64{"calls_total b a": 3, "calls_total c a": 1}, Values(t, of))
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "level", Help: "h"})
	gauge.Set(-2)
	require.Equal(t, map[string]float64{"level": -2}, Values(t, gauge))
}
