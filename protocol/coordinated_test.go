package protocol

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
)

func TestDriverOfTheCoordinatedEra(t *testing.T) {
	root, other, spine := common.Hash{1}, common.Hash{2}, common.Hash{3}
	f := gwatclient.Finalization{Base: spine, Checkpoint: &gwatclient.FinalizeCheckpoint{Epoch: 4, FinEpoch: 5, Root: root, Spine: spine}}
	state := func(text, root string) string {
		return result(fmt.Sprintf(`{"error":%s,"lfSpine":"%s","cpEpoch":5,"cpRoot":"%s"}`, text, spine, root))
	}
	null := func(text string) string {
		return result(`{"error":` + text + `,"lfSpine":null,"cpEpoch":null,"cpRoot":null}`)
	}
	for name, tc := range map[string]struct {
		answer string
		want   error
		kind   error
		calls  int
	}{
		"done":                       {answer: state("null", root.Hex()), calls: 2},
		"another checkpoint":         {state("null", other.Hex()), ErrCheckpointRefused, failure.RetryLater, 1},
		"another sync ran":           {state(`"synchronization"`, root.Hex()), ErrBusy, failure.RetryLater, 1},
		"a sync runs":                {null(`"synchronization"`), ErrBusy, failure.RetryLater, 1},
		"busy":                       {null(`"busy"`), ErrBusy, failure.RetryLater, 1},
		"a spine or ancestor lacks":  {null("null"), ErrIncomplete, failure.RetryLater, 1},
		"its base is not final":      {null(`"invalid base spine"`), ErrCheckpointRefused, failure.Abort, 1},
		"a reason of its own":        {null(`"no peers to keep download active"`), gwatclient.ErrNoPeers, failure.RetryLater, 1},
		"gwat of the head-sync era":  {result("true"), gwatclient.ErrMalformed, failure.RetryLater, 1},
		"an error of JSON-RPC's own": {refused("method handler crashed"), gwatclient.ErrRPC, failure.RetryLater, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := answering(t, map[string]string{"dag_finalize": tc.answer})
			d := Coordinated{c}.Driver(guard.New(false).Permit())
			require.NoError(t, d.Prepare(t.Context(), f))
			mark, err := d.Push(t.Context(), []gwatclient.Finalization{f, f})
			require.NoError(t, d.Release(t.Context()))
			require.Len(t, *asked, tc.calls)
			require.ErrorIs(t, err, tc.want)
			require.Equal(t, tc.kind, failure.Kind(err))
			if tc.want == nil {
				require.Equal(t, &Mark{LastFinalized: spine, Epoch: 5, Root: root}, mark)
			}
			require.ErrorIs(t, d.Complete(t.Context(), f), tc.want)
		})
	}
	c, _ := answering(t, map[string]string{"dag_finalize": state("null", other.Hex())})
	mark, err := Coordinated{c}.Driver(guard.New(false).Permit()).Push(t.Context(), []gwatclient.Finalization{{Base: spine}})
	require.NoError(t, err, "a call that names no checkpoint leaves gwat its own")
	require.Equal(t, other, mark.Root)
	c, asked := answering(t, nil)
	_, err = Coordinated{c}.Driver(guard.Permit{}).Push(t.Context(), []gwatclient.Finalization{f})
	require.ErrorIs(t, err, guard.ErrNoPermit)
	require.Empty(t, *asked)
}

func TestClassifyPendingOfAFinalize(t *testing.T) {
	sent := time.Unix(1000, 0)
	root := common.Hash{1}
	pending := checkpoint.Pending{Call: checkpoint.CallPush, Root: root, SentAt: sent}
	loading, stands := State{Syncing: true, Activity: LoadingChain}, State{Mark: &Mark{Root: root}}
	for name, tc := range map[string]struct {
		seen Seen
		want Fate
	}{
		"nothing was read":            {Seen{}, Open},
		"gwat loads":                  {Seen{State: loading, CheckedAt: sent.Add(1)}, Open},
		"gwat was restarted":          {Seen{State: loading, CheckedAt: sent.Add(1), Down: true}, Over},
		"its checkpoint is there":     {Seen{State: stands, CheckedAt: sent.Add(1)}, Over},
		"its checkpoint, loading on":  {Seen{State: State{Activity: LoadingChain, Mark: &Mark{Root: root}}, CheckedAt: sent.Add(1)}, Over},
		"another, loading on":         {Seen{State: State{Activity: LoadingChain, Mark: &Mark{}}, CheckedAt: sent.Add(1)}, Open},
		"read as it was sent":         {Seen{State: stands, CheckedAt: sent}, Open},
		"it was there before":         {Seen{State: stands, CheckedAt: sent.Add(-1)}, Open},
		"it is not, and nothing runs": {Seen{State: State{Mark: &Mark{}}, CheckedAt: sent.Add(1)}, Over},
	} {
		got, why := Coordinated{}.ClassifyPending(pending, tc.seen)
		require.Equal(t, tc.want, got, name)
		require.NotEmpty(t, why, name)
	}
}
