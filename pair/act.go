package pair

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/headsync"
)

// act starts the worker that the stage asks for, if its place is free and both nodes answered.
func (p *Pair) act(ctx context.Context) {
	if p.polls.identity != nil {
		p.writes.competing.Expire(p.cfg.Now(), p.polls.identity.Spec.SlotDuration())
	}
	p.writes.inhibit = p.inhibit()
	p.writes.guard.Set(p.writes.inhibit)
	if p.job.worker != nil || p.polls.last == nil || !p.polls.last.Up() || p.polls.identity == nil {
		return
	}
	switch p.machine.Stage() {
	case fsm.DAGSync:
		// gwat still loads. What a push will need is collected meanwhile, once the beacon
		// node is near its head.
		if p.isDue(&p.job.nextCollect, p.cfg.ReadyInterval) && p.polls.last.Beacon.Progress(p.polls.identity.Spec.SlotAt(p.cfg.Now())).NearHead() {
			p.startCollecting(ctx)
		}
	case fsm.HeadSyncReady:
		// Attempts follow each other until one leads on. None is made while it could only
		// repeat the last one.
		if seen := p.seenNodes(); !p.idle(seen) && p.isDue(&p.job.nextAttempt, p.cfg.ReadyInterval) {
			p.job.tried = seen
			p.startAttempt(ctx)
		}
	case fsm.Switching:
		// The beacon node's own calls end the sync. Only if gwat keeps saying resync does
		// syncd complete it.
		if p.proof.verdict.Complete && p.writes.inhibit == "" {
			p.startCompleting(ctx)
		}
	}
}

// isDue reports whether the interval is over, and begins the next.
func (p *Pair) isDue(next *time.Time, interval time.Duration) bool {
	now := p.cfg.Now()
	if now.Before(*next) {
		return false
	}
	*next = now.Add(interval)
	return true
}

// idle reports whether an attempt could only repeat the last one: syncd may not change gwat,
// and neither the beacon's head nor what gwat has finalized has changed.
func (p *Pair) idle(seen seenNodes) bool { return seen.inhibited && seen == p.job.tried }

func (p *Pair) seenNodes() seenNodes {
	return seenNodes{inhibited: p.writes.inhibit != "", head: p.polls.last.Beacon.Head.Header.Root, latest: p.polls.last.Gwat.Latest.Hash}
}

// seenNodes is what the result of an attempt that may not write depends on.
type seenNodes struct {
	inhibited    bool
	head, latest common.Hash
}

// startCollecting reads what a push will need while gwat still loads, so that the first ready
// does not have to wait for it.
func (p *Pair) startCollecting(ctx context.Context) {
	a := p.attempt(guard.Permit{}) // it collects and sends nothing
	a.Report = func(headsync.Report) {}
	p.start(ctx, taskCollect, func(ctx context.Context, _ uint64) (headsync.Result, error) { return a.Run(ctx) })
}

// attempt returns a head sync that may change gwat as far as the permit goes.
func (p *Pair) attempt(permit guard.Permit) *headsync.Attempt {
	return &headsync.Attempt{
		Number: p.job.attempts, Spec: p.polls.identity.Spec, Now: p.cfg.Now, Limits: p.limits(), Throughput: &p.job.throughput,
		Nodes: headsync.Nodes{
			Reserve: p.reserve(),
			Beacon:  p.nodes.beacon, Collector: p.job.collector, Gwat: p.nodes.gwat,
			Driver: timedDriver{p.writes.to(permit), p.shown.metrics}, Ledger: p.ledger.For(p.job.attempts),
		},
		Orders: headsync.Orders{
			PushFromCheckpoint: p.job.pushFromCheckpoint, Inhibit: permit.Inhibit, BeaconWorks: p.beaconWorks(),
			Below: p.job.below, Refused: p.refusedRoots(),
		},
	}
}

// startAttempt makes a head-sync attempt; it takes a ready over that is in force.
func (p *Pair) startAttempt(ctx context.Context) {
	p.job.attempts++
	p.shown.push.Begin()
	p.beginAttempt()
	a := p.attempt(p.writes.guard.Permit())
	if p.writes.takeover {
		a.Takeover = p.ledger.Takeable()
		p.writes.takeover = false // once: its outcome is resolved like that of any other call
		p.ledger.Adopt(a.Number)
	}
	trace := p.trace(a.Number)
	p.start(ctx, taskAttempt, func(ctx context.Context, sequence uint64) (res headsync.Result, err error) {
		defer func() { trace.End(res, err) }()
		a.Report = func(r headsync.Report) {
			trace.Report(r)
			select {
			case p.box.reports <- report{sequence, r}:
			case <-p.box.stopped:
			}
		}
		defer p.freeGate()
		if err := p.holdGate(ctx, a.Takeover); err != nil {
			return headsync.Result{}, err
		}
		return a.Run(ctx)
	})
}

// trace begins the trace of an attempt.
func (p *Pair) trace(attempt uint64) Trace {
	if p.cfg.Trace != nil {
		if t := p.cfg.Trace(attempt); t != nil {
			return t
		}
	}
	return untraced{}
}

// untraced is the trace of an attempt that nobody follows.
type untraced struct{}

func (untraced) Report(headsync.Report)     {}
func (untraced) End(headsync.Result, error) {}

// beaconWorks reports whether the beacon node processes blocks, with calls that gwat refuses
// while its head-sync lock is held. A beacon node whose built-in driver waits for gwat says
// that it syncs, and one whose head does not move processes no blocks. A gate holds these
// calls back.
func (p *Pair) beaconWorks() bool {
	if p.cfg.Gate != nil {
		return false
	}
	b := p.polls.last.Beacon
	return !b.Syncing.IsSyncing && b.Head.Header.Slot+headsync.QuietSlots >= p.polls.identity.Spec.SlotAt(p.cfg.Now())
}

func (p *Pair) limits() headsync.Limits {
	return headsync.Limits{
		Bytes: p.cfg.SegmentBytes, Soft: p.cfg.SegmentTime, Hard: p.cfg.PushTimeout, Capacity: p.cfg.Capacity,
	}
}

// startCompleting makes the dag_sync that ends gwat's resync. It names the head's slot, no
// spines, as gwat may lack those of the heads before, and would finalize over the gap in another
// order; and no creators, because gwat would create a block for a creator whose key it holds.
func (p *Pair) startCompleting(ctx context.Context) {
	head := p.polls.last.Beacon.Head
	info := checkpoint.ConsensusInfo{Slot: head.Header.Slot}
	p.proof.verifier.Completed(info.Slot, head.Spines)
	p.proof.verdict.Complete, p.proof.completed = false, &completion{}
	level := logrus.InfoLevel
	if p.proof.completions++; p.proof.completions > 1 {
		level = logrus.DebugLevel // a pair that cannot work is completed again with every attempt
	}
	p.log.WithField("slot", info.Slot).Log(level, "gwat still says resync: completing the switch with a dag_sync")
	permit := p.writes.guard.Permit()
	p.start(ctx, taskComplete, func(ctx context.Context, _ uint64) (headsync.Result, error) {
		ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
		defer cancel()
		return headsync.Result{}, p.writes.to(permit).Complete(ctx, info)
	})
}
