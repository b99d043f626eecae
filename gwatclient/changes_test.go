package gwatclient

import (
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient/guard"
)

// permit is the right to change the gwat of a test.
var permit = guard.New(false).Permit()

// Without a permit that a guard has issued nothing is sent that changes gwat.
func TestNothingIsChangedWithoutAPermit(t *testing.T) {
	var sent atomic.Int32
	client := serve(t, "http", Config{}, func(r request) []byte {
		sent.Add(1)
		return result("true")(r)
	})
	ctx := t.Context()
	for name, p := range map[string]guard.Permit{"zero": {}, "an observer's": guard.New(true).Permit()} {
		calls := client.Changes(p)
		_, err := calls.HeadSyncReady(ctx, checkpoint.Genesis())
		require.ErrorIs(t, err, guard.ErrNoPermit, name)
		_, err = calls.HeadSync(ctx, nil)
		require.ErrorIs(t, err, guard.ErrNoPermit, name)
		_, err = calls.Sync(ctx, checkpoint.ConsensusInfo{})
		require.ErrorIs(t, err, guard.ErrNoPermit, name)
		require.ErrorIs(t, calls.Finalize(ctx, nil), guard.ErrNoPermit, name)
		_, err = calls.FinalizeCoordinated(ctx, Finalization{Base: common.Hash{1}})
		require.ErrorIs(t, err, guard.ErrNoPermit, name)
		require.ErrorIs(t, calls.AddPeer(ctx, "enode://a"), guard.ErrNoPermit, name)
		require.False(t, PossiblyDone(err), "nothing was sent")
	}
	require.Zero(t, sent.Load())
	_, err := client.Changes(permit).HeadSync(ctx, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, sent.Load())
}
