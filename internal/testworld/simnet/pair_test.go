package simnet

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func young(slots uint64) world.Config {
	return world.Config{
		Seed: 7, GenesisTime: uint64(time.Now().Unix()) - slots, SecondsPerSlot: 1, SlotsPerEpoch: 8,
		MissRate: 0.05, QuietRate: 0.05, MaxBlocksPerSlot: 4,
	}
}

// syncing asks gwat's eth_syncing; true means that it is done.
func synced(t *testing.T, url string) bool {
	client, err := rpc.DialContext(t.Context(), url)
	require.NoError(t, err)
	defer client.Close()
	var answer json.RawMessage
	require.NoError(t, client.CallContext(t.Context(), &answer, "eth_syncing"))
	return string(answer) == "false"
}

func TestBuiltInDriverTakesThePairFromZeroToWork(t *testing.T) {
	t.Parallel()
	p, err := Start(t.Context(), Options{
		World:  young(150),
		Gwat:   gwatsim.Config{SyncSpeed: 400, DAGSpeed: 100, GoOn: true, DataDir: t.TempDir()},
		Beacon: beaconsim.Config{SyncSpeed: 60, DataDir: t.TempDir()},
		IPC:    filepath.Join(t.TempDir(), "gwat.ipc"),
	})
	require.NoError(t, err)
	require.False(t, p.Beacon.State().Synced)
	require.Eventually(t, func() bool { return synced(t, p.GwatURL) }, 30*time.Second, 100*time.Millisecond)
	require.True(t, synced(t, p.GwatWS))
	require.True(t, synced(t, p.GwatIPC))

	// The beacon's normal calls keep it so.
	from := p.Beacon.State().Wall
	require.Eventually(t, func() bool {
		require.True(t, synced(t, p.GwatURL))
		return p.Beacon.State().Wall >= from+8
	}, 30*time.Second, 200*time.Millisecond)
	for _, call := range p.Beacon.Calls() {
		if call.At.Before(p.Chain.Spec().SlotStart(from + 1)) {
			continue
		}
		var answer struct{ Error *string }
		require.NoError(t, call.Err, call.Method)
		if json.Unmarshal(call.Answer, &answer) == nil {
			require.Nil(t, answer.Error, "%s %s", call.Method, call.Params)
		}
	}
	require.NoError(t, p.Close())
}

func TestRecordedPair(t *testing.T) {
	t.Parallel()
	chain, err := world.LoadRecorded(nil, world.RecordedOptions{GenesisTime: uint64(time.Now().Unix()) - 980})
	require.NoError(t, err)
	p, err := Start(t.Context(), Options{Chain: chain})
	require.NoError(t, err)
	require.EqualValues(t, 245, p.Beacon.State().Wall)
	require.NoError(t, p.Close())
}

func TestStartRefuses(t *testing.T) {
	_, err := Start(t.Context(), Options{World: world.Config{MissRate: 7}})
	require.ErrorIs(t, err, world.ErrBadConfig)
	_, err = Start(t.Context(), Options{World: young(3), Gwat: gwatsim.Config{SyncSpeed: -1}})
	require.ErrorIs(t, err, gwatsim.ErrBadConfig)
	_, err = Start(t.Context(), Options{World: young(3), Beacon: beaconsim.Config{SyncSpeed: -1}})
	require.ErrorIs(t, err, beaconsim.ErrBadConfig)
}

func TestServeTellsWhyItEnded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.Error(t, Serve(context.Background(), listener, http.NotFoundHandler()))
}
