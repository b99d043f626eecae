package pair

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/guard"
	"github.com/gwatsync/syncd/pair/ledger"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
)

// stopGrace is how long a call in flight may still take when syncd is stopped:
// an answer that is waited for need not be guessed after the next start.
const stopGrace = 5 * time.Second

// ErrStopped: the pair's loop has ended.
var ErrStopped = failure.WithKind(failure.RetryLater, errors.New("syncd is stopping"))

// Pair runs one pair. All fields below "owned" belong to the loop's goroutine.
type Pair struct {
	cfg      Config
	log      logrus.FieldLogger
	gwat     poll.GwatNode
	guard    *guard.Guard
	writer   guard.Writer
	beacon   poll.BeaconNode
	ledger   *ledger.Ledger
	metrics  *metrics
	observer *poll.Poller

	publish.Reader
	board    *publish.Board
	commands chan command
	looks    chan *poll.Observation
	reports  chan report
	results  chan result
	stopped  chan struct{}
	workers  sync.WaitGroup

	// owned
	evidence           evidence
	gated              *gatedCalls // nil without a gate
	machine            *fsm.Machine
	since              time.Time
	reason             string
	obs                *poll.Observation
	good               *fsm.Facts // of the last look at which both nodes answered
	looking            bool
	lookStart          time.Time
	lookAgain          bool
	pushFromCheckpoint bool             // ordered or configured, and no push has ended well since
	below              *primitives.Slot // where gwat was rolled back under a push, until an attempt ends well
	identity           *checkpoint.Identity
	spec               *checkpoint.Spec // of the identity last known
	identityAt         time.Time
	human              *human
	track              poll.History
	rival              headsync.RivalWatch
	collector          *headsync.Collector
	refused            map[common.Hash]int // how often in a row gwat refused a checkpoint
	throughput         headsync.Throughput // gwat's measured speed; the worker's while one runs
	missing            *missing
	ours               []common.Hash // spines of the last push
	verifier           *headsync.Verifier
	verdict            headsync.Verdict
	reached            primitives.Slot // head that the last attempt was caught up with
	pushedTo           uint64          // number that it was seen to have pushed to; 0 if it pushed nothing
	completed          *completion     // our completing call, while eth_syncing is false by it
	completions        int             // calls of that kind since the pair last worked
	worker             *worker
	generation         uint64
	attempts           uint64
	nextAttempt        time.Time
	nextCollect        time.Time
	tried              seenNodes    // when the last attempt began
	takeover           bool         // a ready that was pending is in force
	hands              string       // why syncd keeps its hands off; "" if it does not
	awaits             string       // what the running attempt waits for
	push               *status.Push // of the running or last attempt
	lastPush           *status.Push // that ended well
	pushIndex          map[common.Hash]int
	lastErr            *status.Error
	rates              rates
	seq                uint64
	told               time.Time // of the last reassurance line
	judged             judged
}

type human struct {
	why   string
	until time.Time
}

type missing struct {
	spine common.Hash
	until time.Time
}

// completion is a completing dag_sync of ours.
type completion struct {
	ended time.Time // when it was answered or given up; zero while it runs
}

// refuted reports whether a poll from after the call shows gwat syncing all the same.
func (c *completion) refuted(o *poll.Observation) bool {
	return c != nil && !c.ended.IsZero() && o.Start.After(c.ended) && o.Gwat.Sync.Syncing
}

// command is an operator's order.
type command struct {
	do   func(context.Context) error
	done chan error
}

// New checks the config and builds a pair; it needs neither node to be up.
func New(cfg Config) (*Pair, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer, cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	cfg.Gwat.Observe, cfg.Beacon.Observe = m.observe(publish.NodeGwat), m.observe(publish.NodeBeacon)
	gwat, err := gwatclient.New(cfg.Gwat)
	if err != nil {
		return nil, fmt.Errorf("gwat endpoint: %w", err)
	}
	beacon, err := beaconclient.New(cfg.Beacon)
	if err != nil {
		gwat.Close()
		return nil, fmt.Errorf("beacon endpoint: %w", err)
	}
	calls, gated := guard.Calls(gwat), (*gatedCalls)(nil)
	if cfg.Gate != nil {
		gated = &gatedCalls{Calls: gwat, gate: cfg.Gate}
		calls = gated
	}
	p, err := newPair(cfg, gwat, guard.NewWriter(calls), beacon, m)
	if err != nil {
		gwat.Close()
		beacon.Close()
		return nil, err
	}
	p.gated = gated
	return p, nil
}

func newPair(cfg Config, gwat poll.GwatNode, writer guard.Writer, beacon poll.BeaconNode, m *metrics) (*Pair, error) {
	log := cfg.Log.WithField("pair", cfg.Name)
	now := cfg.Now()
	board := &publish.Board{}
	p := &Pair{
		cfg: cfg, log: log, gwat: gwat, guard: guard.New(cfg.Observe), writer: writer, beacon: beacon, metrics: m,
		Reader: board.Reader(), board: board,
		ledger:   ledger.Open(cfg.Journal, log, cfg.Now),
		observer: poll.New(gwat, beacon, cfg.Now),
		commands: make(chan command), looks: make(chan *poll.Observation),
		reports: make(chan report), results: make(chan result), stopped: make(chan struct{}),
		since: now, told: now, reason: "syncd started", pushFromCheckpoint: cfg.PushFromCheckpoint, refused: map[common.Hash]int{},
		judged: judged{judge: health.New(cfg.PollInterval), born: time.Now()},
	}
	p.machine = fsm.New(p.changed)
	if note := cfg.Journal.Note(); note != "" {
		log.Warn(note)
	}
	p.publish()
	if err := m.mirror(p.Snapshot); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return p, nil
}

// Run drives the pair until ctx ends. It is called once.
func (p *Pair) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer p.shutdown(cancel)
	events := p.beacon.Events(inner, beaconclient.StreamOptions{})
	tick := time.NewTicker(p.cfg.PollInterval)
	defer tick.Stop()
	attempt := time.NewTimer(0)
	defer attempt.Stop()
	p.settle(inner) // a pause may be in force
	p.look(inner)
	in := inbox{ctx.Done(), p.looks, p.reports, p.results, p.commands, events, tick.C, attempt.C}
	for {
		switch m := in.next().(type) {
		case stop:
			return nil
		case *poll.Observation:
			p.looked(inner, m)
		case report:
			p.reported(inner, m)
		case result:
			p.ended(inner, m)
		case command:
			p.obey(inner, m)
		case beaconclient.Event:
			if m.Head != nil {
				p.judged.events++
			}
			// What changed is read from the node, not from the event; a flood of
			// events wakes no more looks than this.
			if p.cfg.Now().Sub(p.lookStart) >= p.cfg.PollInterval/5 {
				p.look(inner)
				tick.Reset(p.cfg.PollInterval)
			}
		case ticked:
			p.look(inner)
		case due:
		}
		p.act(inner)
		if wait := p.nextAttempt.Sub(p.cfg.Now()); wait > 0 {
			attempt.Reset(wait)
		}
		p.publish()
	}
}

// shutdown ends what the loop owns: a call in flight gets a short grace.
func (p *Pair) shutdown(cancel context.CancelFunc) {
	p.guard.Set("syncd is stopping")
	close(p.stopped)
	if p.worker != nil {
		select {
		case <-p.worker.done:
		case <-time.After(stopGrace):
		}
	}
	cancel()
	p.workers.Wait()
	p.gwat.Close()
	p.beacon.Close()
	p.board.Close()
}

// settle fires what the facts ask for until the stage rests.
func (p *Pair) settle(ctx context.Context) {
	for {
		facts, whole := p.facts()
		if whole {
			p.good = &facts
		}
		ev, why, ok := fsm.Decide(p.machine.Stage(), facts)
		if !ok {
			return
		}
		if !p.fire(ctx, ev, why) {
			return
		}
	}
}

// fire takes a step; a refused one is a defect and is logged as such.
func (p *Pair) fire(ctx context.Context, ev fsm.Event, why string) bool {
	err := p.machine.Fire(ctx, ev, why)
	if err != nil && ctx.Err() == nil {
		p.log.WithError(err).Error("The machine refused an event")
	}
	return err == nil
}

// changed is called by the machine after each step.
func (p *Pair) changed(c fsm.Change) {
	now := p.cfg.Now()
	took := now.Sub(p.since)
	p.since, p.reason = now, c.Reason
	p.metrics.changed(c, took)
	change := status.Change{At: now, From: string(c.From), To: string(c.To), Event: string(c.Event), Reason: c.Reason}
	p.log.WithFields(logrus.Fields{"stage": c.To, "from": c.From, "event": c.Event, "after": took.Round(time.Millisecond)}).
		Infof("Stage %s: %s", c.To, c.Reason)
	p.entered(c)
	p.publish() // before the disk: who asks must not see "working" while it is slow
	p.board.Changed(change)
	p.ledger.AppendChange(journal.Change(change))
}

// verifyFrom returns the number beyond which what gwat finalizes is evidence. After a
// push it is what the push was seen to have finalized: an older poll may show a
// higher number, from before our ready rolled gwat back.
func (p *Pair) verifyFrom(from fsm.Stage) uint64 {
	if from != fsm.Working && p.pushedTo > 0 {
		return p.pushedTo
	}
	return p.track.Number
}

// entered prepares what belongs to a stage.
func (p *Pair) entered(c fsm.Change) {
	if c.To != fsm.HeadSyncReady && c.To != fsm.HeadSync && c.To != fsm.Switching || c.From == fsm.DAGSync {
		p.cancelWorker()
	}
	if c.To == fsm.Connecting || c.To == fsm.Paused || c.To == fsm.Working {
		p.judged.failed = 0
	}
	switch c.To {
	case fsm.Connecting:
		p.identity, p.good = nil, nil
		p.rates.reset()
	case fsm.HeadSyncReady:
		p.missing = nil
	case fsm.Switching:
		// A head that the attempt has read is not new any more.
		head := max(p.obs.Beacon.Head.Header.Slot, p.reached)
		p.verifier = headsync.NewVerifier(p.cfg.Now(), p.identity.Spec.SlotDuration(), head, p.verifyFrom(c.From), p.ours)
		if p.completed != nil {
			p.verifier.Doubt()
		}
		p.verdict = headsync.Verdict{Why: "two new heads"}
		p.track.Covered = head
		p.countCallsAnew()
	case fsm.Working:
		p.lastErr, p.completed, p.completions = nil, nil, 0
	}
}
