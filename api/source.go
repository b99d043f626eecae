package api

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/status"
)

// Source is the pair as the API sees it. Its methods are called concurrently.
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

// safeSource turns a panic of the source into an error: a status call never
// ends the daemon.
type safeSource struct {
	src Source
	log logrus.FieldLogger
}

func (s safeSource) call(method string, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.WithFields(logrus.Fields{"method": method, "panic": fmt.Sprint(r), "stack": string(debug.Stack())}).
				Error("An API method crashed")
			err = &rpcError{code: codeInternal, msg: method + " crashed; the log of syncd has the cause"}
		}
	}()
	return fn()
}

// snapshot is the newest one; errNothingKnown if there is none.
func (s safeSource) snapshot() (snap *status.Snapshot, err error) {
	err = s.call("status", func() error { snap = s.src.Snapshot(); return nil })
	if err == nil && snap == nil {
		err = errNothingKnown
	}
	return snap, err
}

func (s safeSource) history(ctx context.Context, limit int) (changes []status.Change, err error) {
	err = s.call("history", func() error { changes, err = s.src.History(ctx, limit); return err })
	return changes, err
}

func (s safeSource) samples(limit int) (samples []status.Sample, err error) {
	err = s.call("progress", func() error { samples = s.src.Samples(limit); return nil })
	return samples, err
}

func (s safeSource) span(from, to time.Time, step time.Duration) (samples []status.Sample, used time.Duration, err error) {
	err = s.call("progress", func() error { samples, used = s.src.Span(from, to, step); return nil })
	return samples, used, err
}

func (s safeSource) pause(ctx context.Context, reason string) error {
	return s.call("pause", func() error { return s.src.Pause(ctx, reason) })
}

func (s safeSource) resume(ctx context.Context) error {
	return s.call("resume", func() error { return s.src.Resume(ctx) })
}

func (s safeSource) resync(ctx context.Context, order status.Resync) error {
	return s.call("resync", func() error { return s.src.Resync(ctx, order) })
}

func (s safeSource) heal(ctx context.Context, order status.HealOrder) (out *status.Heal, err error) {
	err = s.call("heal", func() error { out, err = s.src.Heal(ctx, order); return err })
	return out, err
}
