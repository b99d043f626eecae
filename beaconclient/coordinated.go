package beaconclient

import (
	"context"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// SpineData is what a state of the coordinated era says about spines, oldest first.
type SpineData struct {
	// Finalized are the spines up to the state's checkpoint; the first is the base
	// spine of a dag_finalize for this state.
	Finalized []common.Hash
	// Finalization are the spines that the state finalizes after it.
	Finalization []common.Hash
}

// LastFinal returns the newest spine that the state finalizes; false at a state
// that names none.
func (s SpineData) LastFinal() (common.Hash, bool) {
	for _, row := range [][]common.Hash{s.Finalization, s.Finalized} {
		if n := len(row); n > 0 {
			return row[n-1], true
		}
	}
	return common.Hash{}, false
}

// SpineData asks /eth/v1/beacon/states/{state}/spine_data, which only nodes of the
// coordinated era have.
func (c *Client) SpineData(ctx context.Context, state StateID) (SpineData, error) {
	path := statePath(state) + "/spine_data"
	var in struct {
		Finalized    *hashRow `json:"cp_finalized"`
		Finalization *hashRow `json:"finalization"`
	}
	if err := c.get(ctx, path, nil, &in); err != nil {
		return SpineData{}, err
	}
	if err := missing(map[string]bool{"cp_finalized": in.Finalized != nil, "finalization": in.Finalization != nil}); err != nil {
		return SpineData{}, malformed(path, "%w", err)
	}
	return SpineData{Finalized: *in.Finalized, Finalization: *in.Finalization}, nil
}

// farFuture is the epoch of what is not planned.
const farFuture = math.MaxUint64

// Operation is something that a validator waits for. The beacon node tells gwat of it
// with dag_finalize.
type Operation struct {
	Validator uint64
	What      string // such as "exit in epoch 7"
}

// Operations asks for the validators of a state that wait for an activation or an exit
// in an epoch or later, or for a withdrawal, in the node's order.
func (c *Client) Operations(ctx context.Context, state StateID, from primitives.Epoch) ([]Operation, error) {
	path := statePath(state) + "/validators"
	var in []struct {
		Index     *decimal `json:"index"`
		Validator struct {
			Activation  *decimal `json:"activation_epoch"`
			Exit        *decimal `json:"exit_epoch"`
			Withdrawals []any    `json:"withdrawal_ops"`
		} `json:"validator"`
	}
	if err := c.getUpTo(ctx, c.maxBody, path, nil, &in); err != nil {
		return nil, err
	}
	if in == nil {
		return nil, malformed(path, "no data")
	}
	var out []Operation
	for i, one := range in {
		v := &one.Validator
		if err := missing(map[string]bool{"index": one.Index != nil, "activation_epoch": v.Activation != nil, "exit_epoch": v.Exit != nil}); err != nil {
			return nil, malformed(path, "validator %d %w", i, err)
		}
		planned := func(what string, epoch decimal) {
			if epoch != farFuture && primitives.Epoch(epoch) >= from {
				out = append(out, Operation{uint64(*one.Index), fmt.Sprintf("%s in epoch %d", what, epoch)})
			}
		}
		planned("activation", *v.Activation)
		planned("exit", *v.Exit)
		if n := len(v.Withdrawals); n > 0 {
			out = append(out, Operation{uint64(*one.Index), fmt.Sprintf("%d withdrawals", n)})
		}
	}
	return out, nil
}
