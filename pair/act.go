package pair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/guard"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// refusals is how often in a row gwat must refuse a checkpoint before the one
// before it is taken.
const refusals = 3

// worker is the one task in flight that may change gwat.
type worker struct {
	cancel  context.CancelFunc
	done    chan struct{}
	attempt uint64 // the attempt it makes; 0 if it makes none
}

type report struct {
	generation uint64
	headsync.Report
}

type result struct {
	generation uint64
	task       task
	headsync.Result
	err error
}

// task is what a worker does.
type task int

const (
	taskAttempt  task = iota // a head-sync attempt
	taskComplete             // the completing dag_sync
	taskCollect              // collects for a coming attempt; changes nothing
)

// start runs a task as the worker. Its result carries the generation, so that
// one that comes after its stage has gone is dropped.
func (p *Pair) start(ctx context.Context, what task, run func(ctx context.Context, generation uint64) (headsync.Result, error)) {
	p.generation++
	generation := p.generation
	ctx, cancel := context.WithCancel(ctx)
	w := &worker{cancel: cancel, done: make(chan struct{})}
	if what == taskAttempt {
		w.attempt = p.attempts
	}
	p.worker = w
	p.workers.Go(func() {
		defer cancel()
		res, err := run(ctx, generation)
		close(w.done)
		select {
		case p.results <- result{generation: generation, task: what, Result: res, err: err}:
		case <-p.stopped:
		}
	})
}

// cancelWorker ends the worker's waiting; its slot stays taken until it returns,
// since only then no call of ours is in flight.
func (p *Pair) cancelWorker() {
	if p.worker != nil {
		p.worker.cancel()
		p.generation++
	}
}

// act starts what the stage asks for.
func (p *Pair) act(ctx context.Context) {
	if p.identity != nil {
		p.rival.Expire(p.cfg.Now(), p.identity.Spec.SlotDuration())
	}
	hands := p.mayNot()
	p.hands = hands
	p.guard.Set(hands)
	if p.worker != nil || p.obs == nil || !p.obs.Up() || p.identity == nil {
		return
	}
	switch p.machine.Stage() {
	case fsm.DAGSync:
		if p.isDue(&p.nextCollect, p.cfg.ReadyInterval) && p.obs.Beacon.Progress(p.identity.Spec.SlotAt(p.cfg.Now())).NearHead() {
			p.startCollecting(ctx)
		}
	case fsm.HeadSyncReady:
		if seen := p.seenNodes(); !p.idle(seen) && p.isDue(&p.nextAttempt, p.cfg.ReadyInterval) {
			p.tried = seen
			p.startAttempt(ctx)
		}
	case fsm.Switching:
		if p.verdict.Complete && p.hands == "" {
			p.startCompleting(ctx)
		}
	}
}

// isDue tells whether the interval is over, and begins the next.
func (p *Pair) isDue(next *time.Time, interval time.Duration) bool {
	now := p.cfg.Now()
	if now.Before(*next) {
		return false
	}
	*next = now.Add(interval)
	return true
}

// idle reports whether an attempt could only find what the last one found: nothing may
// be sent, and neither the beacon's head nor what gwat finalized has changed.
func (p *Pair) idle(seen seenNodes) bool { return seen.hands && seen == p.tried }

func (p *Pair) seenNodes() seenNodes {
	return seenNodes{hands: p.hands != "", head: p.obs.Beacon.Head.Header.Root, latest: p.obs.Gwat.Latest.Hash}
}

type seenNodes struct {
	hands        bool
	head, latest common.Hash
}

// mayNot tells why nothing may be sent that changes gwat; "" if it may.
func (p *Pair) mayNot() string {
	if p.cfg.Observe {
		return "syncd only observes (--observe)"
	}
	if p.identity != nil && p.rival.Active() {
		sign, _, last := p.rival.Told()
		return fmt.Sprintf("another driver, last seen at %s: %s", last.Format(time.TimeOnly), sign)
	}
	// An attempt that runs beside a call that was left open sends nothing, a ready
	// that is to be taken over included: the next attempt does that.
	if left := p.ledger.Left(p.running()); left != nil && (!p.takeover || p.worker != nil) {
		_, why := p.pendingState(left)
		return why
	}
	return ""
}

// running returns the number of the attempt that runs; 0 if none does.
func (p *Pair) running() uint64 {
	if p.worker == nil {
		return 0
	}
	return p.worker.attempt
}

func (p *Pair) pendingState(pending *checkpoint.Pending) (headsync.PendingState, string) {
	seen := headsync.Seen{Now: p.cfg.Now(), LockTime: p.cfg.LockTime, GiveUp: p.cfg.PushTimeout, Down: p.track.GwatDown.After(pending.SentAt)}
	if o := p.obs; o != nil && o.Gwat.Err == nil {
		seen.Stage, seen.Latest, seen.CheckedAt = o.Gwat.Sync.Stage, o.Gwat.Latest, o.Start
		seen.Last = o.Blocks[pending.LastSpine]
	}
	return headsync.Judge(*pending, seen)
}

// resolvePending finds out what became of a call whose answer was lost. Every poll
// that began after the call was sent counts, whether or not an attempt runs: one
// that has a long way to go outlasts any number of polls, and may send nothing
// before the call is over.
func (p *Pair) resolvePending() {
	p.takeover = false
	left := p.ledger.Left(p.running())
	if left == nil {
		return
	}
	switch state, why := p.pendingState(left); state {
	case headsync.PendingOver:
		p.log.WithField("call", left.Call).Infof("The call without an answer is over: %s", why)
		p.ledger.ClearPending()
	case headsync.PendingAccepted:
		p.takeover = p.ledger.Takeable() != nil
		if p.takeover && p.running() != 0 {
			p.cancelWorker() // gwat holds its lock meanwhile: the next attempt takes the ready over
		}
	}
}

// proveConfirmed drops the confirmed entry when gwat no longer has it (S4, S7). A
// poll counts if it began after the entry was confirmed and overlaps no call of ours.
func (p *Pair) proveConfirmed(o *poll.Observation) {
	c := p.ledger.Confirmed()
	if c == nil || !o.Start.After(c.At) || p.ledger.Busy(o.Start) {
		return
	}
	b, read := o.Blocks[c.Spine]
	if !read {
		return
	}
	if b == nil || !b.IsSpine() || *b.Number != c.Number {
		p.log.WithField("slot", c.Slot).Warn("gwat no longer has the last confirmed entry")
		p.ledger.ClearConfirmed()
	}
}

// startCollecting reads, while the beacon node waits for gwat, what a push will
// need, so that the first ready is not held up by it.
func (p *Pair) startCollecting(ctx context.Context) {
	a := p.attempt(guard.Permit{}) // it collects and sends nothing
	a.Report = func(headsync.Report) {}
	p.start(ctx, taskCollect, func(ctx context.Context, _ uint64) (headsync.Result, error) { return a.Run(ctx) })
}

// attempt returns a head sync that may change gwat as far as the permit goes.
func (p *Pair) attempt(permit guard.Permit) *headsync.Attempt {
	return &headsync.Attempt{
		Number: p.attempts, Spec: p.identity.Spec, Beacon: p.beacon, Collector: p.collector,
		Gwat: p.gwat, Driver: timedDriver{p.writer.With(permit), p.metrics}, Ledger: p.ledger.For(p.attempts), Now: p.cfg.Now,
		Limits: p.limits(), Throughput: &p.throughput, Refused: p.refusedRoots(), HandsOff: permit.Inhibit, PushFromCheckpoint: p.pushFromCheckpoint,
		Below: p.below, BeaconWorks: p.beaconWorks(),
	}
}

func (p *Pair) startAttempt(ctx context.Context) {
	p.attempts++
	p.beginAttempt()
	a := p.attempt(p.guard.Permit())
	if p.takeover {
		a.Takeover = p.ledger.Takeable()
		p.takeover = false // once: its outcome is resolved like that of any other call
		p.ledger.Adopt(a.Number)
	}
	p.start(ctx, taskAttempt, func(ctx context.Context, generation uint64) (headsync.Result, error) {
		a.Report = func(r headsync.Report) {
			select {
			case p.reports <- report{generation, r}:
			case <-p.stopped:
			}
		}
		defer p.freeGate()
		return a.Run(ctx)
	})
}

// beaconWorks reports whether the beacon node processes blocks, each with calls that
// gwat's head-sync lock would refuse. One whose built-in driver waits for gwat says
// that it syncs; one whose head stands processes none. A gate holds these calls back.
func (p *Pair) beaconWorks() bool {
	if p.cfg.Gate != nil {
		return false
	}
	b := p.obs.Beacon
	return !b.Syncing.IsSyncing && b.Head.Header.Slot+headsync.QuietSlots >= p.identity.Spec.SlotAt(p.cfg.Now())
}

func (p *Pair) limits() headsync.Limits {
	return headsync.Limits{
		Bytes: p.cfg.SegmentBytes, Soft: p.cfg.SegmentTime, Hard: p.cfg.PushTimeout, Capacity: p.cfg.Capacity,
	}
}

// startCompleting makes the dag_sync that ends gwat's resync: the head's slot
// and no creators, for with one whose key gwat holds it would create a block.
func (p *Pair) startCompleting(ctx context.Context) {
	head := p.obs.Beacon.Head
	info := checkpoint.ConsensusInfo{Slot: head.Header.Slot, Finalizing: head.Spines}
	p.verifier.Completed(info.Slot, info.Finalizing)
	p.verdict.Complete, p.completed = false, &completion{}
	level := logrus.InfoLevel
	if p.completions++; p.completions > 1 {
		level = logrus.DebugLevel // a pair that cannot work is completed again with every attempt
	}
	p.log.WithField("slot", info.Slot).Log(level, "gwat still says resync: completing the switch with a dag_sync")
	permit := p.guard.Permit()
	p.start(ctx, taskComplete, func(ctx context.Context, _ uint64) (headsync.Result, error) {
		ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
		defer cancel()
		_, err := p.writer.With(permit).Sync(ctx, info)
		return headsync.Result{}, err
	})
}

// ended takes the worker's result in.
func (p *Pair) ended(ctx context.Context, r result) {
	p.worker = nil
	if r.task == taskComplete && p.completed != nil {
		p.completed.ended = p.cfg.Now()
	}
	if r.task == taskCollect {
		p.settle(ctx)
		return
	}
	tells := !failure.Canceled(r.err) || errors.Is(r.err, gwatclient.ErrNotReady)
	if r.err != nil && tells && !errors.Is(r.err, headsync.ErrHandsOff) {
		p.failed(r.err)
	}
	if r.generation != p.generation {
		return
	}
	if r.task == taskComplete {
		p.look(ctx)
		return
	}
	p.metrics.ended(r.err, r.Synced)
	if r.err == nil {
		p.settleAbsorbed()
		p.pushFromCheckpoint, p.below = false, nil
	}
	p.countFailed(r.err)
	if r.Pushed > 0 {
		clear(p.refused)
		p.ours = r.Spines
		p.metrics.pushed.Add(float64(r.Pushed))
	}
	stage := p.machine.Stage()
	if r.err == nil {
		p.reached, p.pushedTo = r.Head.Slot, 0
		if r.Confirmed != nil {
			p.pushedTo = r.Confirmed.Number
		}
	}
	switch {
	case r.err != nil:
		p.attemptFailed(ctx, stage, r.err)
	case r.Synced && stage == fsm.HeadSyncReady:
		p.push = p.lastPush // this attempt pushed nothing
		p.fire(ctx, fsm.AlreadySynced, fmt.Sprintf("gwat has finalized all up to the head at slot %d", r.Head.Slot))
	case stage == fsm.HeadSync:
		p.push.Phase = string(headsync.PhaseDone)
		p.push.Progress.Current, p.push.Progress.Target = uint64(r.Pushed), uint64(r.Pushed)
		p.lastPush = p.push
		p.fire(ctx, fsm.Pushed, fmt.Sprintf("gwat finalized all up to the head at slot %d, %d entries by our push", r.Head.Slot, r.Pushed))
	}
	p.look(ctx)
}

// failed records an error once it is new, so that a wait does not fill the log.
func (p *Pair) failed(err error) {
	if p.lastErr == nil || p.lastErr.Message != err.Error() {
		p.log.WithFields(logrus.Fields{"kind": failure.Name(err), "attempt": p.attempts}).Warnf("Head-sync attempt failed: %v", err)
	}
	p.lastErr = status.NewError(err, p.cfg.Now())
	if errors.Is(err, failure.NeedsHuman) {
		p.human = &human{why: err.Error(), until: p.cfg.Now().Add(humanPause)}
	}
	if errors.Is(err, headsync.ErrLockHeld) && p.ledger.Pending() == nil {
		p.rival.Sign("gwat's head-sync lock is held without a call of ours", p.cfg.Now())
	}
	if errors.Is(err, gwatclient.ErrNotReady) {
		p.rival.Sign("gwat answered not ready after it had accepted our ready", p.cfg.Now())
	}
	var rolledBack *headsync.RolledBackError
	if errors.As(err, &rolledBack) {
		p.rival.Sign("gwat was rolled back under our push", p.cfg.Now())
		if p.below == nil || rolledBack.Below < *p.below {
			p.below = &rolledBack.Below
		}
	}
}

// refusedRoots are the checkpoints that gwat refused again and again: one refusal
// may be of the moment.
func (p *Pair) refusedRoots() map[common.Hash]bool {
	out := map[common.Hash]bool{}
	for root, times := range p.refused {
		out[root] = times >= refusals
	}
	return out
}

func (p *Pair) attemptFailed(ctx context.Context, stage fsm.Stage, err error) {
	var lacks *headsync.MissingSpine
	if errors.As(err, &lacks) {
		p.missing = &missing{spine: lacks.Spine, until: p.cfg.Now().Add(headsync.QuietSlots * p.identity.Spec.SlotDuration())}
	}
	var refused *headsync.RefusedCheckpoint
	if errors.As(err, &refused) {
		p.refused[refused.Root]++
	}
	if p.push != nil {
		p.push.Phase = string(headsync.PhaseFailed)
	}
	if stage == fsm.HeadSync {
		switch {
		case errors.Is(err, headsync.ErrReorg):
			p.fire(ctx, fsm.Reorged, err.Error())
		case errors.Is(err, gwatclient.ErrSpineNotFound), errors.Is(err, headsync.ErrSpineMissing):
			p.fire(ctx, fsm.DAGIncomplete, err.Error())
		default:
			p.fire(ctx, fsm.PushFailed, err.Error())
		}
	}
	p.settle(ctx)
}
