package gate

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// namedMethods are the methods that metrics name; any other one is "other", so that
// no caller can add to them.
var namedMethods = func() map[string]bool {
	out := make(map[string]bool)
	for _, method := range []string{
		methodReady, methodHeadSync, methodFinalize, methodSync,
		"dag_coordinatedState", "dag_getCandidates", "dag_getOptimisticSpines", "dag_syncSlotInfo",
		"dag_validateFinalization", "dag_validateSpines", "engine_exchangeTransitionConfigurationV1",
		"eth_blockNumber", "eth_call", "eth_chainId", "eth_getBlockByHash", "eth_getBlockByNumber",
		"eth_getLogs", "eth_getTransactionCount", "eth_subscribe", "eth_syncing", "eth_unsubscribe",
		"net_peerCount", "net_version", "rpc_modules", "wat_info", "web3_clientVersion",
	} {
		out[method] = true
	}
	return out
}()

// interned are the same names, for reading them without making a string each time.
var interned = func() map[string]string {
	out := make(map[string]string, len(namedMethods))
	for name := range namedMethods {
		out[name] = name
	}
	return out
}()

const otherMethod = "other"

// callBuckets, in seconds: a call on the same machine takes less than a millisecond,
// a held one up to DefaultAbsorb, one that hangs longer.
var callBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60}

// Metrics counts the calls of a gate.
type Metrics struct {
	calls *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

// NewMetrics returns metrics that are registered with r.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syncd_gate_calls_total",
			Help: "Calls that passed the gate since the start of syncd, by method (other: one without a name here) and outcome: ok, error (gwat answered one), status (an HTTP status other than 2xx), down (gwat was not reached), cut (no whole answer), answered and absorbed (without gwat), gone (the caller hung up), delivered (a notification), unanswered.",
		}, []string{"method", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "syncd_gate_call_duration_seconds",
			Help:    "How long a call took from its arrival at the gate until its answer was passed on, by method (other: one without a name here) and action: forward, answer, hold, mend, vouch.",
			Buckets: callBuckets,
		}, []string{"method", "action"}),
	}
	return m, errors.Join(r.Register(m.calls), r.Register(m.took))
}

// Observe counts a call that ended; it is a Config.Observe.
func (m *Metrics) Observe(c Call) {
	method := c.Method
	if !namedMethods[method] {
		method = otherMethod
	}
	m.calls.WithLabelValues(method, string(c.Outcome)).Inc()
	m.took.WithLabelValues(method, string(c.Action)).Observe(c.Duration.Seconds())
}
