package gwatclient

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/failure"
)

// ErrNullState: an answer of the coordinated era that is null in every field, its
// error too. To dag_finalize it means that a spine was not found: RetryLater.
var ErrNullState = errors.New("every field of the state is null")

// ErrRanBeside: the call was carried out and the state is valid, but another sync ran
// at the same time (error synchronization next to a state): RetryLater.
var ErrRanBeside = errors.New("done, while another sync ran")

// CoordinatedState is where a gwat of the coordinated era is by its last dag_finalize.
type CoordinatedState struct {
	LastFinalized  common.Hash      // lfSpine
	Epoch          primitives.Epoch // cpEpoch: the epoch of the last call
	CheckpointRoot common.Hash      // cpRoot: a beacon block; zero for genesis
}

// CoordinatedState asks dag_coordinatedState. It is answered from memory, also while
// a dag_finalize runs; while gwat loads from peers it is ErrSynchronization.
func (c *Client) CoordinatedState(ctx context.Context) (CoordinatedState, error) {
	const method = "dag_coordinatedState"
	raw, err := c.read(ctx, method)
	if err != nil {
		return CoordinatedState{}, err
	}
	return decodeCoordinatedState(method, raw)
}

func decodeCoordinatedState(method string, raw json.RawMessage) (CoordinatedState, error) {
	var in struct {
		Error         *string           `json:"error"`
		LastFinalized *common.Hash      `json:"lfSpine"`
		Epoch         *primitives.Epoch `json:"cpEpoch"`
		Root          *common.Hash      `json:"cpRoot"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return CoordinatedState{}, malformed(method, "result: %w", err)
	}
	switch {
	case in.Error != nil && in.LastFinalized == nil:
		return CoordinatedState{}, nodeError(method, *in.Error, ErrResult)
	case in.LastFinalized == nil && in.Epoch == nil && in.Root == nil:
		return CoordinatedState{}, failure.Newf(failure.RetryLater, "%s: %w", method, ErrNullState)
	case in.LastFinalized == nil || in.Epoch == nil || in.Root == nil:
		return CoordinatedState{}, malformed(method, "want lfSpine, cpEpoch and cpRoot, got %s", failure.Text(string(raw)))
	}
	state := CoordinatedState{LastFinalized: *in.LastFinalized, Epoch: *in.Epoch, CheckpointRoot: *in.Root}
	if in.Error != nil {
		err := nodeError(method, *in.Error, ErrResult)
		if errors.Is(err, ErrSynchronization) {
			err = failure.Newf(failure.RetryLater, "%s: %w: %w", method, ErrRanBeside, ErrSynchronization)
		}
		return state, err
	}
	return state, nil
}

// CoordinatedSyncing reports whether eth_syncing is not false: gwat is not in normal
// work. What else the object holds is of no use in the coordinated era.
func (c *Client) CoordinatedSyncing(ctx context.Context) (bool, error) {
	const method = "eth_syncing"
	raw, err := c.read(ctx, method)
	if err != nil {
		return false, err
	}
	if string(raw) == "false" {
		return false, nil
	}
	var in struct {
		FinalizedSlot *json.RawMessage `json:"finalizedSlot"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return false, malformed(method, "%w", err)
	}
	if in.FinalizedSlot == nil {
		return false, malformed(method, "want false or an object with finalizedSlot, got %s", failure.Text(string(raw)))
	}
	return true, nil
}

// WatInfo is how far gwat is, in slots.
type WatInfo struct {
	Checkpoint primitives.Slot // cpSlot: of its checkpoint's spine
	Current    primitives.Slot // currSlot: by its clock
	DAG        primitives.Slot // maxDagSlot: the newest slot of its DAG
}

// WatInfo asks wat_info, which only IPC serves. It crashes inside gwat, and is
// ErrRPC, when gwat does not know the spine of its checkpoint.
func (c *Client) WatInfo(ctx context.Context) (WatInfo, error) {
	const method = "wat_info"
	raw, err := c.read(ctx, method)
	if err != nil {
		return WatInfo{}, err
	}
	var in struct {
		Checkpoint *primitives.Slot `json:"cpSlot"`
		Current    *primitives.Slot `json:"currSlot"`
		DAG        *primitives.Slot `json:"maxDagSlot"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return WatInfo{}, malformed(method, "%w", err)
	}
	if in.Checkpoint == nil || in.Current == nil || in.DAG == nil {
		return WatInfo{}, malformed(method, "want cpSlot, currSlot and maxDagSlot, got %s", failure.Text(string(raw)))
	}
	return WatInfo{Checkpoint: *in.Checkpoint, Current: *in.Current, DAG: *in.DAG}, nil
}
