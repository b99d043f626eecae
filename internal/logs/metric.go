package logs

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

// Metric returns the counter of the lines that the log's Writer lost; it stays 0
// for a log that has none.
func Metric(log *logrus.Logger) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "syncd_log_lines_lost_total",
		Help: "Lines of the log that were dropped, because its reader was too slow or gone, since the start of syncd.",
	}, func() float64 {
		if w, ok := log.Out.(*Writer); ok {
			return float64(w.Lost())
		}
		return 0
	})
}
