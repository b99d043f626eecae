package watch

import (
	"context"
	"fmt"

	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// History returns the newest stage changes first; at most limit.
func (w *Watcher) History(_ context.Context, limit int) ([]status.Change, error) {
	kept, err := w.cfg.Journal.History(limit)
	if err != nil {
		return nil, err
	}
	changes := make([]status.Change, len(kept))
	for i, c := range kept {
		changes[i] = status.Change(c)
	}
	return changes, nil
}

// Pause has the pair reported as paused. It is kept over a restart.
func (w *Watcher) Pause(ctx context.Context, reason string) error {
	return w.order(ctx, func() error {
		w.pair.paused = true
		w.note(w.cfg.Journal.SetPause(journal.Pause{Reason: reason, At: w.cfg.Now()}))
		return nil
	})
}

// Resume ends a pause.
func (w *Watcher) Resume(ctx context.Context) error {
	return w.order(ctx, func() error {
		w.pair.paused = false
		w.note(w.cfg.Journal.ClearPause())
		return nil
	})
}

// Resync returns ErrBeaconDrives: there is no call that syncd makes in this era.
func (w *Watcher) Resync(context.Context, status.Resync) error { return ErrBeaconDrives }

// order has the loop do something.
func (w *Watcher) order(ctx context.Context, do func() error) error {
	o := order{do: do, done: make(chan error, 1)}
	select {
	case w.orders <- o:
		return <-o.done
	case <-w.ended:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("the pair did not take the order: %w", ctx.Err())
	}
}
