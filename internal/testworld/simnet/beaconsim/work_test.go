package beaconsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// fakeGwat answers the calls a beacon node makes, as told.
type fakeGwat struct {
	mu       sync.Mutex
	ready    []any // answers to dag_headSyncReady, the last one repeated
	headSync any
}

func reply(answer any) (bool, error) {
	if err, ok := answer.(error); ok {
		return false, err
	}
	return answer.(bool), nil
}

func (f *fakeGwat) HeadSyncReady(checkpoint.ConsensusInfo) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.ready[0]
	if len(f.ready) > 1 {
		f.ready = f.ready[1:]
	}
	return reply(next)
}
func (f *fakeGwat) HeadSync([]checkpoint.ConsensusInfo) (bool, error) { return reply(f.headSync) }
func (f *fakeGwat) SyncSlotInfo(map[string]any) bool                  { return true }
func (f *fakeGwat) Sync(checkpoint.ConsensusInfo) map[string]any      { return map[string]any{"error": nil} }
func (f *fakeGwat) GetCandidates(uint64) map[string]any               { return map[string]any{"error": nil} }
func (f *fakeGwat) Finalize([]common.Hash) map[string]any             { return map[string]any{"error": nil} }
func (f *fakeGwat) ValidateSpines([]common.Hash) bool                 { return true }

type chainID struct{}

func (chainID) ChainId() string { return "0x52745" }

func startGwat(t *testing.T, f *fakeGwat, guard func(http.Handler) http.Handler) string {
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("dag", f))
	require.NoError(t, server.RegisterName("eth", chainID{}))
	var handler http.Handler = server
	if guard != nil {
		handler = guard(handler)
	}
	listener := httptest.NewServer(handler)
	t.Cleanup(func() { listener.Close(); server.Stop() })
	return listener.URL
}

func gwatCalls(n *Node) (out []Call) {
	for _, c := range n.Calls() {
		if c.Method != "" {
			out = append(out, c)
		}
	}
	return out
}

func count(n *Node, method string) (out int) {
	for _, c := range gwatCalls(n) {
		if c.Method == method {
			out++
		}
	}
	return out
}

func params[T any](t *testing.T, c Call) T {
	var out []T
	require.NoError(t, json.Unmarshal(c.Params, &out))
	require.Len(t, out, 1)
	return out[0]
}

func eventually(t *testing.T, condition func() bool) {
	require.Eventually(t, condition, 15*time.Second, 20*time.Millisecond)
}

func TestNormalWorkCallsAsRecorded(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(40)})
	var tokens sync.Map
	url := startGwat(t, &fakeGwat{}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tokens.Store(r.Header.Get("Authorization"), true)
			next.ServeHTTP(w, r)
		})
	})
	n, _ := start(t, Config{Chain: chain, Gwat: url, JWTSecret: make([]byte, 32), Driver: DriverOff})
	eventually(t, func() bool { return count(n, "dag_sync") >= 3 && count(n, "dag_validateSpines") >= 2 })

	calls := gwatCalls(n)
	require.Equal(t, "eth_chainId", calls[0].Method)
	require.Equal(t, "dag_syncSlotInfo", calls[1].Method)
	require.JSONEq(t, string(must(json.Marshal([]any{map[string]uint64{
		"genesisTime": chain.Spec().GenesisTime, "secondsPerSlot": 1, "slotsPerEpoch": 8,
	}}))), string(calls[1].Params))
	for i, call := range calls {
		require.NoError(t, call.Err)
		if call.Method != "dag_sync" {
			continue
		}
		sent := params[checkpoint.ConsensusInfo](t, call)
		require.Equal(t, world.Creators(chain, sent.Slot), sent.Creators)
		require.ElementsMatch(t, chain.NextFinalization(chain.HeadAt(sent.Slot-1)), sent.Finalizing)
		if i+1 < len(calls) {
			require.Equal(t, "dag_getCandidates", calls[i+1].Method)
			require.EqualValues(t, sent.Slot-2, params[uint64](t, calls[i+1]))
		}
	}
	tokens.Range(func(token, _ any) bool {
		require.Contains(t, token, "Bearer ")
		return true
	})

	n.SetIdle(true)
	eventually(t, func() bool {
		before := len(gwatCalls(n))
		<-time.After(1200 * time.Millisecond)
		return len(gwatCalls(n)) == before
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestErrorsOfGwatDoNotStopTheCalls(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(40)})
	for _, endpoint := range []string{"http://127.0.0.1:1", "ws://127.0.0.1:1"} {
		n, _ := start(t, Config{Chain: chain, Gwat: endpoint, Driver: DriverOff})
		eventually(t, func() bool { return count(n, "dag_sync") >= 2 })
		for _, call := range gwatCalls(n) {
			require.Error(t, call.Err)
		}
	}
}

func TestBuiltInDriverWithItsFaults(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(200)})
	url := startGwat(t, &fakeGwat{
		ready:    []any{errors.New("procedure is locked"), false, true},
		headSync: errors.New("spine not found"),
	}, nil)
	n, rest := start(t, Config{Chain: chain, Gwat: url})
	head := n.State().Head
	require.Equal(t, true, data[map[string]any](t, rest+"/eth/v1/node/syncing")["is_syncing"])
	eventually(t, func() bool { return count(n, "dag_sync") >= 1 })
	require.False(t, n.State().Driving)
	require.Equal(t, false, data[map[string]any](t, rest+"/eth/v1/node/syncing")["is_syncing"])

	var ready []checkpoint.ConsensusInfo
	var pushed []checkpoint.ConsensusInfo
	for _, call := range gwatCalls(n) {
		switch call.Method {
		case "dag_headSyncReady":
			ready = append(ready, params[checkpoint.ConsensusInfo](t, call))
		case "dag_headSync":
			require.Nil(t, pushed, "a failed push is never tried again")
			require.ErrorContains(t, call.Err, "spine not found")
			pushed = params[[]checkpoint.ConsensusInfo](t, call)
		}
	}
	spec, cp := chain.Spec(), chain.Finality(head).CurrentJustified
	block, _ := chain.Block(cp.Root)
	require.Len(t, ready, 3)
	require.Equal(t, spec.StartSlot(cp.Epoch+1)-1, ready[0].Slot, "the recorded wrong first slot")
	require.Equal(t, block.Slot, ready[1].Slot)
	require.ElementsMatch(t, chain.NextFinalization(block), ready[1].Finalizing)
	require.Equal(t, block.Slot, pushed[0].Slot)
	require.Equal(t, head.Slot, pushed[len(pushed)-1].Slot, "up to the head it had when it began")
	require.True(t, slices.IsSortedFunc(pushed, func(a, b checkpoint.ConsensusInfo) int { return int(a.Slot) - int(b.Slot) }))
}

func TestWithoutDriverNothingIsSentBeforeTheOwnSyncIsDone(t *testing.T) {
	t.Parallel()
	chain := generated(t, world.Config{Seed: 1, GenesisTime: genesisAgo(300)})
	url := startGwat(t, &fakeGwat{}, nil)
	n, rest := start(t, Config{Chain: chain, Gwat: url, SyncSpeed: 150, DataDir: t.TempDir(), Peers: 1, Driver: DriverOff})
	syncing := data[map[string]any](t, rest+"/eth/v1/node/syncing")
	require.Equal(t, true, syncing["is_syncing"])
	require.NotEqual(t, "0", syncing["sync_distance"])
	eventually(t, func() bool {
		if n.State().Synced {
			return true
		}
		require.Zero(t, count(n, "dag_sync"))
		return false
	})
	eventually(t, func() bool { return count(n, "dag_sync") > 0 })
	require.Zero(t, count(n, "dag_headSyncReady"))
}
