package pair

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// metrics count what happens in one pair; what a value means stands in its help
// text. What a snapshot tells is not among them: mirror reads it from there.
type metrics struct {
	registry  prometheus.Registerer // with the pair's label; nil if there is none
	changes   *prometheus.CounterVec
	stages    *prometheus.HistogramVec
	attempts  *prometheus.CounterVec
	pushed    prometheus.Counter
	pushes    *prometheus.HistogramVec
	rollbacks *prometheus.HistogramVec
	calls     *prometheus.HistogramVec
}

// The buckets, in seconds: a call on the same machine takes milliseconds, one that
// hangs its timeout; a stage takes seconds or days.
var (
	callBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}
	pushBuckets  = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80, 120}
	stageBuckets = []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
)

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
		changes: counter("syncd_stage_changes_total", "Stage changes since the start of syncd, by the event that caused them.", "event"),
		stages: histogram("syncd_stage_duration_seconds",
			"How long the pair was in a stage, told when it leaves it. What is still going on is time() - syncd_stage_entered_timestamp_seconds.", stageBuckets, "stage"),
		attempts: counter("syncd_head_sync_attempts_total",
			"Head-sync attempts since the start of syncd, by how they ended: pushed, level (gwat had all), or the kind of the error (retry_now, retry_later, restart_attempt, needs_human).", "result"),
		pushed: prometheus.NewCounter(prometheus.CounterOpts{Name: "syncd_pushed_entries_total",
			Help: "ConsensusInfo entries that were pushed and that gwat was read to have finalized, since the start of syncd."}),
		pushes: histogram("syncd_push_duration_seconds",
			"How long gwat took for one dag_headSync (one segment of a push), by result: ok, not_done (it answered false), or what went wrong as in syncd_rpc_duration_seconds.", pushBuckets, "result"),
		rollbacks: histogram("syncd_rollback_duration_seconds",
			"How long gwat took for one dag_headSyncReady, in which it rolls back to the checkpoint, by result: ok, not_done (it is not ready), or what went wrong as in syncd_rpc_duration_seconds.", pushBuckets, "result"),
		calls: histogram("syncd_rpc_duration_seconds",
			"How long a call to a node took, by method (a batch is one call; of the beacon node the path, {id} for what it asks for) and result: ok (also of an answer of gwat whose result carries an error member), down (not reachable), lost (no answer in time), malformed, http_status, not_found, refused (an error of the node), canceled (syncd no longer wanted it).", callBuckets, "node", "method", "result"),
	}
	for _, row := range fsm.Table() { // a counter that appears with its first event hides it from rate()
		m.changes.WithLabelValues(string(row.Event))
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
	for _, c := range []prometheus.Collector{m.changes, m.stages, m.attempts, m.pushed, m.pushes, m.rollbacks, m.calls} {
		errs = append(errs, m.registry.Register(c))
	}
	return m, errors.Join(errs...)
}

// mirror adds what the newest snapshot tells.
func (m *metrics) mirror(snapshot func() *status.Snapshot) error {
	if m.registry == nil {
		return nil
	}
	return m.registry.Register(publish.NewMirror(snapshot, health.Catalog()))
}

func (m *metrics) changed(c fsm.Change, took time.Duration) {
	m.changes.WithLabelValues(string(c.Event)).Inc()
	m.stages.WithLabelValues(string(c.From)).Observe(took.Seconds())
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

// observe is the hook of a node's client.
func (m *metrics) observe(node string) func(method string, took time.Duration, err error) {
	return func(method string, took time.Duration, err error) {
		m.calls.WithLabelValues(node, method, resultOf(err)).Observe(took.Seconds())
	}
}

// resultOf is one of few words: a label's values must be bounded.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case failure.Canceled(err):
		return "canceled"
	case errors.Is(err, gwatclient.ErrUnauthorized), errors.Is(err, failure.ErrRateLimited): // before ErrDown: what was held back here is that, too
		return "http_status"
	case errors.Is(err, gwatclient.ErrDown), errors.Is(err, beaconclient.ErrDown):
		return "down"
	case errors.Is(err, gwatclient.ErrLost), errors.Is(err, beaconclient.ErrLost):
		return "lost"
	case errors.Is(err, gwatclient.ErrMalformed), errors.Is(err, beaconclient.ErrMalformed), errors.Is(err, beaconclient.ErrTooLarge):
		return "malformed"
	case errors.Is(err, gwatclient.ErrHTTPStatus), errors.Is(err, beaconclient.ErrHTTPStatus):
		return "http_status"
	case errors.Is(err, beaconclient.ErrNotFound):
		return "not_found"
	}
	return "refused"
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
		result = resultOf(err)
	}
	h.WithLabelValues(result).Observe(time.Since(start).Seconds())
	return err
}
