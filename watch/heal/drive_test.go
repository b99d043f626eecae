package heal

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
)

// The call of a state, and each thing without which it is not made.
func TestFinalizationOfAState(t *testing.T) {
	spec := checkpoint.Spec{SlotsPerEpoch: 8}
	good := func() State {
		return State{
			Header:   beaconclient.Header{Slot: 96, Canonical: true},
			Finality: beaconclient.Finality{Finalized: checkpoint.Checkpoint{Epoch: 10, Root: common.Hash{1}}},
			Spines:   beaconclient.SpineData{Finalized: []common.Hash{{2}, {3}}, Finalization: []common.Hash{{3}, {4}}},
			Root:     common.Hash{1},
			Point:    beaconclient.SpineData{Finalized: []common.Hash{{2}}},
		}
	}
	s := good()
	call, err := s.Finalization(&spec, gwatclient.ModeMainSync)
	require.NoError(t, err)
	require.Equal(t, gwatclient.Finalization{
		Base: common.Hash{2}, Spines: []common.Hash{{3}, {4}}, Mode: gwatclient.ModeMainSync,
		Checkpoint: &gwatclient.FinalizeCheckpoint{Epoch: 10, FinEpoch: 12, Root: common.Hash{1}, Spine: common.Hash{2}},
	}, call, "without repeats")
	require.True(t, Covers(&call))
	call.Checkpoint.Spine = common.Hash{4}
	require.True(t, Covers(&call))
	call.Checkpoint.Spine = common.Hash{9}
	require.False(t, Covers(&call))

	for want, change := range map[string]func(*State){
		"is not canonical":     func(s *State) { s.Header.Canonical = false },
		"names no checkpoint":  func(s *State) { s.Point = beaconclient.SpineData{} },
		"slot 96 names no che": func(s *State) { s.Spines.Finalized = nil },
		"of slot 96 names no":  func(s *State) { s.Root = common.Hash{} },
	} {
		s := good()
		change(&s)
		_, err := s.Finalization(&spec, gwatclient.ModeMainSync)
		require.ErrorIs(t, err, ErrUnproved)
		require.ErrorContains(t, err, want)
	}
	s = good()
	s.Operations = []beaconclient.Operation{{Validator: 7, What: "exit in epoch 12"}}
	_, err = s.Finalization(&spec, gwatclient.ModeMainSync)
	require.ErrorIs(t, err, ErrOperations)
	require.ErrorIs(t, err, failure.NeedsHuman)
	require.ErrorContains(t, err, "1 at slot 96, such as validator 7: exit in epoch 12")
}

// What is shown of a call are its method and its parameters as they are sent.
func TestShown(t *testing.T) {
	for want, call := range map[string]Call{
		`admin_addPeer ["enode://a"]`:      {AddPeer: "enode://a"},
		`run systemctl ["restart","gwat"]`: {Command: "systemctl  restart gwat"},
		`run reboot []`:                    {Command: "reboot"},
		`dag_finalize [{"spines":[],"baseSpine":"0x0100000000000000000000000000000000000000000000000000000000000000","checkpoint":null,"valSyncData":null,"syncMode":"0x2"}]`: {
			Finalize: &gwatclient.Finalization{Base: common.Hash{1}, Mode: gwatclient.ModeHeadSync}},
	} {
		method, params := call.Shown()
		raw, err := json.Marshal(params)
		require.NoError(t, err)
		require.Equal(t, want, method+" "+string(raw))
	}
	require.Equal(t, []string{"peers", "checkpoint", "drive", "restart-gwat", "restart-beacon"}, Names())
}
