package gwatclient

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
)

// What the beacon node of the coordinated era sends is what FinalizeCoordinated sends.
func TestFinalizationWireForm(t *testing.T) {
	var sent atomic.Pointer[string]
	client := serve(t, "ipc", Config{}, func(req request) []byte {
		params := string(req.Params)
		sent.Store(&params)
		return answer(req, "result", []byte(`{"error":null,"lfSpine":"0x`+strings.Repeat("1", 64)+`","cpEpoch":8,"cpRoot":"0x`+strings.Repeat("2", 64)+`"}`))
	})
	point := &FinalizeCheckpoint{
		Epoch: 6, FinEpoch: 8,
		Root:  common.HexToHash("0x106e97ea187506fe55cbe9b8746895748f7810a34b73b71e64f8e39a9ce352c7"),
		Spine: common.HexToHash("0x33a31094592a98035edfd493a98defa0d31195c4c2a7376bce55d2b884d064fd"),
	}
	for want, f := range map[string]Finalization{
		// As recorded.
		`[{"spines":["0x219fef283218213acbc4b872bc726414bdd483d88893d2ad7f04405c882dfc36"],"baseSpine":"0x5cc25c6ae34feca17104d893c3161e2bb3bbc831a9946ae5595502698adc0c05","checkpoint":{"epoch":"0x6","finEpoch":"0x8","root":"0x106e97ea187506fe55cbe9b8746895748f7810a34b73b71e64f8e39a9ce352c7","spine":"0x33a31094592a98035edfd493a98defa0d31195c4c2a7376bce55d2b884d064fd"},"valSyncData":null,"syncMode":"0x0"}]`: {
			Spines:     []common.Hash{common.HexToHash("0x219fef283218213acbc4b872bc726414bdd483d88893d2ad7f04405c882dfc36")},
			Base:       common.HexToHash("0x5cc25c6ae34feca17104d893c3161e2bb3bbc831a9946ae5595502698adc0c05"),
			Checkpoint: point,
		},
		`[{"spines":[],"baseSpine":"0x15f794e95395e90509c2301b16aef249575ddc222aefbb2caabacbdcd22ee5d3","checkpoint":{"epoch":"0x6","finEpoch":"0x8","root":"0x106e97ea187506fe55cbe9b8746895748f7810a34b73b71e64f8e39a9ce352c7","spine":"0x33a31094592a98035edfd493a98defa0d31195c4c2a7376bce55d2b884d064fd"},"valSyncData":null,"syncMode":"0x0"}]`: {
			Base:       common.HexToHash("0x15f794e95395e90509c2301b16aef249575ddc222aefbb2caabacbdcd22ee5d3"),
			Checkpoint: point, Mode: ModeNoSync,
		},
		`[{"spines":[],"baseSpine":"0x0100000000000000000000000000000000000000000000000000000000000000","checkpoint":null,"valSyncData":[{"a":1}],"syncMode":"0x2"}]`: {
			Base: common.Hash{1}, Mode: ModeHeadSync, ValSyncData: json.RawMessage(`[{"a":1}]`),
		},
	} {
		state, err := client.Changes(permit).FinalizeCoordinated(t.Context(), f)
		require.NoError(t, err)
		require.EqualValues(t, 8, state.Epoch)
		require.Equal(t, common.HexToHash("0x"+strings.Repeat("1", 64)), state.LastFinalized)
		require.Equal(t, want, *sent.Load())
	}
	_, err := client.ValidateFinalization(t.Context(), nil)
	require.ErrorIs(t, err, ErrMalformed)
	require.Equal(t, "[[]]", *sent.Load())
}

// TestFinalizationsThatAreNotSent: gwat crashes on them, or obeys to its harm.
func TestFinalizationsThatAreNotSent(t *testing.T) {
	var requests atomic.Int32
	client := serve(t, "ipc", Config{}, func(req request) []byte {
		requests.Add(1)
		return answer(req, "result", []byte("true"))
	})
	for says, f := range map[string]Finalization{
		"no base spine":                 {Checkpoint: &FinalizeCheckpoint{Spine: common.Hash{1}}},
		"no sync mode 3":                {Base: common.Hash{1}, Mode: 3},
		"its checkpoint names no spine": {Base: common.Hash{1}, Checkpoint: &FinalizeCheckpoint{Root: common.Hash{1}}},
	} {
		_, err := client.Changes(permit).FinalizeCoordinated(t.Context(), f)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "not sent")
		require.Equal(t, failure.Abort, failure.Kind(err))
		require.False(t, PossiblyDone(err))
	}
	for _, text := range []string{"", "http://a", "enode://a b", "enode://" + strings.Repeat("a", 600), "enode://\x1b[2J"} {
		err := client.Changes(permit).AddPeer(t.Context(), text)
		require.ErrorContains(t, err, "is no enode")
		require.Equal(t, failure.Abort, failure.Kind(err))
	}
	require.EqualValues(t, 0, requests.Load())
	require.NoError(t, client.Changes(permit).AddPeer(t.Context(), "enode://"+strings.Repeat("ab", 64)+"@127.0.0.1:30303"))
	require.EqualValues(t, 1, requests.Load())
	refusing := serve(t, "ipc", Config{}, result("false"))
	require.ErrorIs(t, refusing.Changes(permit).AddPeer(t.Context(), "enode://a"), ErrResult)
}

// TestFinalizeOutcomes: what an answer says of the call, and whether its state counts.
func TestFinalizeOutcomes(t *testing.T) {
	const state = `,"lfSpine":"0x4444444444444444444444444444444444444444444444444444444444444444","cpEpoch":4,"cpRoot":"0x5555555555555555555555555555555555555555555555555555555555555555"}`
	const none = `,"lfSpine":null,"cpEpoch":null,"cpRoot":null}`
	for raw, tt := range map[string]struct {
		sentinel, kind error
		not            error
		state          bool
	}{
		`{"error":null` + state:                              {nil, nil, ErrRPC, true},
		`{"error":null` + none:                               {ErrNullState, failure.RetryLater, ErrMalformed, false},
		`{"error":"synchronization"` + state:                 {ErrRanBeside, failure.RetryLater, ErrResult, true},
		`{"error":"synchronization"` + none:                  {ErrSynchronization, failure.RetryLater, ErrRanBeside, false},
		`{"error":"invalid base spine"` + none:               {ErrInvalidBase, failure.Abort, ErrResult, false},
		`{"error":"no peers to keep download active"` + none: {ErrNoPeers, failure.RetryLater, ErrResult, false},
		`{"error":"busy"` + none:                             {ErrBusy, failure.RetryLater, ErrResult, false},
		`{"error":"checkpoint is invalid"` + state:           {ErrResult, failure.RetryLater, ErrRanBeside, true},
	} {
		client := serve(t, "ipc", Config{}, result(raw))
		got, err := client.Changes(permit).FinalizeCoordinated(t.Context(), Finalization{Base: common.Hash{1}})
		require.ErrorIs(t, err, tt.sentinel)
		require.NotErrorIs(t, err, tt.not, raw)
		require.Equal(t, tt.kind, failure.Kind(err), raw)
		require.Equal(t, tt.state, got != CoordinatedState{}, raw)
		require.False(t, PossiblyDone(err), "gwat answered")
	}
}

func TestMissingSpine(t *testing.T) {
	hash := "0x" + strings.Repeat("1f", 32)
	for text, named := range map[string]bool{
		"spine not found: " + hash: true, "spine not found: " + hash + " ": true,
		"spine not found": false, "spine not found: 0x12": false, "spine not found: x": false, "no " + hash: false,
	} {
		client := serve(t, "ipc", Config{}, func(req request) []byte {
			return answer(req, "error", []byte(`{"code":-32000,"message":"`+text+`"}`))
		})
		missing, err := client.ValidateFinalization(t.Context(), []common.Hash{{1}})
		require.Equal(t, named, missing != nil, text)
		require.Equal(t, named, err == nil, text)
		if named {
			require.Equal(t, common.HexToHash(hash), *missing)
		}
		// Any other call's error of that text has its sentinel.
		_, err = client.CoordinatedState(t.Context())
		if named || text == "spine not found" {
			require.ErrorIs(t, err, ErrSpineNotFound)
			require.Equal(t, failure.RetryLater, failure.Kind(err))
		} else {
			require.ErrorIs(t, err, ErrRPC)
		}
	}
}
