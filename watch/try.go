package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/watch/heal"
)

// tryTimeout bounds the calls of a try. gwat may still carry out a call that it ended.
const tryTimeout = time.Minute

// try is one try of a heal: what it was given at its beginning. It shares nothing with
// the loop.
type try struct {
	gwat    Gwat
	beacon  Beacon
	changes func(guard.Permit) Changes
	run     func(ctx context.Context, command string) (string, error)
	permit  guard.Permit
	spec    checkpoint.Spec
	enodes  []string
	command string
}

// allowed returns an error if nothing may be changed, or not any more.
func (t *try) allowed() error {
	if why := t.permit.Inhibit(); why != "" {
		return fmt.Errorf("%w: %s", heal.ErrUnproved, why)
	}
	return nil
}

// do makes the calls of a heal and returns what was done.
func (t *try) do(ctx context.Context, n heal.Name) (what string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if err := t.allowed(); err != nil {
		return "", err
	}
	switch n {
	case heal.Peers:
		return t.addPeers(ctx)
	case heal.Checkpoint:
		return t.exchange(ctx)
	}
	output, err := t.run(ctx, t.command)
	return fmt.Sprintf("ran %q: %s", t.command, output), err
}

// addPeers has gwat connect to every peer that it had. One that cannot be added does not
// keep the others away.
func (t *try) addPeers(ctx context.Context) (string, error) {
	added, failed := 0, []error{}
	for _, enode := range t.enodes {
		if err := t.allowed(); err != nil {
			return "", err
		}
		if err := t.changes(t.permit).AddPeer(ctx, enode); err != nil {
			failed = append(failed, err)
			continue
		}
		added++
	}
	what := fmt.Sprintf("added %d of %d peers that gwat had before", added, len(t.enodes))
	if added == 0 {
		return what, errors.Join(failed...)
	}
	return what, nil
}

// exchange exchanges gwat's checkpoint. Everything that the call depends on is read
// immediately before it.
func (t *try) exchange(ctx context.Context) (string, error) {
	call, err := t.exchangeCall(ctx)
	if err != nil {
		return "", err
	}
	if err := t.allowed(); err != nil {
		return "", err
	}
	state, err := t.changes(t.permit).FinalizeCoordinated(ctx, call)
	if err != nil {
		return "sent dag_finalize", err
	}
	if state.CheckpointRoot != call.Checkpoint.Root {
		return "sent dag_finalize", fmt.Errorf("%w: gwat's checkpoint is %s after it", heal.ErrUnproved, state.CheckpointRoot)
	}
	return fmt.Sprintf("gwat's checkpoint is now %s of epoch %d", call.Checkpoint.Root, call.Checkpoint.Epoch), nil
}

// exchangeCall reads both nodes and returns the call, or why it may not be made.
func (t *try) exchangeCall(ctx context.Context) (none gwatclient.Finalization, err error) {
	r := heal.Reading{Spec: t.spec}
	if r.State, err = t.gwat.CoordinatedState(ctx); err != nil {
		return none, err
	}
	_, err = t.beacon.Header(ctx, beaconclient.AtRoot(r.State.CheckpointRoot))
	switch {
	case err == nil:
		return none, fmt.Errorf("%w: the beacon node has the block of gwat's checkpoint", heal.ErrUnproved)
	case !errors.Is(err, beaconclient.ErrNotFound):
		return none, err
	}
	if r.Head, err = t.beacon.Header(ctx, beaconclient.Head); err != nil {
		return none, err
	}
	if r.Finality, err = t.beacon.Finality(ctx, beaconclient.StateAtSlot(r.Head.Slot)); err != nil {
		return none, err
	}
	if r.Finalized, err = t.beacon.Header(ctx, beaconclient.AtRoot(r.Finality.Finalized.Root)); err != nil {
		return none, err
	}
	if r.Spines, err = t.beacon.SpineData(ctx, beaconclient.StateAtSlot(r.Finalized.Slot)); err != nil {
		return none, err
	}
	spine, err := r.CheckpointSpine()
	if err != nil {
		return none, err
	}
	if r.Spine, err = t.gwat.BlockByHash(ctx, spine); err != nil {
		return none, failure.WithKind(failure.RetryLater, fmt.Errorf("read the checkpoint's spine: %w", err))
	}
	return heal.Exchange(&r)
}
