package api

import (
	"context"
	"time"

	"github.com/gwatsync/syncd/status"
)

// Source is the pair as the API sees it. Its methods are called concurrently, and only
// inside a request: go-ethereum's server and net/http turn a panic there into an error.
type Source interface {
	// Snapshot is nil as long as nothing is known.
	Snapshot() *status.Snapshot
	// History returns at most limit stage changes, the newest first.
	History(ctx context.Context, limit int) ([]status.Change, error)
	Pause(ctx context.Context, reason string) error
	Resume(ctx context.Context) error
	// Resync takes the pair through all stages again; with full the push begins
	// at the last checkpoint whatever gwat has.
	Resync(ctx context.Context, order status.Resync) error
	// Heal shows a heal and, unless it is a dry run, begins it if its proof holds now.
	Heal(ctx context.Context, order status.HealOrder) (*status.Heal, error)
	// Subscribe sends the stage changes from now on, Updates each new snapshot,
	// the newest only to a slow reader. Both channels are closed by cancel and
	// when the pair ends.
	Subscribe() (changes <-chan status.Change, cancel func())
	Updates() (snapshots <-chan *status.Snapshot, cancel func())
	// Samples returns at most limit points of the recent past, the newest last.
	Samples(limit int) []status.Sample
	// Span returns the past from one time to another in steps, and the step, which may
	// be longer than the one asked for.
	Span(from, to time.Time, step time.Duration) ([]status.Sample, time.Duration)
}

// snapshotOf returns the newest snapshot; errNothingKnown if there is none.
func snapshotOf(src Source) (*status.Snapshot, error) {
	if snap := src.Snapshot(); snap != nil {
		return snap, nil
	}
	return nil, errNothingKnown
}
