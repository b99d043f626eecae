package heal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
)

// ErrStopped: a heal ended before its last call, because a competing driver was seen.
var ErrStopped = failure.WithKind(failure.RetryLater, errors.New("stopped"))

// ErrOperations: validators wait for operations, of which only the beacon node can inform
// gwat. A gwat that is driven without them has another state than the network.
var ErrOperations = failure.WithKind(failure.NeedsHuman, errors.New("validator operations are pending"))

// MaxEpochs is over how many epochs gwat is driven at most.
const MaxEpochs = 64

// State is what is read of a state of the beacon node for the call of its driver.
type State struct {
	Header   beaconclient.Header // of its block
	Finality beaconclient.Finality
	Spines   beaconclient.SpineData
	// Root is the root of the finalized block, of the genesis block while there is none;
	// Point is what that block's state says.
	Root       common.Hash
	Point      beaconclient.SpineData
	Operations []beaconclient.Operation // that are pending
}

// Finalization returns the call that the beacon node makes for a state, or why syncd may
// not make it.
func (s *State) Finalization(spec *checkpoint.Spec, mode gwatclient.SyncMode) (gwatclient.Finalization, error) {
	slot := s.Header.Slot
	if !s.Header.Canonical {
		return gwatclient.Finalization{}, fmt.Errorf("%w: the block of slot %d is not canonical", ErrUnproved, slot)
	}
	if n := len(s.Operations); n > 0 {
		first := s.Operations[0]
		return gwatclient.Finalization{}, fmt.Errorf("%w: %d at slot %d, such as validator %d: %s; restart the beacon node, which passes them on to gwat", ErrOperations, n, slot, first.Validator, first.What)
	}
	spine, ok := s.Point.LastFinal()
	if !ok || len(s.Spines.Finalized) == 0 || s.Root == (common.Hash{}) {
		return gwatclient.Finalization{}, fmt.Errorf("%w: the state of slot %d names no checkpoint", ErrUnproved, slot)
	}
	base := s.Spines.Finalized[0]
	spines := []common.Hash{}
	for _, one := range slices.Concat(s.Spines.Finalized[1:], s.Spines.Finalization) {
		if !slices.Contains(spines, one) {
			spines = append(spines, one)
		}
	}
	return gwatclient.Finalization{
		Spines: spines, Base: base, Mode: mode,
		Checkpoint: &gwatclient.FinalizeCheckpoint{Epoch: s.Finality.Finalized.Epoch, FinEpoch: spec.Epoch(slot), Root: s.Root, Spine: spine},
	}, nil
}

// Covers reports whether a call itself finalizes the spine of its checkpoint. If not, the
// spine must be final in gwat before.
func Covers(f *gwatclient.Finalization) bool {
	return f.Base == f.Checkpoint.Spine || slices.Contains(f.Spines, f.Checkpoint.Spine)
}
