package beaconclient

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
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
