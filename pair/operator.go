package pair

import (
	"context"
	"errors"
	"fmt"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// command is an operator's order.
type command struct {
	do   func(context.Context) error
	done chan error
}

// History returns the newest stage changes first; at most limit.
func (p *Pair) History(_ context.Context, limit int) ([]status.Change, error) {
	kept, err := p.cfg.Journal.History(limit)
	if err != nil {
		return nil, err
	}
	changes := make([]status.Change, len(kept))
	for i, c := range kept {
		changes[i] = status.Change(c)
	}
	return changes, nil
}

// Pause has syncd send nothing to either node until Resume, over a restart of syncd
// too, if the journal can be written.
func (p *Pair) Pause(ctx context.Context, reason string) error {
	return p.order(ctx, func(ctx context.Context) error {
		if p.ledger.Pause() == nil {
			p.ledger.SetPause(&journal.Pause{Reason: reason, At: p.cfg.Now()})
			p.settle(ctx) // before the disk, which may be slow
			p.ledger.KeepPause()
		}
		return nil
	})
}

// Resume ends a pause.
func (p *Pair) Resume(ctx context.Context) error {
	return p.order(ctx, func(context.Context) error {
		if p.ledger.Pause() != nil {
			p.ledger.SetPause(nil)
			p.ledger.KeepPause()
		}
		return nil
	})
}

// What a pair answers to a resync that it does not take.
var (
	// ErrWorks: in a pair at work the order may do more harm than good.
	ErrWorks       = failure.WithKind(failure.NeedsHuman, errors.New("the pair works: a block that comes while gwat's head-sync lock is held is marked bad by the beacon node, whose head then stands until it is restarted; give --force (\"force\": true) to resync all the same"))
	ErrPaused      = failure.WithKind(failure.RetryLater, errors.New("the pair is paused: resume it first"))
	ErrObserveOnly = failure.WithKind(failure.NeedsHuman, errors.New("syncd only observes (--observe) and pushes nothing: start it without --observe"))
)

// Resync takes the pair through all stages again, from who the nodes are on.
// After a full one pushes begin at the last checkpoint whatever gwat has beyond it,
// until one has ended well (S4: the operator forces it).
func (p *Pair) Resync(ctx context.Context, r status.Resync) error {
	return p.order(ctx, func(ctx context.Context) error {
		switch {
		case p.ledger.Pause() != nil:
			return ErrPaused
		case r.Full && p.cfg.Observe:
			return ErrObserveOnly
		case p.machine.Stage() == fsm.Working && !r.Force && !p.cfg.Observe:
			return ErrWorks
		}
		p.job.human, p.job.tried = nil, seenNodes{}
		clear(p.job.refused)
		p.health.failed = 0
		how := ""
		if r.Full {
			p.job.pushFromCheckpoint, how = true, ", with the full push"
		}
		if p.machine.Can(fsm.ResyncAsked) {
			p.fire(ctx, fsm.ResyncAsked, asked(how, r.Reason))
		}
		p.poll(ctx)
		return nil
	})
}

func asked(how, reason string) string {
	if reason == "" {
		return "asked by the operator" + how
	}
	return "asked by the operator" + how + ": " + reason
}

// order has the loop do something, and decide anew.
func (p *Pair) order(ctx context.Context, do func(context.Context) error) error {
	c := command{do: do, done: make(chan error, 1)}
	select {
	case p.box.commands <- c:
		return <-c.done
	case <-p.box.stopped:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("the pair did not take the order: %w", ctx.Err())
	}
}

// obey carries an order out in the loop.
func (p *Pair) obey(ctx context.Context, c command) {
	err := c.do(ctx)
	p.settle(ctx)
	c.done <- err
}
