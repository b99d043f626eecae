package gwatclient

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
)

// The sentinels that the recordings of the coordinated era name.
var coordinatedErrors = map[string]error{
	"ErrNullState": ErrNullState, "ErrSynchronization": ErrSynchronization, "ErrResult": ErrResult,
	"ErrRPC": ErrRPC, "ErrInvalidParams": ErrInvalidParams, "ErrMethod": ErrMethod,
	"ErrInvalidBase": ErrInvalidBase, "ErrNoPeers": ErrNoPeers, "ErrRanBeside": ErrRanBeside,
}

// Every recorded answer of a gwat of the coordinated era decodes to its value, its
// error, or both.
func TestRecordedAnswersOfTheCoordinatedEra(t *testing.T) {
	file, err := os.Open("testdata/coordinated.jsonl")
	require.NoError(t, err)
	defer file.Close()
	rows := 0
	for lines := bufio.NewScanner(file); lines.Scan(); rows++ {
		var row recorded
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		c := serve(t, "http", Config{}, func(r request) []byte {
			require.NotEmpty(t, r.Method)
			answer := map[string]any{"jsonrpc": "2.0", "id": r.ID}
			if row.Error != nil {
				answer["error"] = row.Error
			} else {
				answer["result"] = row.Result
			}
			raw, err := json.Marshal(answer)
			require.NoError(t, err)
			return raw
		})
		value, err := coordinatedCall(t, c, row)
		want, wantErr, _ := strings.Cut(row.Want, " Err")
		if wantErr == "" && strings.HasPrefix(row.Want, "Err") {
			want, wantErr = "", strings.TrimPrefix(row.Want, "Err")
		}
		if wantErr == "" {
			require.NoError(t, err, row.Want)
		} else {
			require.ErrorIs(t, err, coordinatedErrors["Err"+wantErr], row.Want)
			require.NotNil(t, failure.Kind(err))
		}
		if want != "" {
			require.Equal(t, want, value)
		}
	}
	require.Equal(t, 42, rows)
}

func coordinatedCall(t *testing.T, c *Client, row recorded) (string, error) {
	t.Helper()
	switch row.Method {
	case "eth_syncing":
		s, err := c.CoordinatedSyncing(t.Context())
		return fmt.Sprintf("syncing %v", s), err
	case "wat_info":
		w, err := c.WatInfo(t.Context())
		return fmt.Sprintf("wat %d %d %d", w.Checkpoint, w.Current, w.DAG), err
	case "dag_validateFinalization":
		missing, err := c.ValidateFinalization(t.Context(), []common.Hash{{1}})
		if missing != nil {
			return "missing " + missing.Hex()[:10], err
		}
		return "all final", err
	case "admin_peers":
		peers, err := c.Peers(t.Context())
		text := "peers"
		for _, p := range peers {
			way := "outbound"
			if p.Inbound {
				way = "inbound"
			}
			if p.Static {
				way += " static"
			}
			text += " " + p.Enode[8:14] + " " + way
			require.Equal(t, "gwat/v0.7.1-unstable/linux-amd64/go1.26.8", p.Name)
		}
		return text, err
	case "dag_finalize":
		s, err := c.Changes(permit).FinalizeCoordinated(t.Context(), Finalization{Base: common.Hash{1}})
		return fmt.Sprintf("state %s %d %s", s.LastFinalized.Hex()[:10], s.Epoch, s.CheckpointRoot.Hex()[:10]), err
	default:
		if row.Method != "dag_coordinatedState" {
			return typedCall(t.Context(), c, row.Method, row.Params)
		}
		s, err := c.CoordinatedState(t.Context())
		return fmt.Sprintf("state %s %d %s", s.LastFinalized.Hex()[:10], s.Epoch, s.CheckpointRoot.Hex()[:10]), err
	}
}

func TestCoordinatedFaults(t *testing.T) {
	for result, call := range map[string]string{
		`null`:                                "wat_info",
		`{"cpSlot":1}`:                        "wat_info",
		`{"cpSlot":-1}`:                       "wat_info",
		`[]`:                                  "dag_coordinatedState",
		`{"lfSpine":"0x12"}`:                  "dag_coordinatedState",
		`{"error":null,"cpEpoch":4}`:          "dag_coordinatedState",
		`true`:                                "eth_syncing",
		`{"finalizedSlot":1}x`:                "eth_syncing",
		`[5]`:                                 "eth_syncing",
		`{"stage":"head","currentBlock":"0"}`: "eth_syncing",
		`{"error":null,"lfSpine":null}x`:      "dag_finalize",
		`false`:                               "dag_validateFinalization",
		`{}`:                                  "admin_peers",
		`[{"name":"x"}]`:                      "admin_peers",
		`[{"enode":"http://x"}]`:              "admin_peers",
	} {
		t.Run(call+" "+result, func(t *testing.T) {
			c := serve(t, "http", Config{}, func(r request) []byte {
				return []byte(`{"jsonrpc":"2.0","id":` + string(r.ID) + `,"result":` + result + `}`)
			})
			value, err := coordinatedCall(t, c, recorded{Method: call})
			require.ErrorIs(t, err, ErrMalformed)
			require.NotEqual(t, "syncing true", value)
			require.False(t, errors.Is(err, ErrNullState))
		})
	}
}
