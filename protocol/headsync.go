package protocol

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/internal/counted"
)

// HeadSync is the head-sync era with one gwat: dag_headSyncReady makes gwat roll back to a
// checkpoint, dag_headSync pushes what follows it. Its other methods are gwat's reads.
type HeadSync struct{ *gwatclient.Client }

var _ Era[checkpoint.ConsensusInfo] = HeadSync{}

// activities are the stages of eth_syncing.
var activities = map[gwatclient.Stage]Activity{
	gwatclient.StageFinalized: LoadingChain,
	gwatclient.StageDAG:       LoadingDAG,
	gwatclient.StageHead:      Prepared,
	gwatclient.StageResync:    Behind,
}

// State implements Reader.
func (h HeadSync) State(ctx context.Context) (State, error) {
	s, err := h.Syncing(ctx)
	return State{
		Syncing: s.Syncing, Activity: activities[s.Stage], Word: string(s.Stage),
		CurrentBlock: s.CurrentBlock, HighestBlock: s.HighestBlock,
		CoordSlot: s.LastCoordSlot, TipSlot: s.MaxBlockSlot,
	}, err
}

// Driver implements Era.
func (h HeadSync) Driver(p guard.Permit) Driver[checkpoint.ConsensusInfo] {
	return headSyncDriver{h.Changes(p)}
}

// ClassifyPending implements Era. gwat carries out a call whose caller gave up, at some
// later time; it is over when its effect is seen, when the process that had it is gone,
// or when the lock it could hold has run out.
func (HeadSync) ClassifyPending(p checkpoint.Pending, s Seen) (Fate, string) {
	since := s.CheckedAt.After(p.SentAt)
	held := since && s.State.Activity == Prepared
	// A proxy before gwat refuses connections, too; a lock survives no restart.
	if s.Down && !held {
		return Over, "gwat was restarted"
	}
	// It may be begun as late as its caller gave up, and hold the lock from then on. A
	// lock that is held after that counts as a competing driver's, and so does a push that
	// takes longer: either way nothing is sent before three quiet slots.
	until := p.SentAt.Add(s.GiveUp + s.LockTime)
	switch {
	case !s.Now.Before(until):
		return Over, "the time has passed in which gwat could hold its lock for it"
	case p.Call == checkpoint.CallReady && held && s.Latest != nil && s.Latest.Hash == p.Spine:
		return Accepted, "gwat is at its checkpoint"
	case p.Call == checkpoint.CallPush && since && !held && s.Last != nil && s.Last.IsSpine():
		return Over, "gwat has finalized all of it"
	}
	return Open, fmt.Sprintf("the %s sent at %s, which had no answer, to be over: gwat may still carry it out until about %s",
		map[string]string{checkpoint.CallReady: "dag_headSyncReady", checkpoint.CallPush: "dag_headSync"}[p.Call],
		p.SentAt.Format(time.TimeOnly), until.Format(time.TimeOnly))
}

// headSyncDriver makes the calls of the head-sync era.
type headSyncDriver struct{ calls gwatclient.Changes }

// Prepare implements Driver.
func (d headSyncDriver) Prepare(ctx context.Context, at checkpoint.ConsensusInfo) error {
	done, err := d.calls.HeadSyncReady(ctx, at)
	if err = answered(done, err); err != nil {
		return fmt.Errorf("dag_headSyncReady at slot %d: %w", at.Slot, err)
	}
	return nil
}

// Push implements Driver. A false is gwat's last word on this push.
func (d headSyncDriver) Push(ctx context.Context, entries []checkpoint.ConsensusInfo) (*Mark, error) {
	done, err := d.calls.HeadSync(ctx, entries)
	if err == nil && !done {
		err = failure.WithKind(failure.Abort, ErrRefused)
	}
	if err = answered(true, err); err != nil {
		return nil, fmt.Errorf("dag_headSync of %s: %w", counted.Of(len(entries), "entry"), err)
	}
	return nil, nil
}

// Release implements Driver by an empty push.
func (d headSyncDriver) Release(ctx context.Context) error {
	return answered(d.calls.HeadSync(ctx, nil))
}

// Complete implements Driver by a dag_sync of the head's slot. head must name no creators:
// with one whose key gwat holds, gwat would create a block.
func (d headSyncDriver) Complete(ctx context.Context, head checkpoint.ConsensusInfo) error {
	_, err := d.calls.Sync(ctx, head)
	return answered(true, err)
}

// answered puts an answer of gwat into the errors of this package.
func answered(done bool, err error) error {
	switch {
	case err == nil && !done:
		return ErrRefused
	case errors.Is(err, gwatclient.ErrNotReady):
		return failure.WithKind(ErrNotPrepared, err)
	case errors.Is(err, gwatclient.ErrBadNumber), errors.Is(err, gwatclient.ErrStateNotFound):
		return failure.WithKind(ErrCheckpointRefused, err)
	case errors.Is(err, gwatclient.ErrSpineNotFound):
		return failure.WithKind(ErrIncomplete, err)
	}
	return err
}
