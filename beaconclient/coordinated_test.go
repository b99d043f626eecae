package beaconclient

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// serveCoordinated serves what a real beacon node of the coordinated era answered.
func serveCoordinated(t *testing.T) *Client {
	t.Helper()
	file, err := os.Open("testdata/coordinated.jsonl")
	require.NoError(t, err)
	defer file.Close()
	answers := map[string]recorded{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one recorded
		require.NoError(t, json.Unmarshal(lines.Bytes(), &one))
		answers[one.Path] = one
	}
	require.Len(t, answers, 13)
	return serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		one, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(one.Status)
		_, _ = w.Write(one.Body)
	})
}

// The recorded answers of the coordinated era decode to their values.
func TestRecordedAnswersOfTheCoordinatedEra(t *testing.T) {
	c := serveCoordinated(t)
	spec, err := c.Spec(t.Context())
	require.NoError(t, err)
	require.Equal(t, checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 2, DepositChainID: 1337, GenesisTime: 1795207521, ConfigName: spec.ConfigName}, spec)
	require.Equal(t, checkpoint.EraCoordinated, spec.Era())

	head, err := c.SpineData(t.Context(), StateHead)
	require.NoError(t, err)
	last, ok := head.LastFinal()
	require.True(t, ok)
	require.Equal(t, head.Finalization[len(head.Finalization)-1], last)
	require.NotEmpty(t, head.Finalized)

	genesis, err := c.SpineData(t.Context(), "genesis")
	require.NoError(t, err)
	require.Empty(t, genesis.Finalization)
	last, ok = genesis.LastFinal()
	require.True(t, ok)
	require.Equal(t, common.HexToHash("0xf242cfe18d6072f2202867767332c03a6c74ec1f6f6e35053b73b7f79f84952b"), last)

	_, err = c.SpineData(t.Context(), "0xdeadbeef")
	require.ErrorIs(t, err, ErrBadRequest)
	require.ErrorIs(t, err, failure.RetryLater)

	// Unknown headers are 404 in this era.
	_, err = c.Header(t.Context(), AtRoot(common.HexToHash("0x1111111111111111111111111111111111111111111111111111111111111111")))
	require.ErrorIs(t, err, ErrNotFound)

	h, err := c.Header(t.Context(), Head)
	require.NoError(t, err)
	require.EqualValues(t, 158, h.Slot)
	syncing, err := c.Syncing(t.Context())
	require.NoError(t, err)
	require.Equal(t, Syncing{HeadSlot: 158}, syncing)
	peers, err := c.Peers(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, peers.Connected)
	finality, err := c.Finality(t.Context(), StateHead)
	require.NoError(t, err)
	require.EqualValues(t, 3, finality.CurrentJustified.Epoch)
}

func TestSpineDataFaults(t *testing.T) {
	for name, body := range map[string]string{
		"no data":       `{}`,
		"null":          `{"data":{"cp_finalized":null,"finalization":""}}`,
		"half a hash":   `{"data":{"cp_finalized":"0x12","finalization":""}}`,
		"without 0x":    `{"data":{"cp_finalized":"ab","finalization":""}}`,
		"an array":      `{"data":{"cp_finalized":[],"finalization":""}}`,
		"a whole array": `{"data":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
			got, err := c.SpineData(t.Context(), StateHead)
			require.ErrorIs(t, err, ErrMalformed)
			require.Zero(t, got)
		})
	}
	_, ok := SpineData{}.LastFinal()
	require.False(t, ok)
}

// What a validator waits for is told from an epoch on; a recorded list waits for nothing.
func TestOperations(t *testing.T) {
	answer := func(body string) ([]Operation, error) {
		c := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		})
		return c.Operations(t.Context(), StateHead, 5)
	}
	const never = `"18446744073709551615"`
	ops, err := answer(`{"data":[{"index":"1","balance":"32002226692212","status":"active_ongoing","validator":{"pubkey":"0xb89b",
		"creator_address":"0x7a80b776a90be719c50cbcb7469829d5d749ad9c","withdrawal_credentials":"0x7a80b776a90be719c50cbcb7469829d5d749ad9c",
		"effective_balance":"32000000000000","slashed":false,"activation_eligibility_epoch":"0","activation_epoch":"0","exit_epoch":` + never + `,
		"withdrawable_epoch":` + never + `,"activation_hash":"0x00","exit_hash":"0x00","withdrawal_ops":[]}}],"execution_optimistic":true}`)
	require.NoError(t, err)
	require.Empty(t, ops, "as a real beacon node answered")
	ops, err = answer(`{"data":[
		{"index":"0","validator":{"activation_epoch":"0","exit_epoch":` + never + `,"withdrawal_ops":[]}},
		{"index":"1","validator":{"activation_epoch":"5","exit_epoch":` + never + `}},
		{"index":"2","validator":{"activation_epoch":"4","exit_epoch":"9","withdrawal_ops":[{"amount":"1"}]}}]}`)
	require.NoError(t, err)
	require.Equal(t, []Operation{{1, "activation in epoch 5"}, {2, "exit in epoch 9"}, {2, "1 withdrawals"}}, ops)
	for _, bad := range []string{`{"data":null}`, `{"data":[{"index":"0","validator":{"activation_epoch":"0"}}]}`, `{"data":[{"validator":{}}]}`, `{"data":[{"index":"0","validator":{"activation_epoch":"0","exit_epoch":"-1"}}]}`} {
		_, err := answer(bad)
		require.ErrorIs(t, err, ErrMalformed, bad)
	}
}
