package pair

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/pair/tally"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// metrics count what happens in one pair; the help text of each says what it means. What
// a snapshot has is not among them: mirror reads it from there.
type metrics struct {
	*tally.Tally
	registry  prometheus.Registerer // with the pair's label; nil if there is none
	attempts  *prometheus.CounterVec
	pushed    prometheus.Counter
	pushes    *prometheus.HistogramVec
	rollbacks *prometheus.HistogramVec
}

// pushBuckets are in seconds.
var pushBuckets = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80, 120}

// attemptResults are how an attempt ends, beside the kinds of its error.
const (
	attemptPushed = "pushed"
	attemptLevel  = "level"
)

func newMetrics(r prometheus.Registerer, pair string) (*metrics, error) {
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		Tally: tally.New(),
		attempts: counter("syncd_head_sync_attempts_total",
			"Head-sync attempts since the start of syncd, by how they ended: pushed, level (gwat had all), or the kind of the error (retry_now, retry_later, restart_attempt, needs_human).", "result"),
		pushed: prometheus.NewCounter(prometheus.CounterOpts{Name: "syncd_pushed_entries_total",
			Help: "ConsensusInfo entries that were pushed and that gwat was read to have finalized, since the start of syncd."}),
		pushes: histogram("syncd_push_duration_seconds",
			"How long gwat took for one dag_headSync (one segment of a push), by result: ok, not_done (it answered false), or what went wrong as in syncd_rpc_duration_seconds.", pushBuckets, "result"),
		rollbacks: histogram("syncd_rollback_duration_seconds",
			"How long gwat took for one dag_headSyncReady, in which it rolls back to the checkpoint, by result: ok, not_done (it is not ready), or what went wrong as in syncd_rpc_duration_seconds.", pushBuckets, "result"),
	}
	for _, result := range []string{attemptPushed, attemptLevel, failure.Name(failure.RetryNow), failure.Name(failure.RetryLater),
		failure.Name(failure.Abort), failure.Name(failure.NeedsHuman)} {
		m.attempts.WithLabelValues(result)
	}
	if r == nil {
		return m, nil
	}
	m.registry = prometheus.WrapRegistererWith(prometheus.Labels{"pair": pair}, r)
	var errs []error
	for _, c := range append(m.Collectors(), m.attempts, m.pushed, m.pushes, m.rollbacks) {
		errs = append(errs, m.registry.Register(c))
	}
	return m, errors.Join(errs...)
}

// mirror adds what the newest snapshot has.
func (m *metrics) mirror(snapshot func() *status.Snapshot) error {
	if m.registry == nil {
		return nil
	}
	return m.registry.Register(publish.NewMirror(snapshot, health.Catalog()))
}

func (m *metrics) ended(err error, level bool) {
	result := failure.Name(err)
	switch {
	case err == nil && level:
		result = attemptLevel
	case err == nil:
		result = attemptPushed
	}
	m.attempts.WithLabelValues(result).Inc()
}

// timedDriver measures the calls of a head sync.
type timedDriver struct {
	headsync.Driver
	metrics *metrics
}

// Prepare implements protocol.Driver.
func (d timedDriver) Prepare(ctx context.Context, at checkpoint.ConsensusInfo) error {
	return timed(d.metrics.rollbacks, func() error { return d.Driver.Prepare(ctx, at) })
}

// Push implements protocol.Driver.
func (d timedDriver) Push(ctx context.Context, infos []checkpoint.ConsensusInfo) (mark *protocol.Mark, err error) {
	err = timed(d.metrics.pushes, func() error { mark, err = d.Driver.Push(ctx, infos); return err })
	return mark, err
}

// Release implements protocol.Driver: gwat sees a push of nothing.
func (d timedDriver) Release(ctx context.Context) error {
	return timed(d.metrics.pushes, func() error { return d.Driver.Release(ctx) })
}

func timed(h *prometheus.HistogramVec, call func() error) error {
	start := time.Now()
	err := call()
	result := "not_done"
	if !errors.Is(err, protocol.ErrRefused) {
		result = tally.Result(err)
	}
	h.WithLabelValues(result).Observe(time.Since(start).Seconds())
	return err
}
