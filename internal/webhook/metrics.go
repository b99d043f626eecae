package webhook

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are what became of the messages since the start.
type counts struct {
	delivered, givenUp, leftOut atomic.Uint64
	sending                     atomic.Bool // a message that is not in the queue is tried
}

var (
	descMessages = prometheus.NewDesc("syncd_notify_messages_total",
		"Messages to notify.url since the start of syncd, by outcome: delivered, given_up (refused, or not taken for six hours), left_out (of a full queue).", []string{"outcome"}, nil)
	descQueued = prometheus.NewDesc("syncd_notify_queued", "Messages to notify.url that wait, with the one that is tried.", nil, nil)
)

// Describe is part of prometheus.Collector.
func (w *Webhook) Describe(out chan<- *prometheus.Desc) { out <- descMessages; out <- descQueued }

// Collect is part of prometheus.Collector.
func (w *Webhook) Collect(out chan<- prometheus.Metric) {
	for outcome, n := range map[string]uint64{"delivered": w.counts.delivered.Load(), "given_up": w.counts.givenUp.Load(), "left_out": w.counts.leftOut.Load()} {
		out <- prometheus.MustNewConstMetric(descMessages, prometheus.CounterValue, float64(n), outcome)
	}
	queued := w.queue.len()
	if w.counts.sending.Load() {
		queued++
	}
	out <- prometheus.MustNewConstMetric(descQueued, prometheus.GaugeValue, float64(queued))
}
