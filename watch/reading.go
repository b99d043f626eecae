package watch

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/watch/heal"
)

// The beacon node's names.
const (
	headBlock    = beaconclient.Head
	genesisState = beaconclient.StateID(beaconclient.Genesis)
)

// planExchange returns the one call that exchanges gwat's checkpoint.
func (t *try) planExchange(ctx context.Context) (*plan, error) {
	r := heal.Reading{Spec: t.spec}
	mark, err := t.mark(ctx)
	if err != nil {
		return nil, err
	}
	r.Mark = *mark
	_, err = t.beacon.Header(ctx, beaconclient.AtRoot(mark.Root))
	switch {
	case err == nil:
		return nil, fmt.Errorf("%w: the beacon node has the block of gwat's checkpoint", heal.ErrUnproved)
	case !errors.Is(err, beaconclient.ErrNotFound):
		return nil, err
	}
	if r.Head, err = t.beacon.Header(ctx, headBlock); err != nil {
		return nil, err
	}
	if r.Finality, err = t.beacon.Finality(ctx, beaconclient.StateAtSlot(r.Head.Slot)); err != nil {
		return nil, err
	}
	if r.Finalized, err = t.beacon.Header(ctx, beaconclient.AtRoot(r.Finality.Finalized.Root)); err != nil {
		return nil, err
	}
	if r.Spines, err = t.beacon.SpineData(ctx, beaconclient.StateAtSlot(r.Finalized.Slot)); err != nil {
		return nil, err
	}
	spine, err := r.CheckpointSpine()
	if err != nil {
		return nil, err
	}
	if r.Spine, err = t.gwat.BlockByHash(ctx, spine); err != nil {
		return nil, failure.WithKind(failure.RetryLater, fmt.Errorf("read the checkpoint's spine: %w", err))
	}
	call, err := heal.Exchange(&r)
	if err != nil {
		return nil, err
	}
	point := call.Checkpoint
	return &plan{
		calls:  []heal.Call{{Finalize: &call}},
		before: mark,
		what:   fmt.Sprintf("gwat's checkpoint is now %s of epoch %d", point.Root, point.Epoch),
	}, nil
}

// mark returns where a sync may begin in gwat, or why none may begin now.
func (t *try) mark(ctx context.Context) (*protocol.Mark, error) {
	state, err := t.gwat.State(ctx)
	if err != nil {
		return nil, err
	}
	return state.Mark, state.MayBegin()
}

// planDrive returns the calls of the beacon node's driver: one for the first block of each
// epoch after gwat's checkpoint, and one for the head. With local they are those that need
// no peer, up to the newest one whose spines gwat has all.
func (t *try) planDrive(ctx context.Context, local bool) (*plan, error) {
	p := &plan{local: local}
	mark, err := t.mark(ctx)
	if err != nil {
		return nil, err
	}
	head, err := t.beacon.Header(ctx, headBlock)
	if err != nil {
		return nil, err
	}
	from := primitives.Epoch(0)
	if mark.Root != (common.Hash{}) {
		point, err := t.beacon.Header(ctx, beaconclient.AtRoot(mark.Root))
		if err != nil {
			return nil, fmt.Errorf("read the block of gwat's checkpoint: %w", err)
		}
		from = t.spec.Epoch(point.Slot)
	}
	last := t.spec.Epoch(head.Slot)
	if last > from+heal.MaxEpochs {
		return nil, fmt.Errorf("%w: the beacon's head is %d epochs past gwat's checkpoint, at most %d are driven: restart the beacon node", heal.ErrUnproved, last-from, heal.MaxEpochs)
	}
	p.before = mark
	main, toHead := gwatclient.ModeMainSync, gwatclient.ModeHeadSync
	if local {
		main, toHead = gwatclient.ModeNoSync, gwatclient.ModeNoSync
	} else {
		p.head = &head.Root
	}
	for epoch := from + 1; epoch <= last; epoch++ {
		header, found, err := t.firstOf(ctx, epoch, head.Slot)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		if more, err := t.add(ctx, p, header, from, main, local); err != nil || !more {
			return p, err
		}
	}
	_, err = t.add(ctx, p, head, from, toHead, local)
	return p, err
}

// add adds the call of a block's state to a plan; false if gwat lacks a spine of it.
func (t *try) add(ctx context.Context, p *plan, header beaconclient.Header, from primitives.Epoch, mode gwatclient.SyncMode, local bool) (more bool, err error) {
	s, err := t.state(ctx, header, from)
	if err != nil {
		return false, err
	}
	call, err := s.Finalization(&t.spec, mode)
	if err != nil {
		return false, err
	}
	if local {
		switch missing, err := t.missing(ctx, call.Spines); {
		case err != nil:
			return false, err
		case missing && len(p.calls) == 0:
			return false, fmt.Errorf("%w: gwat lacks spines of the first epoch after its checkpoint: it needs a peer", heal.ErrUnproved)
		case missing:
			return false, nil
		}
	}
	p.calls = append(p.calls, heal.Call{Finalize: &call})
	p.what = fmt.Sprintf("gwat was driven to the state of slot %d by %s", header.Slot, counted.Of(len(p.calls), "call"))
	return true, nil
}

// missing reports whether gwat lacks one of the blocks.
func (t *try) missing(ctx context.Context, spines []common.Hash) (bool, error) {
	for _, spine := range spines {
		block, err := t.gwat.BlockByHash(ctx, spine)
		if err != nil {
			return false, failure.WithKind(failure.RetryLater, fmt.Errorf("read a spine: %w", err))
		}
		if block == nil {
			return true, nil
		}
	}
	return false, nil
}

// firstOf returns the first block of an epoch up to a slot; false if there is none.
func (t *try) firstOf(ctx context.Context, epoch primitives.Epoch, last primitives.Slot) (beaconclient.Header, bool, error) {
	for slot := t.spec.StartSlot(epoch); slot <= last && t.spec.Epoch(slot) == epoch; slot++ {
		header, err := t.beacon.Header(ctx, beaconclient.AtSlot(slot))
		switch {
		case err == nil:
			return header, true, nil
		case !errors.Is(err, beaconclient.ErrNotFound):
			return beaconclient.Header{}, false, err
		}
	}
	return beaconclient.Header{}, false, nil
}

// state reads the state of a block, and the validators that wait for something in it in
// an epoch or later. What is planned for epoch 0 is of genesis, and waits for nothing.
func (t *try) state(ctx context.Context, header beaconclient.Header, from primitives.Epoch) (*heal.State, error) {
	s, id := &heal.State{Header: header}, beaconclient.StateAtSlot(header.Slot)
	var err error
	if s.Operations, err = t.beacon.Operations(ctx, id, max(from, 1)); err != nil {
		return nil, err
	}
	if s.Finality, err = t.beacon.Finality(ctx, id); err != nil {
		return nil, err
	}
	if s.Spines, err = t.beacon.SpineData(ctx, id); err != nil {
		return nil, err
	}
	block, point := beaconclient.AtRoot(s.Finality.Finalized.Root), genesisState
	if s.Finality.Finalized.Epoch == 0 {
		block = beaconclient.Genesis
	}
	finalized, err := t.beacon.Header(ctx, block)
	if err != nil {
		return nil, err
	}
	if finalized.Slot > 0 {
		point = beaconclient.StateAtSlot(finalized.Slot)
	}
	s.Root = finalized.Root
	s.Point, err = t.beacon.SpineData(ctx, point)
	return s, err
}
