package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// History returns the newest stage changes first; at most limit.
func (w *Watcher) History(_ context.Context, limit int) ([]status.Change, error) {
	return publish.History(w.cfg.Journal, limit)
}

// Pause has the pair reported as paused, and ends a heal that runs before its next call. It is kept over a restart.
func (w *Watcher) Pause(ctx context.Context, reason string) error {
	return w.orders.Give(ctx, func(context.Context) error {
		w.pair.pause = &journal.Pause{Reason: reason, At: w.cfg.Now()}
		w.healing.guard.Set(w.inhibited()) // a heal that runs makes no call after the answer
		w.note(w.cfg.Journal.SetPause(*w.pair.pause))
		return nil
	})
}

// Resume ends a pause.
func (w *Watcher) Resume(ctx context.Context) error {
	return w.orders.Give(ctx, func(context.Context) error {
		w.pair.pause = nil
		w.note(w.cfg.Journal.ClearPause())
		return nil
	})
}

// Resync returns ErrBeaconDrives: there is no call that syncd makes in this era.
func (w *Watcher) Resync(context.Context, status.Resync) error { return ErrBeaconDrives }

// The errors of Heal, beside those of package heal.
var (
	ErrNoHeal   = failure.WithKind(failure.NeedsHuman, errors.New("there is no such heal: want "+strings.Join(heal.Names(), ", ")))
	ErrHealRuns = failure.WithKind(failure.RetryLater, errors.New("a heal is looked at or runs: ask again when it has ended"))
	ErrUnknown  = failure.WithKind(failure.RetryLater, errors.New("the pair is not known yet: both nodes must have answered once"))
)

// planTimeout bounds the calls by which a dry run reads both nodes.
const planTimeout = 4 * time.Second

// Heal shows a heal: its proof by the newest poll and its calls, for which both nodes are
// read again. If it is no dry run, it begins the heal, whether or not its setting is on,
// if the proof holds.
func (w *Watcher) Heal(ctx context.Context, order status.HealOrder) (*status.Heal, error) {
	n := heal.Name(order.Name)
	if !slices.Contains(heal.All, n) {
		return nil, ErrNoHeal
	}
	select {
	case w.healing.looking <- struct{}{}:
		defer func() { <-w.healing.looking }()
	default:
		return nil, ErrHealRuns
	}
	var out *status.Heal
	var one *try
	err := w.orders.Give(ctx, func(ctx context.Context) error {
		if w.pair.last == nil || w.pair.who.spec == nil {
			return ErrUnknown
		}
		out, one = w.showHeal(n), w.try(n)
		switch {
		case order.DryRun:
			return nil
		case w.healing.running != "":
			return ErrHealRuns
		case !out.Proved:
			return fmt.Errorf("%w: heal %s is not called for: %s", heal.ErrUnproved, n, out.Why)
		}
		if err := one.allowed(); err != nil {
			return err
		}
		w.begin(ctx, n, "asked by the operator; "+out.Why)
		out.Begun = true
		return nil
	})
	if err != nil || !order.DryRun {
		return out, err
	}
	reading, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	plan, err := one.plan(reading, n)
	if err != nil {
		out.Refused = failure.Message(err)
		return out, nil
	}
	for _, c := range plan.calls {
		method, params := c.Shown()
		out.Calls = append(out.Calls, status.HealCall{Method: method, Params: params})
	}
	return out, nil
}

// showHeal returns what the loop knows of a heal.
func (w *Watcher) showHeal(n heal.Name) *status.Heal {
	facts := w.healFacts(w.pair.last)
	proved, why := heal.Prove(n, &facts)
	return &status.Heal{Name: string(n), On: w.cfg.Heals.on(n), Proved: proved, Why: why, Tries: w.healing.records[n].Tries(), Calls: []status.HealCall{}}
}
