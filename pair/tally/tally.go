package tally

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/watch/heal"
)

// The buckets, in seconds: a call on the same machine takes milliseconds, one that
// hangs its timeout; a stage takes seconds or days.
var (
	callBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}
	stageBuckets = []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
)

// Tally counts what happens in a pair of either era; what a value means is in its
// help text. Its methods may be called concurrently.
type Tally struct {
	changes *prometheus.CounterVec
	stages  *prometheus.HistogramVec
	calls   *prometheus.HistogramVec
	heals   *prometheus.CounterVec
}

// The results of a heal.
const (
	HealDone    = "done"
	HealStopped = "stopped"
	HealFailed  = "failed"
)

// New returns a tally of nothing yet.
func New() *Tally {
	t := &Tally{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syncd_stage_changes_total",
			Help: "Stage changes since the start of syncd, by the event that caused them."}, []string{"event"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "syncd_stage_duration_seconds", Buckets: stageBuckets,
			Help: "How long the pair was in a stage, counted when it leaves the stage. What is still going on is time() - syncd_stage_entered_timestamp_seconds."}, []string{"stage"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "syncd_rpc_duration_seconds", Buckets: callBuckets,
			Help: "How long a call to a node took, by method (a batch is one call; of the beacon node the path, {id} for what it asks for) and result: ok (also of an answer of gwat whose result carries an error member), down (not reachable), lost (no answer in time), malformed, http_status, not_found, refused (an error of the node), canceled (syncd no longer wanted it)."},
			[]string{"node", "method", "result"}),
		heals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syncd_heals_total",
			Help: "Heals of a pair of the coordinated era since the start of syncd, by how they ended: done, stopped (a competing driver was seen), failed."}, []string{"heal", "result"}),
	}
	for _, name := range heal.All {
		for _, result := range []string{HealDone, HealStopped, HealFailed} {
			t.heals.WithLabelValues(string(name), result)
		}
	}
	for _, row := range fsm.Table() { // a counter that appears with its first event hides it from rate()
		t.changes.WithLabelValues(string(row.Event))
	}
	return t
}

// Collectors returns what is registered.
func (t *Tally) Collectors() []prometheus.Collector {
	return []prometheus.Collector{t.changes, t.stages, t.calls, t.heals}
}

// Changed counts a change of the stage, and how long the pair was in the one before.
func (t *Tally) Changed(c fsm.Change, took time.Duration) {
	t.changes.WithLabelValues(string(c.Event)).Inc()
	t.stages.WithLabelValues(string(c.From)).Observe(took.Seconds())
}

// Healed counts the end of a heal.
func (t *Tally) Healed(name heal.Name, err error) {
	result := HealDone
	switch {
	case errors.Is(err, heal.ErrStopped):
		result = HealStopped
	case err != nil:
		result = HealFailed
	}
	t.heals.WithLabelValues(string(name), result).Inc()
}

// Observe returns the hook of a node's client.
func (t *Tally) Observe(node string) func(method string, took time.Duration, err error) {
	return func(method string, took time.Duration, err error) {
		t.calls.WithLabelValues(node, method, Result(err)).Observe(took.Seconds())
	}
}

// Result returns how a call ended in one of few words: a label's values must be bounded.
func Result(err error) string {
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
