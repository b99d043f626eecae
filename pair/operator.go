package pair

import (
	"context"
	"errors"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
)

// History returns the newest stage changes first; at most limit.
func (p *Pair) History(_ context.Context, limit int) ([]status.Change, error) {
	return publish.History(p.cfg.Journal, limit)
}

// Pause keeps syncd from changing either node until Resume, and over a restart of syncd if the
// journal can be written.
func (p *Pair) Pause(ctx context.Context, reason string) error {
	return p.box.orders.Give(ctx, func(ctx context.Context) error {
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
	return p.box.orders.Give(ctx, func(context.Context) error {
		if p.ledger.Pause() != nil {
			p.ledger.SetPause(nil)
			p.ledger.KeepPause()
		}
		return nil
	})
}

// The errors of a resync that a pair refuses.
var (
	// ErrWorks: in a pair at work the order may do more harm than good.
	ErrWorks       = failure.WithKind(failure.NeedsHuman, errors.New("the pair works: a block that comes while gwat's head-sync lock is held is marked bad by the beacon node, whose head then does not move until it is restarted; use --force (\"force\": true) to resync all the same"))
	ErrPaused      = failure.WithKind(failure.RetryLater, errors.New("the pair is paused: resume it first"))
	ErrObserveOnly = failure.WithKind(failure.NeedsHuman, errors.New("syncd only observes (--observe) and pushes nothing: start it without --observe"))
)

// ErrNoHeals: a pair of the head-sync era is driven by syncd itself.
var ErrNoHeals = failure.WithKind(failure.NeedsHuman, errors.New("heals are for pairs of the coordinated era; this one is of the head-sync era, and syncd drives it: see syncd resync"))

// Heal returns ErrNoHeals, or for a dry run a Heal that says the same.
func (p *Pair) Heal(_ context.Context, order status.HealOrder) (*status.Heal, error) {
	if !order.DryRun {
		return nil, ErrNoHeals
	}
	return &status.Heal{Name: order.Name, Why: ErrNoHeals.Error(), Calls: []status.HealCall{}}, nil
}

// Resync takes the pair through all stages again, beginning with the identity of the nodes.
// After a full one pushes begin at the last checkpoint whatever gwat has beyond it,
// until one has ended well (S4: the operator forces it).
func (p *Pair) Resync(ctx context.Context, r status.Resync) error {
	return p.box.orders.Give(ctx, func(ctx context.Context) error {
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
			p.fire(ctx, fsm.ResyncAsked, orders.Asked(how, r.Reason))
		}
		p.poll(ctx)
		return nil
	})
}

// obey carries an order out in the loop.
func (p *Pair) obey(ctx context.Context, o orders.Order) {
	err := o.Do(ctx)
	p.settle(ctx)
	o.Done(err)
}
