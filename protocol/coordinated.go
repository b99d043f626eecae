package protocol

import (
	"context"
	"errors"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
)

// Coordinated is the coordinated era with one gwat: dag_coordinatedState says where the
// last dag_finalize has left gwat. Its other methods are gwat's reads.
type Coordinated struct{ *gwatclient.Client }

var _ Era[gwatclient.Finalization] = Coordinated{}

// State implements Reader.
func (c Coordinated) State(ctx context.Context) (State, error) {
	syncing, err := c.CoordinatedSyncing(ctx)
	if err != nil {
		return State{}, err
	}
	mark, err := c.Mark(ctx)
	s := State{Syncing: syncing, Mark: mark}
	switch {
	case err != nil:
	case mark == nil:
		s.Activity, s.Word = LoadingChain, gwatclient.ErrSynchronization.Error()
	case syncing:
		s.Activity = Behind
	}
	return s, err
}

// Mark returns where the last call has left gwat; nil while gwat loads and does not say it.
func (c Coordinated) Mark(ctx context.Context) (*Mark, error) {
	s, err := c.CoordinatedState(ctx)
	if loads(err) {
		return nil, nil
	}
	return markOf(s, err)
}

func loads(err error) bool {
	return errors.Is(err, gwatclient.ErrSynchronization) || errors.Is(err, gwatclient.ErrNullState)
}

func markOf(s gwatclient.CoordinatedState, err error) (*Mark, error) {
	if err != nil {
		return nil, err
	}
	return &Mark{LastFinalized: s.LastFinalized, Epoch: s.Epoch, Root: s.CheckpointRoot}, nil
}

// Driver implements Era.
func (c Coordinated) Driver(p guard.Permit) Driver[gwatclient.Finalization] {
	return coordinatedDriver{c.Changes(p)}
}

// ClassifyPending implements Era. A dag_finalize is repeatable: the same call again
// changes nothing. So it is over when gwat shows its checkpoint or does not load, and
// open while gwat loads: it may be the call that does.
func (Coordinated) ClassifyPending(p checkpoint.Pending, s Seen) (Fate, string) {
	since, mark := s.CheckedAt.After(p.SentAt), s.State.Mark
	switch {
	case s.Down:
		return Over, "gwat was restarted"
	case since && mark != nil && mark.Root == p.Root:
		return Over, "gwat has its checkpoint"
	case since && !s.State.Activity.Loads():
		return Over, "gwat loads nothing, and the same call may be made again"
	}
	return Open, "the dag_finalize sent at " + p.SentAt.Format(time.TimeOnly) + ", which had no answer, to be over: gwat may still carry it out"
}

// coordinatedDriver makes the calls of the beacon node's driver. gwat has no lock that one
// call takes for the next.
type coordinatedDriver struct{ calls gwatclient.Changes }

// Prepare implements Driver: there is nothing to prepare.
func (coordinatedDriver) Prepare(context.Context, gwatclient.Finalization) error { return nil }

// Push implements Driver by one dag_finalize for each entry. It ends with the first that
// fails, and with one after which gwat has another checkpoint.
func (d coordinatedDriver) Push(ctx context.Context, entries []gwatclient.Finalization) (mark *Mark, err error) {
	for _, f := range entries {
		if mark, err = markOf(d.calls.FinalizeCoordinated(ctx, f)); err != nil {
			return nil, finalized(err)
		}
		if c := f.Checkpoint; c != nil && c.Root != mark.Root {
			return mark, failure.WithKind(ErrCheckpointRefused, failure.Newf(failure.RetryLater, "gwat's checkpoint is %s after it", mark.Root))
		}
	}
	return mark, nil
}

// Shown returns the call that an entry of a Push is, for people.
func Shown(f gwatclient.Finalization) (method string, params []any) {
	return "dag_finalize", []any{f}
}

// Release implements Driver: there is nothing to release.
func (coordinatedDriver) Release(context.Context) error { return nil }

// Complete implements Driver by a dag_finalize of the head in head-sync mode.
func (d coordinatedDriver) Complete(ctx context.Context, head gwatclient.Finalization) error {
	head.Mode = gwatclient.ModeHeadSync
	_, err := d.Push(ctx, []gwatclient.Finalization{head})
	return err
}

// finalized puts the error of a dag_finalize into the errors of this package.
func finalized(err error) error {
	switch {
	case errors.Is(err, gwatclient.ErrNullState), errors.Is(err, gwatclient.ErrSpineNotFound):
		return failure.WithKind(ErrIncomplete, err)
	case errors.Is(err, gwatclient.ErrInvalidBase):
		return failure.WithKind(ErrCheckpointRefused, err)
	case errors.Is(err, gwatclient.ErrSynchronization), errors.Is(err, gwatclient.ErrBusy):
		return failure.WithKind(ErrBusy, err)
	}
	return err
}
