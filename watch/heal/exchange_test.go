package heal

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

// The call is sent only with a spine that is final in gwat: with another one a real gwat
// threw away its tips, and deleted blocks at its next start.
func TestExchange(t *testing.T) {
	root, spine, last, foreign := common.Hash{1}, common.Hash{2}, common.Hash{3}, common.Hash{4}
	good := func() Reading {
		return Reading{
			Spec: checkpoint.Spec{SlotsPerEpoch: 8}, Head: beaconclient.Header{Slot: 100},
			Finality:  beaconclient.Finality{Finalized: checkpoint.Checkpoint{Epoch: 10, Root: root}},
			Finalized: beaconclient.Header{Root: root, Slot: 80, Canonical: true},
			Spines:    beaconclient.SpineData{Finalized: []common.Hash{{9}}, Finalization: []common.Hash{{8}, spine}},
			Mark:      protocol.Mark{LastFinalized: last, Epoch: 12, Root: foreign},
			Spine:     &gwatclient.Block{Hash: spine, Number: ptr(uint64(76))},
		}
	}
	r := good()
	call, err := Exchange(&r)
	require.NoError(t, err)
	require.Equal(t, gwatclient.Finalization{
		Base: last, Mode: gwatclient.ModeNoSync,
		Checkpoint: &gwatclient.FinalizeCheckpoint{Epoch: 10, FinEpoch: 12, Root: root, Spine: spine},
	}, call)
	far := good()
	far.Mark.Epoch = 12 + MaxEpochs + 1
	_, err = Exchange(&far)
	require.NoError(t, err, "an epoch that no head reaches soon is foreign, too")
	r.Spines.Finalization, r.Spine.Hash = nil, common.Hash{9}
	call, err = Exchange(&r)
	require.NoError(t, err)
	require.Equal(t, common.Hash{9}, call.Checkpoint.Spine, "a state that finalizes nothing names its checkpoint's spine")
	for why, change := range map[string]func(*Reading){
		"is not final in gwat":              func(r *Reading) { r.Spine.Number = nil },
		"gwat does not have the checkpoint": func(r *Reading) { r.Spine = nil },
		"gwat does not have the":            func(r *Reading) { r.Spine.Hash = common.Hash{7} },
		"is not canonical":                  func(r *Reading) { r.Finalized.Canonical = false },
		"finalized block":                   func(r *Reading) { r.Finalized.Root = common.Hash{7} },
		"names no spine":                    func(r *Reading) { r.Spines = beaconclient.SpineData{} },
		"has finalized nothing yet":         func(r *Reading) { r.Finality.Finalized.Epoch = 0 },
		"finalized nothing":                 func(r *Reading) { r.Finality.Finalized.Root, r.Finalized.Root = common.Hash{}, common.Hash{} },
		"gwat was driven to epoch 13":       func(r *Reading) { r.Mark.Epoch = 13 },
		"gwat has this checkpoint already":  func(r *Reading) { r.Mark.Root = root },
	} {
		r := good()
		change(&r)
		_, err := Exchange(&r)
		require.ErrorIs(t, err, ErrUnproved, why)
		require.ErrorContains(t, err, why)
	}
}
