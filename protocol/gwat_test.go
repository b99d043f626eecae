package protocol

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
)

// answering returns a client of a gwat that answers each method with a member of a
// JSON-RPC answer, "result" or "error"; and the methods that it was asked.
func answering(t *testing.T, answers map[string]string) (*gwatclient.Client, *[]string) {
	t.Helper()
	asked := &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.NewDecoder(r.Body).Decode(&call) != nil {
			return
		}
		*asked = append(*asked, call.Method)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%s}`, call.ID, answers[call.Method])
	}))
	t.Cleanup(s.Close)
	c, err := gwatclient.New(gwatclient.Config{Endpoint: s.URL})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, asked
}

func result(raw string) string { return `"result":` + raw }
func refused(text string) string {
	return `"error":{"code":-32000,"message":"` + text + `"}`
}

func TestStateOfAHeadSync(t *testing.T) {
	for stage, want := range map[string]struct {
		activity Activity
		begins   error
	}{
		"finalized": {LoadingChain, ErrBusy}, "dag": {LoadingDAG, ErrBusy}, "head": {Prepared, ErrLockHeld},
		"resync": {Behind, nil}, "none": {Idle, nil},
	} {
		c, _ := answering(t, map[string]string{"eth_syncing": result(`{"stage":"` + stage + `","currentBlock":"0x1","highestBlock":"0x2","lastCoordSlot":3,"maxBlockSlot":4}`)})
		got, err := HeadSync{c}.State(t.Context())
		require.NoError(t, err, stage)
		require.Equal(t, State{Syncing: true, Activity: want.activity, Word: stage, CurrentBlock: 1, HighestBlock: 2, CoordSlot: 3, TipSlot: 4}, got)
		require.ErrorIs(t, got.MayBegin(), want.begins, stage)
		require.Equal(t, want.begins == ErrBusy, got.Activity.Loads(), stage)
	}
	c, _ := answering(t, map[string]string{"eth_syncing": result("false")})
	got, err := HeadSync{c}.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, State{}, got)
	c, _ = answering(t, map[string]string{"eth_syncing": result(`"yes"`)})
	_, err = HeadSync{c}.State(t.Context())
	require.ErrorIs(t, err, gwatclient.ErrMalformed)
}

func TestStateOfTheCoordinatedEra(t *testing.T) {
	spine, root := common.Hash{1}, common.Hash{2}
	stands := result(fmt.Sprintf(`{"error":null,"lfSpine":"%s","cpEpoch":7,"cpRoot":"%s"}`, spine, root))
	mark := &Mark{LastFinalized: spine, Epoch: 7, Root: root}
	object := result(`{"finalizedSlot":"0x1"}`)
	for name, tc := range map[string]struct {
		syncing, state string
		want           State
		begins, err    error
	}{
		"normal work":         {result("false"), stands, State{Mark: mark}, nil, nil},
		"waits to be driven":  {object, stands, State{Syncing: true, Activity: Behind, Mark: mark}, nil, nil},
		"loads":               {object, result(`{"error":"synchronization","lfSpine":null,"cpEpoch":null,"cpRoot":null}`), State{Syncing: true, Activity: LoadingChain, Word: "synchronization"}, ErrBusy, nil},
		"all null":            {object, result(`{"error":null,"lfSpine":null,"cpEpoch":null,"cpRoot":null}`), State{Syncing: true, Activity: LoadingChain, Word: "synchronization"}, ErrBusy, nil},
		"of the other era":    {object, `"error":{"code":-32601,"message":"the method dag_coordinatedState does not exist/is not available"}`, State{Syncing: true}, nil, gwatclient.ErrMethod},
		"eth_syncing is none": {result("7"), stands, State{}, nil, gwatclient.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := answering(t, map[string]string{"eth_syncing": tc.syncing, "dag_coordinatedState": tc.state})
			got, err := Coordinated{c}.State(t.Context())
			require.ErrorIs(t, err, tc.err)
			if tc.err != nil {
				return
			}
			require.Equal(t, tc.want, got)
			require.ErrorIs(t, got.MayBegin(), tc.begins)
		})
	}
}

// What gwat answers to each step is returned in the words of this package, with the kind and
// text that it had.
func TestDriverOfAHeadSync(t *testing.T) {
	for name, tc := range map[string]struct {
		answer              string
		want, prepare, push error // of all steps; the kinds
	}{
		"done":                 {answer: result("true")},
		"false":                {result("false"), ErrRefused, failure.RetryLater, failure.Abort},
		"not ready":            {refused("not ready"), ErrNotPrepared, failure.Abort, failure.Abort},
		"no checkpoint of it":  {refused("checkpoint bad number"), ErrCheckpointRefused, failure.Abort, failure.Abort},
		"its state is missing": {refused("checkpoint state not found"), ErrCheckpointRefused, failure.RetryLater, failure.RetryLater},
		"a block is missing":   {refused("spine not found"), ErrIncomplete, failure.RetryLater, failure.RetryLater},
		"another reason":       {refused("procedure is locked"), gwatclient.ErrLocked, failure.RetryLater, failure.RetryLater},
		"unreadable":           {result("null"), gwatclient.ErrMalformed, failure.RetryLater, failure.RetryLater},
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := answering(t, map[string]string{"dag_headSyncReady": tc.answer, "dag_headSync": tc.answer})
			d := HeadSync{c}.Driver(guard.New(false).Permit())
			prepare := d.Prepare(t.Context(), checkpoint.Genesis())
			_, push := d.Push(t.Context(), nil)
			release := d.Release(t.Context())
			require.Equal(t, []string{"dag_headSyncReady", "dag_headSync", "dag_headSync"}, *asked)
			for _, err := range []error{prepare, push, release} {
				require.ErrorIs(t, err, tc.want)
			}
			require.Equal(t, tc.prepare, failure.Kind(prepare))
			require.Equal(t, tc.push, failure.Kind(push))
			if tc.want != nil {
				require.ErrorContains(t, prepare, "dag_headSyncReady at slot 0: ")
				require.ErrorContains(t, push, "dag_headSync of 0 entries: ")
			}
		})
	}
	c, asked := answering(t, map[string]string{"dag_sync": result(`{"error":null,"candidates":[]}`)})
	require.NoError(t, HeadSync{c}.Driver(guard.New(false).Permit()).Complete(t.Context(), checkpoint.Genesis()))
	require.Equal(t, []string{"dag_sync"}, *asked)
	_, err := HeadSync{c}.Driver(guard.Permit{}).Push(t.Context(), nil)
	require.ErrorIs(t, err, guard.ErrNoPermit)
	require.Len(t, *asked, 1)
}
