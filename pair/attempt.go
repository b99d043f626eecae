package pair

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// refusals is how many times in a row gwat must refuse a checkpoint before an attempt begins
// at the one before.
const refusals = 3

// ended handles the worker's result.
func (p *Pair) ended(ctx context.Context, r result) {
	p.job.worker = nil
	if r.task == taskComplete && p.proof.completed != nil {
		p.proof.completed.ended = p.cfg.Now()
	}
	if r.task == taskCollect {
		p.settle(ctx)
		return
	}
	counts := !failure.Canceled(r.err) || errors.Is(r.err, protocol.ErrNotPrepared)
	if r.err != nil && counts && !errors.Is(r.err, headsync.ErrWriteInhibited) {
		p.failed(r.err)
	}
	if r.sequence != p.job.sequence {
		return
	}
	if r.task == taskComplete {
		p.poll(ctx)
		return
	}
	p.shown.metrics.ended(r.err, r.Synced)
	if r.err == nil {
		p.settleAbsorbed()
		p.job.pushFromCheckpoint, p.job.below = false, nil
	}
	p.countFailed(r.err)
	if r.Pushed > 0 || len(r.Spines) > 0 {
		clear(p.job.refused)
		p.proof.ours = r.Spines
		p.shown.metrics.pushed.Add(float64(r.Pushed))
	}
	stage := p.machine.Stage()
	if r.err == nil {
		p.proof.reached, p.proof.pushedTo = r.Head.Slot, 0
		if r.Confirmed != nil {
			p.proof.pushedTo = r.Confirmed.Number
		}
	}
	switch {
	case r.err != nil:
		p.attemptFailed(ctx, stage, r.err)
	case r.Synced && stage == fsm.HeadSyncReady:
		p.shown.push.Skip()
		p.fire(ctx, fsm.AlreadySynced, fmt.Sprintf("gwat has finalized all up to the head at slot %d", r.Head.Slot))
	case stage == fsm.HeadSync:
		p.shown.push.Done(r.Pushed)
		p.fire(ctx, fsm.Pushed, fmt.Sprintf("gwat finalized all up to the head at slot %d, %s by our push", r.Head.Slot, counted.Of(r.Pushed, "entry")))
	}
	p.poll(ctx)
}

// failed records an error, and logs it only if it is new, so that a wait does not fill the log.
func (p *Pair) failed(err error) {
	if p.shown.lastErr == nil || p.shown.lastErr.Message != err.Error() {
		p.log.WithFields(logrus.Fields{"kind": failure.Name(err), "attempt": p.job.attempts}).Warnf("Head-sync attempt failed: %v", err)
	}
	p.shown.lastErr = status.NewError(err, p.cfg.Now())
	if errors.Is(err, failure.NeedsHuman) {
		p.job.human = &human{why: err.Error(), until: p.cfg.Now().Add(humanPause)}
	}
	if errors.Is(err, protocol.ErrLockHeld) && p.ledger.Pending() == nil {
		p.writes.competing.Sign("gwat's head-sync lock is held without a call of ours", p.cfg.Now())
	}
	if errors.Is(err, protocol.ErrNotPrepared) {
		p.writes.competing.Sign("gwat answered not ready after it had accepted our ready", p.cfg.Now())
	}
	var rolledBack *headsync.RolledBackError
	if errors.As(err, &rolledBack) {
		p.writes.competing.Sign("gwat was rolled back under our push", p.cfg.Now())
		if p.job.below == nil || rolledBack.Below < *p.job.below {
			p.job.below = &rolledBack.Below
		}
	}
}

// refusedRoots returns the checkpoints that gwat refused several times in a row: a single
// refusal may pass.
func (p *Pair) refusedRoots() map[common.Hash]bool {
	out := map[common.Hash]bool{}
	for root, times := range p.job.refused {
		out[root] = times >= refusals
	}
	return out
}

func (p *Pair) attemptFailed(ctx context.Context, stage fsm.Stage, err error) {
	var lacks *headsync.MissingSpine
	if errors.As(err, &lacks) {
		p.job.missing = &missing{spine: lacks.Spine, until: p.cfg.Now().Add(headsync.QuietSlots * p.polls.identity.Spec.SlotDuration())}
	}
	var refused *headsync.RefusedCheckpoint
	if errors.As(err, &refused) {
		p.job.refused[refused.Root]++
	}
	p.shown.push.Fail()
	if stage == fsm.HeadSync {
		switch {
		case errors.Is(err, headsync.ErrReorg):
			p.fire(ctx, fsm.Reorged, err.Error())
		case errors.Is(err, protocol.ErrIncomplete), errors.Is(err, headsync.ErrSpineMissing):
			p.fire(ctx, fsm.DAGIncomplete, err.Error())
		default:
			p.fire(ctx, fsm.PushFailed, err.Error())
		}
	}
	p.settle(ctx)
}
