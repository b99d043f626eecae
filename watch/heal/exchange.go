package heal

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

// ErrUnproved: what a heal needs to be true was read to be false. Nothing was sent.
var ErrUnproved = failure.WithKind(failure.RetryLater, errors.New("not proved"))

// Reading is what is read for the exchange of gwat's checkpoint.
type Reading struct {
	Spec      checkpoint.Spec
	Head      beaconclient.Header
	Finality  beaconclient.Finality  // of the head's state
	Finalized beaconclient.Header    // of the block that it calls finalized
	Spines    beaconclient.SpineData // of that block's state
	Mark      protocol.Mark          // where gwat is
	Spine     *gwatclient.Block      // gwat's block of the checkpoint's spine; nil if it has none
}

// CheckpointSpine returns the spine that the new checkpoint names.
func (r *Reading) CheckpointSpine() (common.Hash, error) {
	spine, ok := r.Spines.LastFinal()
	if !ok {
		return common.Hash{}, fmt.Errorf("%w: the state of the finalized block names no spine", ErrUnproved)
	}
	return spine, nil
}

// HeadBehind reports whether gwat's last call was for a later epoch than that of the beacon's
// head. Such a beacon node may not have loaded the block of gwat's checkpoint yet, which no
// clock shows that was set back. An epoch that it cannot reach is no sign of that.
func HeadBehind(spec *checkpoint.Spec, head primitives.Slot, epoch primitives.Epoch) bool {
	at := spec.Epoch(head)
	return epoch > at && epoch <= at+MaxEpochs
}

// Exchange returns the one call that exchanges gwat's checkpoint for the finalized one of
// the beacon node, or why it may not be made. gwat stores a checkpoint unchecked, and one
// whose spine it has not finalized costs it blocks at its next start.
func Exchange(r *Reading) (gwatclient.Finalization, error) {
	spine, err := r.CheckpointSpine()
	if err != nil {
		return gwatclient.Finalization{}, err
	}
	point := r.Finality.Finalized
	switch {
	case point.Epoch == 0 || point.Root == common.Hash{}:
		return gwatclient.Finalization{}, fmt.Errorf("%w: the beacon node has finalized nothing yet", ErrUnproved)
	case r.Finalized.Root != point.Root || !r.Finalized.Canonical:
		return gwatclient.Finalization{}, fmt.Errorf("%w: the finalized block %s is not canonical", ErrUnproved, point.Root)
	case HeadBehind(&r.Spec, r.Head.Slot, r.Mark.Epoch):
		return gwatclient.Finalization{}, fmt.Errorf("%w: gwat was driven to epoch %d, the beacon's head is of epoch %d", ErrUnproved, r.Mark.Epoch, r.Spec.Epoch(r.Head.Slot))
	case r.Mark.Root == point.Root:
		return gwatclient.Finalization{}, fmt.Errorf("%w: gwat has this checkpoint already", ErrUnproved)
	case r.Spine == nil || r.Spine.Hash != spine:
		return gwatclient.Finalization{}, fmt.Errorf("%w: gwat does not have the checkpoint's spine %s", ErrUnproved, spine)
	case !r.Spine.Final():
		return gwatclient.Finalization{}, fmt.Errorf("%w: the checkpoint's spine %s is not final in gwat", ErrUnproved, spine)
	}
	return gwatclient.Finalization{
		Base: r.Mark.LastFinalized, Mode: gwatclient.ModeNoSync,
		Checkpoint: &gwatclient.FinalizeCheckpoint{
			Epoch: point.Epoch, FinEpoch: r.Spec.Epoch(r.Head.Slot), Root: point.Root, Spine: spine,
		},
	}, nil
}
