package pair

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// metrics of one pair. What each value means stands in its help text.
type metrics struct {
	stage    *prometheus.GaugeVec
	changes  *prometheus.CounterVec
	attempts *prometheus.CounterVec
	up       *prometheus.GaugeVec
	latency  *prometheus.GaugeVec
	lag      prometheus.Gauge
	number   prometheus.Gauge
	pushed   prometheus.Counter
}

func newMetrics(r prometheus.Registerer, pair string) (*metrics, error) {
	labels := prometheus.Labels{"pair": pair}
	m := &metrics{
		stage: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "syncd_stage", ConstLabels: labels,
			Help: "1 for the stage the pair is in, 0 for the others."}, []string{"stage"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syncd_stage_changes_total", ConstLabels: labels,
			Help: "Stage changes by the event that caused them."}, []string{"event"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syncd_head_sync_attempts_total", ConstLabels: labels,
			Help: "Head-sync attempts by how they ended: pushed, level, or the kind of the error."}, []string{"result"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "syncd_node_up", ConstLabels: labels,
			Help: "1 if the node answered the last look at it."}, []string{"node"}),
		latency: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "syncd_node_latency_seconds", ConstLabels: labels,
			Help: "How long the node took for its first answer of the last look."}, []string{"node"}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{Name: "syncd_beacon_head_lag_slots", ConstLabels: labels,
			Help: "Slots the beacon's head is behind the wall clock."}),
		number: prometheus.NewGauge(prometheus.GaugeOpts{Name: "syncd_gwat_finalized_number", ConstLabels: labels,
			Help: "Number of gwat's last finalized block."}),
		pushed: prometheus.NewCounter(prometheus.CounterOpts{Name: "syncd_pushed_entries_total", ConstLabels: labels,
			Help: "ConsensusInfo entries that were pushed and confirmed."}),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.stage, m.changes, m.attempts, m.up, m.latency, m.lag, m.number, m.pushed} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) entered(stage fsm.Stage) {
	for _, s := range fsm.Stages() {
		m.stage.WithLabelValues(string(s)).Set(flag(s == stage))
	}
}

func (m *metrics) looked(o *observation) {
	m.up.WithLabelValues("gwat").Set(flag(o.gwat.err == nil))
	m.up.WithLabelValues("beacon").Set(flag(o.beacon.err == nil))
	if o.gwat.err == nil {
		m.latency.WithLabelValues("gwat").Set(o.gwat.latency.Seconds())
		if o.gwat.latest.Number != nil {
			m.number.Set(float64(*o.gwat.latest.Number))
		}
	}
	if o.beacon.err == nil {
		m.latency.WithLabelValues("beacon").Set(o.beacon.latency.Seconds())
	}
}

func (m *metrics) ended(err error, level bool) {
	result := failure.Name(err)
	switch {
	case err == nil && level:
		result = "level"
	case err == nil:
		result = "pushed"
	}
	m.attempts.WithLabelValues(result).Inc()
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// statusError puts an error into the form of the status.
func statusError(err error, at time.Time) *status.Error {
	if err == nil {
		return nil
	}
	return &status.Error{Kind: failure.Name(err), Message: err.Error(), At: at}
}
