package watch

import (
	"context"

	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
)

// History returns the newest stage changes first; at most limit.
func (w *Watcher) History(_ context.Context, limit int) ([]status.Change, error) {
	return publish.History(w.cfg.Journal, limit)
}

// Pause has the pair reported as paused. It is kept over a restart.
func (w *Watcher) Pause(ctx context.Context, reason string) error {
	return w.orders.Give(ctx, func(context.Context) error {
		w.pair.pause = &journal.Pause{Reason: reason, At: w.cfg.Now()}
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
