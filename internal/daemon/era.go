package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/tracing"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/pair/tally"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch"
)

// Loop is the control loop of a pair, of either era.
type Loop interface {
	api.Source
	Run(ctx context.Context) error
}

// eraNode is what is asked for the era of a pair.
type eraNode struct {
	spec func(context.Context) (checkpoint.Spec, error)
	mark func(context.Context) (*protocol.Mark, error) // of the coordinated era
}

// era returns the era of the pair; false while neither node shows it. The beacon node's
// constants show it; a gwat shows the coordinated era alone, by answering its state.
func (n eraNode) era(ctx context.Context) (checkpoint.Era, bool) {
	if spec, err := n.spec(ctx); err == nil {
		return spec.Era(), true
	}
	if _, err := n.mark(ctx); err == nil {
		return checkpoint.EraCoordinated, true
	}
	return "", false
}

// loops runs the loop of the pair's era, and is the source of the API meanwhile. It
// begins with the loop of the head-sync era, which changes nothing before it knows
// both nodes, and replaces it once the nodes show that they are of the other era.
type loops struct {
	now      atomic.Pointer[running]
	nodes    eraNode
	other    func(r prometheus.Registerer, told []status.Finding) (Loop, error)
	interval time.Duration
	timeout  time.Duration
	log      logrus.FieldLogger

	replaced chan struct{} // closed when the loop of the other era takes over
	ended    chan struct{} // closed when Run ends

	beacon     *beaconclient.Client
	closeNodes func() // of nodes and other
}

// canonical reports whether a root is a block of the beacon node's chain.
func (l *loops) canonical(ctx context.Context, root common.Hash) (bool, error) {
	return Canonical(ctx, l.beacon, root)
}

// Canonical asks a beacon node whether a root is a block of its chain.
func Canonical(ctx context.Context, beacon *beaconclient.Client, root common.Hash) (bool, error) {
	header, err := beacon.Header(ctx, beaconclient.AtRoot(root))
	if errors.Is(err, beaconclient.ErrNotFound) {
		return false, nil
	}
	return header.Canonical, err
}

// view passes what the loop of the coordinated era says on to a gate, if there is one.
func view(between *gate.Gate) func(watch.View) {
	return func(seen watch.View) {
		if between != nil {
			between.SetView(GateView(seen))
		}
	}
}

// GateView is what a gate goes by between the nodes of a pair of the coordinated era.
func GateView(seen watch.View) gate.View {
	v := gate.View{Era: checkpoint.EraCoordinated, State: gate.StateSyncing, Spec: seen.Spec}
	switch {
	case seen.HandsOff:
		v.State = gate.StateHandsOff
	case seen.Working:
		v.State = gate.StateWorking
	}
	return v
}

// FirstView is what a gate goes by before the first turn of the loop: an observer, and a pair
// that was paused before the restart, leave every call alone from the first one on.
func FirstView(observe bool, j *journal.Journal) gate.View {
	pause, err := j.Pause()
	if observe || err == nil && pause != nil {
		return gate.View{State: gate.StateHandsOff}
	}
	return gate.View{}
}

// nullAnswers returns what a gate, if there is one, saw of gwat's answers.
func nullAnswers(between *gate.Gate) func() int {
	if between == nil {
		return nil
	}
	return func() int { return between.Status().NullAnswers }
}

// running is a loop with the registry of its metrics.
type running struct {
	Loop
	metrics prometheus.Gatherer
}

// newPair returns the loop of a pair whose era is not known yet.
func newPair(cfg *settings.Config, version string, kept Kept, log *logrus.Logger, between *gate.Gate, traces *tracing.Tracer) (*loops, error) {
	toGwat := gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecretFile: cfg.Gwat.JWTSecret, Timeout: cfg.CallTimeout}
	toBeacon := beaconclient.Config{URL: cfg.Beacon.Endpoint, Timeout: cfg.CallTimeout}
	registry := prometheus.NewRegistry()
	pairCfg := pair.Config{
		Name: cfg.Pair, Version: version, Observe: cfg.Observe, PeersOptional: cfg.PeersOptional,
		Gwat:    toGwat,
		Beacon:  toBeacon,
		Journal: kept.Journal, Past: kept.Past, Log: log, Registerer: registry,
		Times:  pair.Times{PollInterval: cfg.PollInterval, ReadyInterval: cfg.ReadyInterval, CallTimeout: cfg.CallTimeout, PushTimeout: cfg.PushTimeout, LockTime: cfg.Gwat.Lock, FallbackSlots: cfg.FallbackSlots},
		Pushes: pair.Pushes{SegmentBytes: cfg.Push.SegmentBytes, SegmentTime: cfg.Push.SegmentTime, Capacity: cfg.Push.Capacity, PushFromCheckpoint: cfg.Anchor == settings.AnchorJustified},
	}
	if between != nil {
		pairCfg.Gate = between
	}
	if traces != nil {
		pairCfg.Trace = traces.HeadSync
	}
	first, err := pair.New(pairCfg)
	if err != nil {
		return nil, err
	}
	counts := tally.New() // of the other era: its clients find the era out meanwhile
	toGwat.Observe, toBeacon.Observe = counts.Observe(publish.NodeGwat), counts.Observe(publish.NodeBeacon)
	gwat, err := gwatclient.New(toGwat)
	if err != nil {
		return nil, fmt.Errorf("gwat endpoint: %w", err)
	}
	beacon, err := beaconclient.New(toBeacon)
	if err != nil {
		gwat.Close()
		return nil, fmt.Errorf("beacon endpoint: %w", err)
	}
	coordinated := protocol.Coordinated{Client: gwat}
	l := &loops{
		replaced: make(chan struct{}), ended: make(chan struct{}),
		nodes: eraNode{spec: beacon.Spec, mark: coordinated.Mark}, interval: cfg.PollInterval, timeout: cfg.CallTimeout, log: log,
		beacon:     beacon,
		closeNodes: func() { gwat.Close(); beacon.Close() },
		other: func(r prometheus.Registerer, told []status.Finding) (Loop, error) {
			return watch.New(watch.Config{
				Name: cfg.Pair, Version: version, Gwat: coordinated, Beacon: beacon,
				Observe: cfg.Observe, Heals: watch.Heals(cfg.Heal),
				Changes:      watch.ChangesOf(coordinated),
				PollInterval: cfg.PollInterval, CallTimeout: cfg.CallTimeout, Journal: kept.Journal, Past: kept.Past, Log: log,
				Report: watch.Report{Registerer: r, Tally: counts, Told: told, View: view(between), NullAnswers: nullAnswers(between)},
			})
		},
	}
	l.now.Store(&running{Loop: first, metrics: registry})
	return l, nil
}

// Run runs the loop of the pair's era until ctx ends.
func (l *loops) Run(ctx context.Context) error {
	defer close(l.ended)
	defer l.closeNodes()
	first := l.now.Load()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- first.Run(inner) }()
	if l.detect(ctx, ended) != checkpoint.EraCoordinated {
		return <-ended
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	registry := prometheus.NewRegistry()
	next, err := l.other(registry, first.Snapshot().Findings)
	if err != nil {
		return fmt.Errorf("begin to watch the pair: %w", err)
	}
	l.log.Info("This pair is of the coordinated era: its beacon node drives gwat, syncd watches and reports")
	l.now.Store(&running{Loop: next, metrics: registry})
	close(l.replaced)
	return next.Run(ctx)
}

// detect returns the era of the pair as soon as a node shows it; "" if the loop or ctx
// ends before. It puts an error of the loop back into ended.
func (l *loops) detect(ctx context.Context, ended chan error) checkpoint.Era {
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, l.timeout)
		era, known := l.nodes.era(asking)
		cancel()
		if known {
			return era
		}
		select {
		case <-ctx.Done():
			return ""
		case err := <-ended:
			ended <- err
			return ""
		case <-tick.C:
		}
	}
}

// Gather is part of prometheus.Gatherer.
func (l *loops) Gather() ([]*dto.MetricFamily, error) { return l.now.Load().metrics.Gather() }

// The methods of api.Source are those of the loop that runs.

func (l *loops) Snapshot() *status.Snapshot { return l.now.Load().Snapshot() }

func (l *loops) History(ctx context.Context, limit int) ([]status.Change, error) {
	return l.now.Load().History(ctx, limit)
}

func (l *loops) Pause(ctx context.Context, reason string) error {
	return l.now.Load().Pause(ctx, reason)
}

func (l *loops) Resume(ctx context.Context) error { return l.now.Load().Resume(ctx) }

func (l *loops) Resync(ctx context.Context, order status.Resync) error {
	return l.now.Load().Resync(ctx, order)
}

func (l *loops) Heal(ctx context.Context, order status.HealOrder) (*status.Heal, error) {
	return l.now.Load().Heal(ctx, order)
}

func (l *loops) Subscribe() (changes <-chan status.Change, cancel func()) {
	return over(l, false, func(r *running) (<-chan status.Change, func()) { return r.Subscribe() })
}

func (l *loops) Updates() (snapshots <-chan *status.Snapshot, cancel func()) {
	return over(l, true, func(r *running) (<-chan *status.Snapshot, func()) { return r.Updates() })
}

func (l *loops) Samples(limit int) []status.Sample { return l.now.Load().Samples(limit) }

func (l *loops) Span(from, to time.Time, step time.Duration) ([]status.Sample, time.Duration) {
	return l.now.Load().Span(from, to, step)
}
